//! Stage 6: what happened to every record and to the batch. Lines of canonical JSON; the last one is the summary.
//!
//! | `type` | members | when |
//! | --- | --- | --- |
//! | `header` | `value` | before the first `rejected` line with its text: the header of `indexeddb-changes/1` that it came under |
//! | `rejected` | `line`, `message`, `offset`, `reason`, `store`; `text` or `textBase64` where it was asked for | a line was refused |
//! | `loss` | `count`, `path`, `what` | what a file of another program cannot say, or leaves open, there: see `decode/IMPORTS.md`. `path` is object store and members, `""` the whole file |
//! | `losses` | `count`, `left_out` | behind these lines: all of them, and those that no line lists |
//! | `privacy` | `excluded`, `hashed`, `redacted` | private fields were hidden in values that came: how many |
//! | `conflict` | `key`, `kind`, `rule`, `store`, `winner`; `reason` if nobody decided; `other`, the key of the record with the same index key, if `kind` is `unique-index` | both sides changed a record; winner `none`: it is parked |
//! | `change` | `line`: a line of `indexeddb-changes/1` | what stands is not what the source sent; with `--pull` everything that changed after the batch's base and was not the source's own |
//! | `kept` | `count`, `reason`, `store` | records that a full batch did not hold, and did not delete because it does not prove that they are gone: see `merge/RULES.md` |
//! | `reset` | | with `--pull`: the source was away for longer than deletions are remembered; the `change` lines behind it are all that there is, and what the source has beside them is gone |
//! | `resolved` | `id`, `line` (of `indexeddb-changes/1`, or null), `use` | a person decided a conflict that the source has a part in: what stands now |
//! | `ack` | `checkpoint`, `epoch`, `source` | a numbered batch is durable up to here |
//! | `summary` | see [`Summary`](crate::report::Summary) | always, last; without it the run did not finish |
//! | `package` | see [`flowfile`](crate::flowfile) | after the summaries of all FlowFiles of a package |
//!
//! No line holds our clock, so the same run gives the same bytes.

use std::io::{self, Seek, Write};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::SpooledTempFile;

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::merge::Conflict;
use crate::snapshot::manifest::canonical_json;
use crate::snapshot::{FlowName, FlowVersion, RootId, SourceId, StateId};
use crate::spool::copy;

/// Report lines are kept in memory up to this many bytes, then in an unlinked file.
const MEMORY_BYTES: usize = 1024 * 1024;

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version.
    Committed,
    /// No record, tombstone, schema, conflict or source line differs: no version.
    Unchanged,
    /// The guard, the sequence or the store said no; nothing written.
    Refused,
    /// Could not be finished; nothing written.
    Failed,
}

impl Outcome {
    /// Its name in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Up to where a source's numbered changes are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The source.
    pub source: SourceId,
    /// Which life of it.
    pub epoch: String,
    /// The last number that is durable.
    pub checkpoint: u64,
}

impl Ack {
    /// Its line, without the line's end.
    pub fn to_json(&self) -> String {
        let Self { source, epoch, checkpoint } = self;
        canonical_json(&json!({ "checkpoint": checkpoint, "epoch": epoch, "source": source.as_str(), "type": "ack" }))
    }
}

/// The last line of every report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Bucket and flow; `None` if the input did not even say which.
    pub flow: Option<FlowName>,
    /// The version that was made, or head's if none was.
    pub version: Option<FlowVersion>,
    /// That version's root.
    pub root: Option<RootId>,
    /// That version's state.
    pub state: Option<StateId>,
    /// Change lines that came.
    pub received: u64,
    /// Records inserted or updated.
    pub put: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Changes that changed no record.
    pub unchanged: u64,
    /// Lines refused.
    pub rejected: u64,
    /// Conflicts decided.
    pub conflicts: u64,
    /// Conflicts that no rule decided.
    pub parked: u64,
    /// Records that a full batch did not hold, and did not delete; lines of their own in the report.
    pub kept: u64,
    /// What a numbered batch is acknowledged up to; a line of its own in the report.
    pub ack: Option<Ack>,
}

impl Summary {
    /// A summary of nothing done.
    pub fn new(outcome: Outcome, flow: Option<FlowName>) -> Self {
        Self {
            outcome,
            flow,
            version: None,
            root: None,
            state: None,
            received: 0,
            put: 0,
            deleted: 0,
            unchanged: 0,
            rejected: 0,
            conflicts: 0,
            parked: 0,
            kept: 0,
            ack: None,
        }
    }

    /// Its line, without the line's end.
    pub fn to_json(&self) -> String {
        let text = |value: Option<String>| value.map_or(Value::Null, Value::String);
        canonical_json(&json!({
            "bucket": text(self.flow.as_ref().map(|flow| flow.bucket().to_owned())),
            "conflicts": self.conflicts,
            "deleted": self.deleted,
            "flow": text(self.flow.as_ref().map(|flow| flow.flow().to_owned())),
            "outcome": self.outcome.name(),
            "parked": self.parked,
            "put": self.put,
            "received": self.received,
            "rejected": self.rejected,
            "root": text(self.root.map(|root| root.to_string())),
            "state": text(self.state.map(|state| state.to_string())),
            "type": "summary",
            "unchanged": self.unchanged,
            "version": self.version.map_or(Value::Null, |version| version.get().into()),
        }))
    }
}

/// Lines of a report, in the order in which they came.
#[derive(Debug)]
pub struct ReportLines {
    spool: SpooledTempFile,
}

impl Default for ReportLines {
    fn default() -> Self {
        Self::new(None)
    }
}

impl ReportLines {
    /// Begins; what does not fit in memory lies in `folder`, or in the system's folder for temporary files.
    pub fn new(folder: Option<&Path>) -> Self {
        let spool = match folder {
            Some(folder) => tempfile::spooled_tempfile_in(MEMORY_BYTES, folder),
            None => SpooledTempFile::new(MEMORY_BYTES),
        };
        Self { spool }
    }

    /// Adds one line.
    pub fn push(&mut self, line: &str) -> io::Result<()> {
        self.spool.write_all(line.as_bytes())?;
        self.spool.write_all(b"\n")
    }

    /// Adds what `write` writes: lines with their ends.
    pub fn push_with(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        write(&mut self.spool)
    }

    /// Forgets all lines: a lost race starts over.
    pub fn clear(&mut self) -> io::Result<()> {
        self.spool.rewind()?;
        self.spool.set_len(0)
    }

    /// Adds lines that end with a line end already.
    pub fn push_all(&mut self, lines: &[u8]) -> io::Result<()> {
        self.spool.write_all(lines)
    }

    /// Adds all lines of another report.
    pub fn append(&mut self, other: &mut Self) -> io::Result<()> {
        other.copy_to(&mut self.spool)
    }

    /// Copies all lines to `out`.
    pub fn copy_to(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.spool.rewind()?;
        copy(&mut self.spool, out).map(|_| ())
    }
}

fn key_json(key: &SortableKey) -> Value {
    // A canonical key is JSON.
    serde_json::from_str(&key.to_canonical()).unwrap_or(Value::Null)
}

/// The line that says how many private fields were hidden; `None` if none was.
pub fn privacy_line(excluded: u64, hashed: u64, redacted: u64) -> Option<String> {
    let any = excluded + hashed + redacted > 0;
    any.then(|| {
        canonical_json(&json!({ "excluded": excluded, "hashed": hashed, "redacted": redacted, "type": "privacy" }))
    })
}

/// The line of records of an object store that a full batch does not hold and does not delete.
pub fn kept_line(store: &DomString, reason: &str, count: u64) -> String {
    let store = crate::indexeddb::schema::name_to_json(store);
    canonical_json(&json!({ "count": count, "reason": reason, "store": store, "type": "kept" }))
}

/// The line of a conflict.
pub fn conflict_line(conflict: &Conflict) -> String {
    let mut line = json!({
        "key": key_json(&conflict.key),
        "kind": conflict.kind.name(),
        "rule": *conflict.rule,
        "store": crate::indexeddb::schema::name_to_json(&conflict.store),
        "type": "conflict",
        "winner": conflict.winner.name(),
    });
    if let Some(other) = &conflict.other {
        line["other"] = key_json(other);
    }
    if let Some(reason) = conflict.reason {
        line["reason"] = reason.into();
    }
    canonical_json(&line)
}

/// The line of an outcome that differs from what the source sent; `line` is a line of `indexeddb-changes/1`.
pub fn change_line(line: &str) -> String {
    format!("{{\"line\":{line},\"type\":\"change\"}}")
}

/// The line of a conflict that a person decided: the key of its line in `~conflicts`, what was chosen, and the record's line of
/// `indexeddb-changes/1` as it stands; `None`: there is neither a record nor a remembered deletion.
pub fn resolved_line(id: &SortableKey, choice: &str, line: Option<&str>) -> String {
    let (id, line) = (id.to_canonical(), line.unwrap_or("null"));
    format!("{{\"id\":{id},\"line\":{line},\"type\":\"resolved\",\"use\":\"{choice}\"}}")
}

/// As [`resolved_line`], for a source that may not see what others wrote.
pub fn resolved_line_without_value(id: &SortableKey, choice: &str) -> String {
    let id = id.to_canonical();
    format!("{{\"id\":{id},\"line\":null,\"type\":\"resolved\",\"use\":\"{choice}\",\"withheld\":true}}")
}

/// `+12 ~3 -1 in 2 object stores, from kiosk-7`: what a version's comment begins with.
pub fn comment_summary(
    inserted: u64,
    updated: u64,
    deleted: u64,
    stores: &[DomString],
    by: Option<&SourceId>,
) -> String {
    let stores = match stores {
        [] => "nothing but its source's place".to_owned(),
        [_] => format!("+{inserted} ~{updated} -{deleted} in 1 object store"),
        _ => format!("+{inserted} ~{updated} -{deleted} in {} object stores", stores.len()),
    };
    by.map_or(stores.clone(), |by| format!("{stores}, from {by}"))
}
