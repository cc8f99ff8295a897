//! Whether the store answers: asked of it seldom, however often somebody asks us.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::service::Server;
use crate::store::SnapshotStore;

/// An answer of the store counts for this long.
const FRESH: Duration = Duration::from_secs(2);

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the store said last, and when.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Result<(), String>)>>);

impl Readiness {
    /// Whether requests would be taken and could be done; else why not.
    pub(super) async fn check(&self, server: &Arc<Server>) -> Result<(), String> {
        if server.slots.is_draining() {
            return Err("the server is being stopped".to_owned());
        }
        // Others who ask meanwhile wait for the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
        {
            return result.clone();
        }
        let store = Arc::clone(&server.store);
        let asked = tokio::task::spawn_blocking(move || store.check_reachable());
        let result = match timeout(PATIENCE, asked).await {
            Ok(Ok(result)) => result.map_err(|error| error.to_string()),
            Ok(Err(_)) => Err("internal error: a bug in nifi-idb".to_owned()),
            Err(_) => Err(format!("the store did not answer within {} s", PATIENCE.as_secs())),
        };
        *last = Some((Instant::now(), result.clone()));
        result
    }
}
