//! The second step: decides which of two records gets an index key.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{UniqueStores, bare, entries_of};
use crate::apply::head_reader::HeadReader;
use crate::apply::walk::{MergeSink, WalkRefusal};
use crate::chunk::{ChunkSink, ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::unique_index::{IndexEntry, UniqueIndexes};
use crate::merge::{Base, Incoming, Resolution, Sides, resolve};
use crate::policy::StorePolicy;
use crate::snapshot::deletion_run::Deletion;
use crate::snapshot::{
    ChunkRef, Conflict, ConflictType, Line, LineState, List, Manifest, StoreManifest, Winner,
};
use crate::store::StoreError;

/// The changes of one object store that unique indexes prevent.
#[derive(Debug, Default)]
pub(crate) struct Collisions {
    /// Changes that are not applied, because another record has their index key.
    pub(crate) refused: BTreeMap<SortableKey, Collision>,
    /// Records of head that give way.
    pub(crate) displaced: BTreeMap<SortableKey, Collision>,
}

/// The decision about two records with the same index key, for the one that does not get it.
#[derive(Debug)]
pub(crate) struct Collision {
    pub(crate) resolution: Resolution,
    /// The other record.
    pub(crate) other: SortableKey,
}

/// A sink that collects a merge's results for object stores with unique indexes. Uses about 200
/// bytes for each change that adds an index key to a record or removes one.
#[derive(Debug)]
pub(crate) struct Outcomes<'a> {
    unique: &'a UniqueStores<'a>,
    base: &'a HeadReader<'a>,
    /// The last line of each key that changes.
    lines: BTreeMap<DomString, BTreeMap<SortableKey, UniqueOutcome>>,
}

/// The result for a record.
#[derive(Debug)]
struct UniqueOutcome {
    /// Index keys that are new to it.
    wants: Vec<IndexEntry>,
    /// Index keys that it has before and after, whatever is decided.
    keeps: Vec<IndexEntry>,
    /// Index keys that it releases, unless its change is refused.
    frees: Vec<IndexEntry>,
    /// The new line, without its value.
    line: Line,
}

impl<'a> Outcomes<'a> {
    /// Creates an empty collection.
    pub(crate) fn new(unique: &'a UniqueStores<'a>, base: &'a HeadReader<'a>) -> Self {
        Self { unique, base, lines: BTreeMap::new() }
    }

    /// Finds collisions among the results, and with head's other records, until there are none
    /// left.
    pub(crate) fn collisions<'p>(
        &self,
        head: &Manifest,
        policy_of: &dyn Fn(&DomString) -> &'p StorePolicy,
        received_at: i64,
    ) -> Result<BTreeMap<DomString, Collisions>, SearchEnd> {
        let mut all = BTreeMap::new();
        for (name, outcomes) in &self.lines {
            let (Some(indexes), Some(store)) = (self.unique.get(name), head.store(name)) else {
                continue;
            };
            let base = self.base;
            let search = Search {
                name,
                indexes,
                outcomes,
                store,
                base,
                policy: policy_of(name),
                received_at,
            };
            all.insert(name.clone(), search.run()?);
        }
        Ok(all)
    }
}

/// The reason why a search for collisions ended early.
pub(crate) enum SearchEnd {
    /// The policy refuses the whole batch.
    Refused(WalkRefusal),
    /// Something cannot be read.
    Store(StoreError),
}

impl From<StoreError> for SearchEnd {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Search<'a> {
    name: &'a DomString,
    indexes: &'a UniqueIndexes,
    outcomes: &'a BTreeMap<SortableKey, UniqueOutcome>,
    store: &'a StoreManifest,
    base: &'a HeadReader<'a>,
    policy: &'a StorePolicy,
    received_at: i64,
}

/// The owners of index keys.
struct Holders<'s> {
    /// Unchanged records of head that have a key which a change wants.
    untouched: HashMap<IndexEntry, Vec<Line>>,
    /// For each of these records, its keys that changes want.
    wanted_of: HashMap<SortableKey, Vec<IndexEntry>>,
    /// Records of the batch that keep the key, because their change does not release it or is
    /// refused.
    kept: HashMap<IndexEntry, BTreeSet<&'s SortableKey>>,
    /// Changes that got the key.
    taken: HashMap<IndexEntry, &'s SortableKey>,
    /// Records of head that give way to a change.
    gave_way: HashMap<&'s SortableKey, Vec<SortableKey>>,
}

/// The decision about a change.
enum UniqueKeyVerdict {
    /// The change gets all keys that it wants, and these records of head give way.
    Granted(BTreeMap<SortableKey, Collision>),
    Refused(Collision),
}

impl Search<'_> {
    /// Compares each change, lowest key first, with all owners of the keys that it wants. A refused
    /// change leaves its record as it was, so changes that took that record's keys are decided
    /// again.
    fn run(&self) -> Result<Collisions, SearchEnd> {
        let mut holders = self.holders()?;
        let mut found = Collisions::default();
        let wanting = self.outcomes.iter().filter(|(_, outcome)| !outcome.wants.is_empty());
        let mut waiting: BTreeSet<&SortableKey> = wanting.map(|(key, _)| key).collect();
        while let Some(key) = waiting.pop_first() {
            let Some(outcome) = self.outcomes.get(key).filter(|_| !found.refused.contains_key(key))
            else {
                continue;
            };
            match self.decide(key, outcome, &holders, &found) {
                UniqueKeyVerdict::Granted(displaced) => {
                    holders.taken.extend(outcome.wants.iter().map(|entry| (*entry, key)));
                    holders.gave_way.insert(key, displaced.keys().cloned().collect());
                    found.displaced.extend(displaced);
                }
                UniqueKeyVerdict::Refused(Collision { resolution, .. }) if resolution.refused => {
                    return Err(SearchEnd::Refused(self.refusal(&resolution)));
                }
                UniqueKeyVerdict::Refused(collision) => {
                    found.refused.insert(key.clone(), collision);
                    for entry in &outcome.frees {
                        holders.kept.entry(*entry).or_default().insert(key);
                    }
                    waiting.extend(self.take_back(&outcome.frees, &mut holders, &mut found));
                }
            }
        }
        Ok(found)
    }

    fn decide(
        &self,
        key: &SortableKey,
        outcome: &UniqueOutcome,
        holders: &Holders<'_>,
        found: &Collisions,
    ) -> UniqueKeyVerdict {
        let mut displaced = BTreeMap::new();
        let mut refused: Option<Collision> = None;
        // If several records keep a key, the collision names the lowest.
        let mut refuse = |collision: Collision| {
            if refused.as_ref().is_none_or(|refused| collision.other < refused.other) {
                refused = Some(collision);
            }
        };
        for entry in &outcome.wants {
            let kept = holders.kept.get(entry).into_iter().flatten();
            for other in kept.chain(holders.taken.get(entry)).filter(|other| **other != key) {
                // Both are in this batch: the first one, or the one that had the key before, wins.
                let line = self.outcomes.get(*other).map(|other| &other.line);
                let resolution = given_way(self.ask(key, outcome, line));
                refuse(Collision { resolution, other: (*other).clone() });
            }
            let untouched = holders.untouched.get(entry).into_iter().flatten();
            for holder in untouched.filter(|line| !found.displaced.contains_key(&line.key)) {
                let resolution = self.ask(key, outcome, Some(holder));
                if resolution.winner == Winner::Incoming && !resolution.refused {
                    displaced
                        .insert(holder.key.clone(), Collision { resolution, other: key.clone() });
                } else {
                    refuse(Collision { resolution, other: holder.key.clone() });
                }
            }
        }
        refused.map_or(UniqueKeyVerdict::Granted(displaced), UniqueKeyVerdict::Refused)
    }

    /// Returns these index keys to their records, and returns the changes that had taken them,
    /// which must be decided again. Records that gave way to one of these changes get their keys
    /// back too.
    fn take_back<'s>(
        &'s self,
        entries: &[IndexEntry],
        holders: &mut Holders<'s>,
        found: &mut Collisions,
    ) -> Vec<&'s SortableKey> {
        let (mut entries, mut again) = (entries.to_vec(), Vec::new());
        while let Some(entry) = entries.pop() {
            let Some(taker) = holders.taken.get(&entry).copied() else { continue };
            for entry in self.outcomes.get(taker).into_iter().flat_map(|outcome| &outcome.wants) {
                holders.taken.remove(entry);
            }
            for other in holders.gave_way.remove(taker).into_iter().flatten() {
                found.displaced.remove(&other);
                entries.extend(holders.wanted_of.get(&other).into_iter().flatten());
            }
            again.push(taker);
        }
        again
    }

    /// Finds the owners; reads head once.
    fn holders(&self) -> Result<Holders<'_>, StoreError> {
        let wanted: HashSet<&IndexEntry> =
            self.outcomes.values().flat_map(|outcome| &outcome.wants).collect();
        let mut holders = Holders {
            untouched: HashMap::new(),
            wanted_of: HashMap::new(),
            kept: HashMap::new(),
            taken: HashMap::new(),
            gave_way: HashMap::new(),
        };
        for (key, outcome) in self.outcomes {
            for entry in outcome.keeps.iter().filter(|entry| wanted.contains(entry)) {
                holders.kept.entry(*entry).or_default().insert(key);
            }
        }
        for chunk in self.store.records.iter().filter(|_| !wanted.is_empty()) {
            for line in self.lines(chunk)? {
                if self.outcomes.contains_key(&line.key) {
                    continue;
                }
                let mut held = entries_of(self.indexes, Some(&line), self.base)?;
                held.retain(|entry| wanted.contains(entry));
                held.iter().for_each(|entry| {
                    holders.untouched.entry(*entry).or_default().push(bare(&line))
                });
                if !held.is_empty() {
                    holders.wanted_of.insert(line.key, held);
                }
            }
        }
        Ok(holders)
    }

    fn lines(&self, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError> {
        let list = List::Records(self.name.clone());
        lines_of(&list, chunk, &self.base.read_chunk(&list, chunk)?)
    }

    /// Applies the policy to two records with the same index key.
    fn ask(&self, key: &SortableKey, outcome: &UniqueOutcome, holder: Option<&Line>) -> Resolution {
        let meta = &outcome.line.meta;
        let incoming = Incoming {
            state: outcome.line.state.clone(),
            clock: Some(meta.at),
            by: meta.by.clone(),
        };
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

    fn refusal(&self, resolution: &Resolution) -> WalkRefusal {
        WalkRefusal {
            store: self.name.clone(),
            kind: ConflictType::UniqueIndex,
            rule: resolution.rule.clone(),
        }
    }
}

/// Adapts a decision between two changes of one batch, of which only the second can give way.
fn given_way(resolution: Resolution) -> Resolution {
    let winner = if resolution.winner == Winner::Nobody { Winner::Nobody } else { Winner::Head };
    Resolution { winner, head_lost: false, incoming_lost: true, ..resolution }
}

impl ChunkSink for Outcomes<'_> {
    fn write_chunk(
        &mut self,
        _list: &List,
        _chunk: &ChunkRef,
        _text: Vec<u8>,
    ) -> Result<(), StoreError> {
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

    fn applied(
        &mut self,
        store: &DomString,
        head: Option<&Line>,
        line: &Line,
    ) -> Result<(), StoreError> {
        let Some(indexes) = self.unique.get(store) else { return Ok(()) };
        let (before, after) =
            (entries_of(indexes, head, self.base)?, entries_of(indexes, Some(line), self.base)?);
        if before.is_empty() && after.is_empty() {
            return Ok(());
        }
        let frees =
            before.iter().copied().filter(|entry| after.binary_search(entry).is_err()).collect();
        let (keeps, wants) =
            after.into_iter().partition(|entry| before.binary_search(entry).is_ok());
        let outcome = UniqueOutcome { wants, keeps, frees, line: bare(line) };
        if !self.lines.contains_key(store) {
            self.lines.insert(store.clone(), BTreeMap::new());
        }
        self.lines.get_mut(store).map(|lines| lines.insert(line.key.clone(), outcome));
        Ok(())
    }
}
