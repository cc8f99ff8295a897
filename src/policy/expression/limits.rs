//! Limits on the size of an expression and on the work of one evaluation.

/// The greatest length of an expression's text, in bytes.
pub const MAX_SOURCE: usize = 4096;

/// The most nodes of an expression: literals, names, operators, calls.
pub const MAX_NODES: usize = 512;

/// The greatest depth of nested nodes.
pub const MAX_DEPTH: usize = 64;

/// The most elements of a list that `all`, `exists`, `exists_one`, `map` or `filter` goes through,
/// or that an expression makes.
pub const MAX_LIST: usize = 10_000;

/// The most bytes of all strings, bytes, lists and maps that one evaluation makes. A value in a
/// list counts as [`BYTES_PER_VALUE`]. Values that are only read do not count, unless they contain
/// escapes or base64.
pub const MAX_MADE: usize = 16 << 20;

/// The bytes that a value in a list or map counts towards [`MAX_MADE`].
pub const BYTES_PER_VALUE: usize = 40;

/// The greatest length of the canonical text of a result, in bytes. A value of a record that is
/// returned unchanged may be longer.
pub const MAX_VALUE: usize = 1 << 20;

/// The most steps of one evaluation, in addition to the steps that each node needs to read each
/// side once. A node is one step, and so are [`BYTES_PER_STEP`] bytes that are read or written.
pub const MAX_STEPS: u64 = 1_000_000;

/// The number of bytes read or written that count as one step.
pub const BYTES_PER_STEP: usize = 64;
