//! The time for which deletions are remembered.

use super::flow::{Draft, Flow};
use super::words::Batch;

/// Deletions that are no longer remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forgetting {
    /// Deletions up to this version are forgotten now.
    pub(super) due: Option<u32>,
    /// … and up to this one all in all.
    pub(super) forgotten: Option<u32>,
    /// A change without a base may be older than what was forgotten.
    pub(super) stale: bool,
}

/// Says what is forgotten when a batch is received.
pub(super) fn forgetting(flow: &Flow, draft: &Draft, batch: &Batch) -> Forgetting {
    let Some(keep) = flow.rules.keep else { return Forgetting::default() };
    let old = draft
        .made
        .iter()
        .rev()
        .find(|(_, at)| at + keep < batch.received_at)
        .map(|(version, _)| *version);
    let due = old.filter(|version| draft.forgotten.is_none_or(|forgotten| *version > forgotten));
    let forgotten = due.or(draft.forgotten);
    let seen = batch
        .source
        .as_ref()
        .and_then(|source| draft.seen.get(source))
        .map(|(version, _)| *version);
    let stale = forgotten.zip(batch.base.or(seen)).is_some_and(|(forgotten, had)| had < forgotten);
    Forgetting { due, forgotten, stale }
}

/// Drops the tombstones that are forgotten.
pub(super) fn forget(draft: &mut Draft, forgetting: Forgetting) {
    if let Some(due) = forgetting.due {
        draft.records.retain(|_, entry| entry.value.is_some() || entry.rev > due);
    }
}

/// Keeps that a source was there, if that was not kept for a fourth of the time.
pub(super) fn notice(flow: &Flow, draft: &mut Draft, batch: &Batch) {
    let (Some(keep), Some(source)) = (flow.rules.keep, &batch.source) else { return };
    if draft.seen.get(source).is_none_or(|(_, at)| batch.received_at - at > keep / 4) {
        see(flow, draft, batch);
    }
}

fn see(flow: &Flow, draft: &mut Draft, batch: &Batch) {
    if let Some(source) = &batch.source {
        draft.seen.insert(source.clone(), (flow.version() + 1, batch.received_at));
        draft.sources.entry(source.clone()).or_default();
    }
}

/// Keeps of a batch that makes a version when it was received.
pub(super) fn advance(flow: &Flow, draft: &mut Draft, batch: &Batch, forgetting: Forgetting) {
    if flow.rules.keep.is_none() {
        return;
    }
    see(flow, draft, batch);
    draft.forgotten = forgetting.forgotten;
    if draft.made.last().is_none_or(|(_, at)| batch.received_at > *at) {
        draft.made.push((flow.version() + 1, batch.received_at));
    }
}
