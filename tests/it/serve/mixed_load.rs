//! Everything at once: batches of all sizes over HTTP and gRPC, readers, slow and silent peers, what is refused, and more
//! requests than slots. Memory stays flat and under its budget, and all that was acknowledged is there.
//!
//! A normal run takes some seconds, and holds memory to its budget. `just load` goes on for ten minutes, says what it sees, and
//! holds memory to what it was before; `NIFI_IDB_LOAD_MINUTES` is how long.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nifi_idb::flowfile::{Attributes, write_head};

use super::grpc::{Client, ResponseCode};
use super::{Answer, Serve, TO, head, many};
use crate::program::{noise, on};

/// The time of a normal run.
const SHORT: Duration = Duration::from_secs(8);

/// The memory of all requests, and that of the cache.
const MAX_MEMORY: u64 = 64 * 1024 * 1024;
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// The process itself, its threads' stacks and allocators, and buffers of connections.
const PROCESS_BYTES: u64 = 56 * 1024 * 1024;

/// The growth that is allowed from the second quarter to the last.
const GROWTH_BYTES: u64 = 12 * 1024 * 1024;

/// Flows that are written to.
const FLOWS: u64 = 4;

/// Records of each sender.
const IDS: u64 = 3_000;

/// Records of the flow that is only read.
const BIG: usize = 20_000;

/// The state that all parts share.
struct MixedLoad<'a> {
    server: &'a Serve,
    until: Instant,
    /// The last acknowledged number of each record, by flow and id; `None`: an answer was no acknowledgement.
    known: Mutex<BTreeMap<(u64, u64), Option<u64>>>,
    done: AtomicU64,
    refused: AtomicU64,
    read: AtomicU64,
}

impl MixedLoad<'_> {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Notes what became of a batch of these records.
    fn ended(&self, sender: u64, ids: &[u64], number: u64, is_done: bool) {
        let count = if is_done { &self.done } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        let mut known = self.known.lock().unwrap();
        for id in ids {
            known.insert((sender % FLOWS, *id), is_done.then_some(number));
        }
    }

    /// Counts an answer that has one of these statuses.
    #[track_caller]
    fn expect(&self, answer: &Answer, statuses: &[u16]) {
        assert!(statuses.contains(&answer.status), "{statuses:?}: {answer:?}");
        self.read.fetch_add(1, Ordering::Relaxed);
    }
}

/// The records of a sender's batch, and their lines.
fn batch(sender: u64, number: u64) -> (Vec<u64>, String) {
    let size = [1, 10, 1, 300, 10, 3_000][usize::try_from(number % 6).unwrap()];
    let ids: Vec<_> =
        (0..size).map(|place| sender * 100_000 + (number * 7 + place) % IDS).collect();
    let line = |id: &u64| {
        format!("{{\"id\":{id},\"n\":{number},\"text\":\"{}\"}}\n", noise(id + number, 40))
    };
    let lines = ids.iter().map(line).collect();
    (ids, lines)
}

fn path(sender: u64) -> String {
    format!("/v1/flows/load/flow-{}/sync", sender % FLOWS)
}

/// Posts batches, each with a name; some ask for what others wrote.
fn posts(load: &MixedLoad<'_>, sender: u64) {
    for number in 0.. {
        if !load.goes_on() {
            return;
        }
        let ((ids, lines), name) = (batch(sender, number), format!("{sender}-{number}"));
        let headers = [&TO[..], &[("idempotency-key", name.as_str())]].concat();
        let pull = if number % 50 == 0 { "?pull=true" } else { "" };
        let answer =
            load.server.post(&format!("{}{pull}", path(sender)), &headers, lines.as_bytes());
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        load.ended(sender, &ids, number, answer.status == 200);
    }
}

/// Posts packages of batches of one record each.
fn posts_packages(load: &MixedLoad<'_>, sender: u64) {
    for number in 0.. {
        if !load.goes_on() {
            return;
        }
        let ids: Vec<_> =
            (0..20).map(|place| sender * 100_000 + (number * 7 + place) % IDS).collect();
        let mut package = Vec::new();
        for id in &ids {
            let mut attributes: Attributes =
                TO.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
            attributes.set("uuid", format!("{number}-{id}"));
            let content = format!("{{\"id\":{id},\"n\":{number}}}\n");
            write_head(&attributes, content.len() as u64, &mut package).unwrap();
            package.extend_from_slice(content.as_bytes());
        }
        let answer = load.server.post(&path(sender), &[], &package);
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        load.ended(sender, &ids, number, answer.status == 200);
    }
}

/// Sends over gRPC, by turns as NiFi does and by our own service.
fn calls(load: &MixedLoad<'_>, sender: u64) {
    let client = Client::new(load.server);
    for number in 0.. {
        if !load.goes_on() {
            return;
        }
        let (ids, lines) = batch(sender, number);
        let flow = format!("flow-{}", sender % FLOWS);
        let done = if number % 2 == 0 {
            // Its flow is the database's.
            let to = [("indexeddb.database", flow.as_str()), TO[1], TO[2]];
            client
                .send(&to, lines.as_bytes())
                .is_ok_and(|reply| reply.response_code() == ResponseCode::Success)
        } else {
            client
                .sync_to("load", &flow, &TO, lines.as_bytes())
                .is_ok_and(|(_, result)| result.status == 0)
        };
        // What NiFi's service writes is in another bucket.
        if number % 2 == 1 {
            load.ended(sender, &ids, number, done);
        } else {
            load.done.fetch_add(u64::from(done), Ordering::Relaxed);
        }
    }
}

/// Reads history in every way.
fn reads(load: &MixedLoad<'_>) {
    for number in 0_u64.. {
        if !load.goes_on() {
            return;
        }
        let flow = format!("/v1/flows/load/flow-{}", number % FLOWS);
        for path in
            ["/versions?limit=20", "/versions/1", "/versions/latest?format=records", "/sources"]
        {
            load.expect(&load.server.get(&format!("{flow}{path}")), &[200, 404, 503]);
        }
        let record =
            format!("{flow}/versions/latest/records?object.store=data&key={}", number % IDS);
        load.expect(&load.server.get(&record), &[200, 404, 503]);
        for path in ["/metrics", "/healthz", "/readyz"] {
            load.expect(&load.server.get(path), &[200]);
        }
    }
}

/// Reads an answer of some megabytes by drips, and goes away.
fn reads_slowly(load: &MixedLoad<'_>) {
    while load.goes_on() {
        let mut stream = load.server.connect();
        stream
            .write_all(head("GET", "/v1/flows/load/big/versions/latest", &[]).as_bytes())
            .unwrap();
        let mut piece = [0; 1024];
        for _ in 0..40 {
            if !load.goes_on() || stream.read(&mut piece).is_ok_and(|count| count == 0) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Opens connections that say nothing, or only begin.
fn says_nothing(load: &MixedLoad<'_>) {
    while load.goes_on() {
        let silent: Vec<_> = (0..30)
            .map(|number| {
                let mut stream = load.server.connect();
                // It may have been sent away already.
                let _ = stream.write_all([&b""[..], b"P", b"GET / HTTP/1.1\r\n"][number % 3]);
                stream
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        drop(silent);
    }
}

/// Sends what is refused, or breaks off.
fn sends_nonsense(load: &MixedLoad<'_>) {
    let junk = "x\n".repeat(20_000);
    let dollars = format!("{{\"id\":1,\"t\":\"{}\"}}\n", "$".repeat(1_000_000));
    while load.goes_on() {
        let post = |path: &str, more: &[(&str, &str)], body: &str| {
            load.server.post(path, &[&TO[..], more].concat(), body.as_bytes())
        };
        load.expect(&post("/v1/sync", &[], &junk), &[422, 503]);
        load.expect(&post("/v1/sync", &[("content-type", "multipart/form-data")], "x"), &[415]);
        load.expect(&post("/v1/sync?indexeddb.mod=full", &[], "{}"), &[400]);
        load.expect(&post("/v1/nothing", &[], &junk), &[404]);
        load.expect(&post("/v1/flows/load/dollars/sync", &[], &dollars), &[200, 503]);
        let length = [("content-length", "100000000")];
        let too_large = [&TO[..], &length].concat();
        let mut stream = load.server.connect();
        stream.write_all(head("POST", "/v1/sync", &too_large).as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 413");
        let mut cut = load.server.connect();
        cut.write_all(
            head("POST", "/v1/sync", &[&TO[..], &[("content-length", "1000")]].concat()).as_bytes(),
        )
        .unwrap();
        cut.write_all(b"{\"id\":1}\n").unwrap();
    }
}

/// Bytes of memory that are the process's own, by when they were seen.
fn sample(server: &Serve, is_over: &AtomicBool, says: bool) -> Vec<(Duration, u64)> {
    let (start, mut samples) = (Instant::now(), Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        samples.push((start.elapsed(), server.memory()));
        if says && samples.len() % 600 == 1 {
            tell(&format!(
                "{:>4} s: {:.1} MiB",
                start.elapsed().as_secs(),
                mebibytes(samples[samples.len() - 1].1)
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    samples
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[expect(clippy::print_stderr, reason = "a long run says how it goes")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// The most between two parts of the run, and the mean.
fn between(samples: &[(Duration, u64)], from: f64, to: f64) -> (u64, u64) {
    let whole = samples.last().map_or(Duration::ZERO, |(at, _)| *at);
    let part: Vec<_> = samples
        .iter()
        .filter(|(at, _)| *at >= whole.mul_f64(from) && *at <= whole.mul_f64(to))
        .map(|(_, bytes)| *bytes)
        .collect();
    (part.iter().copied().max().unwrap_or(0), part.iter().sum::<u64>() / part.len().max(1) as u64)
}

#[test]
fn memory_is_flat_and_nothing_is_lost() {
    let minutes =
        std::env::var("NIFI_IDB_LOAD_MINUTES").ok().map(|text| text.parse::<f64>().unwrap());
    let time = minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(minutes * 60.0));
    let dir = tempfile::tempdir().unwrap();
    let (memory, cache) = (MAX_MEMORY.to_string(), CACHE_BYTES.to_string());
    let limits = ["--max-requests", "6", "--max-memory", &memory, "--cache-bytes", &cache];
    let server = Serve::start(
        dir.path(),
        &[&limits[..], &["--max-body-bytes", "50000000", "--idle", "5s"]].concat(),
    );
    server.post("/v1/flows/load/big/sync", &TO, many(BIG).as_bytes()).expect(200);
    let load = MixedLoad {
        server: &server,
        until: Instant::now() + time,
        known: Mutex::default(),
        done: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        read: AtomicU64::new(0),
    };
    let is_over = AtomicBool::new(false);
    let samples = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| sample(&server, &is_over, minutes.is_some()));
        let load = &load;
        let mut all = Vec::new();
        all.extend((0..8).map(|sender| scope.spawn(move || posts(load, sender))));
        all.extend((8..10).map(|sender| scope.spawn(move || posts_packages(load, sender))));
        all.extend((10..13).map(|sender| scope.spawn(move || calls(load, sender))));
        all.extend((0..2).map(|_| scope.spawn(move || reads(load))));
        all.extend((0..2).map(|_| scope.spawn(move || reads_slowly(load))));
        all.push(scope.spawn(move || says_nothing(load)));
        all.push(scope.spawn(move || sends_nonsense(load)));
        let ended: Vec<_> = all.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        let samples = sampling.join().unwrap();
        ended
            .into_iter()
            .for_each(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        samples
    });
    let (early, late, all) =
        (between(&samples, 0.25, 0.5), between(&samples, 0.75, 1.0), between(&samples, 0.0, 1.0));
    let (done, refused, read) =
        (load.done.into_inner(), load.refused.into_inner(), load.read.into_inner());
    let budget = MAX_MEMORY + CACHE_BYTES + PROCESS_BYTES;
    let shown = format!(
        "{done} batches done, {refused} to come again, {read} other answers in {} s; memory: mean {:.1} MiB in the second \
         quarter, {:.1} in the last; most {:.1} of {:.1} MiB",
        time.as_secs(),
        mebibytes(early.1),
        mebibytes(late.1),
        mebibytes(all.0),
        mebibytes(budget),
    );
    if minutes.is_some() {
        tell(&shown);
    }
    // In some seconds not all of it has been met once.
    assert!(minutes.is_none() || late.1 < early.1 + GROWTH_BYTES, "it grows: {shown}");
    assert!(all.0 < budget, "it is over its budget: {shown}");
    assert!(done > 0 && read > 0, "{shown}");
    server.wait_for_metric("nifi_idb_memory_claimed_bytes", 0.0);
    let known = load.known.into_inner().unwrap();
    drop(server);
    for flow in 0..FLOWS {
        let name = format!("flow-{flow}");
        let arguments = ["--bucket", "load", "--flow", &name, "--format", "records"];
        let stored = String::from_utf8(on(dir.path(), "restore", &arguments, b"").done()).unwrap();
        let stored: BTreeMap<u64, u64> = stored
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|record| (record["id"].as_u64().unwrap(), record["n"].as_u64().unwrap()))
            .collect();
        for ((_, id), number) in known.range((flow, 0)..(flow + 1, 0)) {
            let Some(number) = number else { continue };
            assert_eq!(stored.get(id), Some(number), "record {id} of flow {flow}");
        }
    }
}
