//! How a server ends: what is under way is finished, and nothing that was acknowledged is lost.

use std::io::{BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::{RECORDS, Serve, TO, head, read_answer, request};
use crate::program::{fsck, on};

#[test]
fn a_stop_finishes_what_is_under_way_and_tells_the_others_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--log-level", "off"]);
    let mut under_way = server.connect();
    let mut headers = TO.to_vec();
    let length = RECORDS.len().to_string();
    headers.push(("content-length", &length));
    under_way.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    while server.metric("nifi_idb_requests_in_flight") != Some(1.0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let idle = server.connect();
    server.signal(Signal::TERM);
    while server.get("/readyz").status != 503 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let refused = server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(503);
    assert!(refused.header("sync.error").unwrap().contains("being stopped"));
    assert_eq!(refused.header("connection"), Some("close"));
    request(idle, "POST", "/v1/sync", &TO, RECORDS.as_bytes()).expect(503);
    server.get("/healthz").expect(200);
    under_way.write_all(RECORDS.as_bytes()).unwrap();
    read_answer(&mut BufReader::new(under_way)).expect(200);
    let (code, said) = server.wait();
    let for_people: Vec<_> = said.lines().filter(|line| line.starts_with("nifi-idb: ")).collect();
    assert_eq!((code, for_people.as_slice()), (Some(143), &["nifi-idb: stopped"][..]));
    assert_eq!(
        on(dir.path(), "log", &[], b"").done().iter().filter(|byte| **byte == b'\n').count(),
        1
    );
}

#[test]
fn a_stop_waits_only_so_long_and_a_second_signal_not_at_all() {
    for (signals, drain, expected) in [
        (vec![Signal::INT], "300ms", Some(130)),
        (vec![Signal::TERM, Signal::INT], "10m", Some(130)),
        (vec![Signal::TERM], "0", Some(143)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = Serve::start(dir.path(), &["--drain", drain]);
        let mut open = server.connect();
        open.write_all(head("POST", "/v1/sync", &[("content-length", "10")]).as_bytes()).unwrap();
        while server.metric("nifi_idb_requests_in_flight") != Some(1.0) {
            std::thread::sleep(Duration::from_millis(5));
        }
        for signal in signals {
            server.signal(signal);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(server.wait().0, expected);
    }
}

#[test]
fn with_nothing_under_way_a_stop_is_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let mut idle = server.connect();
    idle.write_all(head("GET", "/healthz", &[]).as_bytes()).unwrap();
    read_answer(&mut BufReader::new(idle.try_clone().unwrap())).expect(200);
    let start = std::time::Instant::now();
    server.signal(Signal::INT);
    assert_eq!(server.wait().0, Some(130));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn under_load_a_stop_loses_nothing_that_was_acknowledged() {
    const CLIENTS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let address = server.address.clone();
    let stopping = AtomicBool::new(false);
    let acknowledged: Vec<u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (address, stopping) = (&address, &stopping);
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for number in 0_u64.. {
                        let id = client as u64 * 1_000_000 + number;
                        let Ok(mut stream) = std::net::TcpStream::connect(address.as_str()) else {
                            break;
                        };
                        let body = format!("{{\"id\":{id}}}\n");
                        let length = body.len().to_string();
                        let mut headers = TO.to_vec();
                        headers
                            .extend([("content-length", length.as_str()), ("connection", "close")]);
                        let text = head("POST", "/v1/sync", &headers) + &body;
                        let mut answer = String::new();
                        // A connection that breaks acknowledges nothing.
                        let _ = stream.write_all(text.as_bytes());
                        let _ = std::io::Read::read_to_string(&mut stream, &mut answer);
                        if answer.starts_with("HTTP/1.1 200") {
                            assert!(answer.ends_with("}\n"), "an answer is whole: {answer}");
                            done.push(id);
                        } else if stopping.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(700));
        stopping.store(true, Ordering::Relaxed);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().0, Some(143));
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(acknowledged.len() > CLIENTS, "only {} were acknowledged", acknowledged.len());
    let stored = on(dir.path(), "restore", &["--format", "records"], b"").done();
    let stored = String::from_utf8(stored).unwrap();
    for id in acknowledged {
        assert!(stored.lines().any(|line| line == format!("{{\"id\":{id}}}")), "{id} is lost");
    }
    fsck(dir.path());
}
