//! Unique indexes: which changes of a batch do not go because another record has one of their index keys.

use std::collections::{BTreeMap, BTreeSet};

use super::detection::Kind;
use super::flow::{Entry, Records};
use super::rules::{Resolver, Rules};
use super::schema::Shape;
use super::words::{Key, Place};

/// A record as a batch would make it if there were no indexes.
pub(super) struct Planned {
    pub(super) before: Option<Entry>,
    pub(super) after: Entry,
}

/// The decision about a record that does not get, or loses, an index key, and the record that has
/// it.
#[derive(Clone, Debug)]
pub(super) struct Collision {
    pub(super) winner: &'static str,
    pub(super) other: Key,
}

/// All of one batch: changes that are refused, and records of head that give way.
#[derive(Default)]
pub(super) struct Collisions {
    pub(super) refused: BTreeMap<Place, Collision>,
    pub(super) displaced: BTreeMap<Place, Collision>,
}

type IndexKeys = BTreeSet<(&'static str, Key)>;

/// A change, as far as indexes go.
struct Wish {
    had: IndexKeys,
    gets: IndexKeys,
    has: IndexKeys,
    entry: Entry,
}

/// One object store while its changes are decided.
struct Decisions<'a> {
    rules: &'a Rules,
    wishes: BTreeMap<Key, Wish>,
    /// Records that no change touches.
    others: BTreeMap<Key, (IndexKeys, Entry)>,
    refused: BTreeMap<Key, Collision>,
    /// Changes that have got what they wanted, and whom each displaces.
    granted: BTreeMap<Key, BTreeSet<Key>>,
}

/// Finds all collisions of an object store; `Err`: the policy refuses the batch.
pub(super) fn collide(
    rules: &Rules,
    shape: &Shape,
    records: &Records,
    plan: &BTreeMap<Place, Planned>,
) -> Result<Collisions, ()> {
    let keys = |entry: Option<&Entry>| -> IndexKeys {
        shape.index_keys(entry.and_then(|entry| entry.value.as_ref())).into_iter().collect()
    };
    let here = plan.iter().filter(|((store, _), _)| *store == shape.name);
    let wishes = here.map(|((_, key), planned)| {
        let (had, has) = (keys(planned.before.as_ref()), keys(Some(&planned.after)));
        let gets = has.difference(&had).cloned().collect();
        (key.clone(), Wish { had, gets, has, entry: planned.after.clone() })
    });
    let wishes: BTreeMap<_, _> = wishes.collect();
    let others = records
        .iter()
        .filter(|((store, key), _)| *store == shape.name && !wishes.contains_key(key));
    let others =
        others.map(|((_, key), entry)| (key.clone(), (keys(Some(entry)), entry.clone()))).collect();
    let mut decisions =
        Decisions { rules, wishes, others, refused: BTreeMap::new(), granted: BTreeMap::new() };
    while let Some(key) = decisions.next() {
        decisions.decide(&key)?;
    }
    Ok(decisions.collisions(shape.name))
}

impl Decisions<'_> {
    /// Returns the lowest key whose change is not decided.
    fn next(&self) -> Option<Key> {
        let open = |key: &&Key| !self.refused.contains_key(key) && !self.granted.contains_key(key);
        self.wishes
            .iter()
            .filter(|(_, wish)| !wish.gets.is_empty())
            .map(|(key, _)| key)
            .find(open)
            .cloned()
    }

    fn is_displaced(&self, other: &Key) -> bool {
        self.granted.values().any(|displaced| displaced.contains(other))
    }

    fn decide(&mut self, key: &Key) -> Result<(), ()> {
        let wish = &self.wishes[key];
        let wants = |keys: &IndexKeys| !wish.gets.is_disjoint(keys);
        let resolver = self.rules.resolver(Kind::UniqueIndex).unwrap();
        let keeps_head = if resolver == Resolver::Park { "none" } else { "head" };
        let mut against = BTreeMap::new();
        // Of two of one batch: who had it and has it still, then the lower key.
        for (other, theirs) in self.wishes.iter().filter(|(other, _)| *other != key) {
            let kept: IndexKeys = theirs.had.intersection(&theirs.has).cloned().collect();
            let is_refused = self.refused.contains_key(other);
            let has = match self.granted.contains_key(other) {
                true => &theirs.has,
                false if is_refused => &theirs.had,
                false => &kept,
            };
            if wants(has) {
                against
                    .insert(other.clone(), Collision { winner: keeps_head, other: other.clone() });
            }
        }
        let mut displaces = BTreeSet::new();
        for (other, (_, entry)) in
            self.others.iter().filter(|(other, (keys, _))| wants(keys) && !self.is_displaced(other))
        {
            let incoming = match resolver {
                Resolver::Fail => return Err(()),
                Resolver::IncomingWins => true,
                Resolver::LastWriteWins => is_later(&wish.entry, entry),
                Resolver::FirstWriteWins => !is_later(&wish.entry, entry),
                _ => false,
            };
            if incoming {
                displaces.insert(other.clone());
            } else {
                against
                    .insert(other.clone(), Collision { winner: keeps_head, other: other.clone() });
            }
        }
        if against.is_empty() {
            self.granted.insert(key.clone(), displaces);
            return Ok(());
        }
        if resolver == Resolver::Fail {
            return Err(());
        }
        let (_, collision) = against.pop_first().unwrap();
        self.refused.insert(key.clone(), collision);
        let had = self.wishes[key].had.clone();
        self.take_back(&had);
        Ok(())
    }

    /// Somebody has these index keys after all: who had got one of them is decided again.
    fn take_back(&mut self, keys: &IndexKeys) {
        let got = |key: &&Key| !self.wishes[*key].gets.is_disjoint(keys);
        let again: Vec<Key> = self.granted.keys().filter(got).cloned().collect();
        for key in again {
            for other in self.granted.remove(&key).unwrap_or_default() {
                // It need not give way any more.
                if !self.is_displaced(&other) {
                    let theirs = self.others[&other].0.clone();
                    self.take_back(&theirs);
                }
            }
        }
    }

    fn collisions(self, store: &str) -> Collisions {
        let place = |key: Key| (store.to_owned(), key);
        let mut collisions = Collisions::default();
        for (key, displaced) in self.granted {
            for other in displaced {
                let collision = Collision { winner: "incoming", other: key.clone() };
                collisions.displaced.insert(place(other), collision);
            }
        }
        collisions.refused =
            self.refused.into_iter().map(|(key, collision)| (place(key), collision)).collect();
        collisions
    }
}

/// Returns true if what would be stored is later than what is; values are not compared.
fn is_later(incoming: &Entry, stored: &Entry) -> bool {
    (incoming.at, &incoming.by) >= (stored.at, &stored.by)
}
