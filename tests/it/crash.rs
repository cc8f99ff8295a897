//! Writers that die at any point: the head is the old or the whole new version, a second run finishes what the first
//! began, and nothing is left for ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ran, Running, files, fsck, git, has_git, noise, on, program, run, store_of};

/// The page that lists the steps: a step that is added there is tested here.
const FAULTS: &str = include_str!("../../src/store/fault.rs");

/// All named steps of the git store; other rows are tested where they belong.
fn steps() -> Vec<String> {
    let rows = FAULTS.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let steps: Vec<_> =
        rows.filter_map(|row| row.split_once('`')).map(|(step, _)| step.to_owned()).collect();
    let steps: Vec<_> = steps.into_iter().filter(|step| step.starts_with("git:")).collect();
    assert!(steps.len() >= 10, "{steps:?}");
    steps
}

/// How much a batch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Some loose objects.
    Small,
    /// A pack.
    Large,
}

/// The `n`th sequenced batch, of two changes or more: its second one undoes part of the first, so that to apply one
/// twice, or half of one, shows.
fn batch(n: u64, size: Size, first: u64) -> Vec<u8> {
    let mut lines = vec![
        format!(r#"{{"op":"put","store":"data","value":{{"id":"counter","n":{n}}}}}"#),
        format!(r#"{{"op":"put","store":"data","value":{{"id":"only {n}"}}}}"#),
        format!(r#"{{"op":"delete","store":"data","key":"only {}"}}"#, n.saturating_sub(1)),
        format!(r#"{{"op":"put","store":"more","key":{n},"value":"first"}}"#),
        format!(r#"{{"op":"put","store":"more","key":{n},"value":"second"}}"#),
    ];
    if size == Size::Large {
        // 2.4 MB that compress to 1.8 MB: chunks, and a spilled value of its own.
        for k in 0..2000 {
            let text = noise(n * 10_000 + k, 1000);
            lines.push(format!(
                r#"{{"op":"put","store":"data","value":{{"id":{k},"text":"{text}"}}}}"#
            ));
        }
        let spilled = noise(n, 400_000);
        lines.push(format!(r#"{{"op":"put","store":"more","key":"spilled","value":"{spilled}"}}"#));
    }
    sequenced(&lines, first)
}

/// How many changes a batch of this size has.
fn changes(size: Size) -> u64 {
    match size {
        Size::Small => 5,
        Size::Large => 2006,
    }
}

/// Two batches, the second after the first.
fn two(sizes: [Size; 2]) -> [Vec<u8>; 2] {
    [batch(1, sizes[0], 1), batch(2, sizes[1], 1 + changes(sizes[0]))]
}

fn sequenced(lines: &[String], first: u64) -> Vec<u8> {
    let last = first + lines.len() as u64 - 1;
    let stores = r#"[{"name":"data","keyPath":"id"},{"name":"more","keyPath":null}]"#;
    let mut text = format!(
        r#"{{"format":"indexeddb-changes/1","database":"shop","stores":{stores},"source":"s","epoch":"e","first":{first},"last":{last}}}"#
    );
    text.push('\n');
    lines.iter().for_each(|line| text.extend([line, "\n"]));
    text.push_str(&format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len()));
    text.into_bytes()
}

/// A repository and a folder for temporary files.
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("temp")).unwrap();
        Self { dir }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn temp(&self) -> PathBuf {
        self.dir.path().join("temp")
    }

    fn command(&self) -> std::process::Command {
        let mut command =
            program(["sync", "--store", &store_of(&self.repo()), "--received-at", "1700000000123"]);
        command.env("TMPDIR", self.temp());
        command
    }

    fn sync(&self, batch: &[u8]) -> Value {
        let ran = run(self.command(), batch);
        assert_eq!(ran.err, "");
        assert_eq!(ran.code(), Some(0));
        ran.summary()
    }

    fn sync_with_fault(&self, batch: &[u8], fault: &str) -> Ran {
        let mut command = self.command();
        command.env("NIFI_IDB_FAULT", fault);
        run(command, batch)
    }

    /// What a reader sees: nothing, or a whole version.
    fn seen(&self) -> Option<(u64, Vec<u8>)> {
        let ran = on(&self.repo(), "restore", &[], b"");
        if ran.code() == Some(2) {
            assert!(ran.err.contains("holds no flow yet"), "{}", ran.err);
            assert!(ran.out.is_empty());
            return None;
        }
        let records = ran.done();
        let verified =
            String::from_utf8(on(&self.repo(), "verify", &["--chain"], b"").done()).unwrap();
        let version = verified.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(
            on(&self.repo(), "log", &[], b"").done().split(|&byte| byte == b'\n').count() as u64,
            version + 1
        );
        Some((version, records))
    }

    fn fsck(&self) {
        if self.repo().join("HEAD").exists() {
            fsck(&self.repo());
        }
    }

    /// Everything in the repository belongs there; nothing is in the folder for temporary files.
    fn assert_tidy(&self) {
        assert_eq!(files(&self.temp()), Vec::<PathBuf>::new());
        let strange: Vec<_> =
            files(&self.repo()).into_iter().filter(|path| !belongs(path)).collect();
        assert!(strange.is_empty(), "{strange:?}");
        assert!(!self.repo().join("refs/heads/main.lock").exists());
    }
}

/// Whether a path is one that git, or the lock file, has in a repository.
fn belongs(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let pack = |name: &str| {
        let end =
            [".pack", ".idx", ".rev", ".bitmap"].iter().find_map(|end| name.strip_suffix(end));
        end.and_then(|name| name.strip_prefix("pack-")).is_some_and(|name| hex(name, 40))
    };
    match parts.as_slice() {
        ["HEAD" | "config" | "description" | "nifi-idb.lock" | "packed-refs"]
        | ["refs", "heads", "main"] => true,
        ["info", "refs"] | ["objects", "info", "packs" | "commit-graph"] => true,
        ["objects", "pack", name] => pack(name),
        ["objects", dir, name] => hex(dir, 2) && hex(name, 38),
        _ => false,
    }
}

/// What the batches give where nothing goes wrong: version, records and state after each.
fn expected(batches: &[Vec<u8>]) -> Vec<(u64, Vec<u8>, Value)> {
    let lab = Lab::new();
    let after = |batch: &Vec<u8>| {
        let summary = lab.sync(batch);
        let (version, records) = lab.seen().unwrap();
        (version, records, summary["state"].clone())
    };
    batches.iter().map(after).collect()
}

/// Dies at `fault` in the second batch (the first, for a repository that is being made); gives whether it did.
fn dies_and_recovers(fault: &str, sizes: [Size; 2], dies_in: usize, visible: bool) -> bool {
    let batches = two(sizes);
    let expected = expected_of(sizes, &batches);
    let lab = Lab::new();
    batches[..dies_in].iter().for_each(|batch| drop(lab.sync(batch)));
    let before = lab.seen();
    let dying = &batches[dies_in];

    let ran = lab.sync_with_fault(dying, fault);
    if ran.code() == Some(0) {
        return false;
    }
    assert!(ran.aborted(), "{fault}: {ran:?}");
    assert_eq!(ran.out, b"", "{fault}: nothing is acknowledged");
    lab.fsck();
    let after = lab.seen();
    let (version, records, state) = &expected[dies_in];
    if visible {
        assert_eq!(after, Some((*version, records.clone())), "{fault}");
    } else {
        assert_eq!(after, before, "{fault}");
    }

    // Again, and then again what was acknowledged: a replay.
    let summary = lab.sync(dying);
    assert_eq!(summary["outcome"], if visible { "unchanged" } else { "committed" }, "{fault}");
    assert_eq!(summary["state"], *state, "{fault}: the very version that it would have been");
    assert_eq!(lab.seen(), Some((*version, records.clone())), "{fault}");
    assert_eq!(lab.sync(dying)["outcome"], "unchanged", "{fault}");
    for (number, batch) in batches.iter().enumerate().skip(dies_in + 1) {
        assert_eq!(lab.sync(batch)["state"], expected[number].2, "{fault}");
    }
    let mut last = expected.last().map(|(version, records, _)| (*version, records.clone()));
    assert_eq!(lab.seen(), last, "{fault}");
    if visible {
        // What the dead writer held towards git goes away with the next version; a replay makes none.
        lab.sync(&batch(3, Size::Small, 1 + changes(sizes[0]) + changes(sizes[1])));
        last = lab.seen();
    }
    lab.fsck();
    lab.assert_tidy();
    if has_git() {
        git(&lab.repo(), &["gc", "-q", "--prune=now"]);
        lab.fsck();
        assert_eq!(lab.seen(), last, "{fault}: after git gc");
        lab.assert_tidy();
        assert_only_what_is_named(&lab.repo(), fault);
    }
    true
}

/// After `git gc --prune=now` there is one pack, and no object that no version names.
fn assert_only_what_is_named(repo: &Path, fault: &str) {
    let packs = files(&repo.join("objects/pack"));
    let ending = |end: &str| {
        packs.iter().filter(|path| path.extension().is_some_and(|found| found == end)).count()
    };
    assert_eq!((ending("pack"), ending("idx")), (1, 1), "{fault}: {packs:?}");
    let unnamed = git(repo, &["fsck", "--unreachable", "--no-progress", "--no-reflogs"]);
    assert!(!unnamed.contains("unreachable"), "{fault}: {unnamed}");
}

/// What two batches come to, made once for each pair of sizes.
fn expected_of(sizes: [Size; 2], batches: &[Vec<u8>; 2]) -> Vec<(u64, Vec<u8>, Value)> {
    type Made = Vec<([Size; 2], Vec<(u64, Vec<u8>, Value)>)>;
    static MADE: std::sync::Mutex<Made> = std::sync::Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap();
    if let Some((_, known)) = made.iter().find(|(known, _)| *known == sizes) {
        return known.clone();
    }
    let new = expected(batches);
    made.push((sizes, new.clone()));
    new
}

/// Whether the version is visible when a writer dies at this step.
fn is_visible(step: &str) -> bool {
    ["git:after-rename", "git:done"].contains(&step)
}

fn every_step(size: Size) {
    for step in steps() {
        // The repository is made by the first batch only.
        let dies_in: &[usize] = if step == "git:init" { &[0] } else { &[0, 1] };
        for &dies_in in dies_in {
            let fault = format!("{step}=abort");
            assert!(
                dies_and_recovers(&fault, [size, size], dies_in, is_visible(&step)),
                "{fault} was not reached"
            );
        }
    }
}

#[test]
fn a_small_version_whose_writer_dies_at_any_step() {
    every_step(Size::Small);
}

#[test]
fn a_large_version_whose_writer_dies_at_any_step() {
    every_step(Size::Large);
}

#[test]
fn a_writer_that_dies_between_any_two_names() {
    for (step, size, dies_in, at_least) in [
        ("git:init", Size::Small, 0, 3),
        ("git:link", Size::Small, 1, 8),
        ("git:link", Size::Large, 1, 2),
    ] {
        let mut count = 1;
        while dies_and_recovers(
            &format!("{step}=abort@{count}"),
            [Size::Small, size],
            dies_in,
            false,
        ) {
            count += 1;
        }
        assert!(count > at_least, "{step} was reached {} times", count - 1);
    }
}

#[test]
fn after_a_dead_writer_another_batch_comes() {
    let [first, other] = two([Size::Small, Size::Small]);
    let [_, lost] = two([Size::Small, Size::Large]);
    let expected = expected(&[first.clone(), other.clone()]);
    for step in steps().iter().filter(|step| *step != "git:init" && !is_visible(step)) {
        for count in 1..=2 {
            let lab = Lab::new();
            lab.sync(&first);
            let fault = format!("{step}=abort@{count}");
            // All but one are reached once.
            if !lab.sync_with_fault(&lost, &fault).aborted() {
                continue;
            }
            // A batch of the same numbers with other content stands for whatever comes next.
            assert_eq!(lab.sync(&other)["state"], expected[1].2, "{fault}");
            assert_eq!(lab.seen(), Some((2, expected[1].1.clone())), "{fault}");
            lab.fsck();
            lab.assert_tidy();
            if has_git() {
                git(&lab.repo(), &["gc", "-q", "--prune=now"]);
                assert_eq!(lab.seen(), Some((2, expected[1].1.clone())), "{fault}: after git gc");
                lab.assert_tidy();
                assert_only_what_is_named(&lab.repo(), &fault);
            }
        }
    }
}

/// A batch of about 20 MiB.
fn big_batch(n: u64) -> Vec<u8> {
    let mut lines: Vec<_> = (0..2300)
        .map(|k| {
            let text = noise(n * 100_000 + k, 8_000);
            format!(r#"{{"op":"put","store":"data","value":{{"id":{k},"text":"{text}"}}}}"#)
        })
        .collect();
    lines.extend((0..16).map(|k| {
        format!(
            r#"{{"op":"put","store":"more","key":{k},"value":"{}"}}"#,
            noise(n * 100_000 + 50_000 + k, 200_000)
        )
    }));
    let first = 1 + (n - 1) * lines.len() as u64;
    sequenced(&lines, first)
}

#[test]
fn killed_at_random_moments() {
    const ROUNDS: u64 = 10;
    let batches = [big_batch(1), big_batch(2)];
    assert!(batches[0].len() > 20 << 20, "{}", batches[0].len());
    let clean = Lab::new();
    let mut expected = Vec::new();
    let mut took = Duration::ZERO;
    for batch in &batches {
        let start = Instant::now();
        let summary = clean.sync(batch);
        took = start.elapsed();
        let (version, records) = clean.seen().unwrap();
        expected.push((version, blake3::hash(&records), summary["state"].clone()));
    }
    let seen = |lab: &Lab| lab.seen().map(|(version, records)| (version, blake3::hash(&records)));

    let mut killed = 0;
    let lab = Lab::new();
    let mut committed = 0;
    for round in 0..ROUNDS {
        let before = seen(&lab);
        assert_eq!(before, committed_of(&expected, committed));
        let dying = &batches[committed.min(1)];
        let mut running = Running::start(lab.command(), dying.clone());
        // From early in the input to past the end, more of them towards the end, where writing is.
        let part = f64::from(u32::from_le_bytes(seed(round))) / f64::from(u32::MAX);
        std::thread::sleep(took.mul_f64(0.1 + 1.0 * part.sqrt()));
        let _ = running.child.kill();
        let ran = running.wait();
        killed += u32::from(ran.code().is_none());
        lab.fsck();
        let after = seen(&lab);
        let new = committed_of(&expected, (committed + 1).min(2));
        assert!(after == before || after == new, "round {round}: {after:?}");
        if ran.code() == Some(0) {
            assert_eq!(after, new, "round {round}: it was acknowledged");
        }
        if round == ROUNDS / 2 || round == ROUNDS - 1 {
            // Somebody lets it finish.
            lab.sync(dying);
        }
        committed = seen(&lab).map_or(0, |(version, _)| version as usize);
    }
    assert!(killed > 0, "no round killed anything: the moments are too late");
    for (batch, (_, _, state)) in batches.iter().zip(&expected) {
        let summary = lab.sync(batch);
        if summary["outcome"] == "committed" {
            assert_eq!(summary["state"], *state);
        }
    }
    assert_eq!(seen(&lab), committed_of(&expected, 2));
    lab.fsck();
    lab.assert_tidy();
    if has_git() {
        git(&lab.repo(), &["gc", "-q", "--prune=now"]);
        lab.assert_tidy();
        assert_only_what_is_named(&lab.repo(), "kill");
        assert_eq!(seen(&lab), committed_of(&expected, 2));
    }
}

fn committed_of(
    expected: &[(u64, blake3::Hash, Value)],
    version: usize,
) -> Option<(u64, blake3::Hash)> {
    let (version, records, _) = expected.get(version.checked_sub(1)?)?;
    Some((*version, *records))
}

/// Other moments in each run of the tests.
fn seed(round: u64) -> [u8; 4] {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(round).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3]]
}
