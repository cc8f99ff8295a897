//! Unique indexes: IndexedDB refuses a second record with the same index key; two sources that do not see each other make
//! one each. Looked for only where the policy says what is to happen, for it reads every record of the object store.

use std::collections::{BTreeMap, HashMap};

use super::base::BaseReader;
use super::walk::{MergeSink, Refusal};
use crate::chunk::{ChunkSink, ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::{Index, KeyPath};
use crate::indexeddb::value::{at_path, items, sortable_key_of};
use crate::merge::{Base, Conflict, Incoming, Resolution, Sides, Winner, resolve};
use crate::policy::{ConflictType, StorePolicy};
use crate::snapshot::{ChunkRef, Line, LineState, List, Manifest, StoreManifest};
use crate::store::StoreError;

/// A key in a unique index: a digest of the index and the key.
type Entry = [u8; 16];

/// What of one object store does not go as its changes say.
#[derive(Debug, Default)]
pub(super) struct Collisions {
    /// Changes that are not applied, because another record has their index key.
    pub(super) refused: BTreeMap<SortableKey, Resolution>,
    /// Records of head that give way.
    pub(super) displaced: BTreeMap<SortableKey, Resolution>,
}

/// Hears what a merge would leave of object stores with unique indexes. Takes some 100 bytes for each change.
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

impl Search<'_> {
    /// A change that is refused leaves its record as it was, which may collide with what took its place: so again.
    fn run(&self) -> Result<Result<Collisions, Refusal>, StoreError> {
        let mut found = Collisions::default();
        loop {
            let before = found.refused.len() + found.displaced.len();
            let mut taken: HashMap<Entry, &SortableKey> = HashMap::new();
            for (key, outcome) in self.outcomes {
                if found.refused.contains_key(key) {
                    continue;
                }
                match outcome.entries.iter().find_map(|entry| taken.get(entry)).copied() {
                    // Both came with this batch: the first one stays.
                    Some(other) => {
                        let resolution =
                            self.ask(key, outcome, self.outcomes.get(other).map(|other| &other.line), None);
                        if resolution.refused {
                            return Ok(Err(self.refusal(&resolution)));
                        }
                        found.refused.insert(key.clone(), given_way(resolution));
                    }
                    None => taken.extend(outcome.entries.iter().map(|entry| (*entry, key))),
                }
            }
            for chunk in &self.store.records {
                for line in self.lines(chunk)? {
                    let replaced = self.outcomes.contains_key(&line.key) && !found.refused.contains_key(&line.key);
                    if replaced || found.displaced.contains_key(&line.key) {
                        continue;
                    }
                    let Some(value) = self.base.whole_value(&line.state)? else { continue };
                    let Some(key) = entries(self.indexes, &value).iter().find_map(|entry| taken.get(entry)).copied()
                    else {
                        continue;
                    };
                    let (Some(outcome), false) = (self.outcomes.get(key), found.refused.contains_key(key)) else {
                        continue;
                    };
                    let resolution = self.ask(key, outcome, Some(&line), Some(&value));
                    if resolution.refused {
                        return Ok(Err(self.refusal(&resolution)));
                    }
                    match resolution.winner {
                        Winner::Incoming => found.displaced.insert(line.key.clone(), resolution),
                        _ => found.refused.insert(key.clone(), resolution),
                    };
                }
            }
            if found.refused.len() + found.displaced.len() == before {
                return Ok(Ok(found));
            }
        }
    }

    fn lines(&self, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError> {
        let list = List::Records(self.name.clone());
        lines_of(&list, chunk, &self.base.read_chunk(&list, chunk)?)
    }

    /// Asks the policy which of two records is to have the index key.
    fn ask(&self, key: &SortableKey, outcome: &Outcome, holder: Option<&Line>, value: Option<&[u8]>) -> Resolution {
        let meta = &outcome.line.meta;
        let incoming = Incoming { state: outcome.line.state.clone(), clock: Some(meta.at), by: meta.by.clone() };
        let sides = Sides {
            kind: ConflictType::UniqueIndex,
            store: self.name,
            key,
            head: holder,
            head_value: value,
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

/// Of two changes of one batch only the second can give way.
fn given_way(resolution: Resolution) -> Resolution {
    let winner = if resolution.winner == Winner::Nobody { Winner::Nobody } else { Winner::Head };
    Resolution { winner, head_lost: false, incoming_lost: true, ..resolution }
}

/// The keys that a record has in unique indexes. As IndexedDB does: what is no key is in no index.
fn entries(indexes: &[Index], value: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    for (place, index) in (0_u64..).zip(indexes) {
        let mut add = |sortable: &[u8]| {
            let digest = blake3::Hasher::new().update(&place.to_le_bytes()).update(sortable).finalize();
            found.extend(digest.as_bytes().first_chunk::<16>().copied());
        };
        let mut sortable = Vec::new();
        match &index.key_path {
            KeyPath::Path(path) => {
                let Some(at) = at_path(value, &path.to_string()) else { continue };
                match items(&at).filter(|_| index.multi_entry && at.first() == Some(&b'[')) {
                    Some(elements) => {
                        for element in elements {
                            sortable.clear();
                            if sortable_key_of(element, &mut sortable).is_ok() {
                                add(&sortable);
                            }
                        }
                    }
                    None if sortable_key_of(&at, &mut sortable).is_ok() => add(&sortable),
                    None => {}
                }
            }
            KeyPath::Paths(paths) => {
                let parts: Option<Vec<_>> = paths.iter().map(|path| at_path(value, &path.to_string())).collect();
                let Some(parts) = parts else { continue };
                let array = [b"[", &parts.join(&b","[..])[..], b"]"].concat();
                if sortable_key_of(&array, &mut sortable).is_ok() {
                    add(&sortable);
                }
            }
        }
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
