//! The client of web pages, in Node and in real browsers: `cargo test --test browser`.
//!
//! It needs Node.js 20 with npm, a package index, Chromium and Firefox (Debian: `nodejs npm chromium firefox-esr`; or `CHROMIUM`
//! and `FIREFOX` name them). What it needs and does not find fails it, loudly. The tests themselves are `client/test` and the
//! `*.test.mjs` of this folder; they also run by `node --test`, after `cargo build` and `npm ci` in `client`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

/// Browsers and a thousand histories want the machine for themselves.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that has to succeed; `what` is needed for it.
#[track_caller]
fn run(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("NOT RUN, needs {what}: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{what} ended with {}:\n{text}", output.status);
    text
}

/// Installs what the tests of the client need, as its lock file says.
fn install() {
    let version = run(Command::new("node").arg("--version"), "Node.js 20 (`node`)");
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    assert!(major.is_some_and(|major| major >= 20), "NOT RUN, needs Node.js 20, and this is {version}");
    let client = root().join("client");
    let lock = std::fs::read_to_string(client.join("package-lock.json")).unwrap();
    let marker = client.join("node_modules/.installed");
    if !std::fs::read_to_string(&marker).is_ok_and(|installed| installed == lock) {
        run(
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&client),
            "npm, and a package index",
        );
        std::fs::write(&marker, lock).unwrap();
    }
}

/// Runs test files by Node's own runner, and shows what they say of themselves.
#[track_caller]
fn node(files: &[PathBuf], variables: &[(&str, &str)]) {
    install();
    let mut command = Command::new("node");
    command.args(["--test", "--test-concurrency=1", "--test-reporter=tap"]).args(files);
    command.env("NIFI_IDB", env!("CARGO_BIN_EXE_nifi-idb")).envs(variables.iter().copied());
    let text = run(command.current_dir(root()), "the tests of the client, by node --test");
    let said = text.lines().filter(|line| line.starts_with("# ") && !line.starts_with("# Subtest"));
    said.for_each(|line| eprintln!("{line}"));
}

#[track_caller]
fn in_browsers(name: &str) {
    for (program, variable) in [("/usr/bin/chromium", "CHROMIUM"), ("/usr/bin/firefox-esr", "FIREFOX")] {
        let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(program), PathBuf::from);
        assert!(
            path.exists(),
            "NOT RUN, needs {}: apt-get install --no-install-recommends chromium firefox-esr",
            path.display()
        );
    }
    node(&[root().join("tests/browser").join(name)], &[]);
}

#[test]
fn in_node() {
    let _turn = turn();
    let test = |name: &str| root().join("client/test").join(name);
    let files = ["client.test.js", "beside.test.js", "rxdb.test.js", "rxdb-replicate.test.js", "package.test.js"];
    node(&files.map(test), &[]);
}

#[test]
fn a_thousand_histories() {
    let _turn = turn();
    node(&[root().join("client/test/histories.test.js")], &[("HISTORIES", "1000")]);
}

#[test]
fn every_kind_of_value_goes_out_and_comes_back() {
    let _turn = turn();
    in_browsers("values.test.mjs");
}

#[test]
fn two_browsers_with_two_tabs_each() {
    let _turn = turn();
    in_browsers("histories.test.mjs");
}

#[test]
fn rxdb_is_backed_up_restored_and_kept_in_step() {
    let _turn = turn();
    in_browsers("rxdb.test.mjs");
}

#[test]
fn the_demo_in_a_minute() {
    let _turn = turn();
    in_browsers("demo.test.mjs");
}

#[test]
fn what_it_costs() {
    let _turn = turn();
    in_browsers("costs.test.mjs");
}
