//! Decides conflicts for a person: one version sets the records, marks the conflicts resolved and
//! notifies their sources.
//!
//! Nothing is overwritten unseen. A record that has changed since the conflict is replaced only on
//! request. A replaced value is kept whole: with its side in the conflict's line, or, if it was
//! neither side's, in a new line of a decided conflict, which can be resolved like any other. Older
//! versions contain the value too, but they may be dropped; and the line names the source to be
//! notified.

mod current_record;
mod decision_writer;
mod own_value;
mod selected_conflict;
mod unique_keys;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::current_record::{ConflictedRecord, look};
use self::selected_conflict::{Picked, pick};
use crate::apply::error::SyncError;
use crate::apply::head_reader::HeadReader;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value::{Canonicalizer, Options};
use crate::normalize::Hidden;
use crate::pipeline::SyncOptions;
use crate::pipeline::commit::{Round, commit};
use crate::policy::{HashKey, Policy};
use crate::report::{Outcome, ReportLines, Summary, privacy_line};
use crate::report_line::ReportLine;
use crate::snapshot::logged_conflict::{Choice, ConflictFilter};
use crate::snapshot::{FlowName, FlowVersion, Meta};
use crate::spool::{Place, Spool};
use crate::store::{SnapshotStore, StoredVersion, VersionDraft, VersionWriter};

/// The rule in a conflict's line that a person's decision added.
const RULE: &str = "resolve";

/// The selection of conflicts to decide.
#[derive(Clone, Debug)]
pub enum Selection {
    /// The conflicts with these keys in `~conflicts`.
    Ids(Vec<SortableKey>),
    /// All conflicts that match.
    Matching(ConflictFilter),
}

/// The conflicts to decide, and the decision.
#[derive(Clone, Debug)]
pub struct ResolveOptions {
    /// The selection.
    pub selection: Selection,
    /// The choice.
    pub choice: Choice,
    /// The value as JSON, if the choice is a person's own value.
    pub value: Option<Vec<u8>>,
    /// The policy file's rules. They hide private fields of an own value, and enforce unique
    /// indexes if the policy detects such conflicts.
    pub policy: Option<Arc<Policy>>,
    /// The key of hashed fields.
    pub hash_key: Option<HashKey>,
    /// The time of the decision, in milliseconds since 1970.
    pub received_at: i64,
    /// True to also replace records that have changed since the conflict.
    pub even_if_changed: bool,
    /// The plan that the guard permits.
    pub confirm: Option<String>,
    /// True to plan only, without writing.
    pub dry_run: bool,
    /// The time after which no attempt starts.
    pub deadline: Option<Instant>,
    /// Folder for values that do not fit into memory.
    pub temp_folder: Option<PathBuf>,
}

impl ResolveOptions {
    /// Creates options that write, and that ask for confirmation if something has changed.
    pub fn new(selection: Selection, choice: Choice, received_at: i64) -> Self {
        Self {
            selection,
            choice,
            value: None,
            policy: None,
            hash_key: None,
            received_at,
            even_if_changed: false,
            confirm: None,
            dry_run: false,
            deadline: None,
            temp_folder: None,
        }
    }
}

/// Decides conflicts and commits the result as one version. Adds a `resolved` line for each to
/// `lines`, after a `privacy` line if fields of an own value were hidden.
///
/// In the summary, `received` is the number of conflicts; `put`, `deleted` and `unchanged` count
/// them by the result for their records; `conflicts` counts new lines of `~conflicts` for values
/// that were neither side's.
///
/// # Errors
///
/// - [`SyncError::Mismatch`]: the conflict does not exist or has another decision already; the
///   chosen state is no longer kept; the value does not fit, or needs a policy that was not given;
///   or another record has its index key.
/// - [`SyncError::Changed`] and [`SyncError::Guard`]: a person must confirm.
/// - All others as for [`sync`](crate::pipeline::sync()).
///
/// Nothing is visible after an error.
pub fn resolve(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    options: &ResolveOptions,
    lines: &mut ReportLines,
) -> Result<Summary, SyncError> {
    let value = options.value.as_deref().map(canonical).transpose()?;
    if value.is_some() != (options.choice == Choice::Value) {
        return Err(SyncError::Mismatch(
            "a value is given if and only if it is what was chosen".to_owned(),
        ));
    }
    let summary = Summary::new(Outcome::Unchanged, Some(flow.clone()));
    let mut resolving = Resolving { store, flow, options, value, lines, summary };
    let sync = SyncOptions {
        dry_run: options.dry_run,
        deadline: options.deadline,
        ..SyncOptions::default()
    };
    let stand = commit(store, flow, &sync, &mut resolving)?;
    let mut summary = resolving.summary;
    if let Some(stand) = stand {
        (summary.version, summary.root, summary.state) =
            (Some(stand.version), Some(stand.root), Some(stand.state));
    }
    Ok(summary)
}

fn canonical(value: &[u8]) -> Result<Vec<u8>, SyncError> {
    let mut out = Vec::new();
    let written = Canonicalizer::new(Options::default()).value(value.trim_ascii(), &mut out);
    written.map_err(|error| SyncError::Mismatch(format!("the value: {error}")))?;
    Ok(out)
}

/// The facts shared by all steps of one round.
struct Facts<'a> {
    store: &'a dyn SnapshotStore,
    flow: &'a FlowName,
    head: &'a StoredVersion,
    base: &'a HeadReader<'a>,
    options: &'a ResolveOptions,
    /// The person's own value, in canonical form.
    value: Option<&'a [u8]>,
    /// The metadata of all written lines.
    meta: Meta,
}

struct Resolving<'a> {
    store: &'a dyn SnapshotStore,
    flow: &'a FlowName,
    options: &'a ResolveOptions,
    value: Option<Vec<u8>>,
    lines: &'a mut ReportLines,
    summary: Summary,
}

impl Round for Resolving<'_> {
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError> {
        self.lines.clear()?;
        let Self { store, flow, options, .. } = *self;
        let Some(head) = head else {
            return Err(SyncError::Mismatch(format!("{} has no flow {flow}", store.describe())));
        };
        let base = HeadReader::new(store, flow, Some(head));
        let rev = FlowVersion::after(Some(head.manifest.version));
        let meta = Meta { at: options.received_at, by: None, rev };
        let facts =
            Facts { store, flow, head, base: &base, options, value: self.value.as_deref(), meta };
        let mut spool = Spool::new(options.temp_folder.as_deref());
        let picked = pick(&facts, &mut spool)?;
        let records = look(&facts, &picked, &mut spool)?;
        unique_keys::check(&facts, &records, &mut spool)?;
        report(options.choice, &picked, &records, &mut spool, self.lines)?;
        self.summary = summary(flow, &picked, &records);
        if self.summary.outcome == Outcome::Unchanged {
            return Ok(None);
        }
        decision_writer::write(&facts, &picked, &records, &mut spool, writer).map(Some)
    }
}

/// Adds a line for every conflict, ordered by key.
fn report(
    choice: Choice,
    picked: &[Picked],
    records: &[ConflictedRecord],
    spool: &mut Spool,
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    for Hidden { excluded, hashed, redacted } in picked.iter().map(|conflict| conflict.hidden) {
        privacy_line(excluded, hashed, redacted).map_or(Ok(()), |line| lines.push(&line))?;
    }
    let of_records = records
        .iter()
        .flat_map(|record| record.conflicts.iter().map(|&place| (place, record.line)));
    let of_conflicts: BTreeMap<usize, Option<Place>> = of_records.collect();
    for (conflict, line) in picked.iter().zip(of_conflicts.into_values()) {
        let line = line.map(|line| spool.read(line)).transpose()?;
        let line = line.as_deref().map(String::from_utf8_lossy);
        lines.push(&ReportLine::Resolved {
            id: &conflict.id.to_canonical(),
            line: line.as_deref(),
            choice: choice.name(),
            withheld: false,
        })?;
    }
    Ok(())
}

fn summary(flow: &FlowName, picked: &[Picked], records: &[ConflictedRecord]) -> Summary {
    let differs = picked.iter().any(|conflict| !conflict.done);
    let outcome = if differs { Outcome::Committed } else { Outcome::Unchanged };
    let count = |is: &dyn Fn(&ConflictedRecord) -> bool| {
        records.iter().filter(|record| is(record)).count() as u64
    };
    let (put, deleted) = (count(&|record| record.puts()), count(&|record| record.deletes()));
    Summary {
        received: picked.len() as u64,
        put,
        deleted,
        unchanged: picked.len() as u64 - put - deleted,
        conflicts: count(&|record| record.logs()),
        ..Summary::new(outcome, Some(flow.clone()))
    }
}

/// Returns the beginning of the version's comment: `resolved 3 conflicts, +0 ~2 -1 in 1 object
/// store`.
fn comment(picked: &[Picked], records: &[ConflictedRecord]) -> String {
    let conflicts = match picked.iter().filter(|conflict| !conflict.done).count() {
        1 => "resolved 1 conflict".to_owned(),
        count => format!("resolved {count} conflicts"),
    };
    let changed: Vec<&ConflictedRecord> =
        records.iter().filter(|record| record.change.is_some()).collect();
    let mut stores: Vec<&DomString> = changed.iter().map(|record| &record.store).collect();
    stores.dedup();
    let count =
        |is: &dyn Fn(&ConflictedRecord) -> bool| changed.iter().filter(|record| is(record)).count();
    let inserted = count(&|record| record.puts() && !record.was_live());
    let (updated, deleted) =
        (count(&|record| record.puts() && record.was_live()), count(&|record| record.deletes()));
    match stores.len() {
        0 => conflicts,
        1 => format!("{conflicts}, +{inserted} ~{updated} -{deleted} in 1 object store"),
        several => {
            format!("{conflicts}, +{inserted} ~{updated} -{deleted} in {several} object stores")
        }
    }
}
