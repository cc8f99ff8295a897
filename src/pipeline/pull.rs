//! What a source lacks: everything that changed after the version that it has, and was not its own change.

use std::collections::HashSet;

use super::base::read_whole;
use super::error::SyncError;
use super::sync::read_sources;
use crate::chunk::{parse_chunk, store_name};
use crate::decode::BatchHeader;
use crate::report::{ReportLines, change_line};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, Line, LineState, List};
use crate::store::{SnapshotStore, StoreError, StoreErrorKind, StoredVersion};

/// Adds a line `change` for every record and tombstone of `version` that is newer than the batch's base; without a base for all
/// records, and for all tombstones if the source `is_known` from before. A line `reset` comes first if the source may have what
/// was deleted and is not remembered any more. Reads only chunks that the base has not got.
pub(super) fn pull(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: FlowVersion,
    header: &BatchHeader,
    is_known: bool,
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    if header.base == Some(version) {
        return Ok(());
    }
    let missing = || StoreError::new(StoreErrorKind::Damaged, format!("version {version} of {flow} is missing"));
    let now = store.version(flow, version)?.ok_or_else(missing)?;
    let then = header.base.map(|base| store.version(flow, base)).transpose()?.flatten();
    let may_lack = header.base.is_some() || is_known;
    let forgotten = if may_lack { read_sources(store, flow, Some(&now))?.retention().forgotten } else { None };
    let begins_anew = match header.base {
        Some(base) => then.is_none() || forgotten.is_some_and(|forgotten| base < forgotten),
        None => forgotten.is_some(),
    };
    if begins_anew {
        // Deletions that it never heard of are remembered no more: only what is there now can be trusted.
        lines.push("{\"type\":\"reset\"}")?;
    }
    let since = header.base.filter(|_| !begins_anew);
    let then = then.filter(|_| since.is_some());
    let had: HashSet<Digest> =
        then.iter().flat_map(|then| then.manifest.chunks()).map(|(_, chunk)| chunk.full).collect();
    for (list, chunk) in now.manifest.chunks() {
        let (List::Records(name) | List::Tombstones(name)) = &list else { continue };
        // A source that begins has nothing to delete.
        let nothing = (begins_anew || !may_lack) && matches!(list, List::Tombstones(_));
        if nothing || had.contains(&chunk.full) {
            continue;
        }
        for line in read(store, flow, &now, &list, chunk)? {
            let own = line.meta.by.is_some() && line.meta.by == header.source;
            if since.is_some_and(|since| line.meta.rev <= since) || (own && since.is_some()) {
                continue;
            }
            let state = read_whole(store, flow, &now, &line.state)?.map_or(LineState::Delete, LineState::Put);
            let mut text = Vec::new();
            Line { state, ..line }.write(name.to_canonical().as_bytes(), &mut text);
            lines.push(&change_line(String::from_utf8_lossy(&text).trim_end()))?;
        }
    }
    Ok(())
}

fn read(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: &StoredVersion,
    list: &List,
    chunk: &ChunkRef,
) -> Result<Vec<Line>, StoreError> {
    let text = store.read_chunk(flow, version, list, chunk)?;
    let damaged = |error| StoreError::new(StoreErrorKind::Damaged, format!("chunk {}", chunk.full)).because(error);
    parse_chunk(&text, &store_name(list)).map_err(damaged)
}
