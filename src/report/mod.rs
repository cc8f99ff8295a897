//! Stage 6: the lines of a report, canonical JSON, the summary last.
//!
//! [../guide/privacy.md]: crate::normalize
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [flowfiles.md#many-flowfiles]: crate::flowfile#many-flowfiles
//! [imports.md#loss-report]: crate::decode#loss-report
//! [rules.md#types]: crate::merge#types
//! [rules.md#what-a-full-batch-does-not-delete]: crate::merge#what-a-full-batch-does-not-delete
//!
#![doc = include_str!("../../doc/reference/report.md")]

use std::io::{self, Seek, Write};
use std::path::Path;

use serde_json::Value;

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::name_to_json;
use crate::report_line::ReportLine;
use crate::snapshot::{Conflict, FlowName, FlowVersion, RootId, SourceId, StateId};
use crate::spool::copy;
use crate::temporary::OverflowFile;

/// Limit on the bytes of report lines kept in memory; further lines go to an unlinked file.
const MEMORY_BYTES: usize = 1024 * 1024;

/// The result of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version was written.
    Committed,
    /// No record, tombstone, schema, conflict or source line differs, so there is no new version.
    Unchanged,
    /// The guard, the sequence check or the store refused the batch; nothing written.
    Refused,
    /// The batch could not be finished; nothing written.
    Failed,
}

impl Outcome {
    /// Returns the name used in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The number up to which a source's changes are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The source.
    pub source: SourceId,
    /// The epoch of the source's numbers.
    pub epoch: String,
    /// The last durable number.
    pub checkpoint: u64,
}

impl Ack {
    /// Returns the report line, without a line end.
    pub fn to_json(&self) -> String {
        self.line().to_json()
    }

    /// Returns the report line.
    pub fn line(&self) -> ReportLine<'_> {
        let Self { source, epoch, checkpoint } = self;
        ReportLine::Ack { checkpoint: *checkpoint, epoch, source: source.as_str() }
    }
}

/// The last line of every report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The result of the batch.
    pub outcome: Outcome,
    /// Bucket and flow; `None` if the input did not determine them.
    pub flow: Option<FlowName>,
    /// The new version, or head's if none was written.
    pub version: Option<FlowVersion>,
    /// Root of that version.
    pub root: Option<RootId>,
    /// State of that version.
    pub state: Option<StateId>,
    /// Number of change lines received.
    pub received: u64,
    /// Number of records inserted or updated.
    pub put: u64,
    /// Number of records deleted.
    pub deleted: u64,
    /// Number of changes that left their record unchanged.
    pub unchanged: u64,
    /// Number of lines rejected.
    pub rejected: u64,
    /// Number of conflicts decided.
    pub conflicts: u64,
    /// Number of conflicts that no rule decided.
    pub parked: u64,
    /// Number of records that a full batch neither contained nor deleted; also reported in separate
    /// lines.
    pub kept: u64,
    /// The acknowledgement of a numbered batch; also reported in a separate line.
    pub ack: Option<Ack>,
}

impl Summary {
    /// Creates a summary in which nothing was done.
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

    /// Returns the report line, without a line end.
    pub fn to_json(&self) -> String {
        self.line().to_json()
    }

    /// Returns the report line.
    pub fn line(&self) -> ReportLine<'_> {
        ReportLine::Summary {
            bucket: self.flow.as_ref().map(FlowName::bucket),
            conflicts: self.conflicts,
            deleted: self.deleted,
            flow: self.flow.as_ref().map(FlowName::flow),
            outcome: self.outcome.name(),
            parked: self.parked,
            put: self.put,
            received: self.received,
            rejected: self.rejected,
            root: self.root.map(|root| root.to_string()),
            state: self.state.map(|state| state.to_string()),
            unchanged: self.unchanged,
            version: self.version.map(FlowVersion::get),
        }
    }
}

/// The lines of a report, in the order in which they were added.
#[derive(Debug)]
pub struct ReportLines {
    spool: OverflowFile,
}

impl Default for ReportLines {
    fn default() -> Self {
        Self::new(None)
    }
}

impl ReportLines {
    /// Creates an empty report. Lines that do not fit into memory are stored in `folder`, by
    /// default the system's folder for temporary files.
    pub fn new(folder: Option<&Path>) -> Self {
        Self { spool: OverflowFile::new(MEMORY_BYTES, folder) }
    }

    /// Adds one line.
    pub fn push(&mut self, line: &ReportLine<'_>) -> io::Result<()> {
        self.push_text(&line.to_json())
    }

    /// Adds the text of one line, without its line end.
    pub fn push_text(&mut self, line: &str) -> io::Result<()> {
        self.spool.write_all(line.as_bytes())?;
        self.spool.write_all(b"\n")
    }

    /// Adds the output of `write`: lines with line ends.
    pub fn push_with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        write(&mut self.spool)
    }

    /// Deletes all lines, because a batch that lost a race starts over.
    pub fn clear(&mut self) -> io::Result<()> {
        self.spool.rewind()?;
        self.spool.cut(0)
    }

    /// Adds lines that already have line ends.
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

/// Returns the line with the numbers of hidden private fields; `None` if there are none.
pub fn privacy_line(excluded: u64, hashed: u64, redacted: u64) -> Option<ReportLine<'static>> {
    let is_any = excluded + hashed + redacted > 0;
    is_any.then_some(ReportLine::Privacy { excluded, hashed, redacted })
}

/// Returns the line for a conflict.
pub fn conflict_line(conflict: &Conflict) -> ReportLine<'_> {
    ReportLine::Conflict {
        key: key_json(&conflict.key),
        kind: conflict.kind.name(),
        other: conflict.other.as_ref().map(key_json),
        reason: conflict.reason,
        rule: &conflict.rule,
        store: name_to_json(&conflict.store),
        winner: conflict.winner.name(),
    }
}

/// Returns the beginning of a version's comment: `+12 ~3 -1 in 2 object stores, from kiosk-7`.
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
