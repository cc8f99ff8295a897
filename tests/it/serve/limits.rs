//! What the server bears: sizes, time, and how many at once.

use std::io::{BufReader, Read, Write};
use std::time::{Duration, Instant};

use super::{RECORDS, Serve, TO, chunked, head, many, read_answer, request};

#[test]
fn a_body_has_a_largest_size_however_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-body-bytes", "100000"]);
    let body = many(5_000);
    assert!(body.len() > 400_000);
    let announced = server.post("/v1/sync", &TO, body.as_bytes()).expect(413);
    assert!(announced.summary()["message"].as_str().unwrap().contains("100000 bytes"));
    let mut headers = TO.to_vec();
    headers.push(("transfer-encoding", "chunked"));
    server.post("/v1/sync", &headers, &chunked(body.as_bytes(), 5_000)).expect(413);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    assert_eq!(server.get("/v1/flows/indexeddb/shop/versions").text().lines().count(), 1);
}

#[test]
fn a_client_over_the_limit_waits_for_its_turn_and_a_body_that_stands_still_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-requests", "1", "--idle", "2s"]);
    let mut still = server.connect();
    let mut headers = TO.to_vec();
    headers.push(("content-length", "1000"));
    still.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    still.write_all(b"{\"id\":1}\n").unwrap();
    while server.metric("nifi_idb_requests_in_flight") != Some(1.0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    std::thread::scope(|scope| {
        // All of it is sent before the answer is read: it must not meet a broken pipe.
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| server.post("/v1/sync", &TO, many(2_000).as_bytes()).expect(200))
            })
            .collect();
        while server.metric("nifi_idb_requests_waiting") != Some(20.0) {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.get("/readyz").expect(200);
        waiting.into_iter().for_each(|waiting| drop(waiting.join().unwrap()));
    });
    assert!(start.elapsed() > Duration::from_millis(1_000), "{:?}", start.elapsed());
    let given_up = read_answer(&mut BufReader::new(still)).expect(422);
    assert!(given_up.header("sync.error").unwrap().contains("idle"), "{given_up:?}");
    assert_eq!(server.metric("nifi_idb_requests_waiting"), Some(0.0));
}

#[test]
fn a_request_has_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--deadline", "1s"]);
    let mut slow = server.connect();
    let mut headers = TO.to_vec();
    headers.push(("content-length", "100000"));
    slow.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    let mut writer = slow.try_clone().unwrap();
    let feeding = std::thread::spawn(move || {
        // It never stands still.
        for id in 0..200 {
            if writer.write_all(format!("{{\"id\":{id}}}\n").as_bytes()).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let late = read_answer(&mut BufReader::new(slow)).expect(503);
    assert!(late.header("sync.error").unwrap().contains("deadline"), "{late:?}");
    feeding.join().unwrap();
    server.get("/v1/flows/indexeddb/shop/versions").expect(404);
}

#[test]
fn a_connection_that_breaks_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let mut broken = server.connect();
    let mut headers = TO.to_vec();
    headers.push(("content-length", "100"));
    broken.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    broken.write_all(RECORDS.as_bytes()).unwrap();
    broken.shutdown(std::net::Shutdown::Both).unwrap();
    while server.metric("nifi_idb_flowfiles_total{outcome=\"failed\"}") != Some(1.0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.get("/v1/flows/indexeddb/shop/versions").expect(404);
}

/// Gives records without an end of its own: nobody has to hold them all.
struct Endless {
    next: u64,
    left: u64,
    rest: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.len() < buffer.len() && self.left > 0 {
            let line = format!(
                "{{\"id\":{},\"text\":\"{}\"}}\n",
                self.next,
                crate::program::noise(self.next, 900)
            );
            self.rest.extend_from_slice(line.as_bytes());
            (self.next, self.left) = (self.next + 1, self.left - 1);
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

#[test]
fn memory_does_not_grow_with_the_body_or_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--cache-bytes", "1000000"]);
    let send = |count: u64| {
        let mut stream = server.connect();
        let mut headers = TO.to_vec();
        headers.push(("transfer-encoding", "chunked"));
        stream.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
        let mut body = Endless { next: 0, left: count, rest: Vec::new() };
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = body.read(&mut piece).unwrap();
            let chunk = chunked(&piece[..read], piece.len());
            // The last chunk of each is the end of the body; only the last one is.
            let end = if read == 0 { chunk.len() } else { chunk.len() - 5 };
            stream.write_all(&chunk[..end]).unwrap();
            if read == 0 {
                break;
            }
        }
        read_answer(&mut BufReader::new(stream)).expect(200)
    };
    let restore = || {
        let mut stream = server.connect();
        stream
            .write_all(
                head("GET", "/v1/flows/indexeddb/shop/versions/latest", &[("connection", "close")])
                    .as_bytes(),
            )
            .unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
    };
    let (small, before) = server.memory_during(|| {
        // More than is sorted in memory, so that nothing is larger for more of it.
        send(40_000);
        restore()
    });
    let (large, after) = server.memory_during(|| {
        assert_eq!(send(120_000).summary()["put"], 80_000);
        restore()
    });
    assert!(large > small * 2);
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
}

/// It takes a little all the time, so it never stands still; but its time is over.
#[test]
fn a_reader_of_drips_has_no_longer_than_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--database", "shop", "--object-store", "data", "--key-path", "id"];
    crate::program::on(dir.path(), "sync", &flags, many(300_000).as_bytes()).done();
    let server = Serve::start(dir.path(), &["--deadline", "2s", "--max-requests", "1"]);
    let mut slow = server.connect();
    let start = Instant::now();
    slow.write_all(head("GET", "/v1/flows/indexeddb/shop/versions/latest", &[]).as_bytes())
        .unwrap();
    let reading = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while matches!(slow.read(&mut piece), Ok(1..)) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    while server.metric("nifi_idb_requests_in_flight") != Some(1.0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // All of it would take some minutes.
    while server.get("/v1/flows/indexeddb/shop/sources").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    drop(server);
    reading.join().unwrap();
}

#[test]
fn a_slow_reader_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--idle", "1s", "--max-requests", "1"]);
    server.post("/v1/sync", &TO, many(200_000).as_bytes()).expect(200);
    let mut slow = server.connect();
    slow.write_all(head("GET", "/v1/flows/indexeddb/shop/versions/latest", &[]).as_bytes())
        .unwrap();
    // It reads nothing, and is given up; then the only slot is free again.
    let start = Instant::now();
    loop {
        let answer = request(server.connect(), "GET", "/v1/flows/indexeddb/shop/sources", &[], b"");
        if answer.status == 200 && start.elapsed() > Duration::from_millis(200) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}
