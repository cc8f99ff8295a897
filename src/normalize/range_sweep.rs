//! A sweep over the ranges of one object store in key order, which finds the ranges that cover a
//! key in one pass.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::range::RangeChange;
use crate::indexeddb::key::SortableKey;

/// A range, from its first position to the first position after it.
#[derive(Debug)]
struct RangeSpan<'a> {
    start: SortableKey,
    /// The end; `None` means after the last key.
    end: Option<SortableKey>,
    range: &'a RangeChange,
}

/// Finds the ranges that cover keys, which must ascend from call to call. `n` ranges and `m` keys
/// take time proportional to `(n + m) log n`.
#[derive(Debug, Default)]
pub struct RangeSweep<'a> {
    /// Ranges that have not begun, in descending order of their starts, so the next one to begin is
    /// last.
    waiting: Vec<RangeSpan<'a>>,
    /// Ranges that have begun and not ended, by their number in the batch.
    covering: BTreeMap<u64, &'a RangeChange>,
    /// The ends of the covering ranges, nearest first.
    ends: BinaryHeap<Reverse<(SortableKey, u64)>>,
}

impl<'a> RangeSweep<'a> {
    /// Returns a sweep positioned before the first key. All ranges must be of one object store.
    pub fn new(ranges: impl IntoIterator<Item = &'a RangeChange>) -> Self {
        let mut waiting: Vec<_> = ranges.into_iter().map(RangeSpan::of).collect();
        waiting.sort_by(|a, b| b.start.cmp(&a.start));
        Self { waiting, ..Self::default() }
    }

    /// True if no range covers any key from here on.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.covering.is_empty()
    }

    /// Moves to `key`.
    pub fn advance(&mut self, key: &SortableKey) {
        while let Some(span) = self.waiting.pop_if(|span| span.start <= *key) {
            let number = span.range.index;
            self.covering.insert(number, span.range);
            if let Some(end) = span.end {
                self.ends.push(Reverse((end, number)));
            }
        }
        while let Some(Reverse((end, number))) = self.ends.peek()
            && end <= key
        {
            self.covering.remove(number);
            self.ends.pop();
        }
    }

    /// Returns the first line that covers the current key.
    pub fn first(&self) -> Option<&'a RangeChange> {
        self.covering.first_key_value().map(|(_, range)| *range)
    }

    /// Returns the last line that covers the current key.
    pub fn last(&self) -> Option<&'a RangeChange> {
        self.covering.last_key_value().map(|(_, range)| *range)
    }

    /// Returns the first position at or after `key`, the current key, that a range may cover.
    pub fn next_place(&self, key: &SortableKey) -> Option<SortableKey> {
        if self.covering.is_empty() {
            self.waiting.last().map(|span| span.start.clone())
        } else {
            Some(key.clone())
        }
    }
}

impl<'a> RangeSpan<'a> {
    fn of(range: &'a RangeChange) -> Self {
        let place =
            |key: &SortableKey, after: bool| if after { key.just_after() } else { key.clone() };
        let start = range.lower.as_ref().map(|lower| place(&lower.key, lower.open));
        let end = range.upper.as_ref().map(|upper| place(&upper.key, !upper.open));
        Self { start: start.unwrap_or_else(SortableKey::before_all), end, range }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::indexeddb::key::Key;
    use crate::normalize::Bound;

    fn key(number: i32) -> SortableKey {
        Key::Number(f64::from(number)).to_sortable().unwrap()
    }

    fn ranges() -> impl Strategy<Value = Vec<RangeChange>> {
        let bound = || prop::option::of((0..12, any::<bool>()));
        let range =
            (bound(), bound()).prop_filter("empty", |(lower, upper)| match (lower, upper) {
                (Some((lower, from)), Some((upper, to))) => {
                    lower < upper || (lower == upper && !from && !to)
                }
                _ => true,
            });
        prop::collection::vec(range, 0..12).prop_map(|all| {
            let bound =
                |it: Option<(i32, bool)>| it.map(|(number, open)| Bound { key: key(number), open });
            let numbered = all.into_iter().enumerate();
            let range = |(at, (lower, upper))| RangeChange {
                store: 0,
                index: at as u64,
                lower: bound(lower),
                upper: bound(upper),
                clock: None,
            };
            numbered.map(range).collect()
        })
    }

    proptest! {
        #[test]
        fn covers_what_each_range_covers(ranges in ranges(), keys in prop::collection::btree_set(0..12, 0..8)) {
            let mut sweep = RangeSweep::new(&ranges);
            for number in keys {
                let key = key(number);
                sweep.advance(&key);
                let covering: Vec<_> = ranges.iter().filter(|range| range.covers(&key)).collect();
                prop_assert_eq!(sweep.first(), covering.first().copied());
                prop_assert_eq!(sweep.last(), covering.last().copied());
                let later = (number + 1..13).find(|later| ranges.iter().any(|range| range.covers(&self::key(*later))));
                let next = sweep.next_place(&key);
                if !covering.is_empty() {
                    prop_assert_eq!(next, Some(key));
                } else if let Some(later) = later {
                    prop_assert!(next.is_some_and(|next| next <= self::key(later)));
                }
            }
        }
    }
}
