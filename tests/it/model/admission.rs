//! Which batches are merged: replays, gaps, epochs and bases of another history.

use super::answer::Refusal;
use super::flow::{Delivery, Draft, Flow};
use super::words::{Answered, Batch, Claim, Op};

/// What becomes of a batch as a whole.
pub(super) enum Admitted {
    Refused(Refusal),
    Replay,
    /// Its lines from this place on are merged.
    From(usize),
}

/// Judges a batch against the draft that it would be merged into.
pub(super) fn admit(flow: &Flow, draft: &mut Draft, batch: &Batch) -> Admitted {
    let bad = batch.lines.iter().filter(|line| matches!(line.op, Op::Bad { .. })).count();
    if bad > 0 && bad == batch.lines.len() && batch.sequence.is_none() && super::ALL_REJECTED {
        return Admitted::Refused(Refusal::Unreadable);
    }
    if batch.base.is_some_and(|base| base > flow.version()) || !are_states_right(flow, batch) {
        return Admitted::Refused(Refusal::Guard);
    }
    let mut skip = 0;
    match (&batch.source, &batch.sequence) {
        (Some(source), Some(sequence)) => {
            let known = draft.sources.get(source).cloned().unwrap_or_default();
            let mut checkpoint = known.checkpoint;
            if known.epoch.as_ref().is_some_and(|epoch| *epoch != sequence.epoch) {
                match batch.new_epoch {
                    None => return Admitted::Refused(Refusal::Guard),
                    Some(Answered::Mirror) if !batch.full => {
                        return Admitted::Refused(Refusal::Mismatch);
                    }
                    Some(_) => checkpoint = 0,
                }
            }
            if sequence.last <= checkpoint {
                return Admitted::Replay;
            }
            if sequence.first > checkpoint + 1 && !batch.full {
                return Admitted::Refused(Refusal::Gap);
            }
            if !batch.full {
                skip = (checkpoint + 1 - sequence.first) as usize;
            }
        }
        _ => {
            let known = |(source, id, _): &&Delivery| {
                *source == batch.source && Some(id) == batch.delivery.as_ref()
            };
            match draft.deliveries.iter().find(known) {
                Some((_, _, content)) if *content == batch.to_text() => return Admitted::Replay,
                Some(_) => return Admitted::Refused(Refusal::Mismatch),
                None => {}
            }
        }
    }
    if let (Some(source), Some(sequence)) = (&batch.source, &batch.sequence)
        && let Some(known) = draft.sources.get_mut(source)
        && known.epoch.as_ref() != Some(&sequence.epoch)
    {
        known.checkpoint = 0;
        if batch.new_epoch == Some(Answered::Keep) {
            known.view = None;
        }
    }
    Admitted::From(skip)
}

/// Returns true if every version that is named with a state is there, with that state.
fn are_states_right(flow: &Flow, batch: &Batch) -> bool {
    let of_lines = batch.lines.iter().filter_map(|line| match line.base {
        Some(Claim::State(version, of)) => Some((version, of)),
        _ => None,
    });
    let mut named = batch.base.zip(batch.base_state).into_iter().chain(of_lines);
    named.all(|(version, of)| version == of && version <= flow.version())
}
