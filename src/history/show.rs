//! One record, as of a version, and the versions that changed it.

use super::reader::VersionReader;
use super::restore::{no_object_store, open_line};
use super::{At, HistoryError, open_version};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{FlowName, FlowVersion, Line, LineState, List, Meta, SourceId};
use crate::store::{SnapshotStore, StoredVersion};

/// Whether a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// It is.
    Live,
    /// It was deleted, and the deletion is remembered.
    Tombstone,
}

/// One record as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRecord {
    /// Its line of `indexeddb-changes/1`, canonical, without line end; a spilled value stands in it.
    pub line: String,
    /// Whether it is there.
    pub state: RecordState,
    /// When, by whom and in which version it was last changed.
    pub meta: Meta,
}

/// A change of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVersion {
    /// The version that changed it.
    pub version: FlowVersion,
    /// What it was from then on.
    pub state: RecordState,
    /// When it was changed, in milliseconds since 1970: the source's clock, clamped, or the time of receipt.
    pub at: i64,
    /// Who changed it, if the batch named a source.
    pub by: Option<SourceId>,
}

/// Reads one record; `None` if the version knows nothing of the key. Reads at most two chunks.
///
/// # Errors
///
/// [`HistoryError::Usage`] if there is no such object store; [`HistoryError::Store`] if something cannot be read or is
/// damaged.
pub fn show_record(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: &StoredVersion,
    object_store: &DomString,
    key: &SortableKey,
) -> Result<Option<ShownRecord>, HistoryError> {
    let reader = VersionReader { store, flow, version };
    if version.manifest.store(object_store).is_none() {
        return Err(no_object_store(&reader, object_store));
    }
    record_line(&reader, object_store, key)
}

/// As [`show_record`]; an object store that is not there has no records.
pub(super) fn record_line(
    reader: &VersionReader<'_>,
    object_store: &DomString,
    key: &SortableKey,
) -> Result<Option<ShownRecord>, HistoryError> {
    let Some((line, name)) = find(reader, object_store, key)? else { return Ok(None) };
    let text = match reader.whole(&line.state)? {
        Some(value) => {
            let mut text = open_line(&line, &name);
            text.extend_from_slice(&value);
            text.push(b'}');
            text
        }
        None => {
            let mut text = Vec::new();
            line.write(&name, &mut text);
            text.pop();
            text
        }
    };
    // Lines are ASCII.
    let line_text = String::from_utf8(text).map_err(|_| reader.damaged("a line is not ASCII"))?;
    Ok(Some(ShownRecord { line: line_text, state: state_of(&line), meta: line.meta }))
}

fn state_of(line: &Line) -> RecordState {
    if line.state == LineState::Delete { RecordState::Tombstone } else { RecordState::Live }
}

fn find(
    reader: &VersionReader<'_>,
    object_store: &DomString,
    key: &SortableKey,
) -> Result<Option<(Line, Vec<u8>)>, HistoryError> {
    let Some(lists) = reader.version.manifest.store(object_store) else { return Ok(None) };
    if let Some(found) = reader.find(&List::Records(object_store.clone()), &lists.records, key)? {
        return Ok(Some(found));
    }
    Ok(reader.find(&List::Tombstones(object_store.clone()), &lists.tombstones, key)?)
}

/// The versions up to `version` that changed a record, newest first, at most `limit`; empty if it was never there.
///
/// Each line says which version wrote it, so only versions that changed the record are read. It ends at the first version
/// that the store no longer has.
///
/// # Errors
///
/// As [`show_record`].
pub fn history_of_record(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: &StoredVersion,
    object_store: &DomString,
    key: &SortableKey,
    limit: usize,
) -> Result<Vec<RecordVersion>, HistoryError> {
    if version.manifest.store(object_store).is_none() {
        return Err(no_object_store(&VersionReader { store, flow, version }, object_store));
    }
    let mut changes = Vec::new();
    let mut older: Option<StoredVersion> = None;
    while changes.len() < limit {
        let version = older.as_ref().unwrap_or(version);
        // The reader has checked that the line is not of a later version, so this goes down.
        let Some((line, _)) = find(&VersionReader { store, flow, version }, object_store, key)? else { break };
        let state = state_of(&line);
        let Meta { at, by, rev } = line.meta;
        changes.push(RecordVersion { version: rev, state, at, by });
        let Some(before) = FlowVersion::new(u64::from(rev.get()) - 1) else { break };
        older = match open_version(store, flow, At::Version(before)) {
            Ok(stored) => Some(stored),
            Err(HistoryError::NoVersion { .. }) => break,
            Err(error) => return Err(error),
        };
    }
    Ok(changes)
}
