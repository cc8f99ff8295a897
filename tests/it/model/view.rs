//! Full batches: what each record is compared with, what is deleted, and what is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::flow::{Draft, Flow};
use super::folding::{Base, Change, Folded, base_of, clock_of};
use super::words::{Batch, Claim, Line, Op, Place, STORES};

/// The records of a source's last full batch that made a version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    pub(super) records: BTreeMap<Place, Value>,
    /// The version that the full batch made.
    pub(super) made: u32,
    /// The version that the source's first delta batch after it made.
    pub(super) delta: Option<u32>,
}

/// A view with the source's own changes since.
struct Seen {
    records: BTreeMap<Place, Value>,
    /// The view without its own changes since.
    full: BTreeMap<Place, Value>,
    own: BTreeSet<Place>,
    made: u32,
}

fn seen(draft: &Draft, batch: &Batch) -> Option<Seen> {
    let view = draft.sources.get(batch.source.as_ref()?)?.view.as_ref()?;
    let mut seen = Seen {
        records: view.records.clone(),
        full: view.records.clone(),
        own: BTreeSet::new(),
        made: view.made,
    };
    let Some(since) = view.delta else { return Some(seen) };
    let own =
        draft.records.iter().filter(|(_, entry)| entry.by == batch.source && entry.rev >= since);
    for (place, entry) in own {
        seen.own.insert(place.clone());
        match &entry.value {
            Some(value) => seen.records.insert(place.clone(), value.clone()),
            None => seen.records.remove(place),
        };
    }
    Some(seen)
}

impl Seen {
    /// Returns the view's value, if it is what a line with this base is compared with.
    fn counting(&self, place: &Place, claim: Option<&Claim>, batch: &Batch) -> Option<&Value> {
        let value = self.records.get(place)?;
        let unheard = |base: u32| self.made > base;
        let counts = self.own.contains(place)
            || match (claim, batch.base) {
                (None, None) => true,
                (None, Some(base)) => unheard(base),
                (Some(Claim::Version(base) | Claim::State(base, _)), Some(_)) => unheard(*base),
                _ => false,
            };
        counts.then_some(value)
    }
}

/// Why all of an object store, or one record, is kept.
struct Keeping<'a> {
    batch: &'a Batch,
    /// Only an upgrade can delete an object store.
    upgrades: bool,
    unknown: BTreeSet<String>,
    rejected: BTreeSet<Place>,
}

impl<'a> Keeping<'a> {
    fn of(batch: &'a Batch, upgrades: bool) -> Self {
        let mut keeping =
            Self { batch, upgrades, unknown: BTreeSet::new(), rejected: BTreeSet::new() };
        for line in &batch.lines {
            match &line.op {
                Op::Bad { key: Some(key), .. } => {
                    keeping.rejected.insert((line.store.clone(), key.clone()));
                }
                Op::Bad { key: None, .. } if STORES.contains(&line.store.as_str()) => {
                    keeping.unknown.insert(line.store.clone());
                }
                Op::Bad { .. } => {
                    keeping.unknown.extend(STORES.iter().map(|store| (*store).to_owned()))
                }
                _ => {}
            }
        }
        keeping
    }

    fn reason(&self, place: &Place) -> Option<&'static str> {
        match () {
            () if !self.batch.has(&place.0) && !self.upgrades => Some("store-left-out"),
            () if self.unknown.contains(&place.0) => Some("unknown-key"),
            () if self.rejected.contains(place) => Some("rejected-line"),
            () => None,
        }
    }
}

/// What a full batch comes to.
pub(super) struct Dump {
    pub(super) folded: Folded,
    /// The view that its source has afterwards.
    pub(super) records: BTreeMap<Place, Value>,
    /// Lines of the report.
    pub(super) kept: Vec<Value>,
    /// The view is another one now.
    pub(super) differs: bool,
    /// How many records the view had of each object store.
    pub(super) had: BTreeMap<String, u64>,
}

/// Compares the records of a full batch with its source's view.
pub(super) fn dump(flow: &Flow, draft: &Draft, batch: &Batch, upgrades: bool) -> Dump {
    let seen = seen(draft, batch);
    let mut dump = Dump {
        folded: Folded { changes: BTreeMap::new(), without_effect: 0 },
        records: BTreeMap::new(),
        kept: Vec::new(),
        differs: false,
        had: BTreeMap::new(),
    };
    let mut first: BTreeMap<Place, &Line> = BTreeMap::new();
    for line in &batch.lines {
        let Op::Put { key, value } = &line.op else { continue };
        let place = (line.store.clone(), key.clone());
        let first = *first.entry(place.clone()).or_insert(line);
        let counting =
            seen.as_ref().and_then(|seen| seen.counting(&place, first.base.as_ref(), batch));
        let claimed = base_of(flow, batch, first);
        let base = match (counting, claimed) {
            (Some(value), _) => Base::Value(value.clone()),
            (None, Base::None) if seen.is_some() && first.base.is_none() => Base::Absent,
            (None, claimed) => claimed,
        };
        let change = Change {
            place: place.clone(),
            value: Some(value.clone()),
            clock: clock_of(flow, batch, line),
            stands: counting == Some(value),
            base,
            is_full: true,
            bulk: false,
            is_named: true,
        };
        dump.records.insert(place.clone(), value.clone());
        dump.folded.changes.insert(place, change);
    }
    let Some(seen) = seen else { return dump };
    let keeping = Keeping::of(batch, upgrades);
    let mut kept: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    for (place, value) in &seen.records {
        *dump.had.entry(place.0.clone()).or_default() += 1;
        if dump.folded.changes.contains_key(place) {
            continue;
        }
        if let Some(reason) = keeping.reason(place) {
            *kept.entry((place.0.clone(), reason)).or_default() += 1;
            dump.records.insert(place.clone(), value.clone());
            continue;
        }
        let base = match seen.counting(place, None, batch) {
            Some(value) => Base::Value(value.clone()),
            None => batch.base.map_or(Base::None, Base::Version),
        };
        let change = Change {
            place: place.clone(),
            value: None,
            clock: None,
            base,
            stands: false,
            is_full: true,
            bulk: true,
            is_named: false,
        };
        dump.folded.changes.insert(place.clone(), change);
    }
    let line = |((store, reason), count): ((String, &str), u64)| json!({"count": count, "reason": reason, "store": store, "type": "kept"});
    // The source's own changes since are in no view yet.
    dump.differs = dump.records != seen.full;
    dump.kept = kept.into_iter().map(line).collect();
    dump
}
