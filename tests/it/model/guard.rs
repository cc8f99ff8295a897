//! The guard: which batches delete too much to be merged without a question.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::Records;
use super::words::{Batch, Key};

/// Deletions of one source within an hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub(super) began: i64,
    /// By object store.
    pub(super) stores: BTreeMap<String, Gone>,
}

/// What a run has deleted in one object store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gone {
    pub(super) bulk: u64,
    pub(super) single: u64,
    /// How many of them the source had.
    pub(super) own: u64,
}

/// An hour.
const RUN: i64 = 3_600_000;

/// What one batch deletes in one object store.
#[derive(Clone, Debug, Default)]
pub(super) struct Loss {
    pub(super) bulk: BTreeSet<Key>,
    pub(super) single: BTreeSet<Key>,
}

/// Returns the run with a batch's deletions in it, or nothing if a person is to be asked.
pub(super) fn judge(
    before: &Records,
    batch: &Batch,
    losses: &BTreeMap<String, Loss>,
    view: Option<&BTreeMap<String, u64>>,
    run: Option<&Run>,
) -> Option<Option<Run>> {
    let mut run =
        run.filter(|run| batch.received_at - run.began <= RUN).cloned().unwrap_or_default();
    if batch.lines.is_empty() && batch.full && losses.values().any(|loss| !loss.bulk.is_empty()) {
        return None;
    }
    let mut counted = false;
    for (store, loss) in losses {
        let there = before.iter().filter(|((of, _), entry)| of == store && entry.value.is_some());
        let own = there.clone().filter(|(_, entry)| entry.by == batch.source);
        let own: BTreeSet<Key> = own.map(|((_, key), _)| key.clone()).collect();
        let there = there.count() as u64;
        let bulk = loss.bulk.len() as u64;
        let (has, own_bulk) = match view {
            Some(view) => (view.get(store).copied().unwrap_or_default(), bulk),
            None => (own.len() as u64, loss.bulk.intersection(&own).count() as u64),
        };
        if bulk >= 2 && (bulk == there || (own_bulk >= 2 && own_bulk >= has)) {
            return None;
        }
        // Work by hand.
        let (bulk, own_bulk) = if bulk > 2 { (bulk, own_bulk) } else { (0, 0) };
        let single = loss.single.len() as u64;
        let (single, own_single) = if single > 5 {
            (single, loss.single.intersection(&own).count() as u64)
        } else {
            (0, 0)
        };
        if bulk + single == 0 {
            continue;
        }
        counted = true;
        let lost = own_bulk + own_single;
        let gone = run.stores.entry(store.clone()).or_default();
        let (had, source_had) = (there + gone.bulk + gone.single, has + gone.own);
        gone.bulk += bulk;
        gone.single += single;
        gone.own += lost;
        let together = gone.bulk + gone.single;
        if (gone.bulk > 2 || gone.single > 10) && (together * 5 > had || gone.own * 5 > source_had)
        {
            return None;
        }
    }
    if counted && run.began == 0 {
        run.began = batch.received_at;
    }
    Some(Some(run).filter(|run| run.began != 0))
}
