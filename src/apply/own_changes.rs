//! The records in head that one source wrote itself.

use std::collections::{BTreeSet, VecDeque};

use super::head_reader::HeadReader;
use crate::chunk::{ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{ChunkRef, Digest, FlowVersion, Line, LineState, List, Manifest, SourceId};
use crate::store::StoreError;

/// Counts the records of an object store that this source wrote last; stops at `enough`.
pub(crate) fn count_records(
    base: &HeadReader<'_>,
    head: &Manifest,
    store: &DomString,
    by: Option<&SourceId>,
    enough: u64,
) -> Result<u64, StoreError> {
    let list = List::Records(store.clone());
    let mut count = 0;
    for chunk in head.store(store).map(|store| store.records.as_slice()).unwrap_or_default() {
        if count >= enough {
            break;
        }
        let lines = lines_of(&list, chunk, &base.read_chunk(&list, chunk)?)?;
        count += lines.iter().filter(|line| line.meta.by.as_ref() == by).count() as u64;
    }
    Ok(count)
}

/// Records and tombstones of head that a source wrote itself, by delta batches since its last full
/// one.
pub(crate) struct OwnChanges<'a> {
    pub(crate) base: &'a HeadReader<'a>,
    pub(crate) head: &'a Manifest,
    pub(crate) by: &'a SourceId,
    /// The version made by the first of these delta batches.
    pub(crate) since: FlowVersion,
    /// Older chunks, by full digest, which are not read.
    pub(crate) older: BTreeSet<Digest>,
}

impl<'a> OwnChanges<'a> {
    /// Returns the own changes of one object store, in key order.
    pub(crate) fn of_store(&'a self, name: &DomString) -> OwnLines<'a> {
        let store = self.head.store(name);
        let newer = |chunks: &'a [ChunkRef]| {
            chunks.iter().filter(|chunk| !self.older.contains(&chunk.full)).collect()
        };
        let list = |list: List, chunks: &'a [ChunkRef]| OwnList {
            list,
            chunks: newer(chunks),
            lines: VecDeque::new(),
        };
        let (records, tombstones) =
            store.map_or((&[][..], &[][..]), |store| (&store.records, &store.tombstones));
        OwnLines {
            changes: self,
            records: list(List::Records(name.clone()), records),
            tombstones: list(List::Tombstones(name.clone()), tombstones),
        }
    }

    /// Returns the object stores that have own changes and are not in `known`.
    pub(crate) fn stores_beside(&self, known: &[DomString]) -> Result<Vec<DomString>, StoreError> {
        let mut found = Vec::new();
        for name in self
            .head
            .stores
            .iter()
            .map(|store| &store.schema.name)
            .filter(|name| !known.contains(name))
        {
            if self.of_store(name).next()?.is_some() {
                found.push(name.clone());
            }
        }
        Ok(found)
    }

    /// Returns the whole value of an own change.
    pub(crate) fn whole(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError> {
        self.base.whole_value(state)
    }
}

/// Own changes of one object store, in key order.
pub(crate) struct OwnLines<'a> {
    changes: &'a OwnChanges<'a>,
    records: OwnList<'a>,
    tombstones: OwnList<'a>,
}

struct OwnList<'a> {
    list: List,
    chunks: VecDeque<&'a ChunkRef>,
    lines: VecDeque<Line>,
}

impl OwnList<'_> {
    fn front(&mut self, changes: &OwnChanges<'_>) -> Result<Option<&SortableKey>, StoreError> {
        while self.lines.is_empty() {
            let Some(chunk) = self.chunks.pop_front() else { return Ok(None) };
            let lines = lines_of(&self.list, chunk, &changes.base.read_chunk(&self.list, chunk)?)?;
            let is_own = |line: &Line| {
                line.meta.by.as_ref() == Some(changes.by) && line.meta.rev >= changes.since
            };
            self.lines.extend(lines.into_iter().filter(is_own));
        }
        Ok(self.lines.front().map(|line| &line.key))
    }
}

impl OwnLines<'_> {
    /// Returns the next own change; a key is never in both lists.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, StoreError> {
        let record = self.records.front(self.changes)?;
        let tombstone = self.tombstones.front(self.changes)?;
        let first = match (record, tombstone) {
            (Some(record), Some(tombstone)) => record < tombstone,
            (record, _) => record.is_some(),
        };
        Ok(if first { self.records.lines.pop_front() } else { self.tombstones.lines.pop_front() })
    }
}
