//! The readiness check: the store responds and there is room to work. However often clients ask,
//! the store is asked only once every few seconds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout};

use super::refusal::BUG;
use super::threads;
use crate::store::{SnapshotStore, StoreError, StoreErrorKind};
use crate::temporary::private_file;

/// A result is reused for this long.
const FRESH: Duration = Duration::from_secs(2);

/// A store that takes longer than this counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bytes written to test the folder of temporary files.
static ROOM: [u8; 64 * 1024] = [1; 64 * 1024];

/// The reason why requests cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unready {
    /// The reason for everybody: no path, no address.
    summary: &'static str,
    /// The reason for authenticated clients.
    detail: String,
}

impl Unready {
    /// Makes a reason that is the same for everybody.
    pub(super) fn plain(summary: &'static str) -> Self {
        Self { summary, detail: summary.to_owned() }
    }

    /// Returns the message. Only authenticated clients see paths and addresses.
    pub(super) fn message_for(&self, has_proved: bool) -> &str {
        if has_proved { &self.detail } else { self.summary }
    }
}

impl From<StoreError> for Unready {
    fn from(error: StoreError) -> Self {
        let summary = match error.kind {
            StoreErrorKind::Transient => "the store does not answer",
            StoreErrorKind::Denied => "the store does not let the server in",
            StoreErrorKind::Configuration => "the store is not there, or not configured",
            StoreErrorKind::Damaged => "the store is damaged",
            StoreErrorKind::NoRoom => "the store has no room",
            StoreErrorKind::Refused => "the store refuses",
        };
        Self { summary, detail: error.to_string() }
    }
}

/// The last result of the check, and its time.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), Unready>)>>);

impl Readiness {
    /// Succeeds if the store responds and `temp_folder` has room; otherwise returns the reason.
    pub(super) async fn check(
        &self,
        store: &Arc<impl SnapshotStore + 'static>,
        temp_folder: PathBuf,
    ) -> Result<(), Unready> {
        // Concurrent callers wait here for the same result.
        let mut last = self.0.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
        {
            return result.clone();
        }
        let asking = Arc::clone(store);
        let (told, asked) = oneshot::channel();
        let started = threads::start("ready", move || {
            let result = asking
                .check_reachable()
                .map_err(Unready::from)
                .and_then(|()| has_room(&temp_folder));
            // The waiting task may have given up.
            let _ = told.send(result);
        });
        if let Err(failure) = started {
            return Err(Unready { summary: "no thread can be started", detail: failure.message });
        }
        let result = match timeout(PATIENCE, asked).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Unready::plain(BUG)),
            Err(_) => Err(Unready::plain("the store did not answer in time")),
        };
        log_change(last.as_ref().map(|(_, result)| result), &result);
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

/// Logs that the store was lost, or that it is back.
fn log_change(last: Option<&Result<(), Unready>>, result: &Result<(), Unready>) {
    match (last, result) {
        (Some(Err(before)), Err(unready)) if before == unready => {}
        (_, Err(unready)) => tracing::warn!(error = unready.detail.as_str(), "not ready"),
        (Some(Err(_)), Ok(())) => tracing::info!("ready again"),
        (None | Some(Ok(())), Ok(())) => {}
    }
}

/// Succeeds if the folder of temporary files has room, which sorting a large batch needs.
fn has_room(folder: &Path) -> Result<(), Unready> {
    let written = private_file(Some(folder)).and_then(|mut file| file.write_all(&ROOM));
    written.map_err(|error| Unready {
        summary: "the folder of temporary files has no room",
        detail: format!(
            "cannot write to the folder of temporary files {} (--temp-dir): {error}",
            folder.display()
        ),
    })
}
