//! Runs: a source's recent deletions, which the guard judges together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::name_to_json;

/// The bulk deletions in an object store that a run of batches may make. Up to this many in one
/// batch are not counted.
pub const MAX_BULK_DELETES: u64 = 2;

/// Up to this many single deletions of a batch in an object store are manual work, and are not
/// counted.
pub const MAX_DELETES_BY_HAND: u64 = 5;

/// The length of a run: batches of one source received within this many milliseconds are judged
/// together.
pub const RUN_MS: i64 = 60 * 60 * 1000;

/// Numbers of deleted records in one object store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    /// Records missing from a full batch, or deleted by a range, an index or a schema.
    pub bulk: u64,
    /// The part of `bulk` that the source had.
    pub own_bulk: u64,
    /// Records deleted by separate lines.
    pub single: u64,
    /// The part of `single` that the source had.
    pub own_single: u64,
}

/// The deletion of one record by a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// True if no separate line deletes it.
    pub(crate) bulk: bool,
    /// True if the source had the record.
    pub(crate) own: bool,
}

impl Deletion {
    /// Adds it to `counts`.
    pub(crate) fn count(self, store: &DomString, counts: &mut BTreeMap<DomString, Deletions>) {
        let deletions = counts.entry(store.clone()).or_default();
        let (all, own) = match self.bulk {
            true => (&mut deletions.bulk, &mut deletions.own_bulk),
            false => (&mut deletions.single, &mut deletions.own_single),
        };
        *all += 1;
        *own += u64::from(self.own);
    }
}

impl Deletions {
    /// Returns the number of all deletions.
    pub fn total(&self) -> u64 {
        self.bulk + self.single
    }

    /// Returns the number of deletions of records that the source had.
    pub fn own(&self) -> u64 {
        self.own_bulk + self.own_single
    }

    /// Returns the deletions without manual work.
    pub fn counted(self) -> Self {
        let mut counted = self;
        if self.bulk <= MAX_BULK_DELETES {
            (counted.bulk, counted.own_bulk) = (0, 0);
        }
        if self.single <= MAX_DELETES_BY_HAND {
            (counted.single, counted.own_single) = (0, 0);
        }
        counted
    }

    /// Returns the sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            bulk: self.bulk + other.bulk,
            own_bulk: self.own_bulk + other.own_bulk,
            single: self.single + other.single,
            own_single: self.own_single + other.own_single,
        }
    }
}

/// The deletions by a source since the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Time of receipt of the run's first batch, in milliseconds since 1970.
    pub at: i64,
    /// The counted deletions, by object store.
    pub stores: BTreeMap<DomString, Deletions>,
}

impl Run {
    /// True if a batch received at this time belongs to the run.
    pub fn holds(&self, received_at: i64) -> bool {
        !self.stores.is_empty() && received_at.abs_diff(self.at) <= RUN_MS.unsigned_abs()
    }

    /// Returns the deletions in an object store.
    pub fn of(&self, store: &DomString) -> Deletions {
        self.stores.get(store).copied().unwrap_or_default()
    }

    /// Adds the deletions of a batch.
    pub fn add(&mut self, received_at: i64, deletions: &BTreeMap<DomString, Deletions>) {
        for (store, deletions) in deletions {
            let counted = deletions.counted();
            if counted.total() > 0 {
                if self.stores.is_empty() {
                    self.at = received_at;
                }
                let known = self.of(store);
                self.stores.insert(store.clone(), known.and(counted));
            }
        }
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let stores =
            value["stores"].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(
                |store| {
                    let number = |member: &str| store[member].as_u64().unwrap_or(0);
                    let deletions = Deletions {
                        bulk: number("bulk"),
                        own_bulk: number("ownBulk"),
                        single: number("single"),
                        own_single: number("ownSingle"),
                    };
                    Some((DomString::from_json(&store["name"])?, deletions))
                },
            );
        Self { at: value["at"].as_i64().unwrap_or(0), stores: stores.collect() }
    }

    pub(crate) fn to_json(&self) -> Value {
        let store = |(name, deletions): (&DomString, &Deletions)| {
            let Deletions { bulk, own_bulk, single, own_single } = *deletions;
            let numbers = [
                ("bulk", bulk),
                ("ownBulk", own_bulk),
                ("single", single),
                ("ownSingle", own_single),
            ];
            let mut members = Map::new();
            members.insert("name".into(), name_to_json(name));
            members.extend(
                numbers
                    .into_iter()
                    .filter(|(_, n)| *n > 0)
                    .map(|(name, n)| (name.to_owned(), Value::from(n))),
            );
            Value::Object(members)
        };
        json!({ "at": self.at, "stores": self.stores.iter().map(store).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bulk: u64) -> BTreeMap<DomString, Deletions> {
        let deletions = Deletions { bulk, own_bulk: bulk, ..Deletions::default() };
        [("data".into(), deletions)].into()
    }

    #[test]
    fn a_run_begins_with_what_is_counted_and_ends_after_an_hour() {
        let mut run = Run::default();
        run.add(5, &bulk(MAX_BULK_DELETES));
        assert!(run.stores.is_empty() && !run.holds(5));
        run.add(7, &bulk(10));
        run.add(9, &bulk(10));
        assert_eq!((run.at, run.of(&"data".into()).bulk), (7, 20));
        assert!(run.holds(7 + RUN_MS) && !run.holds(8 + RUN_MS) && run.holds(0));
        assert_eq!(Run::from_json(&run.to_json()), run);
    }

    #[test]
    fn single_deletions_by_hand_are_not_counted() {
        let single = |single| Deletions { single, ..Deletions::default() };
        assert_eq!(single(MAX_DELETES_BY_HAND).counted(), Deletions::default());
        assert_eq!(single(MAX_DELETES_BY_HAND + 1).counted(), single(MAX_DELETES_BY_HAND + 1));
    }
}
