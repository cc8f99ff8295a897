//! What one process takes on: slots for work, time, sizes, and the end of it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request's body may have this many bytes unless an option says otherwise.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;

/// A gRPC message may have this many bytes unless an option says otherwise: NiFi sends a FlowFile as one message, which is
/// in memory as a whole.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// So many requests are worked on at once unless an option says otherwise.
pub const DEFAULT_MAX_REQUESTS: usize = 16;

/// A request may take this long unless an option says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(600);

/// A body may stand still for this long unless an option says otherwise.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);

/// A stop waits this long for what is under way unless an option says otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Limits of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub max_body_bytes: u64,
    /// Most bytes of a gRPC message.
    pub max_message_bytes: usize,
    /// Most requests that are worked on at once.
    pub max_requests: usize,
    /// How long a request may take.
    pub deadline: Duration,
    /// How long a body may stand still, coming or going.
    pub idle: Duration,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_requests: DEFAULT_MAX_REQUESTS,
            deadline: DEFAULT_DEADLINE,
            idle: DEFAULT_IDLE,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// Why a request gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// As many as may be are under way.
    Full,
    /// The server is being stopped.
    Draining,
}

/// Slots for work.
#[derive(Debug)]
pub(super) struct Slots {
    semaphore: Arc<Semaphore>,
    count: usize,
    draining: AtomicBool,
}

/// One request's place among those that are worked on; free again when it is dropped, which its thread does last.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is held, not looked at")] Arc<OwnedSemaphorePermit>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(count)), count, draining: AtomicBool::new(false) }
    }

    /// Takes a slot, at once or not at all: a queue here would only hide from NiFi that its own should wait.
    pub(super) fn take(&self) -> Result<Slot, Busy> {
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        let permit = Arc::clone(&self.semaphore).try_acquire_owned().map_err(|_| Busy::Full)?;
        // A drain that began meanwhile has looked already, or waits for this slot.
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        Ok(Slot(Arc::new(permit)))
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.count - self.semaphore.available_permits()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Gives no more slots, and waits until all are free.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        // It is never closed.
        let _ = self.semaphore.acquire_many(all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_had_at_once_or_not_at_all() {
        let slots = Slots::new(1);
        let first = slots.take().unwrap();
        assert_eq!((slots.take().unwrap_err(), slots.taken()), (Busy::Full, 1));
        drop(first.clone());
        assert_eq!(slots.taken(), 1);
        drop(first);
        let again = slots.take().unwrap();
        slots.draining.store(true, Ordering::SeqCst);
        drop(again);
        assert_eq!(slots.take().unwrap_err(), Busy::Draining);
    }
}
