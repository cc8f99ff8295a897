//! Work that grows with what is asked for, and with neither the history nor its square. Counted in
//! objects that are needed and in time of the processor, because a busy machine blurs a clock.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::flowfiles::{flowfile, package};
use crate::program::{files, git, has_git, on, program, run, store_of};

/// A repository of so many versions of each flow, written by turns.
fn by_turns(repo: &Path, flows: &[&str], versions: u32) {
    for n in 1..=versions {
        for flow in flows {
            let flags = ["--database", flow, "--object-store", "s", "--key-path", "id"];
            on(repo, "sync", &flags, format!("{{\"id\":{n}}}\n").as_bytes()).done();
        }
    }
}

/// Removes every object that none of the newest commits has.
fn keep_newest(repo: &Path, commits: usize) {
    let newest: Vec<_> = (0..commits).map(|back| format!("main~{back}")).collect();
    let mut all = vec!["rev-list", "--objects", "--no-walk"];
    all.extend(newest.iter().map(String::as_str));
    let listed = git(repo, &all);
    let kept: HashSet<_> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut removed = 0;
    for file in files(&repo.join("objects")) {
        let id = file.to_str().unwrap().replace('/', "");
        if id.len() == 40 && !kept.contains(id.as_str()) {
            fs::remove_file(repo.join("objects").join(file)).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 40, "{removed}");
}

#[test]
fn a_log_with_a_limit_needs_no_older_commit() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    by_turns(dir.path(), &["x", "y", "z"], 10);
    // Two versions of each flow.
    keep_newest(dir.path(), 6);
    for flow in ["x", "y", "z"] {
        let newest = on(dir.path(), "log", &["--flow", flow, "--limit", "2"], b"").done();
        let numbers: Vec<_> =
            newest.split(|byte| *byte == b'\n').filter_map(|line| line.first()).collect();
        assert_eq!(numbers, [&b'1', &b'9'], "versions 10 and 9 of {flow}");
    }
    let all = on(dir.path(), "log", &["--flow", "z"], b"");
    assert_eq!(all.code(), Some(7), "the others are gone: {all:?}");
}

#[test]
fn doctor_needs_one_commit_of_each_flow() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    by_turns(dir.path(), &["x", "y", "z"], 10);
    keep_newest(dir.path(), 3);
    let said = String::from_utf8(on(dir.path(), "doctor", &[], b"").done()).unwrap();
    for flow in ["x", "y", "z"] {
        assert!(said.contains(&format!("indexeddb/{flow}: 10 versions")), "{said}");
    }
}

/// Seconds of the processor that a package takes.
fn processor_seconds(repo: &Path, package: &[u8]) -> f64 {
    let child = program(["sync", "--store", &store_of(repo), "--report", "summary"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "\"$0\" \"$@\" && times"])
        .arg(child.get_program())
        .args(child.get_args())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let said = String::from_utf8(run(shell, package).done()).unwrap();
    // The last line is about the children: `0m1.250s 0m0.030s`.
    let parts = said.lines().last().unwrap().split_whitespace();
    let seconds = parts.map(|part| {
        let (minutes, seconds) = part.strip_suffix('s').unwrap().split_once('m').unwrap();
        60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
    });
    seconds.sum()
}

#[test]
fn eight_thousand_sources_of_one_key_take_eight_times_as_long_as_a_thousand() {
    let seconds = |sources: usize| {
        let flowfiles: Vec<_> = (0..sources)
            .map(|n| {
                let source = format!("s{n}");
                let attributes = [
                    ("indexeddb.database", "d"),
                    ("indexeddb.object.store", "s"),
                    ("indexeddb.key.path", "id"),
                    ("indexeddb.source", &source),
                ];
                flowfile(&attributes, format!("{{\"id\":1,\"v\":{n}}}\n"))
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        processor_seconds(dir.path(), &package(&flowfiles))
    };
    let (few, many) = (seconds(1_000), seconds(8_000));
    // In proportion it is 8 times, and in proportion to the square 64 times.
    assert!(many < 24.0 * few, "{few:.2} s, then {many:.2} s");
}
