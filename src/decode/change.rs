//! What decoding gives: changes whose keys and values are raw JSON, not looked at yet.

use crate::rejection::Rejection;
use crate::snapshot::id::{FlowVersion, StateId};

/// One line's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A change.
    Change(Change<'a>),
    /// A line that was refused; the batch goes on.
    Rejected(Rejection),
}

/// One change. Its slices are good until the decoder's next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Number of the line in the stream, from 1.
    pub line: u64,
    /// Offset of the line's first byte in the stream.
    pub offset: u64,
    /// Number of the line among the change lines, from 0, rejected ones counted. In a sequenced delta the change's
    /// sequence number is `first + index`.
    pub index: u64,
    /// Place of the object store in the header's schema.
    pub store: usize,
    /// What happened.
    pub op: Op<'a>,
    /// What a database's event says beside that.
    pub notes: EventNotes<'a>,
}

/// What a change event of a database says beside its row; nothing for other input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventNotes<'a> {
    /// A raw JSON object of the members that did not change and were not sent: the stored ones are kept. Or an array of
    /// one object, of the members that are gone, where all others were not sent. Empty if the event has them all.
    pub unsent: &'a [u8],
    /// The key that the record had before, raw JSON, where it may be another one.
    pub old_key: Option<&'a [u8]>,
}

/// What happened. Every slice is one raw JSON text that may still turn out to be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// The record is now this.
    Put {
        /// The key, where the line gives it. Absent only if the object store has a key path.
        key: Option<&'a [u8]>,
        /// The value.
        value: &'a [u8],
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
        /// What the source started from.
        base: Base<'a>,
    },
    /// The record is gone.
    Delete {
        /// The key.
        key: &'a [u8],
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
        /// What the source started from.
        base: Base<'a>,
    },
    /// All records between the bounds are gone. At least one bound is there.
    DeleteRange {
        /// The lower bound.
        lower: Option<Bound<'a>>,
        /// The upper bound.
        upper: Option<Bound<'a>>,
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
    },
    /// All records of the object store are gone.
    Clear {
        /// The source's clock, milliseconds since 1970.
        at: Option<i64>,
    },
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The key, raw JSON.
    pub key: &'a [u8],
    /// The key itself is not in the range.
    pub open: bool,
}

/// What a change itself says that it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// Nothing said.
    None,
    /// The record as of this flow version.
    Version(FlowVersion),
    /// The record as of this flow version, which has this state.
    State(FlowVersion, StateId),
    /// This value, raw JSON.
    Value(&'a [u8]),
    /// There was no record.
    Absent,
}

/// What a stream held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, blank ones, header and end line included.
    pub lines: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
    /// Lines that gave a change.
    pub changes: u64,
    /// Lines that were rejected.
    pub rejected: u64,
}
