//! Peers that say nothing, or only begin: they keep nobody out, and are sent away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::access::{Authority, Tls};
use super::{RECORDS, Serve, TO, request};

/// How a connection of HTTP/2 begins, with an empty SETTINGS frame.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A HEADERS frame that is not the end of the headers, on stream 1.
const HALF_HEADERS: &[u8] = b"\0\0\x01\x01\0\0\0\0\x01\x82";

/// More connections than there may be.
const MANY: usize = 560;

#[test]
fn whoever_comes_takes_the_place_of_who_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let mut honest = server.connect();
    let silent: Vec<TcpStream> = (0..MANY)
        .map(|number| {
            let mut stream = server.connect();
            let said = [&b""[..], b"P", b"GET / HTTP/1.1\r\n", PREFACE][number % 4];
            // It may have been sent away already.
            let _ = stream.write_all(said);
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..3 {
        server.get("/healthz").expect(200);
    }
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // The oldest of them has made room.
    let _ = honest.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(!matches!(honest.read(&mut [0]), Ok(1..)));
    drop(silent);
}

#[test]
fn where_everybody_is_at_work_the_health_is_still_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-requests", "1"]);
    // Each has a request under way, so none makes room.
    let open = || {
        let mut stream = server.connect();
        let head = super::head("POST", "/v1/sync", &[("content-length", "9")]);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut busy: Vec<TcpStream> = (1..250).map(|_| open()).collect();
    while server.metric("nifi_idb_requests_waiting") != Some(248.0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    busy.push(open());
    // Nothing that asks would tell: it would take the new one's place, as long as its head was not read.
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    server.get("/metrics").expect(503);
    server.get("/healthz").expect(200);
    server.get("/readyz").expect(200);
    let crowded = server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(503);
    assert!(crowded.header("sync.error").unwrap().contains("too many connections"), "{crowded:?}");
    drop(busy);
    while server.get("/v1/flows/indexeddb/shop/sources").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

/// When the other side ends a connection, if it does in time.
fn closed_after(mut stream: impl Read, start: Instant) -> Option<Duration> {
    let mut piece = [0; 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(1..) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return None;
            }
            Ok(0) | Err(_) => return Some(start.elapsed()),
        }
    }
}

/// All of them at once, for they take half a minute.
#[test]
fn every_beginning_has_a_time() {
    let authority = Authority::new();
    authority.issue("server");
    let dir = tempfile::tempdir().unwrap();
    let clear = Serve::start(&dir.path().join("a.git"), &[]);
    let (certificate, key) = (authority.text("server.pem"), authority.text("server.key"));
    let secure =
        Serve::start(&dir.path().join("b.git"), &["--tls-cert", &certificate, "--tls-key", &key]);
    let begun = [PREFACE, HALF_HEADERS].concat();
    let beginnings = [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: loc",
        PREFACE,
        &begun,
    ];
    let limit = Some(Duration::from_secs(60));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let mut all = Vec::new();
        for said in beginnings {
            let shown = String::from_utf8_lossy(said).into_owned();
            let mut stream = clear.connect();
            stream.set_read_timeout(limit).unwrap();
            stream.write_all(said).unwrap();
            all.push((
                format!("clear {shown:?}"),
                scope.spawn(move || closed_after(stream, start)),
            ));
            let protocols = if said.starts_with(PREFACE) { ["h2"] } else { ["http/1.1"] };
            let mut stream: Tls = authority.connect(&secure.address, None, &protocols).unwrap();
            stream.sock.set_read_timeout(limit).unwrap();
            stream.write_all(said).unwrap();
            all.push((format!("TLS {shown:?}"), scope.spawn(move || closed_after(stream, start))));
        }
        // And one whose handshake stops.
        let mut stream = secure.connect();
        stream.set_read_timeout(limit).unwrap();
        stream.write_all(b"\x16\x03\x01").unwrap();
        all.push(("half a handshake".to_owned(), scope.spawn(move || closed_after(stream, start))));
        for (shown, closed) in all {
            let after = closed.join().unwrap();
            assert!(
                after.is_some_and(|after| after >= Duration::from_secs(20)),
                "{shown}: {after:?}"
            );
        }
    });
    request(clear.connect(), "GET", "/healthz", &[], b"").expect(200);
}
