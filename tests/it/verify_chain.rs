//! `verify --chain`: everything of every version is there, and the time that it takes grows with what versions changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::program::{files, git, has_git, noise, on};

fn batch(n: u32, value: &str) -> Vec<u8> {
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{{\"name\":\"s\",\"keyPath\":\"id\"}}],\
         \"source\":\"a\"}}\n{{\"op\":\"put\",\"store\":\"s\",\"value\":{{\"id\":{n},\"v\":\"{value}\"}}}}\n\
         {{\"op\":\"end\",\"count\":1}}\n"
    )
    .into_bytes()
}

/// Every loose object of the repository, by id.
fn objects(repo: &Path) -> Vec<String> {
    let loose = files(&repo.join("objects")).into_iter().filter_map(|path| {
        let name = path.to_str()?.replace('/', "");
        (name.len() == 40).then_some(name)
    });
    loose.collect()
}

fn file_of(repo: &Path, id: &str) -> PathBuf {
    repo.join("objects").join(&id[..2]).join(&id[2..])
}

#[test]
fn nothing_of_an_older_version_may_be_missing_or_damaged() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("r.git");
    // The second version has a spilled value that the third one has no more.
    for value in ["one".to_owned(), noise(1, 300_000), "three".to_owned(), "four".to_owned()] {
        on(&repo, "sync", &[], &batch(1, &value)).done();
    }
    let verify = |arguments: &[&str]| on(&repo, "verify", arguments, b"");
    let said = String::from_utf8(verify(&["--chain"]).done()).unwrap();
    assert!(
        said.starts_with("version 4 of indexeddb/d and the 3 versions before it: whole"),
        "{said}"
    );
    let rendering: Vec<_> = (0..4)
        .map(|n| {
            git(&repo, &["rev-parse", &format!("main~{n}:indexeddb/d.json")]).trim().to_owned()
        })
        .collect();
    let mut tried = 0;
    for id in objects(&repo).iter().filter(|id| !rendering.contains(id)) {
        let file = file_of(&repo, id);
        let bytes = fs::read(&file).unwrap();
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "a file of a test, in a folder of its own"
        )]
        permissions.set_readonly(false);
        fs::set_permissions(&file, permissions).unwrap();
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 4;
        for (what, damage) in
            [("missing", None), ("flipped", Some(&flipped[..])), ("cut", Some(&bytes[..middle]))]
        {
            match damage {
                Some(damage) => fs::write(&file, damage).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let ran = verify(&["--chain"]);
            assert_eq!(ran.code(), Some(7), "{what}: {} {}", git_kind(&repo, id, &bytes), ran.err);
            fs::write(&file, &bytes).unwrap();
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
    verify(&["--chain"]).done();
}

/// What an object is, for messages of this test.
fn git_kind(repo: &Path, id: &str, bytes: &[u8]) -> String {
    fs::write(file_of(repo, id), bytes).unwrap();
    format!("{} {id}", git(repo, &["cat-file", "-t", id]).trim())
}

#[test]
fn time_grows_with_the_number_of_versions_and_no_faster() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("r.git");
    let mut versions = 0;
    let mut verified = |until: u32| {
        while versions < until {
            versions += 1;
            on(&repo, "sync", &[], &batch(versions, "x")).done();
        }
        let start = Instant::now();
        on(&repo, "verify", &["--chain"], b"").done();
        start.elapsed().as_secs_f64()
    };
    let (short, long) = (verified(30), verified(120));
    // Four times the versions take four times as long; sixteen times as long was quadratic. A busy machine blurs it.
    assert!(long < 10.0 * short + 1.0, "{short:.3} s, then {long:.3} s");
}

#[test]
fn a_log_does_not_pass_over_a_damaged_commit() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("r.git");
    for n in 1..=4 {
        on(&repo, "sync", &[], &batch(n, "x")).done();
    }
    let old = git(&repo, &["rev-parse", "main~2"]).trim().to_owned();
    let other = git(&repo, &["rev-parse", "main~3"]).trim().to_owned();
    // A commit that is whole, but another one than its name says.
    let file = file_of(&repo, &old);
    fs::remove_file(&file).unwrap();
    fs::copy(file_of(&repo, &other), &file).unwrap();
    for command in ["log", "verify"] {
        let arguments: &[&str] = if command == "verify" { &["--chain"] } else { &[] };
        let ran = on(&repo, command, arguments, b"");
        assert_eq!(ran.code(), Some(7), "{command}: {ran:?}");
        assert!(ran.err.contains(&old), "{}", ran.err);
    }
    // The newest versions are listed without it.
    let newest = on(&repo, "log", &["--limit", "2"], b"").done();
    assert_eq!(newest.iter().filter(|byte| **byte == b'\n').count(), 2);
}
