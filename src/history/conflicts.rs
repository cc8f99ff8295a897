//! The conflicts of a version: lists them, and shows one with everything that is kept of it.

use std::io::Write;

use super::HistoryError;
use super::reader::VersionReader;
use super::show::record_line;
use crate::apply::HeadReader;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::logged_conflict::{Choice, ConflictFilter, ConflictState, LoggedConflict};
use crate::snapshot::{FlowName, Line, List};
use crate::store::{SnapshotReader, StoreError, StoredVersion};

/// Writes the result of `line` for every conflict that the filter admits, in the order of their
/// keys: oldest version first, then by object store and key. Returns their number. Memory: one
/// chunk and one conflict.
///
/// # Errors
///
/// [`HistoryError::Store`] if something cannot be read or is damaged; [`HistoryError::Output`] if
/// `out` fails.
pub fn list_conflicts(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    filter: &ConflictFilter,
    line: &dyn Fn(&LoggedConflict) -> String,
    out: &mut dyn Write,
) -> Result<u64, HistoryError> {
    let reader = VersionReader { store, flow, version };
    let chunks = version.manifest.conflicts.as_slice();
    // The chunk before the first key may contain it.
    let begin =
        filter.first_key().map_or(0, |first| chunks.partition_point(|chunk| chunk.first <= first));
    let mut list =
        reader.list(List::Conflicts, chunks.get(begin.saturating_sub(1)..).unwrap_or_default());
    let mut count = 0;
    while let Some(chunk) = list.advance()? {
        for found in &chunk.lines {
            let conflict = read(&reader, found)?;
            if filter.admits(&conflict) {
                out.write_all(line(&conflict).as_bytes())?;
                out.write_all(b"\n")?;
                count += 1;
            }
        }
    }
    out.flush()?;
    Ok(count)
}

/// Returns one conflict as canonical JSON, with the values of base, head and incoming as far as
/// they are kept, and `now`, the record's line in this version. Returns `None` if no conflict has
/// this id.
///
/// # Errors
///
/// [`HistoryError::Store`] if something cannot be read or is damaged.
pub fn show_conflict(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    id: &SortableKey,
) -> Result<Option<String>, HistoryError> {
    let reader = VersionReader { store, flow, version };
    let Some((line, _)) = reader.find(&List::Conflicts, &version.manifest.conflicts, id)? else {
        return Ok(None);
    };
    let conflict = read(&reader, &line)?;
    // The reader only returns a value with the digest that the conflict names.
    let base = HeadReader::new(store, flow, Some(version));
    let head = conflict.state_of(Choice::Head, &base)?;
    let incoming = conflict.state_of(Choice::Incoming, &base)?;
    let now = record_line(&reader, &conflict.store, &conflict.key)?;
    let now = now.as_ref().map(|shown| shown.line.as_str());
    Ok(Some(conflict.to_json_with(head.as_ref(), incoming.as_ref(), now)))
}

/// Returns the number of conflicts in a version, decided or not.
pub fn count_conflicts(version: &StoredVersion) -> u64 {
    version.manifest.conflicts.iter().map(|chunk| chunk.count).sum()
}

/// Returns the number of conflicts in a version that wait for a person. Reads only the conflict log
/// of the version.
///
/// # Errors
///
/// As [`list_conflicts`].
pub fn count_parked(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
) -> Result<u64, HistoryError> {
    let parked = ConflictFilter { state: Some(ConflictState::Parked), ..ConflictFilter::default() };
    list_conflicts(store, flow, version, &parked, &|_| String::new(), &mut std::io::sink())
}

fn read(reader: &VersionReader<'_>, line: &Line) -> Result<LoggedConflict, StoreError> {
    let value = reader.whole(&line.state)?.unwrap_or_default();
    LoggedConflict::read(line, &value).map_err(|error| reader.damaged(&error.to_string()))
}
