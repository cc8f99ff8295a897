//! What one process takes on: slots for work, time, sizes, and the end of it all.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::either::{Either, first_of};

/// A request's body may have this many bytes unless an option says otherwise.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;

/// A gRPC message may have this many bytes unless an option says otherwise: NiFi sends a FlowFile as one message, which is
/// in memory as a whole.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// So many requests are worked on at once unless an option says otherwise.
pub const DEFAULT_MAX_REQUESTS: usize = 16;

/// All requests together may claim this many bytes of memory unless an option says otherwise.
pub const DEFAULT_MAX_MEMORY: u64 = 512 * 1024 * 1024;

/// A request claims at most this for sorting and writing its content, whatever its size.
pub(super) const CONTENT_MEMORY: u64 = 24 * 1024 * 1024;

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
    /// Most bytes of memory that all requests may claim together.
    pub max_memory: u64,
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
            max_memory: DEFAULT_MAX_MEMORY,
            deadline: DEFAULT_DEADLINE,
            idle: DEFAULT_IDLE,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// Most requests that wait for a slot; one more is told to try again.
pub(super) const MAX_WAITING: usize = 1_000;

/// Why a request gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// As many as may be are under way, and as many as may be wait.
    Full,
    /// Its time was over before there was a slot.
    Late,
    /// The server is being stopped.
    Draining,
}

/// Slots for work.
#[derive(Debug)]
pub(super) struct Slots {
    semaphore: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
    draining: watch::Sender<bool>,
}

/// One request's place among those that are worked on; free again when it is dropped, which its thread does last.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is held, not looked at")] Arc<OwnedSemaphorePermit>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let (semaphore, draining) = (Arc::new(Semaphore::new(count)), watch::Sender::new(false));
        Self { semaphore, count, waiting: AtomicUsize::new(0), draining }
    }

    /// Takes a slot; waits for one until `deadline`, in the order in which requests came.
    pub(super) async fn take(&self, deadline: Instant) -> Result<Slot, Busy> {
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        if deadline <= Instant::now() {
            return Err(Busy::Late);
        }
        let semaphore = Arc::clone(&self.semaphore);
        let permit = match Arc::clone(&self.semaphore).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = Place::among(&self.waiting).ok_or(Busy::Full)?;
                let mut stop = self.draining.subscribe();
                let stopped = pin!(stop.wait_for(|draining| *draining));
                let waited = pin!(timeout_at(deadline, semaphore.acquire_owned()));
                match first_of(stopped, waited).await {
                    Either::Second(Ok(Ok(permit))) => permit,
                    Either::Second(Err(_)) => return Err(Busy::Late),
                    // It is never closed.
                    Either::First(_) | Either::Second(Ok(Err(_))) => return Err(Busy::Draining),
                }
            }
        };
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
        *self.draining.borrow()
    }

    /// How many wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Gives no more slots, and waits until all are free.
    pub(super) async fn drain(&self) {
        self.draining.send_replace(true);
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        // It is never closed.
        let _ = self.semaphore.acquire_many(all).await;
    }
}

/// A place among those that wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn among(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn a_slot_is_waited_for_until_the_deadline() {
        block_on(async {
            let slots = Slots::new(1);
            let first = slots.take(soon()).await.unwrap();
            assert_eq!((slots.take(soon()).await.unwrap_err(), slots.taken()), (Busy::Late, 1));
            drop(first.clone());
            assert_eq!((slots.taken(), slots.waiting()), (1, 0));
            let later = Instant::now() + Duration::from_secs(60);
            let releasing = async {
                while slots.waiting() == 0 {
                    tokio::task::yield_now().await;
                }
                drop(first);
                std::future::pending::<()>().await;
            };
            let Either::First(second) = first_of(pin!(slots.take(later)), pin!(releasing)).await else { panic!() };
            assert_eq!((second.is_ok(), slots.taken()), (true, 1));
        });
    }

    #[test]
    fn a_stop_sends_away_who_waits() {
        block_on(async {
            let slots = Slots::new(1);
            let first = slots.take(soon()).await.unwrap();
            let later = Instant::now() + Duration::from_secs(60);
            let stopping = async {
                slots.draining.send_replace(true);
                std::future::pending::<()>().await;
            };
            let Either::First(waited) = first_of(pin!(slots.take(later)), pin!(stopping)).await else { panic!() };
            assert_eq!(waited.unwrap_err(), Busy::Draining);
            drop(first);
            assert_eq!(slots.take(later).await.unwrap_err(), Busy::Draining);
        });
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let waiting = AtomicUsize::new(MAX_WAITING - 1);
        let last = Place::among(&waiting).unwrap();
        assert!(Place::among(&waiting).is_none());
        drop(last);
        assert_eq!(waiting.into_inner(), MAX_WAITING - 1);
    }
}
