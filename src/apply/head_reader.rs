//! Reads head's chunks, and old versions if a conflict requires it.

use std::cell::RefCell;

use crate::chunk::{ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::normalize::Claim;
use crate::snapshot::line::PART_BYTES;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, Line, LineState, List, Spilled};
use crate::store::{SnapshotReader, StoreError, StoreErrorKind, StoredVersion};

/// The value that a record had in the base of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseValue {
    /// The source names no base, or its version is not kept.
    Unknown,
    /// There was no record.
    Absent,
    /// The canonical value.
    Value(Box<[u8]>),
}

/// A reader of the stored data that a merge needs.
#[derive(Debug)]
pub struct HeadReader<'a> {
    store: &'a dyn SnapshotReader,
    flow: &'a FlowName,
    head: Option<&'a StoredVersion>,
    /// The last version read, and its last chunk, because conflicts come in key order.
    old: RefCell<Option<(FlowVersion, Option<StoredVersion>)>>,
    lines: RefCell<Option<(Digest, Vec<Line>)>>,
}

impl ChunkSource for HeadReader<'_> {
    fn read_chunk(&self, list: &List, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError> {
        let head = self
            .head
            .ok_or_else(|| StoreError::new(StoreErrorKind::Damaged, "a chunk of no version"))?;
        self.store.read_chunk(self.flow, head, list, chunk)
    }
}

impl<'a> HeadReader<'a> {
    /// Creates a reader of this flow, whose head is `head`.
    pub fn new(
        store: &'a dyn SnapshotReader,
        flow: &'a FlowName,
        head: Option<&'a StoredVersion>,
    ) -> Self {
        Self { store, flow, head, old: RefCell::default(), lines: RefCell::default() }
    }

    /// Returns the value that a base claims.
    pub fn value(
        &self,
        store: &DomString,
        key: &SortableKey,
        claim: &Claim,
    ) -> Result<BaseValue, StoreError> {
        match claim {
            Claim::None => Ok(BaseValue::Unknown),
            Claim::Absent => Ok(BaseValue::Absent),
            Claim::Value(value) => Ok(BaseValue::Value(value.clone())),
            Claim::Version(version) => self.value_at(store, key, *version),
        }
    }

    fn value_at(
        &self,
        store: &DomString,
        key: &SortableKey,
        version: FlowVersion,
    ) -> Result<BaseValue, StoreError> {
        if self.old.borrow().as_ref().is_none_or(|(read, _)| *read != version) {
            *self.old.borrow_mut() = Some((version, self.store.version(self.flow, version)?));
        }
        let old = self.old.borrow();
        // The version never existed or was pruned, so the base is unknown.
        let Some((_, Some(old))) = old.as_ref() else { return Ok(BaseValue::Unknown) };
        let records = old.manifest.store(store);
        let now = self.head.and_then(|head| head.manifest.store(store));
        if records.zip(now).is_some_and(|(then, now)| then.schema.key_path != now.schema.key_path) {
            // The object store was recreated since, so its keys denote other records.
            return Ok(BaseValue::Unknown);
        }
        let line = match records {
            Some(records) => {
                self.line(old, &List::Records(store.clone()), &records.records, key)?
            }
            None => None,
        };
        let Some(line) = line else { return Ok(BaseValue::Absent) };
        let value = read_whole(self.store, self.flow, old, &line.state)?;
        Ok(value.map_or(BaseValue::Absent, BaseValue::Value))
    }

    fn line(
        &self,
        version: &StoredVersion,
        list: &List,
        chunks: &[ChunkRef],
        key: &SortableKey,
    ) -> Result<Option<Line>, StoreError> {
        let place = chunks.partition_point(|chunk| chunk.first <= *key);
        let Some(chunk) = place.checked_sub(1).and_then(|place| chunks.get(place)) else {
            return Ok(None);
        };
        if self.lines.borrow().as_ref().is_none_or(|(digest, _)| *digest != chunk.full) {
            let text = self.store.read_chunk(self.flow, version, list, chunk)?;
            *self.lines.borrow_mut() = Some((chunk.full, lines_of(list, chunk, &text)?));
        }
        let lines = self.lines.borrow();
        Ok(lines.as_ref().and_then(|(_, lines)| {
            let place = lines.binary_search_by(|line| line.key.cmp(key)).ok()?;
            lines.get(place).cloned()
        }))
    }

    /// Returns the canonical value of a line of head, read from its parts if it is spilled; `None`
    /// for a tombstone.
    pub fn whole_value(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError> {
        match self.head {
            Some(head) => read_whole(self.store, self.flow, head, state),
            None => Ok(None),
        }
    }
}

/// Returns the canonical value of a line of `version`, read from its parts if it is spilled; `None`
/// for a tombstone.
pub fn read_whole(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    state: &LineState,
) -> Result<Option<Box<[u8]>>, StoreError> {
    match state {
        LineState::Delete => Ok(None),
        LineState::Put(value) => Ok(Some(value.clone())),
        LineState::Spilled(spilled) => {
            read_spilled(store, flow, version, spilled).map(|value| Some(value.into()))
        }
    }
}

fn read_spilled(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    spilled: &Spilled,
) -> Result<Vec<u8>, StoreError> {
    let mut value = Vec::new();
    for part in 0..spilled.bytes.div_ceil(PART_BYTES as u64) {
        // No stored value has 2^32 parts, so such a manifest was not written by this program.
        let part = u32::try_from(part).map_err(|_| {
            StoreError::new(StoreErrorKind::Damaged, "a spilled value of too many parts")
        })?;
        value.extend_from_slice(&store.read_part(flow, version, &spilled.digest, part)?);
    }
    if Digest::of(&value) == spilled.digest {
        Ok(value)
    } else {
        let what =
            format!("spilled value {}: its parts are not what its digest says", spilled.digest);
        Err(StoreError::new(StoreErrorKind::Damaged, what))
    }
}
