//! From change lines to one change for each record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::flow::{Draft, Flow, live};
use super::words::{Batch, Bound, Claim, Key, Line, Op, Place};

/// What a change started from, as far as batch and line say it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    None,
    Absent,
    Version(u32),
    Value(Value),
    /// What is stored when it arrives: a range without a base.
    Head,
}

/// What a batch makes of one record.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) place: Place,
    /// `None`: deleted.
    pub(super) value: Option<Value>,
    /// The claimed clock, set back to what is allowed.
    pub(super) clock: Option<i64>,
    pub(super) base: Base,
    /// It says what its source's view says: no change, whatever head holds.
    pub(super) stands: bool,
    /// It is of a full batch.
    pub(super) is_full: bool,
    /// A range covers it, or a full batch does not hold it.
    pub(super) bulk: bool,
    /// A line that is no range names its key.
    pub(super) is_named: bool,
}

/// Changes by place, and the number of lines that end in no change of their own.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) changes: BTreeMap<Place, Change>,
    pub(super) without_effect: u64,
}

fn within(key: &Key, lower: &Bound, upper: &Bound) -> bool {
    let above = lower.as_ref().is_none_or(|(bound, open)| key > bound || (key == bound && !open));
    let below = upper.as_ref().is_none_or(|(bound, open)| key < bound || (key == bound && !open));
    above && below
}

fn covers(ranges: &[(&str, Bound, Bound)], store: &str, key: &Key) -> bool {
    ranges.iter().any(|(of, lower, upper)| *of == store && within(key, lower, upper))
}

/// Returns what a line names as its base, or the batch for it.
pub(super) fn base_of(flow: &Flow, batch: &Batch, line: &Line) -> Base {
    match &line.base {
        // A change's own base that head has not reached counts as none.
        Some(Claim::Version(version)) if *version > flow.version() => Base::None,
        Some(Claim::Version(version) | Claim::State(version, _)) => Base::Version(*version),
        Some(Claim::Value(value)) => Base::Value(value.clone()),
        Some(Claim::Absent) => Base::Absent,
        None => batch.base.map_or(Base::None, Base::Version),
    }
}

/// Returns a line's clock; one that is too far ahead is set back.
pub(super) fn clock_of(flow: &Flow, batch: &Batch, line: &Line) -> Option<i64> {
    line.at.map(|at| at.min(batch.received_at + flow.rules.skew))
}

/// Folds the lines of a delta batch from place `skip` on.
pub(super) fn fold(flow: &Flow, draft: &Draft, batch: &Batch, skip: usize) -> Folded {
    fold_lines(flow, draft, batch, &batch.lines[skip..])
}

/// Folds some lines of a delta batch.
pub(super) fn fold_lines(flow: &Flow, draft: &Draft, batch: &Batch, lines: &[Line]) -> Folded {
    let mut folded = Folded { changes: BTreeMap::new(), without_effect: 0 };
    let mut covered: Vec<(&str, Bound, Bound)> = Vec::new();
    for line in lines {
        let clock = clock_of(flow, batch, line);
        let mut set = |key: Key, value: Option<Value>, base: Base, bulk: bool| {
            let is_covered = covers(&covered, &line.store, &key);
            let place = (line.store.clone(), key);
            let change = folded.changes.entry(place.clone());
            let change = change.or_insert_with(|| Change {
                place,
                value: None,
                clock,
                base,
                stands: false,
                is_full: false,
                bulk,
                is_named: false,
            });
            change.is_named |= !bulk;
            // What only a range deletes is in no conflict; a key that a line names is judged by its base.
            if !bulk && change.base == Base::Head {
                change.base = Base::None;
            }
            (change.value, change.clock) = (value, clock);
            change.bulk |= bulk || is_covered;
        };
        // Where a range comes before a key's first change, its base is the batch's.
        let named = |key: &Key| match covers(&covered, &line.store, key) {
            true => batch.base.map_or(Base::None, Base::Version),
            false => base_of(flow, batch, line),
        };
        let (lower, upper) = match &line.op {
            Op::Put { key, value } => {
                set(key.clone(), Some(value.clone()), named(key), false);
                continue;
            }
            Op::Delete { key } => {
                set(key.clone(), None, named(key), false);
                continue;
            }
            Op::Bad { .. } => continue,
            Op::Range { lower, upper } => (lower.clone(), upper.clone()),
            Op::Clear => (None, None),
        };
        let (keys, base) = match batch.base {
            // What the source itself inserted since, it knows.
            Some(base) => {
                let own = draft
                    .records
                    .iter()
                    .filter(|(_, entry)| entry.value.is_some() && entry.by == batch.source);
                let own = own
                    .filter(|((store, _), _)| *store == line.store)
                    .map(|((_, key), _)| key.clone());
                let is_known = !draft.is_before_recreation(base, &line.store);
                let then = if is_known { flow.live_at(base, &line.store) } else { Vec::new() };
                (own.chain(then).collect(), Base::Version(base))
            }
            None => (live(&draft.records, &line.store), Base::Head),
        };
        for key in keys.into_iter().filter(|key| within(key, &lower, &upper)) {
            set(key, None, base.clone(), true);
        }
        let touched: Vec<_> =
            folded.changes.keys().filter(|(store, _)| *store == line.store).cloned().collect();
        for (_, key) in touched.into_iter().filter(|(_, key)| within(key, &lower, &upper)) {
            let change = folded.changes.get_mut(&(line.store.clone(), key)).unwrap();
            (change.value, change.clock, change.bulk) = (None, clock, true);
        }
        covered.push((&line.store, lower, upper));
    }
    folded
}
