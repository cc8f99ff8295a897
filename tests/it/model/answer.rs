//! What is compared after each batch.

use serde_json::Value;

use super::words::Key;

/// Counts of a summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) put: u64,
    pub(super) deleted: u64,
    pub(super) unchanged: u64,
    pub(super) rejected: u64,
    pub(super) conflicts: u64,
    pub(super) parked: u64,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Exit status 4: a gap in the sequence.
    Gap,
    /// Exit status 6: a new epoch, the guard, a base ahead of head.
    Guard,
    /// Exit status 5: every line was rejected.
    Unreadable,
    /// Exit status 2: a delivery id with other content.
    Mismatch,
}

impl Refusal {
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Mismatch => 2,
            Self::Gap => 4,
            Self::Unreadable => 5,
            Self::Guard => 6,
        }
    }

    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Gap | Self::Guard | Self::Mismatch => "refused",
            Self::Unreadable => "failed",
        }
    }
}

/// How a batch ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u8,
    pub(super) outcome: &'static str,
    pub(super) version: Option<u32>,
    pub(super) counts: Counts,
    /// Report lines of each type that is compared, in the order of the report.
    pub(super) rejected: Vec<Value>,
    pub(super) conflicts: Vec<Value>,
    pub(super) changes: Vec<Value>,
    pub(super) kept: Vec<Value>,
    pub(super) others: Vec<Value>,
}

/// What is stored, as anybody can read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stored {
    /// The database's version and its object stores.
    pub(super) schema: Value,
    /// Lines of all records and tombstones, by object store and key.
    pub(super) records: Vec<Value>,
    /// Lines of `~conflicts`: key, `at`, `by`, `rev` and value.
    pub(super) conflicts: Vec<Value>,
    /// Source, epoch and checkpoint.
    pub(super) sources: Vec<(String, Option<String>, u64)>,
}

/// Returns the line that a chunk holds of a record or tombstone.
pub(super) fn line_of(
    store: &str,
    key: &Key,
    value: Option<&Value>,
    (at, by, rev): (i64, Option<&str>, u32),
) -> Value {
    let mut line =
        serde_json::json!({ "at": at, "key": key.to_json(), "rev": rev, "store": store });
    if let Some(by) = by {
        line["by"] = by.into();
    }
    match value {
        Some(value) => {
            line["op"] = "put".into();
            line["value"] = value.clone();
        }
        None => line["op"] = "delete".into(),
    }
    line
}
