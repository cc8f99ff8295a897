//! Many processes at one repository at once: what was acknowledged is there, numbers are unique and without a gap,
//! nothing hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::program::{HANG, Ran, Running, fsck, git, has_git, on, program, store_of};

/// How many processes write at once.
const WRITERS: usize = 20;

/// How many records each writes.
const RECORDS: usize = 5;

/// The records of one writer, as it sends them; each of the writers also puts the one record that all share.
fn batch(writer: usize) -> Vec<u8> {
    let mut text = String::new();
    for record in 0..RECORDS {
        text.push_str(&format!(
            "{{\"id\":\"{writer}/{record}\",\"text\":\"{}\"}}\n",
            "x".repeat(writer)
        ));
    }
    text.push_str(&format!("{{\"id\":\"shared\",\"by\":{writer}}}\n"));
    text.into_bytes()
}

/// Starts one writer.
fn start(repo: &Path, flow: &str, writer: usize) -> Running {
    let source = format!("writer-{writer}");
    let command = program([
        "sync",
        "--store",
        &store_of(repo),
        "--flow",
        flow,
        "--object-store",
        "data",
        "--key-path",
        "id",
        "--source",
        &source,
        "--batch-id",
        &source,
        "--deadline",
        "100s",
        "--report",
        "summary",
    ]);
    Running::start(command, batch(writer))
}

/// The ids of all records in a flow.
fn ids(repo: &Path, flow: &str) -> BTreeSet<String> {
    let out = on(repo, "restore", &["--flow", flow, "--format", "records"], b"").done();
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    String::from_utf8(out).unwrap().lines().map(id).collect()
}

/// Checks what the writers of one flow came to: all of them, by number.
fn check(repo: &Path, flow: &str, ran: &BTreeMap<usize, Ran>) {
    let mut versions = Vec::new();
    let mut expected = BTreeSet::from(["shared".to_owned()]);
    for (writer, ran) in ran {
        match ran.code() {
            Some(0) => {
                let summary = ran.summary();
                assert_eq!(summary["outcome"], "committed", "{summary}");
                versions.push(summary["version"].as_u64().unwrap());
                expected.extend((0..RECORDS).map(|record| format!("{writer}/{record}")));
            }
            // It says that it lost, and that trying again may help; nothing of it is there.
            Some(4) => assert!(ran.err.contains("try again"), "{}", ran.err),
            _ => panic!("writer {writer}: {ran:?}"),
        }
    }
    versions.sort_unstable();
    assert_eq!(
        versions,
        (1..=versions.len() as u64).collect::<Vec<_>>(),
        "unique, and without a gap"
    );
    assert_eq!(ids(repo, flow), expected);
    let log = String::from_utf8(on(repo, "log", &["--flow", flow], b"").done()).unwrap();
    assert_eq!(log.lines().count(), versions.len());
    on(repo, "verify", &["--flow", flow, "--chain"], b"").done();

    // Whoever failed tries again; whoever did not hear sends its batch again.
    for (&writer, ran) in ran {
        let summary = start(repo, flow, writer).wait().summary();
        assert_eq!(
            summary["outcome"],
            if ran.code() == Some(0) { "unchanged" } else { "committed" }
        );
    }
    assert_eq!(ids(repo, flow).len(), ran.len() * RECORDS + 1);
}

/// Waits for all.
fn all(running: Vec<Running>) -> BTreeMap<usize, Ran> {
    running.into_iter().enumerate().map(|(writer, running)| (writer, running.wait())).collect()
}

#[test]
fn twenty_processes_in_one_flow() {
    let dir = tempfile::tempdir().unwrap();
    // The repository does not exist: all of them make it.
    let repo = dir.path().join("repo");
    let begun = Instant::now();
    let running = (0..WRITERS).map(|writer| start(&repo, "shop", writer)).collect();
    let ran = all(running);
    assert!(begun.elapsed() < HANG);
    check(&repo, "shop", &ran);
    fsck(&repo);
    assert!(!repo.join("refs/heads/main.lock").exists());
}

#[test]
fn two_flows_in_one_repository() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let (mut shop, mut other) = (Vec::new(), Vec::new());
    for writer in 0..8 {
        shop.push(start(&repo, "shop", writer));
        other.push(start(&repo, "other", writer));
    }
    let (shop, other) = (all(shop), all(other));
    check(&repo, "shop", &shop);
    check(&repo, "other", &other);
    fsck(&repo);
}

#[test]
fn readers_and_git_gc_beside() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    assert_eq!(start(&repo, "shop", WRITERS).wait().code(), Some(0));
    let done = AtomicBool::new(false);
    let (ran, rounds) = std::thread::scope(|scope| {
        let gc = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds < 2 {
                // Two of them may get into each other's way, and a writer in theirs; that is theirs to say.
                let _ = crate::program::try_git(&repo, &["gc", "-q"]);
                rounds += 1;
            }
            rounds
        });
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                // A reader sees whole versions, and never an older one than before.
                let count = ids(&repo, "shop").len();
                assert!(
                    count >= last && (count - 1).is_multiple_of(RECORDS),
                    "{count} after {last}"
                );
                last = count;
                on(&repo, "verify", &["--flow", "shop"], b"").done();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut ran = BTreeMap::new();
        // Some at a time, so that there is time for more than one gc.
        for group in 0..5 {
            let running: Vec<_> =
                (0..4).map(|n| (group * 4 + n, start(&repo, "shop", group * 4 + n))).collect();
            ran.extend(running.into_iter().map(|(writer, running)| (writer, running.wait())));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        (ran, gc.join().unwrap())
    });
    assert!(rounds >= 2);
    let committed = ran.values().filter(|ran| ran.code() == Some(0)).count();
    for ran in ran.values() {
        assert!([Some(0), Some(4)].contains(&ran.code()), "{ran:?}");
    }
    let versions: BTreeSet<_> = ran
        .values()
        .filter(|ran| ran.code() == Some(0))
        .map(|ran| ran.summary()["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, (2..=committed as u64 + 1).collect());
    assert_eq!(ids(&repo, "shop").len(), (committed + 1) * RECORDS + 1);
    on(&repo, "verify", &["--chain"], b"").done();
    git(&repo, &["gc", "-q", "--prune=now"]);
    fsck(&repo);
    on(&repo, "verify", &["--chain"], b"").done();
}

#[test]
fn the_same_records_from_two_writers_are_told_apart() {
    // Same records, other sequences: each must be acknowledged by a version that has its own checkpoint.
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let batch = |source: &str| {
        format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}],\
             \"source\":\"{source}\",\"epoch\":\"e\",\"first\":1,\"last\":1}}\n\
             {{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":1}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
        )
        .into_bytes()
    };
    let running: Vec<_> = (0..8)
        .map(|writer| {
            let command =
                program(["sync", "--store", &store_of(&repo), "--received-at", "1700000000000"]);
            Running::start(command, batch(&format!("w{writer}")))
        })
        .collect();
    let ran: Vec<_> = running.into_iter().map(Running::wait).collect();
    let mut versions: Vec<_> =
        ran.iter().map(|ran| ran.summary()["version"].as_u64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>(), "each checkpoint is a version of its own");
    let states: BTreeSet<_> = ran.iter().map(|ran| ran.summary()["state"].to_string()).collect();
    assert_eq!(states.len(), 8);
    let roots: BTreeSet<_> = ran.iter().map(|ran| ran.summary()["root"].to_string()).collect();
    assert_eq!(roots.len(), 1, "it is the same data");
    for writer in 0..8 {
        let again = on(&repo, "sync", &[], &batch(&format!("w{writer}")));
        assert_eq!(again.summary()["outcome"], "unchanged");
    }
}
