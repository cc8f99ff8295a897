//! `nifi-idb serve`, black box: the program, and clients that behave like NiFi's.

mod access;
mod browser;
mod deliveries;
mod fair;
mod grpc;
mod hosts;
mod http;
mod lasting;
mod limits;
mod load;
mod log;
mod memory;
mod mixed_load;
mod parity;
mod protocol;
#[cfg(feature = "registry")]
mod registry;
mod rejects;
mod rights;
mod shortage;
mod silent;
mod stop;
#[cfg(feature = "registry")]
mod trust;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{HANG, program, store_of};

/// Bare records for object store `data`.
const RECORDS: &str = "{\"id\":1,\"name\":\"apple\"}\n{\"id\":2,\"name\":\"pear\"}\n";

/// What says where bare records go.
const TO: [(&str, &str); 3] = [
    ("indexeddb.database", "shop"),
    ("indexeddb.object.store", "data"),
    ("indexeddb.key.path", "id"),
];

/// A server; it is killed when it is dropped.
struct Serve {
    child: Child,
    /// Reads what it says as long as it runs, so that a full pipe never stops it.
    said: Option<JoinHandle<String>>,
    /// `127.0.0.1:PORT`.
    address: String,
}

impl Serve {
    /// Starts it on a git store and a port that is free.
    fn start(repo: &Path, arguments: &[&str]) -> Self {
        Self::on(&store_of(repo), arguments)
    }

    /// Starts it on any store.
    fn on(store: &str, arguments: &[&str]) -> Self {
        Self::of(|all| program(all), store, arguments)
    }

    /// Starts it with a fault.
    fn with_fault(repo: &Path, fault: &str, arguments: &[&str]) -> Self {
        let command = |all: Vec<&str>| {
            let mut command = program(all);
            command.env("NIFI_IDB_FAULT", fault);
            command
        };
        Self::of(command, &store_of(repo), arguments)
    }

    /// Starts what `command` makes of the arguments.
    fn of(command: impl FnOnce(Vec<&str>) -> Command, store: &str, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--store", store];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut child = command(all).stdin(Stdio::null()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap().to_owned();
        if !line.contains("listening on ") {
            let mut rest = String::new();
            err.read_to_string(&mut rest).unwrap();
            panic!("{line}{rest}");
        }
        Self::reading(child, err, address)
    }

    /// Goes on reading what it says.
    fn reading(child: Child, mut err: BufReader<ChildStderr>, address: String) -> Self {
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            err.read_to_string(&mut said).unwrap();
            said
        });
        Self { child, said: Some(said), address }
    }

    /// Sends a signal.
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; gives its exit status and what it said.
    fn wait(mut self) -> (Option<i32>, String) {
        let start = std::time::Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < HANG, "the server hangs");
            std::thread::sleep(Duration::from_millis(5));
        };
        (status.code(), self.said.take().unwrap().join().unwrap())
    }

    fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    fn get(&self, path: &str) -> Answer {
        request(self.connect(), "GET", path, &[], b"")
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.connect(), "POST", path, headers, body)
    }

    /// The memory that it has, in bytes. Pages of files count for nothing: git's packs are mapped.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The most memory that it has while `work` is done, in KiB.
    fn memory_during<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sampling = scope.spawn(|| {
                let mut peak = 0;
                while !is_done.load(Ordering::Relaxed) {
                    peak = peak.max(self.memory() / 1024);
                    std::thread::sleep(Duration::from_millis(2));
                }
                peak
            });
            // However it ends, the other thread has to.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            is_done.store(true, Ordering::Relaxed);
            let peak = sampling.join().unwrap();
            (result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), peak)
        })
    }

    /// Waits until a metric has a value: what a request held is free a moment after its answer.
    fn wait_for_metric(&self, name: &str, value: f64) {
        let start = Instant::now();
        while self.metric(name) != Some(value) {
            assert!(start.elapsed() < HANG, "{name} is {:?}", self.metric(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A counter of `/metrics`, by its name and labels.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The last line.
    fn summary(&self) -> Value {
        serde_json::from_str(self.text().lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{:?} {}",
            self.headers,
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

/// The head of a request.
fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// A request as InvokeHTTP sends it: all of it first, then the answer is read.
fn request(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "transfer-encoding") {
        all.push(("content-length", &length));
    }
    stream.write_all(head(method, path, &all).as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.flush().unwrap();
    read_answer(&mut BufReader::new(stream))
}

/// Bytes as chunks of HTTP/1.1.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Reads one answer, `100 Continue` too.
fn read_answer(from: &mut impl BufRead) -> Answer {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let status =
        line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if status == 100 || status == 204 {
        return answer;
    }
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        from.read_exact(&mut answer.body).unwrap();
        return answer;
    }
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    loop {
        let mut size = String::new();
        from.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16)
            .unwrap_or_else(|_| panic!("the body was cut off"));
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk).unwrap();
        answer.body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return answer;
        }
    }
}

/// Records of some 100 bytes.
fn many(count: usize) -> String {
    (0..count)
        .map(|id| {
            format!("{{\"id\":{id},\"text\":\"{}\"}}\n", crate::program::noise(id as u64, 80))
        })
        .collect()
}
