//! The second step: decides which of two records gets an index key.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{UniqueStores, bare, entries_of};
use crate::chunk::{ChunkSink, ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::unique_index::{IndexEntry, UniqueIndexes};
use crate::merge::{Base, Conflict, Incoming, Resolution, Sides, Winner, resolve};
use crate::pipeline::base::BaseReader;
use crate::pipeline::run::Deletion;
use crate::pipeline::walk::{MergeSink, Refusal};
use crate::policy::{ConflictType, StorePolicy};
use crate::snapshot::{ChunkRef, Line, LineState, List, Manifest, StoreManifest};
use crate::store::StoreError;

/// The changes of one object store that unique indexes prevent.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Collisions {
    /// Changes that are not applied, because another record has their index key.
    pub(in crate::pipeline) refused: BTreeMap<SortableKey, Collision>,
    /// Records of head that give way.
    pub(in crate::pipeline) displaced: BTreeMap<SortableKey, Collision>,
}

/// The decision about two records with the same index key, for the one that does not get it.
#[derive(Debug)]
pub(in crate::pipeline) struct Collision {
    pub(in crate::pipeline) resolution: Resolution,
    /// The other record.
    pub(in crate::pipeline) other: SortableKey,
}

/// A sink that collects a merge's results for object stores with unique indexes. Uses about 200
/// bytes for each change that adds an index key to a record or removes one.
#[derive(Debug)]
pub(in crate::pipeline) struct Outcomes<'a> {
    unique: &'a UniqueStores<'a>,
    base: &'a BaseReader<'a>,
    /// The last line of each key that changes.
    lines: BTreeMap<DomString, BTreeMap<SortableKey, Outcome>>,
}

/// The result for a record.
#[derive(Debug)]
struct Outcome {
    /// Index keys that are new to it.
    wants: Vec<IndexEntry>,
    /// Index keys that it has before and after, whatever is decided.
    keeps: Vec<IndexEntry>,
    /// Index keys that it releases, unless its change is refused.
    frees: Vec<IndexEntry>,
    /// The new line, without its value.
    line: Line,
    /// The line in head, without its value.
    before: Option<Line>,
}

impl<'a> Outcomes<'a> {
    /// Creates an empty collection.
    pub(in crate::pipeline) fn new(unique: &'a UniqueStores<'a>, base: &'a BaseReader<'a>) -> Self {
        Self { unique, base, lines: BTreeMap::new() }
    }

    /// Finds collisions among the results, and with head's other records, until there are none
    /// left.
    pub(in crate::pipeline) fn collisions<'p>(
        &self,
        head: &Manifest,
        policy_of: &dyn Fn(&DomString) -> &'p StorePolicy,
        received_at: i64,
    ) -> Result<Result<BTreeMap<DomString, Collisions>, Refusal>, StoreError> {
        let mut all = BTreeMap::new();
        for (name, outcomes) in &self.lines {
            let (Some(indexes), Some(store)) = (self.unique.get(name), head.store(name)) else { continue };
            let base = self.base;
            let search = Search { name, indexes, outcomes, store, base, policy: policy_of(name), received_at };
            match search.run()? {
                Ok(found) => all.insert(name.clone(), found),
                Err(refusal) => return Ok(Err(refusal)),
            };
        }
        Ok(Ok(all))
    }
}

struct Search<'a> {
    name: &'a DomString,
    indexes: &'a UniqueIndexes,
    outcomes: &'a BTreeMap<SortableKey, Outcome>,
    store: &'a StoreManifest,
    base: &'a BaseReader<'a>,
    policy: &'a StorePolicy,
    received_at: i64,
}

/// Who has an index key, beside the changes that get one.
struct Holders<'s> {
    /// Records of head that no change touches: those whose key some change wants.
    untouched: HashMap<IndexEntry, Line>,
    /// Records that have the key before and after their change.
    kept: HashMap<IndexEntry, &'s SortableKey>,
    /// Records whose change is refused, by the keys that they therefore do not give away.
    again: HashMap<IndexEntry, &'s SortableKey>,
}

impl Search<'_> {
    /// Decides each change against all who have one of the keys that it wants. It gets all of them or none. A change that is refused
    /// leaves its record as it was: who got what that has is decided again.
    fn run(&self) -> Result<Result<Collisions, Refusal>, StoreError> {
        let mut holders = self.holders()?;
        let mut found = Collisions::default();
        let mut taken: HashMap<IndexEntry, &SortableKey> = HashMap::new();
        let mut takers: HashMap<SortableKey, Vec<SortableKey>> = HashMap::new();
        let wanting = self.outcomes.iter().filter(|(_, outcome)| !outcome.wants.is_empty());
        let mut waiting: BTreeSet<&SortableKey> = wanting.map(|(key, _)| key).collect();
        while let Some(key) = waiting.pop_first() {
            let Some(outcome) = self.outcomes.get(key).filter(|_| !found.refused.contains_key(key)) else { continue };
            let mut displaces = Vec::new();
            let mut refused = None;
            for entry in &outcome.wants {
                let in_batch = holders.kept.get(entry).or_else(|| taken.get(entry));
                if let Some(other) = in_batch.filter(|other| **other != key) {
                    // Both are in this batch: the first one, or the one that had it before, stays.
                    let line = self.outcomes.get(*other).map(|other| &other.line);
                    let resolution = given_way(self.ask(key, outcome, line));
                    refused = Some(Collision { resolution, other: (*other).clone() });
                    break;
                }
                let again = holders.again.get(entry).and_then(|key| self.outcomes.get(*key)?.before.as_ref());
                let holder = holders.untouched.get(entry).or(again).filter(|line| line.key != *key);
                let Some(holder) = holder.filter(|line| !found.displaced.contains_key(&line.key)) else { continue };
                let resolution = self.ask(key, outcome, Some(holder));
                match resolution.winner {
                    Winner::Incoming if !resolution.refused => {
                        displaces.push((holder.key.clone(), Collision { resolution, other: key.clone() }));
                    }
                    _ => {
                        refused = Some(Collision { resolution, other: holder.key.clone() });
                        break;
                    }
                }
            }
            let Some(refused) = refused else {
                taken.extend(outcome.wants.iter().map(|entry| (*entry, key)));
                takers.entry(key.clone()).or_default().extend(displaces.iter().map(|(key, _)| key.clone()));
                found.displaced.extend(displaces);
                continue;
            };
            if refused.resolution.refused {
                return Ok(Err(self.refusal(&refused.resolution)));
            }
            found.refused.insert(key.clone(), refused);
            give_up(&mut taken, key, outcome);
            takers.remove(key).into_iter().flatten().for_each(|other| drop(found.displaced.remove(&other)));
            // Its record stays as it was.
            for entry in &outcome.frees {
                holders.again.insert(*entry, key);
                if let Some(taker) = taken.get(entry).copied() {
                    self.outcomes.get(taker).into_iter().for_each(|outcome| give_up(&mut taken, taker, outcome));
                    takers.remove(taker).into_iter().flatten().for_each(|other| drop(found.displaced.remove(&other)));
                    waiting.insert(taker);
                }
            }
        }
        Ok(Ok(found))
    }

    /// Finds the owners; reads head once.
    fn holders(&self) -> Result<Holders<'_>, StoreError> {
        let wanted: HashSet<&IndexEntry> = self.outcomes.values().flat_map(|outcome| &outcome.wants).collect();
        let kept = self.outcomes.iter().flat_map(|(key, outcome)| outcome.keeps.iter().map(move |entry| (*entry, key)));
        let mut holders = Holders { untouched: HashMap::new(), kept: kept.collect(), again: HashMap::new() };
        for chunk in self.store.records.iter().filter(|_| !wanted.is_empty()) {
            for line in self.lines(chunk)? {
                if self.outcomes.contains_key(&line.key) {
                    continue;
                }
                let held = entries_of(self.indexes, Some(&line), self.base)?;
                let held = held.into_iter().filter(|entry| wanted.contains(entry));
                holders.untouched.extend(held.map(|entry| (entry, bare(&line))));
            }
        }
        Ok(holders)
    }

    fn lines(&self, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError> {
        let list = List::Records(self.name.clone());
        lines_of(&list, chunk, &self.base.read_chunk(&list, chunk)?)
    }

    /// Applies the policy to two records with the same index key.
    fn ask(&self, key: &SortableKey, outcome: &Outcome, holder: Option<&Line>) -> Resolution {
        let meta = &outcome.line.meta;
        let incoming = Incoming { state: outcome.line.state.clone(), clock: Some(meta.at), by: meta.by.clone() };
        let sides = Sides {
            kind: ConflictType::UniqueIndex,
            store: self.name,
            key,
            head: holder,
            head_value: None,
            incoming: &incoming,
            base: Base::Unknown,
            received_at: self.received_at,
        };
        resolve(self.policy, &sides, &mut |_| ())
    }

    fn refusal(&self, resolution: &Resolution) -> Refusal {
        Refusal { store: self.name.clone(), kind: ConflictType::UniqueIndex, rule: resolution.rule.clone() }
    }
}

/// Takes its index keys from a change that is refused, or decided again.
fn give_up(taken: &mut HashMap<IndexEntry, &SortableKey>, key: &SortableKey, outcome: &Outcome) {
    for entry in &outcome.wants {
        if taken.get(entry).is_some_and(|taker| *taker == key) {
            taken.remove(entry);
        }
    }
}

/// Adapts a decision between two changes of one batch, of which only the second can give way.
fn given_way(resolution: Resolution) -> Resolution {
    let winner = if resolution.winner == Winner::Nobody { Winner::Nobody } else { Winner::Head };
    Resolution { winner, head_lost: false, incoming_lost: true, ..resolution }
}

impl ChunkSink for Outcomes<'_> {
    fn write_chunk(&mut self, _list: &List, _chunk: &ChunkRef, _text: Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MergeSink for Outcomes<'_> {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        Ok(state)
    }

    fn deleted(&mut self, _store: &DomString, _key: &SortableKey, _deletion: Deletion) {}

    fn conflict(&mut self, _conflict: Conflict) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn differs(&mut self, _store: &DomString, _line: &Line) -> Result<(), StoreError> {
        Ok(())
    }

    fn applied(&mut self, store: &DomString, head: Option<&Line>, line: &Line) -> Result<(), StoreError> {
        let Some(indexes) = self.unique.get(store) else { return Ok(()) };
        let (before, after) = (entries_of(indexes, head, self.base)?, entries_of(indexes, Some(line), self.base)?);
        if before.is_empty() && after.is_empty() {
            return Ok(());
        }
        let frees = before.iter().copied().filter(|entry| after.binary_search(entry).is_err()).collect();
        let (keeps, wants) = after.into_iter().partition(|entry| before.binary_search(entry).is_ok());
        let outcome = Outcome { wants, keeps, frees, line: bare(line), before: head.map(bare) };
        if !self.lines.contains_key(store) {
            self.lines.insert(store.clone(), BTreeMap::new());
        }
        self.lines.get_mut(store).map(|lines| lines.insert(line.key.clone(), outcome));
        Ok(())
    }
}
