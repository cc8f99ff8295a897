//! One budget of memory for all requests: what does not fit waits its turn or is too large, and the process stays small.

use std::io::{BufReader, Write};
use std::time::Duration;

use tonic::Code;

use super::grpc::Client;
use super::{RECORDS, Serve, TO, head, many, read_answer};
use crate::program::on;

/// A record with a text of `length` times `letter`.
fn large(id: u32, letter: char, length: usize) -> String {
    format!("{{\"id\":{id},\"text\":\"{}\"}}\n", String::from(letter).repeat(length))
}

#[test]
fn a_line_that_needs_more_than_there_is_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-memory", "24000000"]);
    // What is escaped in its canonical form takes more.
    server.post("/v1/sync", &TO, large(1, 'x', 3_000_000).as_bytes()).expect(200);
    let refused = server.post("/v1/sync", &TO, large(2, '$', 3_000_000).as_bytes()).expect(413);
    assert!(refused.header("sync.error").unwrap().contains("--max-memory"), "{refused:?}");
    // Many lines are no large line.
    server.post("/v1/sync", &TO, many(30_000).as_bytes()).expect(200);
    server.wait_for_metric("nifi_idb_memory_claimed_bytes", 0.0);
    let records =
        server.get("/v1/flows/indexeddb/shop/versions/latest/records?object.store=data&key=2");
    assert!(!records.text().contains("$$"), "nothing of it is stored");
}

#[test]
fn who_finds_no_memory_is_told_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-memory", "24000000"]);
    let body = large(1, 'x', 3_000_000);
    let mut first = server.connect();
    let length = body.len().to_string();
    first
        .write_all(
            head("POST", "/v1/sync", &[&TO[..], &[("content-length", &length)]].concat())
                .as_bytes(),
        )
        .unwrap();
    first.write_all(&body.as_bytes()[..2_900_000]).unwrap();
    while server.metric("nifi_idb_memory_claimed_bytes").unwrap() < 12_000_000.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let other = large(2, 'x', 3_000_000);
    let refused = server.post("/v1/sync", &TO, other.as_bytes()).expect(503);
    assert!(refused.header("sync.error").unwrap().contains("--max-memory"), "{refused:?}");
    // A small one is done meanwhile.
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    first.write_all(&body.as_bytes()[2_900_000..]).unwrap();
    read_answer(&mut BufReader::new(first)).expect(200);
    server.post("/v1/sync", &TO, other.as_bytes()).expect(200);
    server.wait_for_metric("nifi_idb_memory_claimed_bytes", 0.0);
}

#[test]
fn a_message_counts_while_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-memory", "8000000"]);
    let client = Client::new(&server);
    client.send(&TO, many(20_000).as_bytes()).unwrap();
    let refused = client.send(&TO, many(60_000).as_bytes()).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("--max-memory"), "{refused:?}");
}

#[test]
fn a_large_stored_value_counts_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let flags = ["--database", "shop", "--object-store", "data", "--key-path", "id"];
    on(&repo, "sync", &flags, large(1, 'x', 3_000_000).as_bytes()).done();
    let server = Serve::start(&repo, &["--max-memory", "8000000"]);
    let path = "/v1/flows/indexeddb/shop/versions/latest/records?object.store=data&key=1";
    let refused = server.get(path).expect(424);
    assert!(refused.header("sync.error").unwrap().contains("bytes of memory"), "{refused:?}");
    drop(server);
    let server = Serve::start(&repo, &["--max-memory", "16000000"]);
    server.get(path).expect(200);
    server.get("/v1/flows/indexeddb/shop/versions/latest").expect(200);
}

#[test]
fn many_large_lines_at_once_stay_under_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let server =
        Serve::start(dir.path(), &["--max-memory", "64000000", "--cache-bytes", "1000000"]);
    let send = |id: u32| {
        server.post(
            &format!("/v1/flows/indexeddb/f{id}/sync"),
            &TO,
            large(id, '$', 3_000_000).as_bytes(),
        )
    };
    let (statuses, peak) = server.memory_during(|| {
        std::thread::scope(|scope| {
            let sending: Vec<_> = (0..6).map(|id| scope.spawn(move || send(id).status)).collect();
            sending.into_iter().map(|sending| sending.join().unwrap()).collect::<Vec<_>>()
        })
    });
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)) && statuses.contains(&200),
        "{statuses:?}"
    );
    assert!(peak < 120 * 1024, "{peak} KiB");
}

/// Every version has a new list of deliveries. Those of old versions are of no use to anybody.
#[test]
fn the_cache_holds_the_newest_version_and_not_all() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let send = |number: u32| {
        let name = format!("{number}-{}", "x".repeat(100));
        let headers = [&TO[..], &[("uuid", name.as_str())]].concat();
        server
            .post("/v1/sync", &headers, format!("{{\"id\":1,\"n\":{number}}}\n").as_bytes())
            .expect(200);
    };
    (0..20).for_each(send);
    let early = server.metric("nifi_idb_cache_bytes").unwrap();
    (20..60).for_each(send);
    let late = server.metric("nifi_idb_cache_bytes").unwrap();
    assert!(early > 0.0 && late < early * 4.0, "{early} bytes, then {late}");
}

/// Those who read a version while the next one is written keep nothing of it either.
#[test]
fn the_cache_does_not_grow_with_versions_of_many_writers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    // A list that every version has anew.
    server.post("/v1/sync", &[], &super::fair::many_deliveries(0)).expect(200);
    server.post("/v1/sync", &TO, b"{\"id\":1,\"n\":0}\n").expect(200);
    let one = server.metric("nifi_idb_cache_bytes").unwrap();
    std::thread::scope(|scope| {
        for client in 0..6 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..25 {
                    let name = format!("of-{client}-{number}");
                    let headers = [&TO[..], &[("uuid", name.as_str())]].concat();
                    let body = format!("{{\"id\":{client},\"n\":\"{name}\"}}\n");
                    let answer = server.post("/v1/sync", &headers, body.as_bytes());
                    // Who loses too many races is told to come again.
                    assert!([200, 503].contains(&answer.status), "{answer:?}");
                }
            });
        }
    });
    let late = server.metric("nifi_idb_cache_bytes").unwrap();
    assert!(one > 100_000.0 && late < one * 2.0, "{one} bytes, then {late}");
}
