//! `nifi-idb policy` from the outside: broken files and what is said of them, cases, explanations, canonical form.

mod broken;
mod explain;
mod good;

use std::path::{Path, PathBuf};

use crate::program::{Ran, program, run};

/// Where the policy files are.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/policies")
}

/// Names of the files in a folder that end so, without the end.
fn names(folder: &Path, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        entries.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect();
    names.sort();
    names
}

/// Runs `nifi-idb policy` in a folder.
fn policy(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = program(["policy"]);
    command.args(arguments).current_dir(folder);
    run(command, b"")
}
