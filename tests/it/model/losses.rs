//! The deletions of a batch in each object store, for the guard.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Draft, live};
use super::folding::Folded;
use super::guard::{Loss, judge};
use super::upgrade::Upgrade;
use super::view::Dump;
use super::words::{Batch, Place};

/// A batch, and what it comes to.
pub(super) struct Losing<'a> {
    pub(super) before: &'a Draft,
    pub(super) batch: &'a Batch,
    pub(super) folded: &'a Folded,
    pub(super) upgrade: &'a Upgrade,
    /// Records that gave way in a unique index.
    pub(super) displaced: &'a BTreeSet<Place>,
}

/// Asks the guard; the run of deletions is part of the draft.
pub(super) fn admits_losses(
    losing: &Losing<'_>,
    draft: &mut Draft,
    dumped: Option<&Dump>,
    confirmed: bool,
) -> bool {
    let Losing { before, batch, folded, upgrade, displaced } = losing;
    if !super::GUARD {
        return true;
    }
    let mut losses: BTreeMap<String, Loss> = BTreeMap::new();
    for (place, _) in draft.records.iter().filter(|(_, entry)| entry.value.is_none()) {
        if before.records.get(place).is_some_and(|before| before.value.is_some()) {
            let loss = losses.entry(place.0.clone()).or_default();
            let bulk = displaced.contains(place)
                || folded.changes.get(place).is_some_and(|change| change.bulk);
            let keys = if bulk { &mut loss.bulk } else { &mut loss.single };
            keys.insert(place.1.clone());
        }
    }
    // Of an object store that is made anew all records go, also those whose key comes again.
    for store in &upgrade.recreated {
        let gone = live(&before.records, store);
        if !gone.is_empty() {
            *losses.entry((*store).to_owned()).or_default() =
                Loss { bulk: gone.into_iter().collect(), ..Loss::default() };
        }
    }
    let had = dumped.map(|dumped| &dumped.had);
    let is_gone = |store: &String| upgrade.is_gone(store);
    let run = draft.runs.get(&batch.source);
    match judge(&before.records, batch, &losses, had, run) {
        _ if confirmed => drop(draft.runs.remove(&batch.source)),
        _ if losses.keys().any(is_gone) => return false,
        Some(None) => {}
        Some(Some(run)) => drop(draft.runs.insert(batch.source.clone(), run)),
        None => return false,
    }
    true
}
