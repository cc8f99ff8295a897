//! Append; if that fails, re-read head, then accept, merge again or give up. The one step back of the whole pipeline.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use super::SyncOptions;
use super::error::SyncError;
use crate::snapshot::{FlowName, FlowVersion, RootId, StateId};
use crate::store::{AppendError, SnapshotStore, StoreErrorKind, StoredVersion, VersionDraft, VersionWriter};

/// How often a batch is merged anew after it lost a race.
pub const MAX_ATTEMPTS: u32 = 60;

/// How many of these may end without an answer that says something: a store that is out of order is not besieged.
const MAX_DOUBTS: u32 = 6;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// What is merged anew on each head that is met.
pub(super) trait Round {
    /// Plans the version after `head` and gives `writer` what is new; `None` if nothing differs. Without a writer it only
    /// plans. Nothing is left of a round before.
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError>;
}

/// The version that stands in the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) version: FlowVersion,
    pub(super) root: RootId,
    pub(super) state: StateId,
}

/// Plans and commits; gives the newest version, or `None` if there is none because nothing made one.
pub(super) fn commit(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    options: &SyncOptions,
    round: &mut dyn Round,
) -> Result<Option<Stand>, SyncError> {
    let mut last = String::new();
    let mut doubts = 0;
    for attempt in 1..=MAX_ATTEMPTS {
        pause(attempt, options.deadline, &last)?;
        let head = store.head(flow)?;
        let mut writer = if options.dry_run { None } else { Some(store.writer(flow, head.as_ref())?) };
        let Some(draft) = round.plan(head.as_ref(), writer.as_deref_mut())? else {
            let stand = |head: &StoredVersion| {
                let StoredVersion { manifest, state, .. } = head;
                Stand { version: manifest.version, root: manifest.root(), state: *state }
            };
            return Ok(head.as_ref().map(stand));
        };
        let (_, state) = draft.manifest.to_text();
        let stand = Stand { version: draft.manifest.version, root: draft.manifest.root(), state };
        let Some(writer) = writer else { return Ok(Some(stand)) };
        match writer.commit(&draft) {
            Ok(_) => return Ok(Some(stand)),
            Err(AppendError::Lost) => last = "another writer was first".to_owned(),
            Err(AppendError::Failed(error)) => return Err(error.into()),
            Err(AppendError::Ambiguous(error)) => {
                // Ours if and only if a version of that number has our state.
                let stored = store.version(flow, stand.version)?;
                if stored.as_ref().is_some_and(|stored| stored.state == state) {
                    return Ok(Some(stand));
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
