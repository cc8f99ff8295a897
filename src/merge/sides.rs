//! The sides of a conflict: head, the incoming change, and the base that it started from.

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{ConflictType, Line, LineState, SourceId};

/// A folded change of one key, ready to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The key's new state according to the source. Never spilled, because the value is in memory.
    pub state: LineState,
    /// The source's own clock, limited by the skew, in milliseconds since 1970; `None` if it sent
    /// none.
    pub clock: Option<i64>,
    /// The source, if the batch named one.
    pub by: Option<SourceId>,
}

/// The base, as known after a conflict made it necessary to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// The base is unknown.
    Unknown,
    /// The base had no record with this key.
    Absent,
    /// The base had this canonical value.
    Value(&'a [u8]),
}

/// The sides of a conflict that is not decided yet.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The type.
    pub kind: ConflictType,
    /// The object store.
    pub store: &'a DomString,
    /// The record's key.
    pub key: &'a SortableKey,
    /// Head's record or tombstone.
    pub head: Option<&'a Line>,
    /// Head's whole canonical value; `None` for a tombstone, or if there is neither.
    pub head_value: Option<&'a [u8]>,
    /// The incoming change.
    pub incoming: &'a Incoming,
    /// The change's base.
    pub base: Base<'a>,
    /// Time of receipt, in milliseconds since 1970.
    pub received_at: i64,
}
