//! The guard: judges what a plan deletes, before anything is written.

use std::collections::BTreeMap;

use super::error::SyncError;
use super::walk::MergeSink;
use crate::chunk::ChunkSink;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::merge::Conflict;
use crate::snapshot::{ChunkRef, Line, LineState, List, Manifest};
use crate::store::StoreError;

/// The guard asks if an object store would lose more records in bulk than this, in a run of batches …
pub const MAX_BULK_DELETES: u64 = 2;

/// … or more by single deletions than this …
pub const MAX_DELETES: u64 = 10;

/// … and together more than this share of them, in per cent.
pub const MAX_DELETES_PERCENT: u64 = 20;

/// Up to so many single deletions of a batch in an object store are work by hand, and are not counted.
pub const MAX_DELETES_BY_HAND: u64 = 5;

/// Batches of one source that are received within so many milliseconds are judged together: a run.
pub const RUN_MS: i64 = 60 * 60 * 1000;

/// Hears what a plan would delete, and writes nothing.
#[derive(Debug, Default)]
pub(super) struct Deletes {
    counts: BTreeMap<DomString, u64>,
    hasher: blake3::Hasher,
}

impl ChunkSink for Deletes {
    fn write_chunk(&mut self, _list: &List, _chunk: &ChunkRef, _text: Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MergeSink for Deletes {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        Ok(state)
    }

    fn deleted(&mut self, store: &DomString, key: &SortableKey) {
        *self.counts.entry(store.clone()).or_default() += 1;
        for part in [store.to_canonical().as_bytes(), key.as_bytes()] {
            self.hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }

    fn conflict(&mut self, _conflict: Conflict) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn differs(&mut self, _store: &DomString, _line: &Line) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Deletes {
    /// Says what of head would be lost beyond the limits; `vanishing` are object stores that the batch's schema has not.
    pub(super) fn judge(&self, head: &Manifest, vanishing: &[DomString]) -> Option<String> {
        let lost = |(name, count): (&DomString, &u64)| {
            let of = head.store(name).map_or(0, |store| store.record_count());
            let much = *count > MAX_DELETES && *count * 100 > of * MAX_DELETES_PERCENT;
            let vanishes = *count >= of && vanishing.contains(name);
            (much || vanishes).then(|| format!("{count} of {of} records of object store {}", name.to_canonical()))
        };
        let lost: Vec<_> = self.counts.iter().filter_map(lost).collect();
        (!lost.is_empty()).then(|| lost.join(", "))
    }

    /// The plan's name: digest of source, batch and deletes.
    pub(super) fn plan(&self, source: &str, batch: &blake3::Hash) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(source.as_bytes()).update(&[0]).update(batch.as_bytes());
        hasher.update(self.hasher.finalize().as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Lets the plan through, or says why not.
    pub(super) fn check(
        &self,
        head: &Manifest,
        vanishing: &[DomString],
        confirmed: Option<&str>,
        plan: impl FnOnce() -> Result<String, SyncError>,
    ) -> Result<(), SyncError> {
        let Some(what) = self.judge(head, vanishing) else { return Ok(()) };
        let plan = plan()?;
        if confirmed == Some(plan.as_str()) { Ok(()) } else { Err(SyncError::Guard { what, plan }) }
    }
}
