//! Shortages of the system: room on the disk, descriptors, threads. Each request is answered with the
//! cause, and the server lives on.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nifi_idb::flowfile::{Attributes, write_head};

use super::grpc::{Client, ResponseCode};
use super::{RECORDS, Serve, TO, many, request};
use crate::program::{Running, SmallDisk, program, store_of};

/// Waits until `/readyz` has that status; what it said.
fn readiness(server: &Serve, status: u16) -> String {
    let start = Instant::now();
    loop {
        let answer = server.get("/readyz");
        if answer.status == status {
            return answer.text();
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_is_507_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    let _disk = match SmallDisk::new(&disk, "4m") {
        Ok(disk) => disk,
        Err(why) => return eprintln!("NOT RUN: needs root's right to mount a small disk: {why}"),
    };
    let repo = disk.join("s.git");
    let server = Serve::start(&repo, &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    readiness(&server, 200);
    // Too much for the room that there is.
    let large: String = (0..50_000)
        .map(|id| format!("{{\"id\":{id},\"x\":\"{}\"}}\n", crate::program::noise(id, 100)))
        .collect();
    let refused = server.post("/v1/sync", &TO, large.as_bytes()).expect(507);
    assert_eq!(
        (refused.header("sync.status"), refused.header("sync.outcome")),
        (Some("7"), Some("refused"))
    );
    assert!(
        refused.header("sync.error").unwrap().contains("No space left on device"),
        "{refused:?}"
    );
    // What did not fit has left nothing behind.
    server.post("/v1/sync", &TO, b"{\"id\":3}\n").expect(200);
    let ballast = disk.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    while file.write_all(&[7]).is_ok() {}
    let said = readiness(&server, 503);
    assert!(said.contains("no room") && !said.contains("s.git"), "{said}");
    server.get("/healthz").expect(200);
    server.post("/v1/sync", &TO, b"{\"id\":4}\n").expect(507);
    let mut package = Vec::new();
    write_head(
        &TO.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect::<Attributes>(),
        9,
        &mut package,
    )
    .unwrap();
    package.extend_from_slice(b"{\"id\":5}\n");
    server.post("/v1/sync", &[], &package).expect(507);
    let client = Client::new(&server);
    assert_eq!(client.send(&TO, b"{\"id\":6}\n").unwrap().response_code(), ResponseCode::Retry);
    assert_eq!(client.sync(None, &TO, b"{\"id\":6}\n").unwrap().1.status, 7);
    // What was written is still read.
    let stored =
        server.get("/v1/flows/indexeddb/shop/versions/latest?format=records").expect(200).text();
    assert_eq!(stored.lines().count(), 3, "{stored}");
    drop(file);
    std::fs::remove_file(ballast).unwrap();
    readiness(&server, 200);
    server.post("/v1/sync", &TO, b"{\"id\":4}\n").expect(200);
}

#[test]
fn a_limit_of_a_files_size_is_507() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::of(|all| limited(all, "-f 400"), &store_of(&dir.path().join("s.git")), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let refused = server.post("/v1/sync", &TO, many(20_000).as_bytes()).expect(507);
    assert!(refused.header("sync.error").unwrap().contains("File too large"), "{refused:?}");
    server.get("/healthz").expect(200);
    server.post("/v1/sync", &TO, b"{\"id\":3}\n").expect(200);
    assert_eq!(
        server.get("/v1/flows/indexeddb/shop/versions").expect(200).text().lines().count(),
        2
    );
}

/// The program under a limit of the shell's `ulimit`.
fn limited(all: Vec<&str>, limit: &str) -> Command {
    let program = program(all);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit {limit}; exec \"$0\" \"$@\"")).arg(program.get_program());
    limited
        .args(program.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    limited
}

#[test]
fn without_descriptors_requests_are_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::of(|all| limited(all, "-n 40"), &store_of(&dir.path().join("s.git")), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let busy: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = server.connect();
            // They have a request under way, so they make no room.
            let _ = stream
                .write_all(super::head("POST", "/v1/sync", &[("content-length", "9")]).as_bytes());
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    drop(busy);
    let start = Instant::now();
    // Those that are accepted meanwhile find none for their work.
    while server.post("/v1/sync", &TO, b"{\"id\":3}\n").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(50));
    }
    readiness(&server, 200);
}

/// With so few that not even a connection and a commit fit, the commit is what fails.
#[test]
fn a_commit_without_descriptors_is_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for descriptors in 12..32 {
        let store = store_of(&dir.path().join(format!("{descriptors}.git")));
        let Some(server) = try_serve(limited(
            vec!["serve", "--store", &store, "--listen", "127.0.0.1:0"],
            &format!("-n {descriptors}"),
        )) else {
            continue;
        };
        let answer =
            request(super::connect(&server.address), "POST", "/v1/sync", &TO, RECORDS.as_bytes());
        assert!([200, 503].contains(&answer.status), "{descriptors}: {answer:?}");
        seen.push(answer.status);
        request(super::connect(&server.address), "GET", "/healthz", &[], b"").expect(200);
    }
    assert!(seen.contains(&200), "{seen:?}");
}

#[test]
fn a_run_without_descriptors_or_room_ends_clearly() {
    let dir = tempfile::tempdir().unwrap();
    for descriptors in 4..20 {
        let store = store_of(&dir.path().join(format!("{descriptors}.git")));
        let ran = Running::start(
            limited(sync_words(&store), &format!("-n {descriptors}")),
            RECORDS.into(),
        )
        .wait();
        assert!(ran.code().is_some_and(|code| [0, 4].contains(&code)), "{descriptors}: {ran:?}");
        assert!(
            ran.code() == Some(0) || ran.err.contains("Too many open files"),
            "{descriptors}: {ran:?}"
        );
    }
}

/// A server that may not have come to the point of listening.
fn try_serve(mut command: Command) -> Option<Serve> {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    if let Some((_, address)) = line.trim().split_once("listening on http://") {
        return Some(Serve::reading(child, err, address.to_owned()));
    }
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it neither listens nor ends: {line}");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.code().is_some_and(|code| [2, 4, 127].contains(&code)), "{status:?}: {line}");
    None
}

/// A user whom nobody else is, so that only this test's threads count.
const NOBODY_ELSE: u32 = 641_375;

/// The words of a run that stores [`RECORDS`].
fn sync_words(store: &str) -> Vec<&str> {
    let to = ["--database", "d", "--object-store", "data", "--key-path", "id"];
    ["sync", "--store", store].into_iter().chain(to).collect()
}

/// The copy of the program in `folder`, limited to `threads`, as [`NOBODY_ELSE`].
fn with_threads(all: Vec<&str>, threads: usize, folder: &Path) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nproc={threads}")).arg(folder.join("nifi-idb")).args(all);
    limited.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    limited.uid(NOBODY_ELSE).env("TMPDIR", folder);
    limited
}

/// Gives a folder, with a copy of the program that this user may run, to [`NOBODY_ELSE`]; false
/// without root's rights.
fn give_to_nobody_else(folder: &Path) -> bool {
    std::fs::copy(program([""; 0]).get_program(), folder.join("nifi-idb")).unwrap();
    std::os::unix::fs::chown(folder, Some(NOBODY_ELSE), None).is_ok()
}

#[test]
fn with_few_threads_a_run_ends_clearly_and_a_server_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    if !give_to_nobody_else(dir.path()) {
        return eprintln!("NOT RUN: needs root's right to be another user");
    }
    let folder = dir.path();
    let (mut runs, mut answers) = (Vec::new(), Vec::new());
    for threads in 1..=14 {
        let store = store_of(&folder.join(format!("run-{threads}.git")));
        let ran = Running::start(with_threads(sync_words(&store), threads, folder), RECORDS.into())
            .wait();
        assert!(ran.code().is_some_and(|code| [0, 4].contains(&code)), "{threads}: {ran:?}");
        assert!(ran.code() == Some(0) || ran.err.contains("thread"), "{threads}: {ran:?}");
        runs.push(ran.code().unwrap());
        let store = store_of(&folder.join(format!("serve-{threads}.git")));
        let words = vec!["serve", "--store", &store, "--listen", "127.0.0.1:0"];
        let Some(server) = try_serve(with_threads(words, threads, folder)) else { continue };
        for _ in 0..3 {
            let answer = server.post("/v1/sync", &TO, RECORDS.as_bytes());
            assert!([200, 503].contains(&answer.status), "{threads}: {answer:?}");
            answers.push(answer.status);
            server.get("/healthz").expect(200);
            assert!([200, 503].contains(&server.get("/readyz").status));
        }
    }
    assert!(runs.contains(&0) && runs.contains(&4), "{runs:?}");
    assert!(answers.contains(&200) && answers.contains(&503), "{answers:?}");
}
