//! Records that a full batch neither contains nor proves to be deleted: rejected records, and
//! records of incomplete object stores.

use std::collections::BTreeSet;

use crate::decode::Incomplete;
use crate::indexeddb::key::SortableKey;

/// The most keys of rejected lines that are kept in memory. Above it, no record of the object store
/// is deleted.
pub const MAX_REJECTED_KEYS: usize = 100_000;

/// The reason why a record is kept although a full batch does not contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// The batch leaves out the object store.
    StoreLeftOut,
    /// The input states that it does not contain all records of the object store.
    Filtered,
    /// A line was rejected that may be about this record.
    UnknownKey,
    /// The record's own line was rejected.
    RejectedLine,
}

impl KeptReason {
    /// Returns the name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreLeftOut => "store-left-out",
            Self::Filtered => "filtered",
            Self::UnknownKey => "unknown-key",
            Self::RejectedLine => "rejected-line",
        }
    }
}

/// The withheld records of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithheldStore {
    keys: BTreeSet<SortableKey>,
    unknown: bool,
    incomplete: Option<Incomplete>,
}

impl WithheldStore {
    /// True if this record's line was rejected.
    pub fn holds(&self, key: &SortableKey) -> bool {
        self.keys.contains(key)
    }

    /// True if any known record's line was rejected.
    pub fn holds_any(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// The withheld records of a full batch, by position of the object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    stores: Vec<WithheldStore>,
    keys: usize,
    /// True if the object store of a rejected line is unknown.
    anywhere: bool,
}

impl Withheld {
    /// Returns an empty set for this many object stores.
    pub fn new(stores: usize) -> Self {
        Self { stores: vec![WithheldStore::default(); stores], keys: 0, anywhere: false }
    }

    /// Adds a rejected line; `keys` are the keys that it may be about.
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

    /// Marks an object store of which the input does not contain all records.
    pub fn incomplete(&mut self, place: usize, incomplete: Incomplete) {
        if let Some(store) = self.stores.get_mut(place) {
            store.incomplete = Some(incomplete);
        }
    }

    /// Returns the reason why no record of an object store is deleted. Pass `None` for an object
    /// store that the batch does not contain.
    pub fn keeps_all(&self, place: Option<usize>) -> Option<KeptReason> {
        let store = place.and_then(|place| self.stores.get(place));
        match store.and_then(|store| store.incomplete) {
            Some(Incomplete::LeftOut) => Some(KeptReason::StoreLeftOut),
            Some(Incomplete::Filtered) => Some(KeptReason::Filtered),
            None => (self.anywhere || store.is_some_and(|store| store.unknown))
                .then_some(KeptReason::UnknownKey),
        }
    }

    /// Returns the withheld records of an object store.
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
        assert!(
            withheld.of_store(0).unwrap().holds(&key(2)) && withheld.keeps_all(Some(0)).is_none()
        );
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
        assert_eq!(
            (withheld.keeps_all(Some(0)), withheld.keeps_all(Some(1))),
            (None, Some(KeptReason::UnknownKey))
        );
    }
}
