//! The result of decoding: changes whose keys and values are still unparsed JSON.

use crate::rejection::Rejection;
use crate::snapshot::id::{FlowVersion, StateId};

/// The outcome of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A change.
    Change(Change<'a>),
    /// A rejected line; the batch continues.
    Rejected(Rejection),
}

/// A change. Its slices are valid until the decoder's next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The number of the line in the stream, from 1.
    pub line: u64,
    /// The offset of the line's first byte in the stream.
    pub offset: u64,
    /// The number of the line among the change lines, from 0, including rejected lines. In a
    /// sequenced delta, the change's sequence number is `first + index`.
    pub index: u64,
    /// The position of the object store in the header's schema.
    pub store: usize,
    /// The operation.
    pub op: Op<'a>,
    /// Details from a database's change event.
    pub notes: EventNotes<'a>,
}

/// The details of a database's change event in addition to its row; empty for other input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventNotes<'a> {
    /// A raw JSON object of the members that were not sent because they did not change; their
    /// stored values are kept. Or an array with one object: of the members that were removed, if
    /// all other members were unsent. Empty if the event has all members.
    pub unsent: &'a [u8],
    /// The record's previous key as raw JSON, if it may be a different key.
    pub old_key: Option<&'a [u8]>,
}

/// The operation of a change. Every slice is one raw JSON text, which may turn out to be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Sets the record's value.
    Put {
        /// The key, if the line contains it. Absent only if the object store has a key path.
        key: Option<&'a [u8]>,
        /// The value.
        value: &'a [u8],
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
        /// The base that the source started from.
        base: NamedBase<'a>,
    },
    /// Deletes the record.
    Delete {
        /// The key.
        key: &'a [u8],
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
        /// The base that the source started from.
        base: NamedBase<'a>,
    },
    /// Deletes all records between the bounds. At least one bound is present.
    DeleteRange {
        /// The lower bound.
        lower: Option<RangeEnd<'a>>,
        /// The upper bound.
        upper: Option<RangeEnd<'a>>,
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
    },
    /// Deletes all records of the object store.
    Clear {
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
    },
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeEnd<'a> {
    /// The key, raw JSON.
    pub key: &'a [u8],
    /// True if the key itself is not in the range.
    pub open: bool,
}

/// The base that a change names for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBase<'a> {
    /// The change names no base.
    None,
    /// The record as of this flow version.
    Version(FlowVersion),
    /// The record as of this flow version, which must have this state.
    State(FlowVersion, StateId),
    /// This value, raw JSON.
    Value(&'a [u8]),
    /// The absence of the record.
    Absent,
}

/// The counts of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// The number of lines, including blank lines, header and end line.
    pub lines: u64,
    /// The number of bytes, including line ends.
    pub bytes: u64,
    /// The number of lines that produced a change.
    pub changes: u64,
    /// The number of lines that were rejected.
    pub rejected: u64,
}
