//! The information about a batch before its first change.

use super::dialect::Dialect;
use crate::indexeddb::schema::Database;
use crate::snapshot::id::{FlowVersion, SourceId, StateId};

/// The greatest length of a header, in bytes. It is the only line that is parsed as a whole into a
/// tree.
pub const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// The information about a batch before its first change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The dialect that was read.
    pub dialect: Dialect,
    /// The database and its object stores, in code-unit order of their names.
    pub schema: Database,
    /// The next key that each object store would generate, in the order of `schema.stores`; 1 to
    /// 2^53.
    pub key_generators: Vec<Option<u64>>,
    /// The writer.
    pub source: Option<SourceId>,
    /// The batch's position among the source's changes. Present only with a source.
    pub sequence: Option<Sequence>,
    /// The flow version up to which the source claims to have applied everything.
    pub base: Option<FlowVersion>,
    /// The state of that version, if the source names it.
    pub base_state: Option<StateId>,
    /// Full (only with a source) or delta.
    pub mode: Mode,
}

/// The part of the source's data that a batch contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Changes.
    #[default]
    Delta,
    /// All records.
    Full,
}

/// A batch's place among its source's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The epoch, one lifetime of the source: 1 to 64 of `A-Z a-z 0-9 . _ : -`.
    pub epoch: String,
    /// The number of the first change, 1 to 2^53 − 1.
    pub first: u64,
    /// The number of the last change, at least `first` and at most 2^53 − 1.
    pub last: u64,
}

impl Mode {
    /// Returns the name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Full => "full",
        }
    }
}

impl Sequence {
    /// Returns the number of changes.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}
