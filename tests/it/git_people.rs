//! People who edit, revert and merge in the git store: what they change by hand is found, and history stays one line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Ran, git, has_git, on};

/// A batch that puts one record.
fn put(id: u32, value: &str) -> Vec<u8> {
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{{\"name\":\"s\",\"keyPath\":\"id\"}}],\
         \"source\":\"a\"}}\n{{\"op\":\"put\",\"store\":\"s\",\"value\":{{\"id\":{id},\"v\":\"{value}\"}}}}\n\
         {{\"op\":\"end\",\"count\":1}}\n"
    )
    .into_bytes()
}

/// A repository, and a working copy of it for a person.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new(values: &[&str]) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        for value in values {
            on(&desk.repo(), "sync", &[], &put(1, value)).done();
        }
        git(desk.dir.path(), &["clone", "-q", "r.git", "work"]);
        desk
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("r.git")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Commits and pushes what the person did.
    fn push(&self, message: &str) {
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "-m", message]);
        git(&self.work(), &["push", "-q", "origin", "main"]);
    }

    fn chunk(&self) -> PathBuf {
        let mut files = fs::read_dir(self.work().join("indexeddb/d/s")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    fn edit(&self, file: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Ran {
        let mut all = vec!["--flow", "d"];
        all.extend(arguments);
        on(&self.repo(), command, &all, &put(2, "next"))
    }

    fn records(&self, at: &str) -> String {
        let records = self.run("restore", &["--at", at, "--format", "records"]).done();
        String::from_utf8(records).unwrap()
    }

    /// Everything that needs head refuses with 7 and names the way back; older versions can be read.
    fn assert_refused(&self, what: &str, older: &[(&str, &str)]) -> String {
        let before = git(&self.repo(), &["rev-parse", "main"]);
        let mut said = String::new();
        for command in ["sync", "restore", "verify"] {
            let ran = self.run(command, &[]);
            assert_eq!(ran.code(), Some(7), "{what}, {command}: {ran:?}");
            assert!(
                ran.err.contains("by hand") && ran.err.contains("git checkout"),
                "{what}: {}",
                ran.err
            );
            said = ran.err;
        }
        assert_eq!(git(&self.repo(), &["rev-parse", "main"]), before, "{what}: main has moved");
        for (at, value) in older {
            assert!(self.records(at).contains(value), "{what}: version {at}");
        }
        said
    }

    /// Runs the command that the message names; then everything goes on.
    fn mend(&self, said: &str, versions: u32) {
        let command = said
            .split("git checkout ")
            .nth(1)
            .unwrap()
            .split(')')
            .next()
            .unwrap()
            .replace('\'', "");
        let mut arguments = vec!["checkout"];
        arguments.extend(command.split(' '));
        git(&self.work(), &arguments);
        self.push("Put it back");
        assert_eq!(self.run("sync", &[]).summary()["version"], versions + 1);
        self.run("verify", &["--chain"]).done();
        let log = String::from_utf8(self.run("log", &[]).done()).unwrap();
        assert_eq!(log.lines().count(), versions as usize + 1, "{log}");
    }
}

#[test]
fn an_edited_chunk_is_refused() {
    if !has_git() {
        return;
    }
    let desk = Desk::new(&["one", "two"]);
    desk.edit(&desk.chunk(), "\"two\"", "\"TWO\"");
    desk.push("Fix a typo");
    let said = desk.assert_refused("chunk", &[("1", "one"), ("2", "two")]);
    desk.mend(&said, 2);
}

#[test]
fn an_edited_or_removed_manifest_is_refused() {
    if !has_git() {
        return;
    }
    for (from, to) in
        [("\"version\":2", "\"version\":7"), ("\"keyGenerator\":null", "\"keyGenerator\":9")]
    {
        let desk = Desk::new(&["one", "two"]);
        desk.edit(&desk.work().join("indexeddb/d/~manifest.ndjson"), from, to);
        desk.push("Another number");
        let said = desk.assert_refused(to, &[("1", "one"), ("2", "two")]);
        desk.mend(&said, 2);
    }
}

#[test]
fn a_file_that_is_added_or_removed_is_refused() {
    if !has_git() {
        return;
    }
    let desk = Desk::new(&["one", "two"]);
    fs::write(desk.work().join("indexeddb/d/README"), "by a person\n").unwrap();
    desk.push("A page in the wrong place");
    desk.assert_refused("added", &[("1", "one")]);

    let desk = Desk::new(&["one", "two"]);
    fs::remove_file(desk.chunk()).unwrap();
    desk.push("Away with it");
    let said = desk.assert_refused("removed", &[("1", "one"), ("2", "two")]);
    desk.mend(&said, 2);
}

#[test]
fn a_revert_is_refused() {
    if !has_git() {
        return;
    }
    let desk = Desk::new(&["one", "two", "three"]);
    git(&desk.work(), &["revert", "--no-edit", "HEAD"]);
    git(&desk.work(), &["push", "-q", "origin", "main"]);
    let said = desk.assert_refused("revert", &[("1", "one"), ("2", "two"), ("3", "three")]);
    assert!(said.contains("put back to version 2"), "{said}");
    desk.mend(&said, 3);
}

#[test]
fn files_beside_the_flow_are_nobodys_business() {
    if !has_git() {
        return;
    }
    let desk = Desk::new(&["one", "two"]);
    fs::write(desk.work().join("README"), "by a person\n").unwrap();
    fs::write(desk.work().join("indexeddb/NOTES"), "by a person\n").unwrap();
    desk.push("Pages");
    assert_eq!(desk.run("sync", &[]).summary()["version"], 3);
    assert_eq!(git(&desk.repo(), &["show", "main:indexeddb/NOTES"]), "by a person\n");
    desk.run("verify", &["--chain"]).done();
}

#[test]
fn after_a_merge_of_two_clones_history_is_the_one_that_head_follows() {
    if !has_git() {
        return;
    }
    for newer_side in ["ours", "theirs"] {
        let desk = Desk::new(&["one"]);
        let other = desk.dir.path().join("other.git");
        git(desk.dir.path(), &["clone", "-q", "--bare", "r.git", "other.git"]);
        let at = |mine: bool| match mine == (newer_side == "ours") {
            true => "1700000005000",
            false => "1700000001000",
        };
        for value in ["mine", "mine again"] {
            on(&desk.repo(), "sync", &["--received-at", at(true)], &put(1, value)).done();
        }
        for value in ["theirs", "theirs again", "theirs, third"] {
            on(&other, "sync", &["--received-at", at(false)], &put(1, value)).done();
        }
        git(&desk.work(), &["pull", "-q"]);
        git(&desk.work(), &["fetch", "-q", other.to_str().unwrap(), "main"]);
        git(&desk.work(), &["merge", "-q", "-s", "ours", "-m", "Merge, ours", "FETCH_HEAD"]);
        git(&desk.work(), &["push", "-q", "origin", "main"]);
        for (at, value) in
            [("1", "one"), ("2", "mine"), ("3", "mine again"), ("latest", "mine again")]
        {
            assert!(
                desk.records(at).contains(&format!("\"v\":\"{value}\"")),
                "{newer_side}: version {at}"
            );
        }
        assert_eq!(desk.run("sync", &[]).summary()["version"], 4);
        desk.run("verify", &["--chain"]).done();
        let log = String::from_utf8(desk.run("log", &["--format", "json"]).done()).unwrap();
        assert_eq!(log.lines().count(), 4, "{log}");
        assert!(desk.records("2").contains("\"v\":\"mine\""));
        // Each version of the log is the one that is read, too.
        for line in log.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let version = line["version"].to_string();
            let shown = String::from_utf8(desk.run("verify", &["--at", &version]).done()).unwrap();
            assert!(shown.contains(line["state"].as_str().unwrap()), "{shown}");
        }
        let newest = String::from_utf8(desk.run("log", &["--limit", "2"]).done()).unwrap();
        assert!(newest.lines().count() == 2 && newest.starts_with("4 "), "{newest}");
    }
}
