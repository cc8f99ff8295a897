//! Append; if that fails, re-read head, then accept, merge again or give up. The one step back of the whole pipeline.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use super::SyncOptions;
use super::error::SyncError;
use super::sync::{Attempt, Planned};
use super::walk::Counts;
use crate::normalize::Batch;
use crate::report::{Outcome, ReportLines, Summary};
use crate::snapshot::FlowName;
use crate::store::{AppendError, SnapshotStore, StoreErrorKind};

/// How often a batch is merged anew after it lost a race.
pub const MAX_ATTEMPTS: u32 = 60;

/// How many of these may end without an answer that says something: a store that is out of order is not besieged.
const MAX_DOUBTS: u32 = 6;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// Merges a batch into a flow and commits it as one version, or says that nothing differs.
///
/// # Errors
///
/// Nothing of the batch is visible then, with the one exception that the store's answer to the commit was lost and
/// head could not be read again.
pub fn sync(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    batch: &Batch,
    options: &SyncOptions,
    lines: &mut ReportLines,
) -> Result<Summary, SyncError> {
    let mut last = String::new();
    let mut doubts = 0;
    for attempt in 1..=MAX_ATTEMPTS {
        pause(attempt, options.deadline, &last)?;
        // Rejections of the batch stand before all else and are the caller's.
        lines.clear()?;
        let head = store.head(flow)?;
        let run = Attempt { store, flow, batch, options, head: head.as_ref() };
        let mut writer = if options.dry_run { None } else { Some(store.writer(flow, head.as_ref())?) };
        let planned = run.run(writer.as_deref_mut(), lines)?;
        let (draft, counts) = match planned {
            Planned::Unchanged(counts) => {
                let mut summary = summary(Outcome::Unchanged, flow, batch, &counts);
                if let Some(head) = &head {
                    summary.version = Some(head.manifest.version);
                    (summary.root, summary.state) = (Some(head.manifest.root()), Some(head.state));
                }
                return Ok(summary);
            }
            Planned::Draft(draft, counts) => (draft, counts),
        };
        let (_, state) = draft.manifest.to_text();
        let mut summary = summary(Outcome::Committed, flow, batch, &counts);
        summary.version = Some(draft.manifest.version);
        (summary.root, summary.state) = (Some(draft.manifest.root()), Some(state));
        let Some(writer) = writer else { return Ok(summary) };
        match writer.commit(&draft) {
            Ok(_) => return Ok(summary),
            Err(AppendError::Lost) => last = "another writer was first".to_owned(),
            Err(AppendError::Failed(error)) => return Err(error.into()),
            Err(AppendError::Ambiguous(error)) => {
                // Ours if and only if a version of that number has our state.
                let stored = store.version(flow, draft.manifest.version)?;
                if stored.as_ref().is_some_and(|stored| stored.state == state) {
                    return Ok(summary);
                }
                last = error.to_string();
                doubts += 1;
                if stored.is_none() && (error.kind != StoreErrorKind::Transient || doubts == MAX_DOUBTS) {
                    return Err(error.into());
                }
            }
        }
    }
    Err(SyncError::Exhausted { attempts: MAX_ATTEMPTS, last })
}

fn summary(outcome: Outcome, flow: &FlowName, batch: &Batch, counts: &Counts) -> Summary {
    Summary {
        received: batch.received,
        put: counts.inserted + counts.updated,
        deleted: counts.deleted,
        unchanged: counts.unchanged,
        rejected: batch.rejected,
        conflicts: counts.conflicts,
        ..Summary::new(outcome, Some(flow.clone()))
    }
}

/// Waits a random time that grows with the attempts; fails if the deadline would pass.
fn pause(attempt: u32, deadline: Option<Instant>, last: &str) -> Result<(), SyncError> {
    let wait = if attempt == 1 {
        Duration::ZERO
    } else {
        let most = Duration::from_millis(4).saturating_mul(1 << attempt.min(8)).min(MAX_PAUSE);
        // A hasher's random seed is all the chance that this needs; no result depends on it.
        let chance = RandomState::new().build_hasher().finish() % 1000;
        most.mul_f64(chance as f64 / 1000.0)
    };
    if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
        let last =
            if last.is_empty() { "the deadline passed".to_owned() } else { format!("{last}, and the deadline passed") };
        return Err(SyncError::Exhausted { attempts: attempt - 1, last });
    }
    thread::sleep(wait);
    Ok(())
}
