//! Looks up single records of one version. Keys are asked for in order, so the last chunks read are
//! kept.

use super::head_reader::read_whole;
use crate::chunk::lines_of;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{ChunkRef, Digest, FlowName, Line, LineState, List};
use crate::store::{SnapshotReader, StoreError, StoredVersion};

/// The lines of the last chunk read.
type LastChunk = Option<(Digest, Vec<Line>)>;

/// A lookup of records and tombstones in one version.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    store: &'a dyn SnapshotReader,
    flow: &'a FlowName,
    version: &'a StoredVersion,
    records: LastChunk,
    tombstones: LastChunk,
}

impl<'a> Lookup<'a> {
    /// Creates a lookup without reading anything.
    pub(crate) fn new(
        store: &'a dyn SnapshotReader,
        flow: &'a FlowName,
        version: &'a StoredVersion,
    ) -> Self {
        Self { store, flow, version, records: None, tombstones: None }
    }

    /// Returns the line of the record or its tombstone; `None` if the version has neither.
    pub(crate) fn find(
        &mut self,
        store: &DomString,
        key: &SortableKey,
    ) -> Result<Option<Line>, StoreError> {
        let Some(lists) = self.version.manifest.store(store) else { return Ok(None) };
        let (at, records) = ((self.store, self.flow, self.version), List::Records(store.clone()));
        if let Some(line) = find(at, &records, &lists.records, key, &mut self.records)? {
            return Ok(Some(line));
        }
        find(at, &List::Tombstones(store.clone()), &lists.tombstones, key, &mut self.tombstones)
    }

    /// Returns a line of this version as text of `indexeddb-changes/1`, with its value inline,
    /// without a line end.
    pub(crate) fn text(&self, store: &DomString, line: &Line) -> Result<String, StoreError> {
        let state = read_whole(self.store, self.flow, self.version, &line.state)?
            .map_or(LineState::Delete, LineState::Put);
        Ok(line_text(store, &Line { state, ..line.clone() }))
    }
}

/// Returns a line as text, without a line end.
pub(crate) fn line_text(store: &DomString, line: &Line) -> String {
    let mut text = Vec::new();
    line.write(store.to_canonical().as_bytes(), &mut text);
    text.pop();
    String::from_utf8_lossy(&text).into_owned()
}

fn find(
    (store, flow, version): (&dyn SnapshotReader, &FlowName, &StoredVersion),
    list: &List,
    chunks: &[ChunkRef],
    key: &SortableKey,
    kept: &mut LastChunk,
) -> Result<Option<Line>, StoreError> {
    let place = chunks.partition_point(|chunk| chunk.first <= *key);
    let Some(chunk) = place.checked_sub(1).and_then(|place| chunks.get(place)) else {
        return Ok(None);
    };
    let lines = match kept {
        Some((digest, lines)) if *digest == chunk.full => lines,
        _ => {
            let text = store.read_chunk(flow, version, list, chunk)?;
            &mut kept.insert((chunk.full, lines_of(list, chunk, &text)?)).1
        }
    };
    let place = lines.binary_search_by(|line| line.key.cmp(key)).ok();
    Ok(place.and_then(|place| lines.get(place).cloned()))
}
