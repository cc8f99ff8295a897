//! Open connections: their limits, the choice of the one that is closed for a new one, and the time
//! after which an idle one is closed.
//!
//! A client that only opens connections cannot lock others out. A new connection replaces the one
//! that has been idle for longest; if all are at work, a few more may still ask for the server's
//! health.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Most connections at once. By default a process has 1,024 file descriptors.
pub(super) const MAX_CONNECTIONS: usize = 500;

/// Most connections of one address at once; for IPv6, of one /64 network.
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: usize = 250;

/// Connections above these limits that may still ask for the server's health.
pub(super) const RESERVED_CONNECTIONS: usize = 32;

/// Once a request's deadline has passed, its connection has this long to deliver the rest of the
/// response.
const GRACE: Duration = Duration::from_secs(5);

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, ConnectionPlace>,
}

#[derive(Debug)]
struct ConnectionPlace {
    address: IpAddr,
    activity: Arc<Activity>,
    is_reserved: bool,
}

/// An open connection; its place becomes free when it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection {
    connections: Arc<Connections>,
    number: u64,
    /// The client's address; for IPv6, its network.
    pub(super) address: IpAddr,
    /// The requests of the connection.
    pub(super) activity: Arc<Activity>,
    /// True if it may only ask for the server's health.
    pub(super) is_reserved: bool,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        lock(&self.connections.0).all.remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the part of an address that belongs to one holder: an IPv4 address, or an IPv6 /64
/// network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

impl Connections {
    /// Gives a new connection a place; `None` if all places are taken, including the reserved ones.
    pub(super) fn open(self: &Arc<Self>, address: IpAddr) -> Option<OpenConnection> {
        let address = network(address);
        let mut open = lock(&self.0);
        let is_full = if open.count(|other| other == address) >= MAX_CONNECTIONS_PER_ADDRESS {
            !open.evict(|other| other == address)
        } else {
            open.count(|_| true) >= MAX_CONNECTIONS && !open.evict(|_| true)
        };
        let reserved = open.all.values().filter(|place| place.is_reserved).count();
        if is_full && reserved >= RESERVED_CONNECTIONS {
            return None;
        }
        let (number, activity) = (open.next, Arc::new(Activity::default()));
        open.next += 1;
        let place =
            ConnectionPlace { address, activity: Arc::clone(&activity), is_reserved: is_full };
        open.all.insert(number, place);
        Some(OpenConnection {
            connections: Arc::clone(self),
            number,
            address,
            activity,
            is_reserved: is_full,
        })
    }

    /// Closes the connection that has been idle for longest, for example because the process has no
    /// file descriptor left.
    pub(super) fn make_room(&self) {
        lock(&self.0).evict(|_| true);
    }
}

impl Open {
    /// Returns the connections of these addresses. Reserved ones neither count nor make room: each
    /// would otherwise let one more connection than the limit do everything.
    fn ordinary(&self, of: impl Fn(IpAddr) -> bool) -> impl Iterator<Item = &Arc<Activity>> {
        let ordinary = self.all.values().filter(move |it| !it.is_reserved && of(it.address));
        ordinary.map(|it| &it.activity)
    }

    fn count(&self, of: impl Fn(IpAddr) -> bool) -> usize {
        self.ordinary(of).count()
    }

    /// Asks the connection that has been idle for longest to close; false if none is idle.
    fn evict(&mut self, of: impl Fn(IpAddr) -> bool) -> bool {
        let idle = self.ordinary(of);
        let idle = idle.filter_map(|activity| Some((activity.idle_since()?, activity)));
        match idle.min_by_key(|(since, _)| *since) {
            Some((_, activity)) => {
                activity.evict();
                true
            }
            None => false,
        }
    }
}

/// The activity of one connection: its requests, or the time since it had none.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    evicted: Notify,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// The deadline of each request and its response.
    requests: BTreeMap<u64, Instant>,
    /// The time at which the last request ended, or the connection began.
    since: Instant,
    has_asked: bool,
    is_evicted: bool,
}

impl Default for Activity {
    fn default() -> Self {
        let since = Instant::now();
        let state = State {
            next: 0,
            requests: BTreeMap::new(),
            since,
            has_asked: false,
            is_evicted: false,
        };
        Self { state: Mutex::new(state), evicted: Notify::new() }
    }
}

/// A request that is under way, until the end of its response.
#[derive(Debug)]
pub(super) struct ActiveRequest {
    activity: Arc<Activity>,
    number: u64,
}

impl ActiveRequest {
    /// Sets the deadline of the response.
    pub(super) fn ends_by(&self, deadline: Instant) {
        if let Some(known) = lock(&self.activity.state).requests.get_mut(&self.number) {
            *known = deadline + GRACE;
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut state = lock(&self.activity.state);
        state.requests.remove(&self.number);
        state.since = Instant::now();
    }
}

impl Activity {
    /// Registers a request that began and ends by `deadline`.
    pub(super) fn begin(self: &Arc<Self>, deadline: Instant) -> ActiveRequest {
        let mut state = lock(&self.state);
        let number = state.next;
        (state.next, state.has_asked) = (number + 1, true);
        state.requests.insert(number, deadline + GRACE);
        ActiveRequest { activity: Arc::clone(self), number }
    }

    fn idle_since(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (state.requests.is_empty() && !state.is_evicted).then_some(state.since)
    }

    fn evict(&self) {
        lock(&self.state).is_evicted = true;
        self.evicted.notify_one();
    }

    /// Resolves when the connection has to make room for another.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Resolves when the connection has had no request for `idle` (before its first one: for
    /// `head`), or when a request has passed its deadline.
    pub(super) async fn overdue(&self, head: Duration, idle: Duration) {
        loop {
            let due = {
                let state = lock(&self.state);
                let limit = if state.has_asked { idle } else { head };
                let next = state.requests.values().min().copied();
                // A request that begins meanwhile is noticed when this time is over.
                next.map_or(state.since + limit, |due| due.min(Instant::now() + limit))
            };
            if due <= Instant::now() && self.is_overdue(head, idle) {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    fn is_overdue(&self, head: Duration, idle: Duration) -> bool {
        let (state, now) = (lock(&self.state), Instant::now());
        match state.requests.values().min() {
            Some(due) => *due <= now,
            None => state.since + if state.has_asked { idle } else { head } <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_new_connection_takes_the_place_of_the_one_that_was_idle_for_longest() {
        let connections = Arc::new(Connections::default());
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut open: Vec<_> = (0..MAX_CONNECTIONS_PER_ADDRESS)
            .map(|_| connections.open(address(1)).unwrap())
            .collect();
        let busy = open[0].activity.begin(deadline);
        let new = connections.open(address(1)).unwrap();
        assert!(!new.is_reserved && open[0].activity.idle_since().is_none());
        assert!(open[1].activity.idle_since().is_none() && open[2].activity.idle_since().is_some());
        drop(busy);
        // A connection from another address does not matter as long as there is room.
        assert!(!connections.open(address(2)).unwrap().is_reserved);
        assert!(open[2].activity.idle_since().is_some());
        open.truncate(3);
        drop(open);
        drop(new);
        assert!(lock(&connections.0).all.is_empty());
    }

    #[test]
    fn where_all_are_at_work_a_few_may_ask_for_the_health() {
        let connections = Arc::new(Connections::default());
        let deadline = Instant::now() + Duration::from_secs(60);
        let place = |number: usize| address(u8::try_from(number % 5).unwrap());
        let busy: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|number| {
                let open = connections.open(place(number)).unwrap();
                let request = open.activity.begin(deadline);
                (open, request)
            })
            .collect();
        assert!(busy.iter().all(|(open, _)| !open.is_reserved));
        let reserved: Vec<_> =
            (0..RESERVED_CONNECTIONS).filter_map(|_| connections.open(address(9))).collect();
        assert_eq!(reserved.len(), RESERVED_CONNECTIONS);
        // One that has asked and is idle now makes no room for more than the server's health.
        assert!(reserved.iter().all(|open| open.is_reserved));
        drop(busy);
        assert!(!connections.open(address(9)).unwrap().is_reserved);
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_the_reserve() {
        let connections = Arc::new(Connections::default());
        let deadline = Instant::now() + Duration::from_secs(60);
        let open: Vec<_> = (0..MAX_CONNECTIONS)
            .filter_map(|_| connections.open(address(1)))
            .map(|open| (open.activity.begin(deadline), open))
            .collect();
        let reserved = open.iter().filter(|(_, open)| open.is_reserved).count();
        assert_eq!(reserved, RESERVED_CONNECTIONS);
        assert_eq!(open.len(), MAX_CONNECTIONS_PER_ADDRESS + RESERVED_CONNECTIONS);
        assert!(!connections.open(address(2)).unwrap().is_reserved, "others are not affected");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
