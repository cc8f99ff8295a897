//! Changes of ranges of keys.

use crate::indexeddb::key::SortableKey;

/// One end of a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The key.
    pub key: SortableKey,
    /// True if the key itself is excluded.
    pub open: bool,
}

/// A `clear` or `delete-range` change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeChange {
    /// The position of the object store in the batch's schema.
    pub store: usize,
    /// The number of the change in its batch, counted from 0.
    pub index: u64,
    /// The lower bound; `None` means from the first key.
    pub lower: Option<Bound>,
    /// The upper bound; `None` means to the last key.
    pub upper: Option<Bound>,
    /// The source's own clock, clamped.
    pub clock: Option<i64>,
}

impl RangeChange {
    /// True if the range covers `key`. For many keys, use [`RangeSweep`](super::RangeSweep).
    pub fn covers(&self, key: &SortableKey) -> bool {
        let begins = |lower: &Bound| if lower.open { lower.key < *key } else { lower.key <= *key };
        let ends = |upper: &Bound| if upper.open { upper.key <= *key } else { upper.key < *key };
        self.lower.as_ref().is_none_or(begins) && !self.upper.as_ref().is_some_and(ends)
    }
}
