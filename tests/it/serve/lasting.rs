//! What a server outlives: bugs, signals, and a disk that is full or gone.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tonic::Code;

use super::grpc::Client;
use super::{RECORDS, Serve, TO, many};
use crate::program::{program, store_of};

#[test]
fn a_panic_ends_its_request_and_not_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        Serve::with_fault(&dir.path().join(name), "serve:work=panic", &["--max-requests", "1"])
    };
    let server = start("http.git");
    let failed = server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(500);
    assert_eq!(failed.header("sync.error"), Some("internal error: a bug in nifi-idb"));
    // Its slot is free again, and no lock is left behind.
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    server.get("/readyz").expect(200);
    server.wait_for_metric("nifi_idb_requests_in_flight", 0.0);
    server.signal(Signal::TERM);
    let (status, said) = server.wait();
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("internal error: a bug in nifi-idb at src/store/fault.rs:"), "{said}");

    let server = start("send.git");
    let client = Client::new(&server);
    let failed = client.send(&TO, RECORDS.as_bytes()).unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed:?}");
    client.send(&TO, RECORDS.as_bytes()).unwrap();

    let server = start("sync.git");
    let client = Client::new(&server);
    let failed = client.sync(None, &TO, RECORDS.as_bytes()).unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed:?}");
    client.sync(None, &TO, RECORDS.as_bytes()).unwrap();
}

#[test]
fn a_closed_terminal_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    server.signal(Signal::HUP);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    server.signal(Signal::HUP);
    server.get("/healthz").expect(200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(143));
}

/// The program under a limit on the size of its files, in blocks.
fn limited(all: Vec<&str>, blocks: u32) -> Command {
    let program = program(all);
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!("ulimit -f {blocks}; exec \"$0\" \"$@\""))
        .arg(program.get_program());
    limited.args(program.get_args()).stderr(std::process::Stdio::piped());
    limited
}

#[test]
fn a_store_without_room_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let server = Serve::of(|all| limited(all, 50), &store_of(&repo), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let unready = server.get("/readyz").expect(503);
    assert!(unready.text().contains("no room") && !unready.text().contains("s.git"), "{unready:?}");
    server.get("/healthz").expect(200);
}

/// A run of its own says what was wrong, and does not die of the signal.
#[test]
fn a_limit_of_a_files_size_is_an_error_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let (repo, input) = (store_of(&dir.path().join("s.git")), dir.path().join("input.ndjson"));
    std::fs::write(&input, many(20_000)).unwrap();
    let flags = ["--database", "shop", "--object-store", "data", "--key-path", "id"];
    let mut limited = limited([&["sync", "--store", &repo][..], &flags].concat(), 400);
    let ran = limited.stdin(std::fs::File::open(&input).unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.code().is_some_and(|code| [4, 7].contains(&code)),
        "{:?} {said}",
        ran.status
    );
    assert!(said.contains("File too large"), "{said}");
}

#[test]
fn a_repository_that_is_gone_is_told_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (repo, away) = (dir.path().join("s.git"), dir.path().join("away"));
    let server = Serve::start(&repo, &[]);
    server.get("/readyz").expect(200);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    std::fs::rename(&repo, &away).unwrap();
    let wait_for = |status: u16| {
        let start = Instant::now();
        loop {
            let answer = server.get("/readyz");
            if answer.status == status {
                return answer.text();
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // A stranger is not told where it was.
    let said = wait_for(503);
    assert!(said.contains("the store is not there") && !said.contains("s.git"), "{said}");
    // It is not the batch that is wrong: NiFi is to try again.
    server.post("/v1/sync", &TO, b"{\"id\":5}\n").expect(503);
    server.get("/healthz").expect(200);
    std::fs::rename(&away, &repo).unwrap();
    wait_for(200);
    server.post("/v1/sync", &TO, b"{\"id\":5}\n").expect(200);
}

#[test]
fn a_client_that_is_known_is_told_more() {
    let dir = tempfile::tempdir().unwrap();
    let (repo, clients) = (dir.path().join("s.git"), dir.path().join("clients.toml"));
    let digest = blake3::hash(b"secret").to_hex();
    let text = format!(
        "[[client]]\nname = \"a\"\ntoken_blake3 = \"{digest}\"\nflow = \"shop\"\nallow = [\"read\", \"sync\"]\n"
    );
    std::fs::write(&clients, text).unwrap();
    let server = Serve::start(&repo, &["--clients", clients.to_str().unwrap()]);
    let token = ("authorization", "Bearer secret");
    server.post("/v1/sync", &[&TO[..], &[token]].concat(), RECORDS.as_bytes()).expect(200);
    std::fs::remove_dir_all(&repo).unwrap();
    let ready =
        |headers: &[(&str, &str)]| super::request(server.connect(), "GET", "/readyz", headers, b"");
    let (known, stranger) = (ready(&[token]).expect(503), ready(&[]).expect(503));
    assert!(
        known.text().contains("s.git") && !stranger.text().contains("s.git"),
        "{known:?} {stranger:?}"
    );
    let wrong = ready(&[("authorization", "Bearer other")]).expect(503);
    assert!(!wrong.text().contains("s.git"), "{wrong:?}");
}
