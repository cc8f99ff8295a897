//! Unique indexes: IndexedDB refuses a second record with the same index key; two sources that do not see each other make
//! one each. Looked for only where the policy says what is to happen, for it reads every record of the object store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use super::base::BaseReader;
use super::walk::{MergeSink, Refusal};
use crate::chunk::{ChunkSink, ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{SortableKey, sortable_string};
use crate::indexeddb::key_path::KeyExtractor;
use crate::indexeddb::schema::Index;
use crate::merge::{Base, Conflict, Incoming, Resolution, Sides, Winner, resolve};
use crate::policy::{ConflictType, StorePolicy};
use crate::snapshot::{ChunkRef, Line, LineState, List, Manifest, StoreManifest};
use crate::store::StoreError;

/// A key in a unique index: a digest of the index and the key.
pub(super) type Entry = [u8; 16];

/// What of one object store does not go as its changes say.
#[derive(Debug, Default)]
pub(super) struct Collisions {
    /// Changes that are not applied, because another record has their index key.
    pub(super) refused: BTreeMap<SortableKey, Collision>,
    /// Records of head that give way.
    pub(super) displaced: BTreeMap<SortableKey, Collision>,
}

/// What is decided about two records with one index key, for that of them which does not get it.
#[derive(Debug)]
pub(super) struct Collision {
    pub(super) resolution: Resolution,
    /// The other one.
    pub(super) other: SortableKey,
}

/// Hears what a merge would leave of object stores with unique indexes. Takes some 100 bytes for each change, as much for each record that
/// changes or has an index key that a change takes.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    indexes: BTreeMap<DomString, Vec<Index>>,
    /// The last line of each key that changes.
    lines: BTreeMap<DomString, BTreeMap<SortableKey, Outcome>>,
}

#[derive(Debug)]
struct Outcome {
    entries: Vec<Entry>,
    /// Without its value.
    line: Line,
}

impl Outcomes {
    /// Hears of object stores that have unique indexes; `None` if there is none.
    pub(super) fn new(manifest: &Manifest) -> Option<Self> {
        let unique = |store: &StoreManifest| {
            let indexes: Vec<_> = store.schema.indexes.iter().filter(|index| index.unique).cloned().collect();
            (!indexes.is_empty()).then(|| (store.schema.name.clone(), indexes))
        };
        let indexes: BTreeMap<_, _> = manifest.stores.iter().filter_map(unique).collect();
        (!indexes.is_empty()).then(|| Self { indexes, lines: BTreeMap::new() })
    }

    /// Finds collisions among the outcomes, and between them and head's other records, until there is none left.
    pub(super) fn collisions<'p>(
        &self,
        head: &Manifest,
        base: &BaseReader<'_>,
        policy_of: &dyn Fn(&DomString) -> &'p StorePolicy,
        received_at: i64,
    ) -> Result<Result<BTreeMap<DomString, Collisions>, Refusal>, StoreError> {
        let mut all = BTreeMap::new();
        for (name, outcomes) in &self.lines {
            let (Some(indexes), Some(store)) = (self.indexes.get(name), head.store(name)) else { continue };
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
    indexes: &'a [Index],
    outcomes: &'a BTreeMap<SortableKey, Outcome>,
    store: &'a StoreManifest,
    base: &'a BaseReader<'a>,
    policy: &'a StorePolicy,
    received_at: i64,
}

/// Who has an index key, beside the changes that take one.
struct Holders {
    /// Records of head that no change touches: those whose key some change takes.
    untouched: HashMap<Entry, Line>,
    /// What changes leave behind, as head has it: it holds again if the change is refused.
    old: HashMap<SortableKey, (Vec<Entry>, Line)>,
    /// Old lines of refused changes, by their keys.
    again: HashMap<Entry, SortableKey>,
}

impl Search<'_> {
    /// Decides each change against all who have one of its keys. It takes a key from another record only if it gets all of them. A
    /// change that is refused leaves its record as it was: who took what that has is decided again.
    fn run(&self) -> Result<Result<Collisions, Refusal>, StoreError> {
        let mut holders = self.holders()?;
        let mut found = Collisions::default();
        let mut taken: HashMap<Entry, &SortableKey> = HashMap::new();
        let mut takers: HashMap<SortableKey, Vec<SortableKey>> = HashMap::new();
        let mut waiting: BTreeMap<&SortableKey, ()> = self.outcomes.keys().map(|key| (key, ())).collect();
        while let Some((key, ())) = waiting.pop_first() {
            let Some(outcome) = self.outcomes.get(key).filter(|_| !found.refused.contains_key(key)) else { continue };
            let mut displaces = Vec::new();
            let mut refused = None;
            for entry in &outcome.entries {
                if let Some(other) = taken.get(entry).filter(|other| **other != key) {
                    // Both came with this batch: the first one stays.
                    let line = self.outcomes.get(*other).map(|other| &other.line);
                    let resolution = given_way(self.ask(key, outcome, line));
                    refused = Some(Collision { resolution, other: (*other).clone() });
                    break;
                }
                let again = holders.again.get(entry).and_then(|old| holders.old.get(old)).map(|(_, line)| line);
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
                taken.extend(outcome.entries.iter().map(|entry| (*entry, key)));
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
            for entry in holders.old.get(key).map(|(entries, _)| entries.clone()).unwrap_or_default() {
                holders.again.insert(entry, key.clone());
                if let Some(taker) = taken.get(&entry).copied() {
                    self.outcomes.get(taker).into_iter().for_each(|outcome| give_up(&mut taken, taker, outcome));
                    takers.remove(taker).into_iter().flatten().for_each(|other| drop(found.displaced.remove(&other)));
                    waiting.insert(taker, ());
                }
            }
        }
        Ok(Ok(found))
    }

    /// Reads head once.
    fn holders(&self) -> Result<Holders, StoreError> {
        let wanted: HashSet<&Entry> = self.outcomes.values().flat_map(|outcome| &outcome.entries).collect();
        let mut holders = Holders { untouched: HashMap::new(), old: HashMap::new(), again: HashMap::new() };
        for chunk in &self.store.records {
            for line in self.lines(chunk)? {
                let touched = self.outcomes.contains_key(&line.key);
                let Some(value) = self.base.whole_value(&line.state)? else { continue };
                let found = entries(self.indexes, &value);
                // Values are large, and clock and source decide.
                let line = Line { state: LineState::Put(Box::default()), ..line };
                if touched {
                    holders.old.insert(line.key.clone(), (found, line));
                } else {
                    let held: Vec<Entry> = found.into_iter().filter(|entry| wanted.contains(entry)).collect();
                    holders.untouched.extend(held.into_iter().map(|entry| (entry, line.clone())));
                }
            }
        }
        Ok(holders)
    }

    fn lines(&self, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError> {
        let list = List::Records(self.name.clone());
        lines_of(&list, chunk, &self.base.read_chunk(&list, chunk)?)
    }

    /// Asks the policy which of two records is to have the index key.
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
fn give_up(taken: &mut HashMap<Entry, &SortableKey>, key: &SortableKey, outcome: &Outcome) {
    for entry in &outcome.entries {
        if taken.get(entry).is_some_and(|taker| *taker == key) {
            taken.remove(entry);
        }
    }
}

/// Of two changes of one batch only the second can give way.
fn given_way(resolution: Resolution) -> Resolution {
    let winner = if resolution.winner == Winner::Nobody { Winner::Nobody } else { Winner::Head };
    Resolution { winner, head_lost: false, incoming_lost: true, ..resolution }
}

/// The sortable key of what stands in the place of a redacted value.
static REDACTED: LazyLock<Vec<u8>> = LazyLock::new(|| sortable_string("[redacted]").as_bytes().to_vec());

/// The keys that a record has in unique indexes. As IndexedDB does: what is no key is in no index.
pub(super) fn entries(indexes: &[Index], value: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    for (place, index) in (0_u64..).zip(indexes) {
        let mut add = |sortable: &[u8]| {
            // What is hidden is the same text in every record, and the key of none.
            if *sortable == *REDACTED {
                return;
            }
            let digest = blake3::Hasher::new().update(&place.to_le_bytes()).update(sortable).finalize();
            found.extend(digest.as_bytes().first_chunk::<16>().copied());
        };
        KeyExtractor::from(&index.key_path).index_keys(value, index.multi_entry, &mut add);
    }
    found.sort_unstable();
    found.dedup();
    found
}

impl ChunkSink for Outcomes {
    fn write_chunk(&mut self, _list: &List, _chunk: &ChunkRef, _text: Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MergeSink for Outcomes {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        Ok(state)
    }

    fn deleted(&mut self, _store: &DomString, _key: &SortableKey) {}

    fn conflict(&mut self, _conflict: Conflict) -> Result<(), StoreError> {
        Ok(())
    }

    fn differs(&mut self, _store: &DomString, _line: &Line) -> Result<(), StoreError> {
        Ok(())
    }

    fn applied(&mut self, store: &DomString, line: &Line) {
        let Some(indexes) = self.indexes.get(store) else { return };
        let (entries, state) = match &line.state {
            LineState::Put(value) => (entries(indexes, value), LineState::Put(Box::default())),
            state => (Vec::new(), state.clone()),
        };
        let line = Line { state, key: line.key.clone(), meta: line.meta.clone() };
        self.lines.entry(store.clone()).or_default().insert(line.key.clone(), Outcome { entries, line });
    }
}
