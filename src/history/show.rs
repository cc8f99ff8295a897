//! One record as of a version, and the versions that changed it.

use super::reader::VersionReader;
use super::restore::{no_object_store, open_line};
use super::{At, HistoryError, open_version};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{FlowName, FlowVersion, Line, LineState, List, Meta, SourceId};
use crate::store::{SnapshotReader, StoredVersion};

/// The existence of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// The record exists.
    Live,
    /// The record was deleted, and the deletion is remembered.
    Tombstone,
}

/// One record as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRecord {
    /// The record's line of `indexeddb-changes/1`: canonical, without a line end, with a spilled
    /// value inline.
    pub line: String,
    /// The existence of the record.
    pub state: RecordState,
    /// Time, source and version of the last change.
    pub meta: Meta,
}

/// The place of a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace<'a> {
    /// The object store.
    pub object_store: &'a DomString,
    /// The key.
    pub key: &'a SortableKey,
}

/// A change of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVersion {
    /// The version that changed it.
    pub version: FlowVersion,
    /// The state after the change.
    pub state: RecordState,
    /// Time of the change, in milliseconds since 1970: the source's clock, limited by the skew, or
    /// the time of receipt.
    pub at: i64,
    /// The source of the change, if the batch named one.
    pub by: Option<SourceId>,
}

/// Reads one record; `None` if the version has neither a record nor a tombstone with this key.
/// Reads at most two chunks.
///
/// # Errors
///
/// [`HistoryError::Usage`] if the object store does not exist; [`HistoryError::Store`] if something
/// cannot be read or is damaged.
pub fn show_record(
    store: &dyn SnapshotReader,
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

/// As [`show_record`], but an unknown object store has no records.
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

/// Returns the versions up to `version` that changed a record, newest first, at most `limit`; empty
/// if the record never existed.
///
/// Each line names the version that wrote it, so only versions that changed the record are read.
/// The list ends at the first version that the store no longer has.
///
/// # Errors
///
/// As [`show_record`].
pub fn history_of_record(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    record: RecordPlace<'_>,
    limit: usize,
) -> Result<Vec<RecordVersion>, HistoryError> {
    let RecordPlace { object_store, key } = record;
    if version.manifest.store(object_store).is_none() {
        return Err(no_object_store(&VersionReader { store, flow, version }, object_store));
    }
    let mut changes = Vec::new();
    let mut older: Option<StoredVersion> = None;
    while changes.len() < limit {
        let version = older.as_ref().unwrap_or(version);
        // The reader has checked that the line is not from a later version, so the number
        // decreases.
        let Some((line, _)) = find(&VersionReader { store, flow, version }, object_store, key)?
        else {
            break;
        };
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
