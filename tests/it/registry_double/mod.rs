//! A NiFi Registry for tests: in memory, over real HTTP on loopback, with failures on demand.
//!
//! It answers as the recordings in `tests/fixtures/registry` say; `registry_contract` replays all of them. It has no
//! access control, bundles or revisions. What a real server does and the recordings do not show is not promised.

mod diff;
mod faults;
pub(crate) mod http;
mod jackson;
mod json;
pub(crate) mod replay;
mod routes;
mod schema;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use faults::{Fault, On};

use http::{Answer, Head, Request};
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use store::Store;

/// How often a waiting thread looks whether the double is being stopped.
const STOP_CHECK: Duration = Duration::from_millis(5);
/// Bytes of a body that [`Fault::LostUpload`] reads.
const LOST_UPLOAD_BYTES: u64 = 4096;

/// The server that a double behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    V0_8_0,
    V1_28_1,
    V2_11_0,
}

impl Release {
    /// As `/about` and the recordings name it.
    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::V0_8_0 => "0.8.0",
            Self::V1_28_1 => "1.28.1",
            Self::V2_11_0 => "2.11.0",
        }
    }
}

/// Where that server keeps flow contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    File,
    Database,
}

/// A request that came, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query below the API's base, percent-encoded as sent.
    pub(crate) path: String,
    /// Length of the body in bytes, without the framing of chunks.
    pub(crate) body_bytes: usize,
    /// What was answered, wholly or in part; `None` if nothing was (yet).
    pub(crate) status: Option<u16>,
    /// Length of the answer's body in bytes.
    pub(crate) answer_bytes: usize,
    /// Which connection it came over, counted from 1.
    pub(crate) connection: u64,
}

/// A running Registry; it ends, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct RegistryDouble {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    release: Release,
    store: Store,
    stopping: AtomicBool,
    dead_database: AtomicBool,
    authorization: Mutex<Option<String>>,
    faults: Mutex<Vec<(On, Fault)>>,
    seen: Mutex<Vec<Seen>>,
    connected: AtomicU64,
    connections: Mutex<HashMap<u64, TcpStream>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RegistryDouble {
    /// Starts an empty Registry on a free port of loopback.
    pub(crate) fn start(release: Release, provider: Provider) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            release,
            store: Store::new(release, provider),
            stopping: AtomicBool::new(false),
            dead_database: AtomicBool::new(false),
            authorization: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            connected: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let mut double = Self { shared, address, acceptor: None };
        double.accept_on(listener);
        double
    }

    /// The API's base, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, routes::BASE)
    }

    /// All requests since the start or [`Self::forget_requests`].
    pub(crate) fn requests(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    pub(crate) fn forget_requests(&self) {
        lock(&self.shared.seen).clear();
    }

    /// Lets `fault` strike the requests that `on` describes. Of several, the one injected first strikes.
    pub(crate) fn inject(&self, on: On, fault: Fault) {
        lock(&self.shared.faults).push((on, fault));
    }

    /// True if all injected faults have struck as often as they should.
    pub(crate) fn all_faults_struck(&self) -> bool {
        lock(&self.shared.faults).is_empty()
    }

    /// From now on answers 401 to requests without exactly this `Authorization` header. The text is not measured.
    pub(crate) fn require_authorization(&self, header: &str) {
        *lock(&self.shared.authorization) = Some(header.to_owned());
    }

    /// Spoils a stored version: replaces `from` by `to` throughout the JSON text of its contents. False if nothing was.
    pub(crate) fn alter_contents(&self, flow: &str, version: usize, from: &str, to: &str) -> bool {
        self.shared.store.alter_contents(&json::Text::from(flow), version, from, to)
    }

    /// Brings up a Registry whose database had died, or that refused connections; nothing is lost.
    pub(crate) fn restart(&mut self) {
        self.refuse_connections();
        self.shared.dead_database.store(false, Ordering::SeqCst);
        self.shared.stopping.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is still ours");
        self.accept_on(listener);
    }

    /// Goes down: closes all connections and refuses new ones until [`Self::restart`].
    pub(crate) fn refuse_connections(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            // Wakes the thread, which waits for a connection.
            drop(TcpStream::connect(self.address));
            acceptor.join().expect("the accepting thread ends well");
        }
    }

    fn accept_on(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(thread::spawn(move || accept(&listener, &shared)));
    }
}

impl Drop for RegistryDouble {
    fn drop(&mut self) {
        self.refuse_connections();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connected.fetch_add(1, Ordering::SeqCst) + 1;
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.connections).insert(number, copy);
        }
        let shared = Arc::clone(shared);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread::spawn(move || {
            // A connection that breaks is the client's affair, or a fault's.
            let _ = serve(&stream, number, &shared);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&shared.connections).remove(&number);
        }));
    }
    for connection in lock(&shared.connections).values() {
        let _ = connection.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Serves one connection until it ends.
fn serve(stream: &TcpStream, connection: u64, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut from = BufReader::with_capacity(64 * 1024, stream);
    let mut to = stream;
    loop {
        let mut request = match http::read_head(&mut from)? {
            Head::Request(request) => request,
            Head::TooLong(request) => {
                return routes::head_too_long(shared.release, &request).send(&mut to, false, false);
            }
            Head::Closed => return Ok(()),
        };
        let index = shared.note(&request, connection);
        let fault = shared.fault_for(&request);
        if matches!(fault, Some(Fault::LostUpload)) {
            from.take(LOST_UPLOAD_BYTES).read_to_end(&mut request.body)?;
            return Ok(());
        }
        if request.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        http::read_body(&mut request, &mut from)?;
        shared.noted(connection, index, |seen| seen.body_bytes = request.body.len());
        let closing =
            request.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let without_body = request.method == "HEAD";
        let Some((answer, cut)) = shared.act(&request, fault) else { return Ok(()) };
        shared.noted(connection, index, |seen| {
            seen.status = Some(answer.status);
            seen.answer_bytes = answer.body_len();
        });
        drop(request);
        answer.send(&mut to, without_body, cut)?;
        if closing || cut {
            return Ok(());
        }
    }
}

impl Shared {
    /// Logs a request; returns where.
    fn note(&self, request: &Request, connection: u64) -> usize {
        let path = request.target.strip_prefix(routes::BASE).unwrap_or(&request.target).to_owned();
        let (method, body_bytes) = (request.method.clone(), http::body_length(request));
        let mut seen = lock(&self.seen);
        seen.push(Seen { method, path, body_bytes, status: None, answer_bytes: 0, connection });
        seen.len() - 1
    }

    /// Completes a log entry, if it was not forgotten meanwhile.
    fn noted(&self, connection: u64, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) =
            lock(&self.seen).get_mut(index).filter(|seen| seen.connection == connection)
        {
            change(seen);
        }
    }

    fn fault_for(&self, request: &Request) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let index = faults.iter_mut().position(|(on, _)| {
            if !on.matches(&request.method, &request.target) {
                return false;
            }
            let passes = on.skip > 0;
            on.skip = on.skip.saturating_sub(1);
            !passes
        })?;
        let (on, fault) = faults.get_mut(index)?;
        let fault = fault.clone();
        on.times -= 1;
        if on.times == 0 {
            faults.remove(index);
        }
        Some(fault)
    }

    /// Carries the request out, or what the fault says. `None` closes the connection; true cuts the answer.
    fn act(&self, request: &Request, fault: Option<Fault>) -> Option<(Answer, bool)> {
        let unexpected = || routes::plain(self.release, 500, faults::UNEXPECTED);
        match fault {
            None => Some((self.answer(request), false)),
            Some(Fault::Answer(status, text)) => {
                Some((routes::plain(self.release, status, &text), false))
            }
            Some(Fault::CutAnswer) => Some((self.answer(request), true)),
            Some(Fault::LostAnswer) => {
                self.answer(request);
                None
            }
            Some(Fault::LostRequest | Fault::LostUpload) => None,
            Some(Fault::Delay(time)) => {
                let answer = self.answer(request);
                self.wait(time);
                Some((answer, false))
            }
            Some(Fault::Silence) => {
                self.wait(Duration::MAX);
                None
            }
            Some(Fault::OutOfHeap) => Some((unexpected(), false)),
            Some(Fault::Orphan) => {
                let path = request.target.split('?').next().unwrap_or_default();
                let flow = path
                    .split('/')
                    .skip_while(|segment| *segment != "flows")
                    .nth(1)
                    .unwrap_or_default();
                self.store.orphan_next(&json::Text::from_wtf8(http::percent_decode(flow)));
                None
            }
            Some(Fault::DeadDatabase) => {
                self.dead_database.store(true, Ordering::SeqCst);
                Some((self.answer(request), false))
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let required = lock(&self.authorization).clone();
        if required.is_some_and(|required| request.header("Authorization") != Some(&required)) {
            return routes::plain(
                self.release,
                401,
                "Unable to view the resource. Contact the system administrator.",
            );
        }
        routes::answer(
            &self.store,
            self.release,
            request,
            self.dead_database.load(Ordering::SeqCst),
        )
    }

    /// Waits that long, or until the double goes down.
    fn wait(&self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time && !self.stopping.load(Ordering::SeqCst) {
            thread::sleep(STOP_CHECK.min(time));
        }
    }
}
