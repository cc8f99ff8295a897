//! Slots for work, and the choice of who gets the next one. Unless there is only one slot, no asker
//! holds all of them: one with many requests waits until those with fewer are served.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::select;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

/// Most requests that wait for a slot; any more are refused and may try again.
pub(super) const MAX_WAITING: usize = 1_000;

/// One in this many slots, and one in this many waiting places, is never held by an asker that
/// holds all the others.
const SHARE_FOR_OTHERS: usize = 4;

/// The party whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    /// A client of the clients file, whatever its address.
    Client(String),
    /// Everybody at this address; for IPv6, in this /64 network.
    Address(Option<IpAddr>),
}

/// The reason why a request gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// The slots that its asker may hold are taken, and so are its places in the queue.
    Full,
    /// The request's deadline passed before a slot was free.
    Late,
    /// The server is being stopped.
    Draining,
}

/// Slots for work.
#[derive(Debug)]
pub(super) struct Slots {
    shared: Arc<SharedSlots>,
    draining: watch::Sender<bool>,
}

#[derive(Debug)]
struct SharedSlots {
    count: usize,
    queue: Mutex<SlotQueue>,
    /// Notified when the last slot becomes free.
    all_free: Notify,
}

#[derive(Debug, Default)]
struct SlotQueue {
    taken: usize,
    /// The number of slots that each asker holds; an asker with none is absent.
    held: HashMap<Asker, usize>,
    /// The waiting requests, in order of arrival.
    waiting: Vec<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    asker: Asker,
    number: u64,
    grant: oneshot::Sender<Slot>,
}

/// A slot for one request. It becomes free when its last copy is dropped, which the request's
/// thread does last.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is held, not looked at")] Arc<HeldSlot>);

#[derive(Debug)]
struct HeldSlot {
    shared: Arc<SharedSlots>,
    asker: Asker,
}

/// Returns how many of `count` one asker may hold: all but a quarter, but at least one.
pub(super) fn most_of_one(count: usize) -> usize {
    (count - count.div_ceil(SHARE_FOR_OTHERS)).max(1)
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let shared = SharedSlots { count, queue: Mutex::default(), all_free: Notify::new() };
        Self { shared: Arc::new(shared), draining: watch::Sender::new(false) }
    }

    /// Takes a slot, and waits for one until `deadline`.
    pub(super) async fn take(&self, asker: &Asker, deadline: Instant) -> Result<Slot, Busy> {
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        if deadline <= Instant::now() {
            return Err(Busy::Late);
        }
        let mut stop = self.draining.subscribe();
        let slot = match self.shared.take_or_wait(asker)? {
            Grant::Now(slot) => slot,
            Grant::Later { _place, granted } => {
                let granted = select! {
                    biased;
                    _ = stop.wait_for(|draining| *draining) => return Err(Busy::Draining),
                    granted = timeout_at(deadline, granted) => granted.map_err(|_| Busy::Late)?,
                };
                // The sender is never dropped without a grant.
                granted.map_err(|_| Busy::Draining)?
            }
        };
        // A drain that began meanwhile has already checked, or waits for this slot.
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        Ok(slot)
    }

    /// Returns the number of slots that are taken.
    pub(super) fn taken(&self) -> usize {
        self.shared.queue().taken
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns the number of waiting requests.
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().waiting.len()
    }

    /// Stops giving slots, and waits until all are free.
    pub(super) async fn drain(&self) {
        self.draining.send_replace(true);
        loop {
            let mut free = pin!(self.shared.all_free.notified());
            // Registers before the check below, so that no notification is missed.
            free.as_mut().enable();
            if self.taken() == 0 {
                return;
            }
            free.await;
        }
    }
}

/// The response to a request for a slot.
enum Grant {
    /// A slot.
    Now(Slot),
    /// A place in the queue, and the end where the slot arrives.
    Later { _place: WaitingPlace, granted: oneshot::Receiver<Slot> },
}

/// A place in the queue; it is given up when this is dropped.
struct WaitingPlace {
    shared: Arc<SharedSlots>,
    number: u64,
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        if let Some(place) = queue.waiting.iter().position(|waiting| waiting.number == self.number)
        {
            queue.waiting.remove(place);
        }
    }
}

impl SharedSlots {
    fn queue(&self) -> MutexGuard<'_, SlotQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(self: &Arc<Self>, asker: Asker) -> Slot {
        Slot(Arc::new(HeldSlot { shared: Arc::clone(self), asker }))
    }

    fn take_or_wait(self: &Arc<Self>, asker: &Asker) -> Result<Grant, Busy> {
        let mut queue = self.queue();
        // While a slot is free, every waiting asker holds as many as it may, so this request
        // overtakes nobody.
        if queue.may_hold(asker, self.count) {
            queue.hold(asker);
            return Ok(Grant::Now(self.slot(asker.clone())));
        }
        let own = queue.waiting.iter().filter(|waiting| waiting.asker == *asker).count();
        if queue.waiting.len() >= MAX_WAITING || own >= most_of_one(MAX_WAITING) {
            return Err(Busy::Full);
        }
        let (grant, granted) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push(Waiting { asker: asker.clone(), number, grant });
        Ok(Grant::Later { _place: WaitingPlace { shared: Arc::clone(self), number }, granted })
    }
}

impl SlotQueue {
    fn held_by(&self, asker: &Asker) -> usize {
        self.held.get(asker).copied().unwrap_or(0)
    }

    fn may_hold(&self, asker: &Asker, count: usize) -> bool {
        self.taken < count && self.held_by(asker) < most_of_one(count)
    }

    fn hold(&mut self, asker: &Asker) {
        self.taken += 1;
        *self.held.entry(asker.clone()).or_default() += 1;
    }

    fn release(&mut self, asker: &Asker) {
        self.taken -= 1;
        if let Some(held) = self.held.get_mut(asker) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(asker);
            }
        }
    }

    /// Removes the request that is next and gives it a slot. Among the askers that may hold one
    /// more, the one that holds the fewest wins; ties go to the earliest request.
    fn next(&mut self, count: usize) -> Option<Waiting> {
        let may = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, waiting)| self.may_hold(&waiting.asker, count));
        let (place, _) =
            may.min_by_key(|(_, waiting)| (self.held_by(&waiting.asker), waiting.number))?;
        let next = self.waiting.remove(place);
        self.hold(&next.asker);
        Some(next)
    }
}

impl Drop for HeldSlot {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.release(&self.asker);
        let next = queue.next(self.shared.count);
        let is_last = queue.taken == 0;
        drop(queue);
        if let Some(Waiting { asker, grant, .. }) = next {
            // If the waiting request gave up meanwhile, the slot is dropped here and goes to the
            // next one.
            let _ = grant.send(self.shared.slot(asker));
        }
        if is_last {
            self.shared.all_free.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn client(name: &str) -> Asker {
        Asker::Client(name.to_owned())
    }

    #[test]
    fn a_slot_is_waited_for_until_the_deadline() {
        block_on(async {
            let (slots, a) = (Slots::new(1), client("a"));
            let first = slots.take(&a, soon()).await.unwrap();
            assert_eq!((slots.take(&a, soon()).await.unwrap_err(), slots.taken()), (Busy::Late, 1));
            drop(first.clone());
            assert_eq!((slots.taken(), slots.waiting()), (1, 0));
            let releasing = async {
                while slots.waiting() == 0 {
                    tokio::task::yield_now().await;
                }
                drop(first);
                std::future::pending::<()>().await;
            };
            let second =
                select! { second = slots.take(&a, later()) => second, () = releasing => panic!() };
            assert_eq!((second.is_ok(), slots.taken()), (true, 1));
            drop(second);
            assert!(slots.taken() == 0 && slots.shared.queue().held.is_empty());
        });
    }

    #[test]
    fn a_stop_sends_away_who_waits() {
        block_on(async {
            let (slots, a) = (Slots::new(1), client("a"));
            let first = slots.take(&a, soon()).await.unwrap();
            let stopping = async {
                slots.draining.send_replace(true);
                std::future::pending::<()>().await;
            };
            // The second future must not begin before the first one waits.
            let waited = select! { biased; waited = slots.take(&a, later()) => waited, () = stopping => panic!() };
            assert_eq!(waited.unwrap_err(), Busy::Draining);
            let releasing = async {
                drop(first);
                std::future::pending::<()>().await;
            };
            select! { biased; () = slots.drain() => {} () = releasing => panic!() }
            assert_eq!(slots.take(&a, later()).await.unwrap_err(), Busy::Draining);
        });
    }

    #[test]
    fn one_asker_never_has_all() {
        assert_eq!([1, 2, 3, 4, 16].map(most_of_one), [1, 1, 2, 3, 12]);
        block_on(async {
            let (slots, a, b) = (Slots::new(4), client("a"), Asker::Address(None));
            let mut all: Vec<_> = Vec::new();
            for _ in 0..3 {
                all.push(slots.take(&a, soon()).await.unwrap());
            }
            assert_eq!(slots.take(&a, soon()).await.unwrap_err(), Busy::Late);
            let other = slots.take(&b, soon()).await.unwrap();
            assert_eq!((slots.taken(), slots.take(&b, soon()).await.unwrap_err()), (4, Busy::Late));
            drop(other);
            // The slot is kept for others.
            assert_eq!(slots.take(&a, soon()).await.unwrap_err(), Busy::Late);
            all.pop();
            assert!(slots.take(&a, soon()).await.is_ok());
        });
    }

    #[test]
    fn who_holds_the_fewest_is_next() {
        let shared =
            Arc::new(SharedSlots { count: 2, queue: Mutex::default(), all_free: Notify::new() });
        let (a, b, c) = (client("a"), client("b"), client("c"));
        let take = |asker: &Asker| shared.take_or_wait(asker).unwrap();
        let (Grant::Now(of_a), Grant::Now(of_b)) = (take(&a), take(&b)) else { panic!() };
        let mut waiting: Vec<_> = [&a, &a, &b, &c]
            .map(|asker| match take(asker) {
                Grant::Later { _place, granted } => (_place, granted),
                Grant::Now(_) => panic!(),
            })
            .into();
        // A slot of `b` becomes free: `a` already holds one, and `b` came before `c`.
        drop(of_b);
        let mut granted = |place: usize| waiting[place].1.try_recv();
        let (second_of_b, none) = (granted(2).unwrap(), granted(0).is_err());
        assert!(none && granted(3).is_err());
        drop(second_of_b);
        let of_c = granted(3).unwrap();
        drop(of_a);
        assert!(granted(0).is_ok(), "nobody else waits");
        // The result of the line above was dropped at once, so the next request of `a` has the
        // slot.
        assert!(granted(1).is_ok());
        drop((of_c, waiting));
        let queue = shared.queue();
        assert_eq!((queue.taken, queue.waiting.len()), (0, 0));
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let shared =
            Arc::new(SharedSlots { count: 1, queue: Mutex::default(), all_free: Notify::new() });
        let taken = shared.take_or_wait(&client("x")).unwrap();
        let mut all = Vec::new();
        for (asker, most) in
            [(client("a"), most_of_one(MAX_WAITING)), (client("b"), MAX_WAITING / SHARE_FOR_OTHERS)]
        {
            all.extend((0..most).map(|_| shared.take_or_wait(&asker).unwrap()));
            assert!(matches!(shared.take_or_wait(&asker), Err(Busy::Full)));
        }
        all.pop();
        assert!(
            shared.take_or_wait(&client("a")).is_err() && shared.take_or_wait(&client("b")).is_ok()
        );
        drop((taken, all));
        assert_eq!(shared.queue().taken, 0);
    }
}
