//! Merges the changes of a batch into all object stores. May run several times: for plans, and for
//! the version itself.

use std::collections::BTreeMap;

use super::counts::Counts;
use super::error::SyncError;
use super::head_reader::HeadReader;
use super::rules::Rules;
use super::unique::{Collisions, Outcomes, SearchEnd, UniqueStores, Wanted};
use super::walk::{BatchFacts, MergeSink, StoreWalk, WalkRefusal};
use crate::indexeddb::dom_string::DomString;
use crate::normalize::{Changes, RangeChange};
use crate::snapshot::Manifest;

/// The changes to merge.
pub(crate) struct DueChanges<'a> {
    pub(crate) changes: &'a Changes,
    /// The object stores by which they are numbered.
    pub(crate) names: Vec<DomString>,
    /// The number of changes at the beginning that are committed already.
    pub(crate) skip: u64,
}

/// The changes, their target and the rules.
pub(crate) struct Merging<'a> {
    head: &'a Manifest,
    due: &'a DueChanges<'a>,
    facts: &'a BatchFacts,
    rules: &'a Rules<'a>,
    base: &'a HeadReader<'a>,
    collisions: BTreeMap<DomString, Collisions>,
}

impl<'a> Merging<'a> {
    /// Also finds violations of unique indexes.
    pub(crate) fn new(
        head: &'a Manifest,
        due: &'a DueChanges<'a>,
        facts: &'a BatchFacts,
        rules: &'a Rules<'a>,
        base: &'a HeadReader<'a>,
    ) -> Result<Self, SyncError> {
        let mut merging = Self { head, due, facts, rules, base, collisions: BTreeMap::new() };
        let unique = UniqueStores::of(head, &due.names);
        if rules.keeps_unique() && !unique.is_empty() {
            let mut wanted = Wanted::new(&unique, base);
            merging.run_in(Some(&unique), &mut head.clone(), &mut wanted)?;
            let contested = wanted.contested(head)?;
            if !contested.is_empty() {
                let unique = unique.only(&contested);
                let mut outcomes = Outcomes::new(&unique, base);
                merging.run_in(Some(&unique), &mut head.clone(), &mut outcomes)?;
                let policy = |name: &DomString| rules.of(name).policy;
                let found = outcomes.collisions(head, &policy, facts.received_at);
                merging.collisions = found.map_err(|end| match end {
                    SearchEnd::Refused(refusal) => refused(refusal),
                    SearchEnd::Store(error) => error.into(),
                })?;
            }
        }
        Ok(merging)
    }

    /// Returns the number of head's records that give way to others with the same key in a unique
    /// index.
    pub(crate) fn displaced(&self) -> u64 {
        self.collisions.values().map(|found| found.displaced.len() as u64).sum()
    }

    /// Merges the changes; returns counts and the object stores that differ. Stores the new lists
    /// in `manifest`.
    pub(crate) fn run(
        &self,
        manifest: &mut Manifest,
        sink: &mut dyn MergeSink,
    ) -> Result<(Counts, Vec<DomString>), SyncError> {
        self.run_in(None, manifest, sink)
    }

    /// Passes the deletions of the merge to `sink`, without a result.
    pub(crate) fn count_deletions(&self, sink: &mut dyn MergeSink) -> Result<(), SyncError> {
        self.run(&mut self.head.clone(), sink).map(drop)
    }

    /// As [`Self::run`], but only for these object stores.
    fn run_in(
        &self,
        only: Option<&UniqueStores<'_>>,
        manifest: &mut Manifest,
        sink: &mut dyn MergeSink,
    ) -> Result<(Counts, Vec<DomString>), SyncError> {
        let mut total = Counts::default();
        let mut touched = Vec::new();
        let mut folds = self.due.changes.folds(self.due.skip)?;
        let mut next = folds.next()?;
        for (place, name) in self.due.names.iter().enumerate() {
            let ranges = self.due.changes.ranges_of(place, self.due.skip);
            let here = next.as_ref().is_some_and(|change| change.store == place);
            if only.is_some_and(|only| !only.contains(name)) {
                // The changes of all object stores are one stream, so these are read past.
                while next.take_if(|change| change.store == place).is_some() {
                    next = folds.next()?;
                }
                continue;
            }
            let nothing = !here && ranges.is_empty() && self.rules.forget.is_none();
            let Some(mut walk) = self.walk(name, ranges).filter(|_| !nothing) else { continue };
            while let Some(change) = next.take_if(|change| change.store == place) {
                walk.change(change, sink)?;
                next = folds.next()?;
            }
            let counts = finish(walk, name, manifest, sink)?;
            if counts.changes_something() {
                touched.push(name.clone());
            }
            total.add(&counts);
        }
        // Deletions are forgotten in object stores that the batch does not name, too. A search for
        // collisions in unique indexes looks for records only.
        if self.rules.forget.is_some() && only.is_none() {
            for store in
                self.head.stores.iter().filter(|store| !self.due.names.contains(&store.schema.name))
            {
                if let Some(walk) = self.walk(&store.schema.name, &[]) {
                    total.add(&finish(walk, &store.schema.name, manifest, sink)?);
                }
            }
        }
        Ok((total, touched))
    }

    fn walk(&self, name: &DomString, ranges: &'a [RangeChange]) -> Option<StoreWalk<'_>> {
        let (head, rules) = (self.head.store(name)?, self.rules.of(name));
        let walk = StoreWalk::new(head, ranges, self.facts, self.base, rules);
        Some(walk.forgetting(self.rules.forget).unique(self.collisions.get(name)))
    }
}

fn finish(
    walk: StoreWalk<'_>,
    name: &DomString,
    manifest: &mut Manifest,
    sink: &mut dyn MergeSink,
) -> Result<Counts, SyncError> {
    let Some(after) = manifest.stores.iter_mut().find(|store| store.schema.name == *name) else {
        return Ok(Counts::default());
    };
    let (counts, refusal) = walk.finish(after, sink)?;
    refusal.map_or(Ok(counts), |refusal| Err(refused(refusal)))
}

fn refused(refusal: WalkRefusal) -> SyncError {
    let WalkRefusal { store, kind, rule } = refusal;
    SyncError::Policy { store, kind: kind.name(), rule }
}
