//! A git store whose branch `main` is lost: nothing begins anew over a history that is still there.

use std::fs;
use std::path::Path;

use crate::program::{Ran, git, has_git, on};

/// Batch `n` of one source, of one record.
fn batch(n: u32) -> Vec<u8> {
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{{\"name\":\"s\",\"keyPath\":\"id\"}}],\
         \"source\":\"a\"}}\n{{\"op\":\"put\",\"store\":\"s\",\"value\":{{\"id\":{n}}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
    )
    .into_bytes()
}

fn sync(repo: &Path, n: u32) -> Ran {
    on(repo, "sync", &[], &batch(n))
}

/// A repository with `versions` versions.
fn made(versions: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("r.git");
    for n in 1..=versions {
        sync(&repo, n).done();
    }
    (dir, repo)
}

/// Everything refuses with 7, names `way`, and leaves the repository as it is; the command that it names brings all back.
fn assert_lost(repo: &Path, versions: u32, what: &str) {
    let before = git(repo, &["for-each-ref"]);
    let mut way = String::new();
    for (command, arguments) in [
        ("sync", vec![]),
        ("restore", vec!["--flow", "d"]),
        ("log", vec!["--flow", "d"]),
        ("doctor", vec![]),
    ] {
        let ran = on(repo, command, &arguments, &batch(99));
        assert_eq!(ran.code(), Some(7), "{what}, {command}: {ran:?}");
        assert!(ran.err.contains("has no branch main"), "{what}, {command}: {}", ran.err);
        let command = ran
            .err
            .split("To go on with that history: git -C ")
            .nth(1)
            .unwrap_or_else(|| panic!("{}", ran.err));
        way = command.split(". Do not run").next().unwrap().to_owned();
    }
    assert_eq!(git(repo, &["for-each-ref"]), before, "{what}");
    let words: Vec<_> = way.split(' ').skip(1).collect();
    assert_eq!(words[..2], ["update-ref", "refs/heads/main"], "{what}: {way}");
    git(repo, &words);
    let log = on(repo, "log", &["--flow", "d"], b"").done();
    assert_eq!(String::from_utf8(log).unwrap().lines().count(), versions as usize, "{what}");
    let next = sync(repo, 100);
    assert_eq!(next.summary()["version"], versions + 1, "{what}");
}

#[test]
fn a_branch_that_is_lost_in_any_way_is_damage_and_comes_back() {
    if !has_git() {
        return;
    }
    type Loss = fn(&Path);
    let losses: [(&str, Loss); 8] = [
        ("deleted file", |repo| fs::remove_file(repo.join("refs/heads/main")).unwrap()),
        ("renamed branch", |repo| drop(git(repo, &["branch", "-m", "main", "trunk"]))),
        ("deleted reference", |repo| drop(git(repo, &["update-ref", "-d", "refs/heads/main"]))),
        ("packed-refs deleted", |repo| {
            git(repo, &["gc", "-q"]);
            fs::remove_file(repo.join("packed-refs")).unwrap();
        }),
        ("packed-refs emptied", |repo| {
            git(repo, &["gc", "-q"]);
            fs::write(repo.join("packed-refs"), "").unwrap();
        }),
        ("one bit of packed-refs", |repo| {
            git(repo, &["gc", "-q"]);
            let text = fs::read_to_string(repo.join("packed-refs")).unwrap();
            fs::write(repo.join("packed-refs"), text.replace("heads/main", "heads/mein")).unwrap();
        }),
        ("lock file lost, too", |repo| {
            fs::remove_file(repo.join("refs/heads/main")).unwrap();
            fs::remove_file(repo.join("nifi-idb.lock")).unwrap();
        }),
        ("a lock file of an older release", |repo| {
            fs::remove_file(repo.join("refs/heads/main")).unwrap();
            fs::write(repo.join("nifi-idb.lock"), "").unwrap();
        }),
    ];
    for (what, lose) in losses {
        for versions in [1, 3] {
            if versions == 1 && what == "a lock file of an older release" {
                // Not to be told from a writer that was killed before its first version was visible.
                continue;
            }
            let (_dir, repo) = made(versions);
            lose(&repo);
            assert_lost(&repo, versions, &format!("{what}, {versions} versions"));
        }
    }
}

#[test]
fn a_branch_that_falls_back_to_packed_refs_is_damage() {
    if !has_git() {
        return;
    }
    let (_dir, repo) = made(2);
    git(&repo, &["gc", "-q"]);
    let packed = git(&repo, &["rev-parse", "main"]).trim().to_owned();
    sync(&repo, 3).done();
    // Packed and moved on, as it always is after git gc.
    sync(&repo, 4).done();
    let main = repo.join("refs/heads/main");
    fs::remove_file(&main).unwrap();
    for (command, arguments) in [
        ("sync", &[][..]),
        ("restore", &["--flow", "d"]),
        ("log", &["--flow", "d"]),
        ("verify", &["--flow", "d", "--chain"]),
        ("doctor", &[]),
    ] {
        let ran = on(&repo, command, arguments, &batch(99));
        assert_eq!(ran.code(), Some(7), "{command}: {ran:?}");
        assert!(ran.err.contains("packed-refs names an older version"), "{command}: {}", ran.err);
    }
    let said = on(&repo, "log", &["--flow", "d"], b"").err;
    let way = said.split("To go on with that history: git -C ").nth(1).unwrap();
    let words: Vec<_> = way.split(". Do not run").next().unwrap().split(' ').skip(1).collect();
    git(&repo, &words);
    assert_eq!(sync(&repo, 5).summary()["version"], 5);
    // Whoever goes back on purpose says so.
    fs::remove_file(&main).unwrap();
    fs::write(&main, format!("{packed}\n")).unwrap();
    assert_eq!(sync(&repo, 3).summary()["version"], 3);
    // What git packs after that, and what a person adds and packs, is no older version.
    git(&repo, &["pack-refs", "--all"]);
    assert!(!main.exists());
    assert_eq!(sync(&repo, 6).summary()["version"], 4);
    let tree = git(&repo, &["rev-parse", "main^{tree}"]).trim().to_owned();
    let more = git(&repo, &["commit-tree", "-m", "by hand", "-p", "main", &tree]).trim().to_owned();
    git(&repo, &["update-ref", "refs/heads/main", &more]);
    git(&repo, &["pack-refs", "--all"]);
    assert_eq!(sync(&repo, 7).summary()["version"], 5);
}

#[test]
fn a_clone_that_lost_main_is_damage() {
    if !has_git() {
        return;
    }
    let (dir, repo) = made(1);
    git(dir.path(), &["clone", "-q", "--bare", repo.to_str().unwrap(), "copy.git"]);
    let copy = dir.path().join("copy.git");
    fs::remove_file(copy.join("packed-refs")).unwrap();
    assert_lost(&copy, 1, "clone");
}

#[test]
fn a_reference_that_is_no_text_is_damage() {
    for name in ["refs/heads/main", "packed-refs"] {
        let (_dir, repo) = made(2);
        fs::remove_file(repo.join("refs/heads/main")).unwrap();
        fs::write(repo.join(name), b"\xff\xfe\x00 junk\n").unwrap();
        for command in ["sync", "restore"] {
            assert_eq!(on(&repo, command, &[], &batch(9)).code(), Some(7), "{name}, {command}");
        }
    }
}

#[test]
fn new_repositories_of_git_are_begun() {
    if !has_git() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for branch in ["main", "master"] {
        let repo = dir.path().join(branch);
        git(dir.path(), &["init", "-q", "--bare", "-b", branch, branch]);
        assert_eq!(sync(&repo, 1).summary()["version"], 1);
        assert_eq!(sync(&repo, 2).summary()["version"], 2);
        let doctor = String::from_utf8(on(&repo, "doctor", &[], b"").done()).unwrap();
        assert_eq!(
            doctor.contains("HEAD points to refs/heads/master"),
            branch == "master",
            "{doctor}"
        );
    }
    // Somebody else's branch is there, and `main` is made by hand.
    let repo = dir.path().join("shared");
    git(dir.path(), &["init", "-q", "--bare", "-b", "other", "shared"]);
    let tree = git(&repo, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let commit = git(&repo, &["commit-tree", "-m", "Begin", tree.trim()]);
    git(&repo, &["update-ref", "refs/heads/other", commit.trim()]);
    let ran = sync(&repo, 1);
    assert_eq!(ran.code(), Some(7));
    assert!(ran.err.contains("refs/heads/other"), "{}", ran.err);
    git(&repo, &["update-ref", "refs/heads/main", commit.trim()]);
    assert_eq!(sync(&repo, 1).summary()["version"], 1);
}
