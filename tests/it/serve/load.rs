//! Many clients at once, for a few seconds: whoever is too many waits for its turn, memory stays flat, and all that was
//! acknowledged is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Serve, TO, request};
use crate::program::{noise, on};

/// How long each half goes on.
const HALF: Duration = Duration::from_millis(1_500);

/// Sends batches of ten records from many clients; gives how many batches were done and how many were too many.
fn storm(server: &Serve, clients: u64, round: u64) -> (u64, u64) {
    let (done, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (done, refused) = (&done, &refused);
            scope.spawn(move || {
                let start = Instant::now();
                // A flow for every two: some race, and no flow grows much.
                let path = format!("/v1/flows/load/flow-{}/sync", client / 2);
                for number in 0_u64.. {
                    if start.elapsed() > HALF {
                        break;
                    }
                    let id =
                        |line: u64| ((round * clients + client) * 1_000_000 + number) * 10 + line;
                    let line = |line| {
                        format!("{{\"id\":{},\"text\":\"{}\"}}\n", id(line), noise(id(line), 60))
                    };
                    let body: String = (0..10).map(line).collect();
                    let answer = request(server.connect(), "POST", &path, &TO, body.as_bytes());
                    match answer.status {
                        200 => done.fetch_add(1, Ordering::Relaxed),
                        503 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}: {answer:?}"),
                    };
                }
            });
        }
    });
    (done.into_inner(), refused.into_inner())
}

#[test]
fn twelve_clients_on_three_slots() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-requests", "3", "--cache-bytes", "2000000"]);
    let ((first, refused), before) = server.memory_during(|| storm(&server, 12, 0));
    let ((second, again), after) = server.memory_during(|| storm(&server, 12, 1));
    assert!(first > 0 && second > 0 && refused + again == 0, "{first} {second} {refused} {again}");
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
    let put = server.metric("nifi_idb_records_total{what=\"put\"}").unwrap();
    assert_eq!(put as u64, (first + second) * 10);
    server.wait_for_metric("nifi_idb_requests_in_flight", 0.0);
    let stored: usize = (0..6)
        .map(|flow| {
            let name = format!("flow-{flow}");
            let arguments = ["--bucket", "load", "--flow", &name, "--format", "records"];
            on(dir.path(), "restore", &arguments, b"")
                .done()
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
        })
        .sum();
    assert_eq!(stored as u64, (first + second) * 10);
}
