//! The flags of the log, and its lines.

use std::io::{PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ran, program, run};

const RECORDS: &str = include_str!("../../../examples/mydatabase.ndjson");

/// A sync into memory, with more arguments.
fn sync(more: &[&str]) -> Command {
    let to = ["--database", "myDatabase", "--object-store", "data", "--key-path", "id"];
    program([&["sync", "--store", "memory:"], &to[..], more].concat())
}

fn run_sync(more: &[&str]) -> Ran {
    run(sync(more), RECORDS.as_bytes())
}

/// True if the text begins with a time such as `2026-11-30T17:44:43.123Z`.
fn has_time(line: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(form, c): (char, char)| if form == 'd' { c.is_ascii_digit() } else { form == c };
    line.len() >= form.len() && form.chars().zip(line.chars()).all(fits)
}

#[test]
fn a_command_is_silent_unless_it_is_asked() {
    run_sync(&[]).done();
    run_sync(&["--log-level", "off"]).done();
    run_sync(&["--log-level", ""]).done();
    let mut unset = sync(&[]);
    unset.env("NIFI_IDB_LOG", "");
    run(unset, RECORDS.as_bytes()).done();
}

#[test]
fn text_lines_have_a_time_and_a_level() {
    let ran = run_sync(&["--log-level", "info"]);
    let last = ran.err.lines().last().unwrap();
    assert!(ran.err.lines().all(has_time), "{}", ran.err);
    assert!(
        last.contains(
            "  INFO command{command=\"sync\"}: nifi_idb::cli: command ended status=0 ms="
        ),
        "{last}"
    );
    assert!(!ran.err.contains('\x1b') && ran.summary()["outcome"] == "committed");
}

#[test]
fn json_lines_are_objects() {
    let mut command = sync(&[]);
    command.env("NIFI_IDB_LOG", "info").env("NIFI_IDB_LOG_FORMAT", "json");
    let ran = run(command, RECORDS.as_bytes());
    let lines: Vec<Value> =
        ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| has_time(line["timestamp"].as_str().unwrap())), "{}", ran.err);
    let last = lines.last().unwrap();
    assert_eq!((&last["message"], &last["level"]), (&"command ended".into(), &"INFO".into()));
    assert_eq!((&last["target"], &last["status"]), (&"nifi_idb::cli".into(), &0.into()));
}

#[test]
fn the_flags_may_precede_the_command_and_override_the_environment() {
    let mut command = program(["--log-level=info", "--log-format", "json", "policy", "--help"]);
    command.env("NIFI_IDB_LOG", "loud");
    assert_eq!(run(command, b"").code(), Some(0));
    let mut command = sync(&["--log-level", "off"]);
    command.env("NIFI_IDB_LOG", "trace");
    run(command, RECORDS.as_bytes()).done();
    let ran =
        run(program(["--log-level", "info", "log", "--store", "git:none.git", "--limit", ""]), b"");
    assert!(
        ran.err.contains("ERROR command{command=\"log\"}: nifi_idb::cli: command failed"),
        "{}",
        ran.err
    );
}

#[test]
fn a_wrong_level_names_those_that_exist() {
    let from_flag = run_sync(&["--log-level", "loud"]);
    let mut command = sync(&[]);
    command.env("NIFI_IDB_LOG", "h2=trace");
    for ran in [from_flag, run(command, RECORDS.as_bytes())] {
        let first = ran.err.lines().next().unwrap();
        assert!(
            ran.code() == Some(2)
                && first.contains("for '--log-level <LEVELS>': expected off, error, warn, info, debug or trace, or a list with parts of nifi_idb, such as info,nifi_idb::store=debug"),
            "{ran:?}"
        );
    }
    let ran = run_sync(&["--log-format", "xml"]);
    assert!(ran.code() == Some(2) && ran.err.contains("[possible values: text, json]"), "{ran:?}");
}

#[test]
fn a_part_of_the_program_has_its_own_level() {
    let ran = run_sync(&["--log-level", "info,nifi_idb::cli=error"]);
    assert!(!ran.err.contains("nifi_idb::cli"), "{}", ran.err);
    let ran = run_sync(&["--log-level", "nifi_idb::cli=info"]);
    assert!(ran.err.lines().count() == 1 && ran.err.contains("command ended"), "{}", ran.err);
}

#[test]
fn standard_error_may_be_closed_full_or_broken() {
    let shell = |redirection: &str| {
        let program = env!("CARGO_BIN_EXE_nifi-idb");
        let line = format!(
            "{program} sync --store memory: --database d --object-store data --key-path id --log-level trace {redirection}"
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        run(command, RECORDS.as_bytes())
    };
    for redirection in ["2>&-", "2>/dev/full"] {
        let ran = shell(redirection);
        assert_eq!(
            (ran.code(), &ran.summary()["outcome"]),
            (Some(0), &"committed".into()),
            "{ran:?}"
        );
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(failing_log(writer).wait().unwrap().code(), Some(2));
}

/// Starts a command that logs and then fails.
fn failing_log(stderr: PipeWriter) -> Child {
    let mut command = program(["log", "--store", "git:none.git", "--log-level", "trace"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
}

#[test]
fn a_reader_that_reads_nothing_does_not_stop_the_work() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // Fills the pipe, so that not even the first line fits.
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'x'; size]).unwrap();
    let started = Instant::now();
    let mut child = failing_log(writer);
    // The message of the failure, which is not part of the log, waits for the reader.
    std::thread::sleep(Duration::from_millis(800));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let text = text.trim_start_matches('x');
    assert!(!text.contains("command failed"), "a dropped line: {text}");
    assert!(
        text.starts_with("nifi-idb: ") && started.elapsed() < Duration::from_secs(60),
        "{text}"
    );
}
