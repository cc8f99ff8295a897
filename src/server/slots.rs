//! Slots for work, and who gets the next one. Nobody holds all of them: who asks most waits behind who asks least.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::either::{Either, first_of};

/// Most requests that wait for a slot; one more is told to try again.
pub(super) const MAX_WAITING: usize = 1_000;

/// Of the slots, and of the places of those that wait, one in so many is never held by the same asker as all the others.
const SHARE_FOR_OTHERS: usize = 4;

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    /// A client of the clients file, wherever it asks from.
    Client(String),
    /// Whoever is at this address; of IPv6, in this /64 network.
    Address(Option<IpAddr>),
}

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
    shared: Arc<SharedSlots>,
    draining: watch::Sender<bool>,
}

#[derive(Debug)]
struct SharedSlots {
    count: usize,
    queue: Mutex<SlotQueue>,
    /// The last slot became free.
    all_free: Notify,
}

#[derive(Debug, Default)]
struct SlotQueue {
    taken: usize,
    /// Who holds how many; nobody is here with none.
    held: HashMap<Asker, usize>,
    /// Who waits, in the order in which they came.
    waiting: Vec<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    asker: Asker,
    number: u64,
    grant: oneshot::Sender<Slot>,
}

/// One request's place among those that are worked on; free again when its last copy is dropped, which its thread does
/// last.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is held, not looked at")] Arc<HeldSlot>);

#[derive(Debug)]
struct HeldSlot {
    shared: Arc<SharedSlots>,
    asker: Asker,
}

/// How many of `count` one asker may have: all but a quarter, but always one.
pub(super) fn most_of_one(count: usize) -> usize {
    (count - count.div_ceil(SHARE_FOR_OTHERS)).max(1)
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let shared = SharedSlots { count, queue: Mutex::default(), all_free: Notify::new() };
        Self { shared: Arc::new(shared), draining: watch::Sender::new(false) }
    }

    /// Takes a slot; waits for one until `deadline`.
    pub(super) async fn take(&self, asker: &Asker, deadline: Instant) -> Result<Slot, Busy> {
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        if deadline <= Instant::now() {
            return Err(Busy::Late);
        }
        let mut stop = self.draining.subscribe();
        let slot = match self.shared.take_or_wait(asker)? {
            Either::First(slot) => slot,
            Either::Second((_place, granted)) => {
                let stopped = pin!(stop.wait_for(|draining| *draining));
                match first_of(stopped, pin!(timeout_at(deadline, granted))).await {
                    Either::Second(Ok(Ok(slot))) => slot,
                    Either::Second(Err(_)) => return Err(Busy::Late),
                    // Nobody drops the other end without a grant.
                    Either::First(_) | Either::Second(Ok(Err(_))) => return Err(Busy::Draining),
                }
            }
        };
        // A drain that began meanwhile has looked already, or waits for this slot.
        if self.is_draining() {
            return Err(Busy::Draining);
        }
        Ok(slot)
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.shared.queue().taken
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// How many wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().waiting.len()
    }

    /// Gives no more slots, and waits until all are free.
    pub(super) async fn drain(&self) {
        self.draining.send_replace(true);
        loop {
            let mut free = pin!(self.shared.all_free.notified());
            // From here on it hears of what happens before it waits.
            free.as_mut().enable();
            if self.taken() == 0 {
                return;
            }
            free.await;
        }
    }
}

/// A place among those that wait; it is given up when this is dropped.
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

    fn take_or_wait(
        self: &Arc<Self>,
        asker: &Asker,
    ) -> Result<Either<Slot, (WaitingPlace, oneshot::Receiver<Slot>)>, Busy> {
        let mut queue = self.queue();
        // Where a slot is free, whoever waits has as many as he may have.
        if queue.may_hold(asker, self.count) {
            queue.hold(asker);
            return Ok(Either::First(self.slot(asker.clone())));
        }
        let own = queue.waiting.iter().filter(|waiting| waiting.asker == *asker).count();
        if queue.waiting.len() >= MAX_WAITING || own >= most_of_one(MAX_WAITING) {
            return Err(Busy::Full);
        }
        let (grant, granted) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push(Waiting { asker: asker.clone(), number, grant });
        Ok(Either::Second((WaitingPlace { shared: Arc::clone(self), number }, granted)))
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

    /// Who is next: of those that may have one more, who holds the fewest, and of these who came first.
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
            // Whoever gave up meanwhile drops it, and it is the next one's.
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
            let Either::First(second) =
                first_of(pin!(slots.take(&a, later())), pin!(releasing)).await
            else {
                panic!()
            };
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
            let Either::First(waited) =
                first_of(pin!(slots.take(&a, later())), pin!(stopping)).await
            else {
                panic!()
            };
            assert_eq!(waited.unwrap_err(), Busy::Draining);
            let releasing = async {
                drop(first);
                std::future::pending::<()>().await;
            };
            assert!(matches!(
                first_of(pin!(slots.drain()), pin!(releasing)).await,
                Either::First(())
            ));
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
            // It is kept for others.
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
        let (Either::First(of_a), Either::First(of_b)) = (take(&a), take(&b)) else { panic!() };
        let mut waiting: Vec<_> = [&a, &a, &b, &c]
            .map(|asker| match take(asker) {
                Either::Second(waiting) => waiting,
                Either::First(_) => panic!(),
            })
            .into();
        // One of `b` becomes free: `a` has one already, `b` came before `c`.
        drop(of_b);
        let mut granted = |place: usize| waiting[place].1.try_recv();
        let (second_of_b, none) = (granted(2).unwrap(), granted(0).is_err());
        assert!(none && granted(3).is_err());
        drop(second_of_b);
        let of_c = granted(3).unwrap();
        drop(of_a);
        assert!(granted(0).is_ok(), "nobody else waits");
        // It was dropped there and then, so the next one of `a` has it; who is gone is passed over.
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
