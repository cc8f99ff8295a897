//! Whether the store answers and there is room to work: asked of it seldom, however often somebody asks us.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout};

use super::service::{BUG, Server};
use super::threads;
use crate::store::{SnapshotStore, StoreError, StoreErrorKind};
use crate::temporary::private_file;

/// An answer of the store counts for this long.
const FRESH: Duration = Duration::from_secs(2);

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that the folder of temporary files must have room for.
static ROOM: [u8; 64 * 1024] = [1; 64 * 1024];

/// Why requests could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unready {
    /// For everybody: no path, no address.
    summary: &'static str,
    /// For who has proved who he is.
    detail: String,
}

impl Unready {
    fn plain(summary: &'static str) -> Self {
        Self { summary, detail: summary.to_owned() }
    }

    /// The message; paths and addresses are for who has proved who he is.
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

/// What the store said last, and when.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), Unready>)>>);

impl Readiness {
    /// Whether requests would be taken and could be done; else why not.
    pub(super) async fn check(&self, server: &Arc<Server>) -> Result<(), Unready> {
        if server.slots.is_draining() {
            return Err(Unready::plain("the server is being stopped"));
        }
        // Others who ask meanwhile wait for the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
        {
            return result.clone();
        }
        let asking = Arc::clone(server);
        let (told, asked) = oneshot::channel();
        let started = threads::start("ready", move || {
            let result = asking
                .store
                .check_reachable()
                .map_err(Unready::from)
                .and_then(|()| has_room(&asking));
            // Nobody may be waiting for it.
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
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

/// Whether a large batch could be sorted.
fn has_room(server: &Server) -> Result<(), Unready> {
    let folder = server.intake.normalize.temp_folder.clone().unwrap_or_else(std::env::temp_dir);
    let written = private_file(Some(&folder)).and_then(|mut file| file.write_all(&ROOM));
    written.map_err(|error| Unready {
        summary: "the folder of temporary files has no room",
        detail: format!(
            "cannot write to the folder of temporary files {} (--temp-dir): {error}",
            folder.display()
        ),
    })
}
