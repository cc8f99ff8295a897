//! How large an expression may be, and how much one evaluation may do.

/// Bytes of an expression's text.
pub const MAX_SOURCE: usize = 4096;

/// Nodes of an expression: literals, names, operators, calls.
pub const MAX_NODES: usize = 512;

/// How deep nodes stand in each other.
pub const MAX_DEPTH: usize = 64;

/// Elements of a list that `all`, `exists`, `exists_one`, `map` or `filter` goes through, and of a list that is made.
pub const MAX_LIST: usize = 10_000;

/// Bytes of all strings, bytes, lists and maps that one evaluation makes, a value of a list counting
/// [`BYTES_PER_VALUE`]. What is only read is not made, unless it holds escapes or base64.
pub const MAX_MADE: usize = 16 << 20;

/// What a value in a list or map counts against [`MAX_MADE`].
pub const BYTES_PER_VALUE: usize = 40;

/// Bytes of a value that an expression gives, as canonical text. A value of a record that is given as it is may be longer.
pub const MAX_VALUE: usize = 1 << 20;

/// Steps of one evaluation, beside those that reading each side once for every node takes. A node is a step, and so are
/// [`BYTES_PER_STEP`] bytes that are read or written.
pub const MAX_STEPS: u64 = 1_000_000;

/// Bytes that are read or written as one step.
pub const BYTES_PER_STEP: usize = 64;
