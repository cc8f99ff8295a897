//! Reports what a source lacks: everything that changed since the version that it has, except its
//! own changes.

use std::collections::HashSet;

use crate::apply::error::SyncError;
use crate::apply::head_reader::read_whole;
use crate::chunk::{parse_chunk, store_name};
use crate::decode::BatchHeader;
use crate::pipeline::attempt::read_sources;
use crate::report::ReportLines;
use crate::report_line::ReportLine;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, Line, LineState, List};
use crate::store::{SnapshotReader, StoreError, StoreErrorKind, StoredVersion};

/// The version that a source shall have.
pub(super) struct PulledVersion<'a> {
    pub(super) store: &'a dyn SnapshotReader,
    pub(super) flow: &'a FlowName,
    pub(super) version: FlowVersion,
}

/// Adds a `change` line for every record and tombstone of `version` that is newer than the batch's
/// base. Without a base, adds all records, and all tombstones if the source `is_known`. A `reset`
/// line comes first if the source may have records whose deletion is no longer remembered. Reads
/// only chunks that the base does not have.
pub(super) fn pull(
    now: &PulledVersion<'_>,
    header: &BatchHeader,
    is_known: bool,
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    let PulledVersion { store, flow, version } = *now;
    if header.base == Some(version) {
        return Ok(());
    }
    let missing = || {
        StoreError::new(StoreErrorKind::Damaged, format!("version {version} of {flow} is missing"))
    };
    let now = store.version(flow, version)?.ok_or_else(missing)?;
    let then = header.base.map(|base| store.version(flow, base)).transpose()?.flatten();
    let may_lack = header.base.is_some() || is_known;
    let sources_of = |now| read_sources(store, flow, Some(now));
    let forgotten =
        if may_lack { sources_of(&now)?.forgotten(header.source.as_ref()) } else { None };
    let begins_anew = match header.base {
        Some(base) => then.is_none() || forgotten.is_some_and(|forgotten| base < forgotten),
        None => forgotten.is_some(),
    };
    if begins_anew {
        // Deletions that the source missed are no longer remembered, so it must discard all other
        // records.
        lines.push(&ReportLine::Reset)?;
    }
    let since = header.base.filter(|_| !begins_anew);
    let then = then.filter(|_| since.is_some());
    let had: HashSet<Digest> =
        then.iter().flat_map(|then| then.manifest.chunks()).map(|(_, chunk)| chunk.full).collect();
    for (list, chunk) in now.manifest.chunks() {
        let (List::Records(name) | List::Tombstones(name)) = &list else { continue };
        // A source without any records has nothing to delete.
        let nothing = (begins_anew || !may_lack) && matches!(list, List::Tombstones(_));
        if nothing || had.contains(&chunk.full) {
            continue;
        }
        for line in read(store, flow, &now, &list, chunk)? {
            let own = line.meta.by.is_some() && line.meta.by == header.source;
            if since.is_some_and(|since| line.meta.rev <= since) || (own && since.is_some()) {
                continue;
            }
            let state = read_whole(store, flow, &now, &line.state)?
                .map_or(LineState::Delete, LineState::Put);
            let mut text = Vec::new();
            Line { state, ..line }.write(name.to_canonical().as_bytes(), &mut text);
            lines.push(&ReportLine::Change { line: String::from_utf8_lossy(&text).trim_end() })?;
        }
    }
    Ok(())
}

fn read(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    list: &List,
    chunk: &ChunkRef,
) -> Result<Vec<Line>, StoreError> {
    let text = store.read_chunk(flow, version, list, chunk)?;
    let damaged = |error| {
        StoreError::new(StoreErrorKind::Damaged, format!("chunk {}", chunk.full)).because(error)
    };
    parse_chunk(&text, &store_name(list)).map_err(damaged)
}
