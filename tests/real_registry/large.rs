//! What is large, on a Registry with its default heap: values of 20 MiB, and a snapshot of 300 MiB.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use nifi_idb::snapshot::Digest;
use nifi_idb::store::memory::MemoryStore;

use super::batches::{flow, put, restored, sync_ok};
use super::conformance::open;
use super::program::{nifi_idb, start, sync};
use super::server::{Distribution, Provider, RealRegistry, needed, turn};

/// Mebibytes of input; `REAL_REGISTRY_LARGE_MIB` sets another size.
const LARGE_MIB: usize = 300;

/// Code units of a large string.
const STRING: usize = 20 << 20;

/// Records come in this step, modulo their count, so that they arrive out of order; a prime.
const STRIDE: usize = 7919;

#[test]
fn strings_of_20_mib() {
    let distribution = needed(Distribution::assembled());
    let _turn = turn();
    let registry = RealRegistry::start(&distribution, Provider::File);
    let store = open(&registry);
    let lines = [
        put(1, format!("\"{}\"", "plain text ".repeat(STRING / 11 + 1))),
        // Every character is escaped in the canonical text, and once more in Registry's JSON.
        put(2, format!("\"{}\"", "\\\"".repeat(STRING / 2))),
        put(3, format!("\"{}\"", "\u{e9}$#\u{1f600}".repeat(STRING / 5 / 4))),
    ];
    let begin = Instant::now();
    let summary = sync_ok(&store, "", &lines);
    let (written, begin) = (begin.elapsed(), Instant::now());
    let text = restored(&open(&registry), &flow(), None);
    let read = begin.elapsed();
    let memory = MemoryStore::default();
    let expected = sync_ok(&memory, "", &lines);
    assert_eq!((summary.root, summary.state), (expected.root, expected.state));
    assert!(text == restored(&memory, &flow(), None), "not byte-exact");
    let mib = text.len() as f64 / f64::from(1 << 20);
    eprintln!("{mib:.0} MiB in three values: written {written:.1?}, read {read:.1?}");
}

/// A record in its canonical form.
fn record(id: usize) -> String {
    let seed = Digest::of(&id.to_le_bytes()).to_string();
    format!(
        "{{\"id\":{id},\"n\":{},\"tags\":[\"{}\",null],\"text\":\"{}\"}}\n",
        id % 977,
        &seed[..8],
        seed.repeat(4)
    )
}

#[test]
fn a_snapshot_of_300_mib() {
    let size = std::env::var("REAL_REGISTRY_LARGE_MIB").ok().and_then(|text| text.parse().ok());
    let bytes = size.unwrap_or(LARGE_MIB) << 20;
    let count = bytes / record(100_000).len();
    assert!(!count.is_multiple_of(STRIDE));
    let distribution = needed(Distribution::assembled());
    let _turn = turn();
    let registry = RealRegistry::start(&distribution, Provider::Database);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);

    let begin = Instant::now();
    let write = move |stdin: &mut dyn Write| {
        (0..count).try_for_each(|place| stdin.write_all(record(place * STRIDE % count).as_bytes()))
    };
    let ended = start(sync(&registry.url()), write).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.summary.contains(&format!("\"put\":{count}")), "{ended:?}");
    let written = begin.elapsed();

    let begin = Instant::now();
    let mut restore = nifi_idb("restore", &registry.url());
    let mut child = restore
        .args(["--format", "records"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("nifi-idb starts");
    let mut lines =
        BufReader::with_capacity(1 << 20, child.stdout.take().expect("standard output is a pipe"));
    let (mut line, mut read, mut id) = (String::new(), 0, 0);
    while lines.read_line(&mut line).expect("it writes text") > 0 {
        assert!(line == record(id), "record {id} came back as {line}");
        read += line.len() as u64;
        id += 1;
        line.clear();
    }
    assert_eq!(id, count);
    assert!(child.wait().expect("nifi-idb ends").success());
    let restored = begin.elapsed();
    let speed = |time: std::time::Duration| mib(read) / time.as_secs_f64();
    eprintln!(
        "{count} records, {:.0} MiB: sync {written:.1?} ({:.1} MiB/s), restore {restored:.1?} ({:.1} MiB/s)",
        mib(read),
        speed(written),
        speed(restored)
    );

    // One record of it changed.
    let begin = Instant::now();
    let changed = record(count / 2).replace("null", "true");
    let ended =
        start(sync(&registry.url()), move |stdin| stdin.write_all(changed.as_bytes())).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.summary.contains("\"put\":1,"), "{ended:?}");
    eprintln!("one changed record in it: {:.2?}", begin.elapsed());
}
