//! Folds the changes of one key, in line order, into one: the base of the first and the state of
//! the last.

use std::io;

use super::folded::{Claim, Folded};
use super::range::RangeChange;
use super::range_sweep::RangeSweep;
use super::record::{BaseBytes, OP_PUT, Record};
use super::runs::{MergedRuns, Runs};
use crate::indexeddb::key::SortableKey;
use crate::snapshot::LineState;

/// The sorted changes and ranges that a merge takes.
#[derive(Debug)]
pub struct Changes {
    /// Changes of single keys.
    pub runs: Runs,
    /// Changes of ranges, by object store and then in line order.
    pub ranges: Vec<RangeChange>,
    /// The number of changes that delete a single key.
    pub deletes: u64,
}

/// Folds the changes of a batch, in order of object store and key.
#[derive(Debug)]
pub struct Folds<'a> {
    merged: MergedRuns<'a>,
    ranges: &'a [RangeChange],
    skip: u64,
    /// The ranges of the object store that is being folded, with the object store's position.
    sweep: Option<(usize, RangeSweep<'a>)>,
    next: Option<(u64, Folded)>,
}

impl Changes {
    /// Returns the ranges of an object store in line order, except those numbered below `skip`.
    pub fn ranges_of(&self, store: usize, skip: u64) -> &[RangeChange] {
        ranges_of(&self.ranges, store, skip)
    }

    /// Starts folding. Changes numbered below `skip` are left out, because they are already
    /// committed.
    pub fn folds(&self, skip: u64) -> io::Result<Folds<'_>> {
        let mut folds = Folds {
            merged: self.runs.iter()?,
            ranges: &self.ranges,
            skip,
            sweep: None,
            next: None,
        };
        folds.next = folds.read()?;
        Ok(folds)
    }
}

fn ranges_of(all: &[RangeChange], store: usize, skip: u64) -> &[RangeChange] {
    let begin = all.partition_point(|range| (range.store, range.index) < (store, skip));
    let rest = all.get(begin..).unwrap_or_default();
    let end = rest.partition_point(|range| range.store == store);
    rest.get(..end).unwrap_or_default()
}

impl<'a> Folds<'a> {
    fn read(&mut self) -> io::Result<Option<(u64, Folded)>> {
        while let Some(bytes) = self.merged.next()? {
            let (_, record) = Record::decode(bytes)?;
            if record.index >= self.skip {
                return Ok(Some((record.index, Folded::from(&record))));
            }
        }
        Ok(None)
    }

    /// Moves to a key, with the ranges of its object store.
    fn sweep_to(&mut self, store: usize, key: &SortableKey) -> &RangeSweep<'a> {
        let sweep = self.sweep.take().filter(|(place, _)| *place == store).map(|(_, sweep)| sweep);
        let mut sweep =
            sweep.unwrap_or_else(|| RangeSweep::new(ranges_of(self.ranges, store, self.skip)));
        sweep.advance(key);
        &self.sweep.insert((store, sweep)).1
    }

    /// Returns the outcome of the next key.
    #[expect(clippy::should_implement_trait, reason = "can fail, which Iterator cannot")]
    pub fn next(&mut self) -> io::Result<Option<Folded>> {
        let Some((first_index, mut result)) = self.next.take() else { return Ok(None) };
        let mut last_index = first_index;
        loop {
            match self.read()? {
                Some((index, later)) if later.store == result.store && later.key == result.key => {
                    last_index = index;
                    result.follow(later);
                }
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        let sweep = self.sweep_to(result.store, &result.key);
        if sweep.first().is_some_and(|range| range.index < first_index) {
            // The key's first change is the deletion by the range, which names no base.
            result.claim = Claim::None;
        }
        if let Some(range) = sweep.last().filter(|range| range.index > last_index) {
            (result.state, result.clock, result.unsent.state) =
                (LineState::Delete, range.clock, Box::default());
        }
        Ok(Some(result))
    }
}

/// Adds a folded change to `runs`, to build one batch from another.
pub fn push_folded(runs: &mut Runs, folded: &Folded, index: u64) -> io::Result<()> {
    let (op, value): (u8, &[u8]) = match &folded.state {
        LineState::Put(value) => (OP_PUT, value),
        _ => (super::record::OP_DELETE, &[]),
    };
    let base = match &folded.claim {
        Claim::None => BaseBytes::None,
        Claim::Version(version) => BaseBytes::Version(*version),
        Claim::Value(value) => BaseBytes::Value(value),
        Claim::Absent => BaseBytes::Absent,
    };
    let key = folded.key.as_bytes();
    let unsent = &folded.unsent.state;
    runs.push(&Record {
        store: folded.store as u32,
        key,
        index,
        op,
        at: folded.clock,
        base,
        value,
        unsent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;
    use crate::normalize::{Bound, Unsent};

    fn key(number: f64) -> SortableKey {
        Key::Number(number).to_sortable().unwrap()
    }

    fn put(number: f64, value: &str, claim: Claim) -> Folded {
        let state = LineState::Put(value.as_bytes().into());
        Folded { store: 0, key: key(number), state, clock: None, claim, unsent: Unsent::default() }
    }

    fn clear(index: u64) -> RangeChange {
        RangeChange { store: 0, index, lower: None, upper: None, clock: Some(9) }
    }

    fn fold(changes: Vec<(u64, Folded)>, ranges: Vec<RangeChange>, skip: u64) -> Vec<Folded> {
        let mut runs = Runs::new(1 << 20, None);
        changes.iter().for_each(|(index, change)| push_folded(&mut runs, change, *index).unwrap());
        runs.seal();
        let changes = Changes { runs, ranges, deletes: 0 };
        let mut folds = changes.folds(skip).unwrap();
        std::iter::from_fn(|| folds.next().unwrap()).collect()
    }

    #[test]
    fn first_base_and_last_state() {
        let base = || Claim::Value(b"0".as_slice().into());
        let changes = vec![
            (0, put(1.0, "1", base())),
            (1, put(1.0, "2", Claim::Absent)),
            (2, put(2.0, "3", Claim::None)),
        ];
        assert_eq!(
            fold(changes.clone(), vec![], 0),
            [put(1.0, "2", base()), put(2.0, "3", Claim::None)]
        );
        assert_eq!(
            fold(changes, vec![], 1),
            [put(1.0, "2", Claim::Absent), put(2.0, "3", Claim::None)]
        );
    }

    #[test]
    fn a_put_survives_a_clear_only_if_it_comes_after_it() {
        let gone =
            Folded { state: LineState::Delete, clock: Some(9), ..put(1.0, "", Claim::Absent) };
        let changes = vec![(0, put(1.0, "1", Claim::Absent)), (2, put(2.0, "2", Claim::Absent))];
        assert_eq!(fold(changes.clone(), vec![clear(1)], 0), [gone, put(2.0, "2", Claim::None)]);
        assert_eq!(
            fold(changes, vec![clear(1)], 2),
            [put(2.0, "2", Claim::Absent)],
            "a skipped clear says nothing"
        );
    }

    #[test]
    fn bounds_are_idb_key_ranges() {
        let range = |lower: Option<(f64, bool)>, upper: Option<(f64, bool)>| {
            let bound = |(number, open): (f64, bool)| Bound { key: key(number), open };
            RangeChange { lower: lower.map(bound), upper: upper.map(bound), ..clear(0) }
        };
        let covered = |range: &RangeChange| -> Vec<u8> {
            (0..5).filter(|&n| range.covers(&key(f64::from(n)))).collect()
        };
        assert_eq!(covered(&range(Some((1.0, false)), Some((3.0, false)))), [1, 2, 3]);
        assert_eq!(covered(&range(Some((1.0, true)), Some((3.0, true)))), [2]);
        assert_eq!(covered(&range(None, Some((1.0, false)))), [0, 1]);
        assert_eq!(covered(&range(Some((3.0, false)), None)), [3, 4]);
    }
}
