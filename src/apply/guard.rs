//! The guard: checks the deletions of a plan before anything is written. See
//! `doc/reference/rules.md`, "The guard".

use std::collections::BTreeMap;

use super::error::SyncError;
use super::walk::MergeSink;
use crate::chunk::ChunkSink;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::deletion_run::{Deletion, Deletions, MAX_BULK_DELETES, Run};
use crate::snapshot::{ChunkRef, Conflict, Line, LineState, List, Manifest};
use crate::store::StoreError;

/// The single deletions in an object store that a run of batches may make.
pub const MAX_DELETES: u64 = 10;

/// Beyond these numbers, the share of the records that a run may delete, in per cent.
pub const MAX_DELETES_PERCENT: u64 = 20;

/// A sink that counts the deletions of a plan, and writes nothing.
#[derive(Debug, Default)]
pub(crate) struct Deletes {
    counts: BTreeMap<DomString, Deletions>,
    hasher: blake3::Hasher,
}

/// The facts that a plan is compared with.
pub(crate) struct Measure<'a> {
    /// The manifest of head.
    pub(crate) head: &'a Manifest,
    /// Object stores that the batch's schema no longer has, or recreates.
    pub(crate) vanishing: &'a [DomString],
    /// True if the batch is full and has no line at all.
    pub(crate) is_empty: bool,
    /// The source's recent deletions.
    pub(crate) run: &'a Run,
    /// Returns the number of records that the source has in an object store; may stop counting at
    /// the given number.
    pub(crate) had: &'a dyn Fn(&DomString, u64) -> Result<u64, StoreError>,
}

impl ChunkSink for Deletes {
    fn write_chunk(
        &mut self,
        _list: &List,
        _chunk: &ChunkRef,
        _text: Vec<u8>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MergeSink for Deletes {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        Ok(state)
    }

    fn deleted(&mut self, store: &DomString, key: &SortableKey, deletion: Deletion) {
        deletion.count(store, &mut self.counts);
        self.name(&[store.to_canonical().as_bytes(), key.as_bytes()]);
    }

    fn conflict(&mut self, _conflict: Conflict) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn differs(&mut self, _store: &DomString, _line: &Line) -> Result<(), StoreError> {
        Ok(())
    }
}

/// True if a part is more than the share that the guard permits.
fn is_much(part: u64, of: u64) -> bool {
    part * 100 > of * MAX_DELETES_PERCENT
}

impl Deletes {
    fn name(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }

    /// Adds the records of an object store that is recreated, all of which are deleted.
    pub(crate) fn recreated(&mut self, store: &DomString, records: &[ChunkRef]) {
        let count: u64 = records.iter().map(|chunk| chunk.count).sum();
        let deletions = self.counts.entry(store.clone()).or_default();
        *deletions =
            deletions.and(Deletions { bulk: count, own_bulk: count, ..Deletions::default() });
        self.name(&[store.to_canonical().as_bytes()]);
        records.iter().for_each(|chunk| self.name(&[chunk.content.as_bytes()]));
    }

    /// Describes the deletions that exceed the limits.
    fn judge(&self, measure: &Measure<'_>) -> Result<Option<String>, StoreError> {
        let mut lost = Vec::new();
        for (name, deletions) in &self.counts {
            if let Some(why) = judge_store(name, *deletions, measure)? {
                lost.push(why);
            }
        }
        Ok((!lost.is_empty()).then(|| lost.join(", ")))
    }

    /// Returns the plan's name: a digest of source, batch and deletions.
    pub(crate) fn plan(&self, source: &str, batch: &blake3::Hash) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(source.as_bytes()).update(&[0]).update(batch.as_bytes());
        hasher.update(self.hasher.finalize().as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Permits or refuses the plan. Returns true if it is permitted only because it was confirmed.
    pub(crate) fn check(
        &self,
        measure: &Measure<'_>,
        confirmed: Option<&str>,
        plan: impl FnOnce() -> Result<String, SyncError>,
    ) -> Result<bool, SyncError> {
        let Some(what) = self.judge(measure)? else { return Ok(false) };
        let plan = plan()?;
        if confirmed == Some(plan.as_str()) {
            Ok(true)
        } else {
            Err(SyncError::Guard { what, plan })
        }
    }
}

/// Describes the deletions in one object store, if they exceed the limits.
fn judge_store(
    name: &DomString,
    now: Deletions,
    measure: &Measure<'_>,
) -> Result<Option<String>, StoreError> {
    if now.total() == 0 {
        return Ok(None);
    }
    let of = measure.head.store(name).map_or(0, |store| store.record_count());
    let before = measure.run.of(name);
    let counted = now.counted();
    let run = before.and(counted);
    let in_run = match before.total() {
        0 => String::new(),
        earlier => format!(" after {earlier} within the last hour"),
    };
    let lost = |count: u64| {
        format!("{count} of {of} records of object store {}{in_run}", name.to_canonical())
    };
    let vanishes = measure.vanishing.contains(name);
    let empties = now.bulk > 1 && now.bulk >= of;
    let many = counted.total() > 0 && (run.bulk > MAX_BULK_DELETES || run.single > MAX_DELETES);
    if vanishes
        || measure.is_empty
        || empties
        || (many && is_much(run.total(), of + before.total()))
    {
        return Ok(Some(lost(now.total())));
    }
    // The limits also apply to the source's own records: does the batch delete all of them?
    let enough = (run.own() * 100).div_ceil(MAX_DELETES_PERCENT) + 1;
    let may_be_all = now.own_bulk > 1;
    if !(may_be_all || many && run.own() > 0) {
        return Ok(None);
    }
    let had = (measure.had)(name, enough.max(now.own_bulk + 1))?;
    if (may_be_all && now.own_bulk >= had) || (many && is_much(run.own(), had + before.own())) {
        return Ok(Some(format!(
            "{}, {} of the {had} that the source has there",
            lost(now.total()),
            now.own()
        )));
    }
    Ok(None)
}
