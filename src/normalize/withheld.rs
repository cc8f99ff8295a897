//! What a full batch does not hold and does not prove to be gone: rejected records, and object stores that are not whole.

use std::collections::BTreeSet;

use crate::decode::Incomplete;
use crate::indexeddb::key::SortableKey;

/// So many keys of rejected lines are kept in memory; beyond, no record of the object store is deleted.
pub const MAX_REJECTED_KEYS: usize = 100_000;

/// Why a record stays, though a full batch does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// The batch leaves its object store out.
    StoreLeftOut,
    /// The input says that it does not hold all of its object store.
    Filtered,
    /// A line was rejected that may be of this record.
    UnknownKey,
    /// The record's own line was rejected.
    RejectedLine,
}

impl KeptReason {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreLeftOut => "store-left-out",
            Self::Filtered => "filtered",
            Self::UnknownKey => "unknown-key",
            Self::RejectedLine => "rejected-line",
        }
    }
}

/// What was withheld of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithheldStore {
    keys: BTreeSet<SortableKey>,
    unknown: bool,
    incomplete: Option<Incomplete>,
}

impl WithheldStore {
    /// True if the line of this record was rejected.
    pub fn holds(&self, key: &SortableKey) -> bool {
        self.keys.contains(key)
    }

    /// True if the line of any known record was rejected.
    pub fn holds_any(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// What was withheld of a full batch, by place of the object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    stores: Vec<WithheldStore>,
    keys: usize,
    /// A rejected line says of no object store that it is of that one.
    anywhere: bool,
}

impl Withheld {
    /// Nothing was, of so many object stores.
    pub fn new(stores: usize) -> Self {
        Self { stores: vec![WithheldStore::default(); stores], keys: 0, anywhere: false }
    }

    /// A line was rejected; `keys` are those that it may be about.
    pub fn reject(&mut self, place: Option<usize>, keys: Vec<SortableKey>) {
        let Some(store) = place.and_then(|place| self.stores.get_mut(place)) else {
            self.anywhere = true;
            return;
        };
        self.keys += keys.len();
        if keys.is_empty() || self.keys > MAX_REJECTED_KEYS {
            store.unknown = true;
            store.keys.clear();
        }
        if !store.unknown {
            store.keys.extend(keys);
        }
    }

    /// The input does not hold all records of an object store.
    pub fn incomplete(&mut self, place: usize, incomplete: Incomplete) {
        if let Some(store) = self.stores.get_mut(place) {
            store.incomplete = Some(incomplete);
        }
    }

    /// Why no record of an object store is deleted; `None` as place: one that the batch does not have.
    pub fn keeps_all(&self, place: Option<usize>) -> Option<KeptReason> {
        let store = place.and_then(|place| self.stores.get(place));
        match store.and_then(|store| store.incomplete) {
            Some(Incomplete::LeftOut) => Some(KeptReason::StoreLeftOut),
            Some(Incomplete::Filtered) => Some(KeptReason::Filtered),
            None => (self.anywhere || store.is_some_and(|store| store.unknown)).then_some(KeptReason::UnknownKey),
        }
    }

    /// What was withheld of an object store.
    pub fn of_store(&self, place: usize) -> Option<&WithheldStore> {
        self.stores.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;

    fn key(number: usize) -> SortableKey {
        Key::Number(number as f64).to_sortable().unwrap()
    }

    #[test]
    fn what_cannot_be_told_keeps_everything_that_it_may_be() {
        let mut withheld = Withheld::new(3);
        withheld.reject(Some(0), vec![key(1), key(2)]);
        assert!(withheld.of_store(0).unwrap().holds(&key(2)) && withheld.keeps_all(Some(0)).is_none());
        withheld.reject(Some(1), Vec::new());
        withheld.incomplete(2, Incomplete::Filtered);
        assert_eq!(withheld.keeps_all(Some(1)), Some(KeptReason::UnknownKey));
        assert_eq!((withheld.keeps_all(Some(0)), withheld.keeps_all(None)), (None, None));
        withheld.reject(None, Vec::new());
        assert_eq!(withheld.keeps_all(Some(0)), Some(KeptReason::UnknownKey));
        assert_eq!(withheld.keeps_all(None), Some(KeptReason::UnknownKey));
        assert_eq!(withheld.keeps_all(Some(2)), Some(KeptReason::Filtered));
    }

    #[test]
    fn keys_beyond_the_limit_count_as_unknown() {
        let mut withheld = Withheld::new(2);
        (0..MAX_REJECTED_KEYS).for_each(|number| withheld.reject(Some(0), vec![key(number)]));
        assert_eq!(withheld.keeps_all(Some(0)), None);
        withheld.reject(Some(1), vec![key(0)]);
        assert_eq!((withheld.keeps_all(Some(0)), withheld.keeps_all(Some(1))), (None, Some(KeptReason::UnknownKey)));
    }
}
