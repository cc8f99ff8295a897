//! A position in the stream.

/// A position in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The number of the line, from 1.
    pub(crate) line: u64,
    /// The offset of the byte in the stream.
    pub(crate) offset: u64,
}
