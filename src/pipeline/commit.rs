//! Appends a version. If that fails, reads head again, then accepts, merges again or gives up. This
//! is the only step back in the pipeline.

use std::thread;
use std::time::{Duration, Instant};

use super::SyncOptions;
use super::log_events::elapsed_ms;
use crate::apply::error::SyncError;
use crate::snapshot::{FlowName, FlowVersion, RootId, StateId};
use crate::store::{
    AppendError, SnapshotStore, StoreErrorKind, StoredVersion, VersionDraft, VersionWriter,
};

/// Limit on the attempts to merge a batch that loses races.
pub const MAX_ATTEMPTS: u32 = 60;

/// Limit on the attempts that end without a clear answer, so that a broken store is not flooded.
const MAX_DOUBTS: u32 = 6;

/// Limit on the pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// The work that is repeated for each new head.
pub(crate) trait Round {
    /// Plans the version after `head`, and passes new data to `writer`; `None` if nothing differs.
    /// Without a writer it only plans. Starts over, without any state of an earlier call.
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError>;
}

/// The resulting version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand {
    pub(crate) version: FlowVersion,
    pub(crate) root: RootId,
    pub(crate) state: StateId,
}

/// Plans and commits. Returns the newest version; `None` if there is none, because no batch has
/// made one.
pub(crate) fn commit(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    options: &SyncOptions,
    round: &mut dyn Round,
) -> Result<Option<Stand>, SyncError> {
    let mut last = String::new();
    let mut doubts = 0;
    for attempt in 1..=MAX_ATTEMPTS {
        pause(attempt, options.deadline, &last)?;
        let _attempt = tracing::error_span!("attempt", attempt).entered();
        let head = store.head(flow)?;
        let mut writer =
            if options.dry_run { None } else { Some(store.writer(flow, head.as_ref())?) };
        let start = Instant::now();
        let plan = tracing::error_span!("plan");
        let draft = plan.in_scope(|| round.plan(head.as_ref(), writer.as_deref_mut()))?;
        tracing::debug!(ms = elapsed_ms(start), differs = draft.is_some(), "plan made");
        let Some(draft) = draft else {
            let stand = |head: &StoredVersion| {
                let StoredVersion { manifest, state, .. } = head;
                Stand { version: manifest.version, root: manifest.root(), state: *state }
            };
            return Ok(head.as_ref().map(stand));
        };
        let stand = Stand {
            version: draft.manifest.version,
            root: draft.manifest.root(),
            state: draft.manifest.state(),
        };
        let Some(writer) = writer else { return Ok(Some(stand)) };
        let start = Instant::now();
        let version = stand.version;
        match tracing::error_span!("store").in_scope(|| writer.commit(&draft)) {
            Ok(_) => {
                tracing::debug!(%version, ms = elapsed_ms(start), "version stored");
                return Ok(Some(stand));
            }
            Err(AppendError::Lost) => {
                tracing::info!(%version, ms = elapsed_ms(start), "race lost");
                last = "another writer was first".to_owned();
            }
            Err(AppendError::Failed(error)) => return Err(error.into()),
            Err(AppendError::Ambiguous(error)) => {
                // The version is ours if and only if the stored version with that number has our
                // state.
                let stored = store.version(flow, stand.version)?;
                let is_ours = stored.as_ref().is_some_and(|stored| stored.state == stand.state);
                let is_stored = stored.is_some();
                tracing::warn!(%version, %error, is_stored, is_ours, "doubtful append settled");
                if is_ours {
                    return Ok(Some(stand));
                }
                last = error.to_string();
                doubts += 1;
                if stored.is_none()
                    && (error.kind != StoreErrorKind::Transient || doubts == MAX_DOUBTS)
                {
                    return Err(error.into());
                }
            }
        }
    }
    Err(SyncError::Exhausted { attempts: MAX_ATTEMPTS, last })
}

/// Waits for a random time that grows with the attempts; fails if the deadline would pass.
fn pause(attempt: u32, deadline: Option<Instant>, last: &str) -> Result<(), SyncError> {
    let wait = if attempt == 1 {
        Duration::ZERO
    } else {
        let most = Duration::from_millis(4).saturating_mul(1 << attempt.min(8)).min(MAX_PAUSE);
        // No result depends on it.
        most.mul_f64(fastrand::f64())
    };
    if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
        let last = if last.is_empty() {
            "the deadline passed".to_owned()
        } else {
            format!("{last}, and the deadline passed")
        };
        return Err(SyncError::Exhausted { attempts: attempt - 1, last });
    }
    if attempt > 1 {
        let pause_ms = wait.as_millis() as u64;
        tracing::info!(attempt, pause_ms, cause = last, "attempt repeated");
    }
    thread::sleep(wait);
    Ok(())
}
