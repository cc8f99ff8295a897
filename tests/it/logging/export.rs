//! The export of spans to a collector, which is a thread of the test.

use std::io::BufReader;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::secrets::{SECRET, assert_keeps_secrets};
use crate::program::{Ran, program, run};
use crate::registry_double::http::{Answer, Head, read_body, read_head};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The requests that a collector has received: paths and bodies.
type Received = Mutex<Vec<(String, Vec<u8>)>>;

/// A collector that keeps what it receives.
struct Collector {
    url: String,
    received: Arc<Received>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || collect(&stream.unwrap(), &kept));
            }
        });
        Self { url, received }
    }

    /// All bodies, one after the other.
    fn bytes(&self) -> Vec<u8> {
        let received = self.received.lock().unwrap();
        assert!(received.iter().all(|(path, _)| path == "/v1/traces"), "{received:?}");
        received.iter().flat_map(|(_, body)| body.clone()).collect()
    }
}

fn collect(stream: &TcpStream, kept: &Received) {
    let mut from = BufReader::new(stream);
    while let Ok(Head::Request(mut request)) = read_head(&mut from) {
        read_body(&mut request, &mut from).unwrap();
        kept.lock().unwrap().push((request.target.clone(), request.body.clone()));
        let answer = Answer::new(200, "application/x-protobuf", Vec::new());
        if answer.send(&mut &*stream, false, false).is_err() {
            return;
        }
    }
}

fn sync(collector: &str, input: &str) -> (Ran, Duration) {
    let to = ["--database", "shop", "--object-store", "data", "--key-path", "id"];
    let mut command: Command = program([&["sync", "--store", "memory:"], &to[..]].concat());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer {SECRET}"));
    command.env("TRACEPARENT", format!("00-{TRACE}-{PARENT}-01"));
    let started = Instant::now();
    let ran = run(command, input.as_bytes());
    (ran, started.elapsed())
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn spans_of_a_command_continue_a_trace() {
    let collector = Collector::start();
    let (ran, _) = sync(&collector.url, &format!("{{\"id\":1,\"x\":\"{SECRET}\"}}\n"));
    ran.done();
    let bytes = collector.bytes();
    let names = ["command", "batch", "read", "attempt", "plan", "store", "version stored"];
    for expected in names.iter().chain(&["nifi-idb", "indexeddb/shop"]) {
        assert!(has(&bytes, expected.as_bytes()), "{expected}: {bytes:?}");
    }
    for id in [TRACE, PARENT] {
        assert!(has(&bytes, &from_hex(id)), "{id}: {bytes:?}");
    }
    assert_keeps_secrets(&String::from_utf8_lossy(&bytes), &[]);
}

#[test]
fn a_collector_that_does_not_answer_neither_delays_nor_fails_the_work() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    for url in [&silent_url, "http://127.0.0.1:9", "no address"] {
        let (ran, time) = sync(url, "{\"id\":1}\n");
        ran.done();
        assert!(time < Duration::from_secs(20), "{url}: {time:?}");
    }
    assert!(silent.accept().is_ok(), "the collector was called");
}

#[cfg(feature = "serve")]
#[test]
fn requests_continue_the_trace_of_their_client() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(["serve", "--store", "memory:", "--listen", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let traced = format!("/healthz HTTP/1.1\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\nx: ");
    super::secrets::server_log(command, folder.path(), |send| {
        let answer = send("GET", &traced, "", "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
    let bytes = collector.bytes();
    assert!(has(&bytes, b"request") && has(&bytes, &from_hex(TRACE)), "{bytes:?}");
    assert!(has(&bytes, &from_hex(PARENT)), "{bytes:?}");
}
