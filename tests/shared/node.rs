//! The client's own tests, run by Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that has to succeed; `what` is needed for it. Gives all that it said.
#[track_caller]
fn run(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("NOT RUN, needs {what}: {error}"));
    let text =
        String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{what} ended with {}:\n{text}", output.status);
    text
}

/// Installs what the tests of the client need, as its lock file says.
fn install() {
    let version = run(Command::new("node").arg("--version"), "Node.js 20 (`node`)");
    let major = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    assert!(
        major.is_some_and(|major| major >= 20),
        "NOT RUN, needs Node.js 20, and this is {version}"
    );
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

/// Runs test files, named from the root, by Node's own runner; shows what they say of themselves.
#[track_caller]
pub(crate) fn test(files: &[&str], variables: &[(&str, &str)]) {
    install();
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=tap"])
        .args(files)
        .current_dir(root());
    command.env("NIFI_IDB", env!("CARGO_BIN_EXE_nifi-idb")).envs(variables.iter().copied());
    let text = run(&mut command, "the tests of the client, by node --test");
    let said = text.lines().filter(|line| line.starts_with("# ") && !line.starts_with("# Subtest"));
    said.for_each(|line| eprintln!("{line}"));
}

/// The same for tests that open Chromium and Firefox.
#[track_caller]
pub(crate) fn test_in_browsers(files: &[&str], variables: &[(&str, &str)]) {
    for (program, variable) in
        [("/usr/bin/chromium", "CHROMIUM"), ("/usr/bin/firefox-esr", "FIREFOX")]
    {
        let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(program), PathBuf::from);
        assert!(
            path.exists(),
            "NOT RUN, needs {}: apt-get install --no-install-recommends chromium firefox-esr",
            path.display()
        );
    }
    test(files, variables);
}
