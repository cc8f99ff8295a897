//! Black box through the binary: what a person or NiFi pipes in, and what comes out, as it is documented.

#[cfg(feature = "registry")]
mod registry;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::SmallDisk;

const EXAMPLE: &str = include_str!("../../examples/mydatabase.ndjson");

const RECORDS: [&str; 6] =
    ["--database", "myDatabase", "--object-store", "data", "--key-path", "id"];

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn first_error(&self) -> &str {
        self.err.lines().next().unwrap_or_default()
    }

    /// The summary: the last line, and the only one of its type.
    fn summary(&self) -> Value {
        let lines: Vec<Value> =
            self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().filter(|line| line["type"] == "summary").count(), 1, "{self:?}");
        lines.last().unwrap().clone()
    }

    /// Outcome and version of a run that succeeded.
    fn done(&self) -> (String, Option<u64>) {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{self:?}");
        let summary = self.summary();
        (summary["outcome"].as_str().unwrap().to_owned(), summary["version"].as_u64())
    }

    /// Checks how a run failed: its status, how its first line begins, and what every failure keeps to.
    fn failed(&self, status: i32, first: &str) -> &Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.first_error().starts_with(&format!("nifi-idb: {first}")), "{self:?}");
        assert!(self.err.len() < 4_000 && !self.err.contains('\x1b'), "{self:?}");
        self
    }
}

/// A folder with a snapshot store in it that does not exist yet.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn store_exists(&self) -> bool {
        self.path().join("s.git").exists()
    }

    /// The binary, in this folder, with nothing in its environment: no HOME, no PATH, no locale.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nifi-idb"));
        command.env_clear().current_dir(self.path()).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn sync_args<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        [&["sync", "--store", "git:s.git", "--received-at", "1700000000000"], args].concat()
    }

    fn run(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
        finish(self.command(args).spawn().unwrap(), input.as_ref())
    }

    fn sync(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
        self.run(&self.sync_args(args), input)
    }

    fn records(&self, input: impl AsRef<[u8]>) -> Ran {
        self.sync(&RECORDS, input)
    }

    /// Bare records of the object store `data` as of a version.
    fn restore(&self, at: &str) -> String {
        let ran =
            self.run(&["restore", "--store", "git:s.git", "--format", "records", "--at", at], "");
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""));
        ran.out
    }
}

/// Sends `input`, all of it: a broken pipe is what NiFi would report.
fn finish(mut child: Child, input: &[u8]) -> Ran {
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output().unwrap();
        sender.join().unwrap().expect("standard input is read to its end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    })
}

/// A batch of `indexeddb-changes/1`; `header` are members of its first line.
fn batch(header: &str, lines: &[String]) -> String {
    let stores = r#""stores":[{"name":"data","keyPath":"id"}]"#;
    let mut text =
        format!(r#"{{"format":"indexeddb-changes/1","database":"myDatabase",{stores}{header}}}"#);
    for line in lines {
        text += &format!("\n{line}");
    }
    text + &format!("\n{{\"op\":\"end\",\"count\":{}}}\n", lines.len())
}

fn put(id: u32, on: bool) -> String {
    format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"on":{on}}}}}"#)
}

fn puts(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|id| put(id, true)).collect()
}

fn committed(version: u64) -> (String, Option<u64>) {
    ("committed".to_owned(), Some(version))
}

fn unchanged(version: u64) -> (String, Option<u64>) {
    ("unchanged".to_owned(), Some(version))
}

#[test]
fn the_example_of_the_readme() {
    let place = Place::new();
    assert_eq!(place.records(EXAMPLE).done(), committed(1));
    assert_eq!(place.records(EXAMPLE).done(), unchanged(1));
    let changed = EXAMPLE.replace("0.45", "0.5");
    assert_eq!(place.records(&changed).done(), committed(2));
    assert_eq!(place.restore("1"), EXAMPLE);
    assert_eq!(place.restore("latest"), changed);

    let store = ["--store", "git:s.git"];
    let log = place.run(&[&["log", "--format", "json"], &store[..]].concat(), "");
    let versions: Vec<Value> =
        log.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        versions.iter().map(|line| line["version"].as_u64()).collect::<Vec<_>>(),
        [Some(2), Some(1)]
    );
    assert_eq!(versions[0]["summary"], "+0 ~1 -0 in 1 object store");
    let show = |at| {
        place.run(
            &[&["show", "--object-store", "data", "--key", "4", "--at", at], &store[..]].concat(),
            "",
        )
    };
    assert!(show("1").out.contains("0.45") && show("2").out.contains(r#""price":0.5"#));
    let verified = place.run(&[&["verify", "--chain"], &store[..]].concat(), "");
    assert_eq!(
        (verified.status, verified.out.starts_with("version 2 of indexeddb/myDatabase")),
        (Some(0), true)
    );
    assert_eq!(place.run(&[&["doctor"], &store[..]].concat(), "").status, Some(0));

    // What restore gives, sync takes: the same root in an empty flow.
    let whole = place.run(&[&["restore", "--at", "2"], &store[..]].concat(), "");
    let again = place.sync(&["--flow", "again"], whole.out);
    assert_eq!(
        (again.done(), &again.summary()["root"]),
        (committed(1), &place.records(&changed).summary()["root"])
    );
}

#[test]
fn help_is_plain_and_has_an_example() {
    let place = Place::new();
    let listed = place.run(&["--help"], "").out;
    let commands = listed.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let mut commands: Vec<&str> =
        commands.unwrap().lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 13, "{commands:?}");
    // The examples of these two are with their own commands.
    commands.retain(|command| !["conflicts", "template"].contains(command));
    let nested = ["conflicts list", "conflicts show", "conflicts resolve", "template check"];
    for command in commands.into_iter().chain(nested).chain([""]) {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ran = place.run(&args, "");
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""));
        assert!(
            ran.out.contains("Example:") && ran.out.is_ascii() && !ran.out.contains('\x1b'),
            "{}",
            ran.out
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell], "").out.contains("received-at"));
    }
    assert!(place.run(&["man", "sync"], "").out.contains("received"));
    assert!(place.run(&["man"], "").out.contains("restore"));
}

#[test]
fn usage_mistakes_are_one_line_and_nothing_on_stdout() {
    let place = Place::new();
    let check = |args: &[&str], first: &str| {
        let ran = place.run(args, vec![b'x'; 1_000_000]);
        assert_eq!((ran.status, ran.first_error(), ran.out.as_str()), (Some(2), first, ""));
    };
    check(
        &["sync"],
        "nifi-idb: the following required arguments were not provided: --store <STORE>",
    );
    check(
        &["sync", "--store", "memory:", "--mod", "full"],
        "nifi-idb: unexpected argument '--mod' found",
    );
    check(
        &["sync", "--store", "ftp://host"],
        "nifi-idb: --store is none of git:PATH, http://HOST:PORT, https://HOST:PORT, memory:",
    );
    check(
        &["sync", "--store", "memory:", "--idle", "soon"],
        "nifi-idb: invalid value 'soon' for '--idle <TIME>': expected a number with ms, s, m, h or d, such as 500ms or 30s",
    );
    check(&[], "nifi-idb: no command given");
    check(
        &["sync", "--store", "memory:", "--bucket", "a b"],
        "nifi-idb: --bucket or --flow: not a name for a bucket or flow (1 to 200 of A-Z a-z 0-9 . _ % -, no leading dot)",
    );
    let ran = place.sync(&[], EXAMPLE);
    ran.failed(2, "the input does not begin with a header of indexeddb-changes/1");
    assert_eq!(ran.summary()["outcome"], "failed");
    let mut command = place.command(&place.sync_args(&RECORDS));
    command.env("NIFI_IDB_FLOW", std::ffi::OsStr::from_bytes(b"\xff"));
    assert_eq!(finish(command.spawn().unwrap(), EXAMPLE.as_bytes()).status, Some(2));
    assert!(!place.store_exists());
}

#[cfg(not(feature = "registry"))]
#[test]
fn a_store_that_is_not_built_in_is_named_with_its_feature() {
    let place = Place::new();
    let sync = ["sync", "--store", "http://127.0.0.1:1", "--token-file", "none"];
    let ran = place.run(&[&sync, &RECORDS[..]].concat(), EXAMPLE);
    assert_eq!((ran.status, ran.out.as_str()), (Some(2), ""));
    assert_eq!(
        ran.err,
        "nifi-idb: --store is a NiFi Registry, but this program was built without the feature \
         registry; build it with cargo build --release --features registry\n"
    );
    let help = place.run(&["sync", "--help"], "").out;
    assert!(help.contains("NiFi Registry (not built into this program):"), "{help}");
}

#[test]
fn neither_secrets_nor_record_values_are_repeated() {
    let place = Place::new();
    let runs = [
        place.run(&["sync", "--store", "http://ann:hunter2@127.0.0.1:1"], ""),
        place.run(&["sync", "--store", "memory:", "--token=hunter2"], ""),
        place.run(&["sync", "--store", "memory:", "--password", "hunter2"], ""),
        place.run(
            &["show", "--store", "memory:", "--object-store", "data", "--key", "{\"hunter2\":1}"],
            "",
        ),
        place.records("{\"id\":1,\"x\":hunter2}\n{\"id\":\"hunter2\",\"id\":1}\n"),
    ];
    for ran in &runs[..4] {
        assert_eq!(ran.status, Some(2), "{ran:?}");
    }
    for ran in &runs {
        assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{ran:?}");
    }
}

#[test]
fn input_that_is_cut_off_writes_nothing_and_is_drained() {
    let place = Place::new();
    let large = puts(0..100_000);
    let whole = batch("", &large);
    assert!(whole.len() > 5_000_000);
    let end = whole.trim_end().rfind('\n').unwrap() + 1;
    let cut = |input: &str, args: &[&str], first: &str| {
        let ran = place.sync(args, input);
        ran.failed(5, first);
        let summary = ran.summary();
        assert_eq!((&summary["outcome"], &summary["version"]), (&"failed".into(), &Value::Null));
        assert!(!place.store_exists());
    };
    cut(&whole[..end], &[], "the input ends after line 100001: there is no end line");
    cut(&whole[..end - 20], &[], "the input ends after line 100001: there is no end line");
    cut(&whole[..whole.len() - 4], &[], "the input ends after line");
    cut(&whole, &["--expect-bytes", "17"], "cannot read the input: ");
    cut(&whole, &["--expect-bytes", "99999999"], "cannot read the input: ");
    // Found on the first line, with all the rest still to come.
    cut(&whole.replacen("changes/1", "changes/9", 1), &[], "");
    cut(&format!("{whole}{whole}"), &[], "line 100003 (byte ");
    cut("", &[], "the input ends after line 0: it is empty");
    let ran = place.sync(&["--source", "other"], batch(r#","source":"kiosk""#, &large));
    assert!(matches!(ran.status, Some(2 | 5)) && !place.store_exists(), "{ran:?}");
}

#[test]
fn an_input_that_stands_still_fails() {
    let place = Place::new();
    let start = Instant::now();
    let mut child = place
        .command(&place.sync_args(&[&RECORDS[..], &["--idle", "1s"]].concat()))
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(EXAMPLE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("nifi-idb: cannot read the input: stdin idle"), "{error}");
    assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(20));
    assert!(!place.store_exists());
    drop(stdin);
}

#[test]
fn signals_end_it_at_once_and_leave_nothing() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let place = Place::new();
        let mut child = place.command(&place.sync_args(&RECORDS)).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: when it is written, the handlers stand.
        stdin.write_all(EXAMPLE.repeat(2_000).as_bytes()).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("nifi-idb: stopped by SIG"), "{error}");
        assert!(output.stdout.is_empty() && !place.store_exists());
    }
}

#[test]
fn nobody_reads_the_report() {
    let place = Place::new();
    let args = place.sync_args(&[&RECORDS[..], &["--batch-id", "b1"]].concat());
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let ran = finish(place.command(&args).stdout(writer).spawn().unwrap(), EXAMPLE.as_bytes());
    ran.failed(4, "standard output: Broken pipe");
    assert!(ran.err.contains("version 1 is written"));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = finish(place.command(&args).stdout(full).spawn().unwrap(), EXAMPLE.as_bytes());
    ran.failed(4, "standard output: No space left on device");
    assert_eq!(place.run(&args, EXAMPLE).done(), unchanged(1));

    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut restore = place.command(&["restore", "--store", "git:s.git"]);
    assert_eq!(finish(restore.stdout(writer).spawn().unwrap(), b"").status, Some(4));
}

#[test]
fn disks_that_are_full_or_closed() {
    let place = Place::new();
    let bad = "{\"id\":1}\nnot json\n";
    let ran = place.sync(&[&RECORDS[..], &["--rejects", "/dev/full"]].concat(), bad);
    ran.failed(4, "--rejects /dev/full: No space left on device");
    assert_eq!(ran.summary()["outcome"], "failed");
    place
        .sync(&[&RECORDS[..], &["--rejects", "none/x"]].concat(), bad)
        .failed(2, "--rejects none/x: No such file");
    place
        .sync(&[&RECORDS[..], &["--temp-dir", "none"]].concat(), bad)
        .failed(2, "--temp-dir none: no such folder");
    assert!(!place.store_exists());
    fs::write(place.path().join("file"), "x").unwrap();
    for store in ["git:file", "git:file/s.git", "git:/proc/s.git"] {
        let ran = place.run(&[&["sync", "--store", store], &RECORDS[..]].concat(), EXAMPLE);
        assert!(
            matches!(ran.status, Some(2 | 7 | 8))
                && ran.first_error().contains("file") | store.contains("proc"),
            "{ran:?}"
        );
    }
    assert_eq!(fs::read(place.path().join("file")).unwrap(), b"x");
}

#[test]
fn a_full_disk_under_the_store_leaves_it_as_it_was() {
    let place = Place::new();
    let _disk = match SmallDisk::new(&place.path().join("disk"), "300k") {
        Ok(disk) => disk,
        Err(why) => return eprintln!("NOT RUN: needs root's right to mount a small disk: {why}"),
    };
    let sync = |input: &str| {
        place.run(&[&["sync", "--store", "git:disk/s.git"], &RECORDS[..]].concat(), input)
    };
    assert_eq!(sync(EXAMPLE).done(), committed(1));
    let mut seed = 1_u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{seed:016x}")
    };
    let large: String = (0..2_000)
        .map(|id| {
            format!("{{\"id\":{id},\"x\":\"{}\"}}\n", (0..50).map(|_| noise()).collect::<String>())
        })
        .collect();
    let ran = sync(&large);
    // A full disk does not go away by itself.
    ran.failed(7, "cannot write a file in ");
    assert!(ran.first_error().contains("No space left on device"));
    assert_eq!(sync(EXAMPLE).done(), unchanged(1));
}

#[test]
fn rejects_are_reported_and_the_batch_goes_on() {
    let place = Place::new();
    let input = "{\"id\":1}\nnot json\n{\"id\":true}\n{\"id\":2}\n";
    let file = place.path().join("bad.ndjson");
    fs::write(&file, "of an earlier run, and readable by all").unwrap();
    let ran = place.sync(&[&RECORDS[..], &["--rejects", "bad.ndjson"]].concat(), input);
    assert_eq!(ran.done(), committed(1));
    assert_eq!(ran.summary()["rejected"], 2);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let rejected: Vec<_> =
        ran.out.lines().filter(|line| line.contains(r#""type":"rejected""#)).collect();
    // The file has the same lines, each with its text.
    let kept = fs::read_to_string(file).unwrap().replace(r#","text":"not json""#, "");
    let kept = kept.replace(r#","text":"{\"id\":true}""#, "");
    assert_eq!(kept.lines().collect::<Vec<_>>(), rejected);
    assert!(
        rejected[0].starts_with(r#"{"line":2,"#) && rejected[1].contains("invalid-key"),
        "{rejected:?}"
    );
    // NiFi's bulletin shows the first line of standard error for every status but 0.
    let note = "nifi-idb: done, and asked to be reviewed (--fail-on): 2 of 4 lines were rejected, \
                0 conflicts wait for a person; the report has each\n";
    for (fail_on, status, said) in [("rejects", 3, note), ("any", 3, note), ("conflicts", 0, "")] {
        let args = [&RECORDS[..], &["--fail-on", fail_on, "--report", "summary"]].concat();
        let ran = place.sync(&args, input);
        assert_eq!(
            (ran.status, ran.out.lines().count(), ran.err.as_str()),
            (Some(status), 1, said)
        );
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::new();
    let ran = place.sync(&[&RECORDS[..], &["--dry-run"]].concat(), EXAMPLE);
    assert_eq!((ran.done(), place.store_exists()), (committed(1), false));
}

#[test]
fn on_off_on_are_three_versions() {
    let place = Place::new();
    for (version, on) in [(1, true), (2, false), (3, true)] {
        assert_eq!(place.sync(&[], batch("", &[put(1, on)])).done(), committed(version));
    }
    assert_eq!(place.sync(&[], batch("", &[put(1, true)])).done(), unchanged(3));
}

#[test]
fn a_sequence_is_replayed_and_has_no_gaps() {
    let place = Place::new();
    let numbered = |first: u32, last: u32| {
        batch(
            &format!(r#","source":"kiosk","epoch":"a","first":{first},"last":{last}"#),
            &puts(first..=last),
        )
    };
    assert_eq!(place.sync(&[], numbered(1, 2)).done(), committed(1));
    let ran = place.sync(&[], numbered(1, 2));
    assert_eq!(ran.done(), unchanged(1));
    assert!(
        ran.out.contains(r#"{"checkpoint":2,"epoch":"a","source":"kiosk","type":"ack"}"#),
        "{ran:?}"
    );
    let ran = place.sync(&[], numbered(4, 4));
    ran.failed(4, "gap in the sequence: source kiosk is committed up to 2, this batch begins at 4");
    assert_eq!(ran.summary()["outcome"], "refused");
    assert_eq!(place.sync(&[], numbered(2, 3)).done(), committed(2));
    assert_eq!(place.restore("latest").lines().count(), 3);
}

#[test]
fn a_delivery_is_taken_once() {
    let place = Place::new();
    let deliver = |id: &str, on| place.sync(&["--batch-id", id], batch("", &[put(1, on)]));
    assert_eq!(deliver("x1", true).done(), committed(1));
    assert_eq!(deliver("x2", false).done(), committed(2));
    assert_eq!(deliver("x1", true).done(), unchanged(2));
    assert!(place.restore("latest").contains(r#""on":false"#));
}

#[test]
fn the_guard_asks_and_exactly_its_plan_passes() {
    let place = Place::new();
    let full = |ids, args: &[&str]| {
        place.sync(args, batch(r#","source":"kiosk","mode":"full""#, &puts(ids)))
    };
    assert_eq!(full(0..100, &[]).done(), committed(1));
    let ran = full(0..50, &[]);
    ran.failed(6, "guard: this batch would delete ");
    assert_eq!(ran.summary()["outcome"], "refused");
    assert_eq!(place.restore("latest").lines().count(), 100);
    let plan = ran
        .err
        .split("plan=")
        .nth(1)
        .unwrap()
        .split(|c: char| !c.is_ascii_hexdigit())
        .next()
        .unwrap();
    full(0..40, &["--confirm", plan]).failed(6, "guard: ");
    assert_eq!(full(0..50, &["--confirm", plan]).done(), committed(2));
    assert_eq!(place.restore("latest").lines().count(), 50);
    // A few deletes need no question.
    assert_eq!(full(0..45, &[]).done(), committed(3));
}

#[test]
fn a_new_epoch_is_a_question_with_two_answers() {
    let full = |place: &Place, epoch: &str, ids: std::ops::Range<u32>, args: &[&str]| {
        let header =
            format!(r#","source":"kiosk","epoch":"{epoch}","first":1,"last":20,"mode":"full""#);
        place.sync(args, batch(&header, &puts(ids)))
    };
    for (answer, left) in [("keep", 20), ("mirror", 18)] {
        let place = Place::new();
        assert_eq!(full(&place, "a", 0..20, &[]).done(), committed(1));
        full(&place, "b", 0..18, &[])
            .failed(6, "source kiosk was known in epoch a, this batch is of epoch b");
        let ran = full(&place, "b", 0..18, &["--new-epoch", answer]);
        assert_eq!(ran.done(), committed(2));
        assert_eq!(place.restore("latest").lines().count(), left, "{answer}");
    }
}

#[test]
fn two_sources_dump_by_turns_and_delete_nothing_of_each_other() {
    let place = Place::new();
    let dump = |source: &str, lines: &[String]| {
        place.sync(&["--source", source, "--mode", "full"], batch("", lines)).done()
    };
    assert_eq!(dump("a", &puts(0..20)), committed(1));
    dump("b", &puts(10..40));
    assert_eq!(place.restore("latest").lines().count(), 40);
    // b switches a record off that only b has, a deletes one that only a has.
    dump("b", &[puts(10..39), vec![put(39, false)]].concat());
    dump("a", &puts(1..20));
    dump("b", &[puts(10..39), vec![put(39, false)]].concat());
    let records = place.restore("latest");
    assert_eq!(records.lines().count(), 39);
    assert!(records.contains(r#"{"id":39,"on":false}"#) && !records.contains(r#"{"id":0,"#));
}

#[test]
fn commands_without_input_need_a_flow_that_is_there() {
    let place = Place::new();
    let store = ["--store", "git:s.git"];
    let run = |args: &[&str]| place.run(&[args, &store[..]].concat(), "");
    run(&["log"]).failed(2, "git:");
    place.records(EXAMPLE).done();
    assert_eq!(run(&["log"]).status, Some(0));
    let mut by_environment = place.command(&["log"]);
    by_environment.env("NIFI_IDB_STORE", "git:s.git");
    assert_eq!(finish(by_environment.spawn().unwrap(), b"").status, Some(0));
    run(&["restore", "--at", "7"]).failed(2, "");
    run(&["restore", "--at", "0"]).failed(2, "invalid value '0' for '--at <VERSION>'");
    run(&["log", "--flow", "other"]).failed(2, "");
    place.sync(&["--flow", "second"], batch("", &puts(0..1))).done();
    let ran = run(&["log"]);
    ran.failed(2, "git:");
    assert!(ran.err.contains("indexeddb/second"), "{ran:?}");
    assert_eq!(run(&["log", "--flow", "second"]).status, Some(0));
    run(&["show", "--flow", "second", "--object-store", "data", "--key", "9"])
        .failed(2, "version 1 of indexeddb/second");
}

/// Digests, times and clocks differ from run to run: each becomes one sign.
fn without_what_differs(text: &str) -> String {
    let is_time = |word: &str| word.starts_with("20") && word.contains('T') && word.ends_with('Z');
    let words = text.split(' ').map(|word| if is_time(word) { "TIME" } else { word });
    let (mut out, mut run) = (String::new(), String::new());
    for character in words.collect::<Vec<_>>().join(" ").chars().chain(['\n']) {
        if character.is_ascii_hexdigit() {
            run.push(character);
            continue;
        }
        let digest = run.len() >= 7;
        out.push_str(if digest { "DIGEST" } else { &run });
        run.clear();
        // The page cuts long digests off.
        if !(digest && character == '…') {
            out.push(character);
        }
    }
    out.trim_end().to_owned()
}

#[test]
fn the_tour_of_the_readme_and_the_guide_is_real_output() {
    let page = include_str!("../../README.md");
    let place = Place::new();
    fs::create_dir_all(place.path().join("examples")).unwrap();
    fs::create_dir(place.path().join("target")).unwrap();
    for (name, text) in [
        ("mydatabase", EXAMPLE),
        ("mydatabase-changes", include_str!("../../examples/mydatabase-changes.ndjson")),
    ] {
        fs::write(place.path().join(format!("examples/{name}.ndjson")), text).unwrap();
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_nifi-idb")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(place.path()).env_clear();
        shell.env("PATH", &path).env("NIFI_IDB_STORE", "git:target/snapshots.git");
        let output = shell.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let block = |language: &str, from: &str| -> String {
        from.split(&format!("```{language}\n"))
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap()
            .to_owned()
    };
    let main_job = block("sh", page).replace("cargo run --release -q --", "nifi-idb");
    assert_eq!(without_what_differs(&shell(&main_job)), without_what_differs(&block("json", page)));
    // The guide goes on where the README ends.
    let guide = [
        include_str!("../../doc/guide/conflicts.md"),
        include_str!("../../doc/guide/operations.md"),
    ];
    let mut commands = 0;
    for block in [page].into_iter().chain(guide).flat_map(|page| page.split("```console\n").skip(1))
    {
        for step in block.split("```").next().unwrap().split("$ ").skip(1) {
            let (command, expected) = step.split_once('\n').unwrap();
            // A block inside a list is indented.
            let expected: Vec<_> = expected.lines().map(str::trim_start).collect();
            let expected = expected.join("\n");
            assert_eq!(
                without_what_differs(&shell(command)),
                without_what_differs(&expected),
                "{command}"
            );
            commands += 1;
        }
    }
    assert_eq!(commands, 19);
}
