//! The git store beside stock git, beside people, and beside what killed writers leave.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nifi_idb::snapshot::{FlowName, List};
use nifi_idb::store::git::GitStore;
use nifi_idb::store::{AppendError, SnapshotReader, SnapshotStore, StoreErrorKind};

use crate::conformance::{TIME, after, append_one, flow, records};

/// A repository in a directory of its own.
struct Fixture {
    dir: tempfile::TempDir,
    store: GitStore,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = GitStore::new(&dir.path().join("repo")).unwrap();
        Self { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// A store object that has read nothing yet.
    fn reopened(&self) -> GitStore {
        GitStore::new(&self.path()).unwrap()
    }

    fn append(&self, key: &str, text: &str) {
        append_one(&self.store, &flow(), key, text);
    }

    /// A version that is large enough for a pack.
    fn append_pack(&self, label: &str) {
        let head = self.store.head(&flow()).unwrap();
        let mut next = after(head.as_ref(), &["data"]);
        for n in 0..100 {
            next.put(&records("data"), &format!("{n:03}"), &format!("{label} {n}\n"));
        }
        next.append(&self.store, &flow(), head.as_ref()).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.path(), arguments)
    }
}

/// Whether stock git is there; says so loudly if not.
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output has to know what was not tested"
)]
fn has_git() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: no git binary, so nothing was checked against stock git");
    }
    there
}

/// Runs stock git without anybody's configuration, and fails if it does.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Someone",
            "-c",
            "user.email=someone@localhost",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", dir)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {arguments:?}: {out}{err}");
    format!("{out}{err}")
}

fn packs(repo: &Path) -> usize {
    let files = fs::read_dir(repo.join("objects/pack")).unwrap();
    files
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "pack"))
        .count()
}

/// Checks every byte of every version against the manifests.
fn assert_whole(store: &dyn SnapshotStore, versions: usize) {
    let log = store.log(&flow()).unwrap();
    assert_eq!(log.len(), versions);
    for info in log {
        let version = store.version(&flow(), info.version).unwrap().unwrap();
        assert_eq!(version.comment, info.comment);
        for (list, chunk) in version.manifest.chunks() {
            store.read_chunk(&flow(), &version, &list, chunk).unwrap();
        }
    }
}

#[test]
fn stock_git_reads_it() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append_pack("first");
    fixture.append("000", "changed\n");
    fixture.append("zzz", "{\"new\":1}\n");
    assert_eq!(packs(&fixture.path()), 1);
    let fsck = fixture.git(&["fsck", "--strict", "--full", "--no-dangling"]);
    assert!(!fsck.contains("warning") && !fsck.contains("error"), "{fsck}");
    fixture.git(&["verify-pack", "-v", &first_index(&fixture.path())]);

    let log = fixture.git(&["log", "--format=%an <%ae>|%cn|%at|%s"]);
    let expected = |n: i64| {
        format!("nifi-idb <nifi-idb@localhost>|nifi-idb|{}|version {n} for people", TIME / 1000 + n)
    };
    assert_eq!(log.lines().collect::<Vec<_>>(), [expected(3), expected(2), expected(1)]);
    let message = fixture.git(&["log", "-1", "--format=%B"]);
    let lines: Vec<_> = message.trim_end().lines().collect();
    assert_eq!(lines[..3], ["version 3 for people", "", "flow=bucket/flow version=3"]);
    assert!(lines[3].starts_with("root=") && lines.len() == 4, "{message}");

    let show = fixture.git(&["show", "--stat", "--format=", "main"]);
    assert!(show.contains("bucket/flow.json") && show.contains("~manifest.ndjson"), "{show}");
    let patch = fixture.git(&["show", "--format=", "main", "--", "bucket/flow/data"]);
    assert!(patch.contains("+{\"new\":1}"), "{patch}");

    fixture.git(&["gc", "--prune=now"]);
    assert_whole(&fixture.store, 3);
    assert_whole(&fixture.reopened(), 3);
    fixture.append("zzz", "after gc\n");
    fixture.git(&["fsck", "--strict", "--full"]);

    git(fixture.dir.path(), &["clone", "-q", "repo", "work"]);
    let text = fs::read_dir(fixture.dir.path().join("work/bucket/flow/data")).unwrap().count();
    assert_eq!(text, 101);
    git(fixture.dir.path(), &["clone", "-q", "--bare", "repo", "copy"]);
    assert_whole(&GitStore::new(&fixture.dir.path().join("copy")).unwrap(), 4);
}

fn first_index(repo: &Path) -> String {
    let mut files =
        fs::read_dir(repo.join("objects/pack")).unwrap().map(|file| file.unwrap().path());
    files
        .find(|path| path.extension().is_some_and(|end| end == "idx"))
        .unwrap()
        .display()
        .to_string()
}

#[test]
fn the_repository_is_as_git_makes_it() {
    let fixture = Fixture::new();
    assert!(!fixture.path().exists());
    fixture.append("a", "first\n");
    let read = |name: &str| fs::read_to_string(fixture.path().join(name)).unwrap();
    assert_eq!(read("HEAD"), "ref: refs/heads/main\n");
    let main = read("refs/heads/main");
    assert_eq!(read("nifi-idb.lock"), format!("main {main}"));
    assert!(!fixture.path().join("refs/heads/main.lock").exists());
    if has_git() {
        git(fixture.dir.path(), &["init", "-q", "--bare", "-b", "main", "by-git"]);
        assert_eq!(
            read("config"),
            fs::read_to_string(fixture.dir.path().join("by-git/config")).unwrap()
        );
        // One that git made is used as it is.
        let store = GitStore::new(&fixture.dir.path().join("by-git")).unwrap();
        append_one(&store, &flow(), "a", "first\n");
        git(&fixture.dir.path().join("by-git"), &["fsck", "--strict"]);
    }
}

#[test]
fn what_is_no_bare_repository_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str| {
        let error = GitStore::new(&dir.path().join(name)).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Configuration, "{error}");
        error.message
    };
    fs::create_dir_all(dir.path().join("full/of")).unwrap();
    assert!(refused("full").contains("neither empty nor a git repository"));
    fs::write(dir.path().join("file"), "x").unwrap();
    refused("file");
    fs::create_dir(dir.path().join("empty")).unwrap();
    append_one(&GitStore::new(&dir.path().join("empty")).unwrap(), &flow(), "a", "first\n");
    // As a kill in the middle of making it leaves it.
    fs::create_dir_all(dir.path().join("begun/objects/pack")).unwrap();
    fs::write(dir.path().join("begun/config"), "[core]\n\tbare = true\n").unwrap();
    append_one(&GitStore::new(&dir.path().join("begun")).unwrap(), &flow(), "a", "first\n");

    for (name, config) in [
        (
            "sha256",
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n",
        ),
        (
            "reftable",
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\trefStorage = reftable\n",
        ),
        ("format", "[core]\n\trepositoryformatversion = 2\n\tbare = true\n"),
        ("nonbare", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"),
    ] {
        append_one(&GitStore::new(&dir.path().join(name)).unwrap(), &flow(), "a", "first\n");
        fs::write(dir.path().join(name).join("config"), config).unwrap();
        refused(name);
    }
    if has_git() {
        git(dir.path(), &["init", "-q", "work"]);
        assert!(refused("work").contains("working copy"));
        assert!(refused("work/.git").contains("working copy"));
    }
}

#[test]
fn edits_and_merges_by_people_are_passed_by() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    fixture.append("a", "second\n");
    git(fixture.dir.path(), &["clone", "-q", "repo", "work"]);
    let work = fixture.dir.path().join("work");
    git(&work, &["checkout", "-q", "-b", "side", "HEAD~1"]);
    fs::write(work.join("README"), "by people\n").unwrap();
    git(&work, &["add", "README"]);
    git(&work, &["commit", "-q", "-m", "A page\n\nroot=1 state=2"]);
    git(&work, &["checkout", "-q", "main"]);
    git(&work, &["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
    git(&work, &["push", "-q", "origin", "main"]);
    assert_whole(&fixture.store, 2);
    let head = fixture.store.head(&flow()).unwrap().unwrap();
    assert!(head.comment.starts_with("version 2"), "{}", head.comment);

    // A push between reading head and committing does not disturb, and is kept.
    let mut next = after(Some(&head), &[]);
    next.put(&records("data"), "a", "third\n");
    let writer = fixture.store.writer(&flow(), Some(&head)).unwrap();
    drop(writer);
    fs::write(work.join("README"), "again\n").unwrap();
    git(&work, &["commit", "-q", "-a", "-m", "Again"]);
    git(&work, &["push", "-q", "origin", "main"]);
    next.append(&fixture.store, &flow(), Some(&head)).unwrap();
    assert_whole(&fixture.store, 3);
    assert_eq!(fixture.git(&["show", "main:README"]), "again\n");

    // Going back to version 1 by hand: its number would be used twice.
    git(&work, &["pull", "-q"]);
    git(&work, &["rm", "-rq", "bucket"]);
    git(&work, &["checkout", "HEAD~4", "--", "bucket"]);
    git(&work, &["commit", "-q", "-m", "Back to the first version"]);
    git(&work, &["push", "-q", "origin", "main"]);
    let error = fixture.store.head(&flow()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert!(error.message.contains("was put back to version 1 by hand"), "{error}");
    assert_whole(&fixture.store, 3);
    git(&work, &["checkout", "HEAD~1", "--", "bucket"]);
    git(&work, &["commit", "-q", "-m", "Forward again"]);
    git(&work, &["push", "-q", "origin", "main"]);
    fixture.append("b", "fourth\n");
    assert_whole(&fixture.store, 4);
}

#[test]
fn an_edited_manifest_is_damage() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    git(fixture.dir.path(), &["clone", "-q", "repo", "work"]);
    let work = fixture.dir.path().join("work");
    let file = work.join("bucket/flow/~manifest.ndjson");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"keyGenerator\":null", "\"keyGenerator\":7")).unwrap();
    git(&work, &["commit", "-q", "-a", "-m", "Cheat"]);
    git(&work, &["push", "-q", "origin", "main"]);
    let error = fixture.store.head(&flow()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert!(error.message.contains("somebody has changed it"), "{error}");
}

#[test]
fn damaged_and_missing_chunks_are_named() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    let head = fixture.store.head(&flow()).unwrap().unwrap();
    let (list, chunk) = head.manifest.chunks().next().unwrap();
    let tree = fixture.git(&["ls-tree", "main", "bucket/flow/data/"]);
    let id = tree.split_whitespace().nth(2).unwrap();
    let file = fixture.path().join("objects").join(&id[..2]).join(&id[2..]);
    let bytes = fs::read(&file).unwrap();
    let read = || fixture.reopened().read_chunk(&flow(), &head, &list, chunk).unwrap_err();

    fs::remove_file(&file).unwrap();
    let missing = read();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let cut = read();
    // Another object under its name.
    let other = fixture.git(&["ls-tree", "main:bucket/flow", "~manifest.ndjson"]);
    let other = other.split_whitespace().nth(2).unwrap();
    fs::remove_file(&file).unwrap();
    fs::copy(fixture.path().join("objects").join(&other[..2]).join(&other[2..]), &file).unwrap();
    let swapped = read();
    for error in [missing, cut, swapped] {
        assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
        assert!(error.message.contains(&chunk.full.to_string()), "{error}");
        assert!(error.message.contains("bucket/flow/data/"), "{error}");
    }
}

#[test]
fn a_path_that_is_taken_is_refused() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    git(fixture.dir.path(), &["init", "-q", "--bare", "-b", "main", "repo"]);
    git(fixture.dir.path(), &["clone", "-q", "repo", "work"]);
    let work = fixture.dir.path().join("work");
    fs::create_dir_all(work.join("b/x.json")).unwrap();
    fs::write(work.join("bucket"), "a file\n").unwrap();
    fs::write(work.join("b/x.json/file"), "in a directory\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "Files"]);
    git(&work, &["push", "-q", "origin", "HEAD:main"]);
    for flow in [flow(), FlowName::new("b", "x").unwrap()] {
        assert!(fixture.store.head(&flow).unwrap().is_none());
        let mut next = after(None, &["data"]);
        next.put(&records("data"), "a", "first\n");
        let error = next.append(&fixture.store, &flow, None).unwrap_err();
        let AppendError::Failed(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, StoreErrorKind::Refused, "{error}");
        assert!(error.message.contains("is taken"), "{error}");
    }
}

#[test]
fn a_lock_left_by_a_killed_writer_of_ours_is_removed() {
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    let intent = format!("{}\n", "1".repeat(40));
    fs::write(fixture.path().join("nifi-idb.lock"), &intent).unwrap();
    fs::write(fixture.path().join("refs/heads/main.lock"), &intent).unwrap();
    fixture.append("a", "second\n");
    assert!(!fixture.path().join("refs/heads/main.lock").exists());
    assert_whole(&fixture.store, 2);
}

#[test]
fn a_lock_of_somebody_else_is_waited_for() {
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    let lock = fixture.path().join("refs/heads/main.lock");
    fs::write(fixture.path().join("nifi-idb.lock"), format!("{}\n", "1".repeat(40))).unwrap();
    fs::write(&lock, "").unwrap();
    // Released in time.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            fs::remove_file(&lock).unwrap();
        });
        fixture.append("a", "second\n");
    });
    // Not released.
    fs::write(&lock, format!("{}\n", "2".repeat(40))).unwrap();
    let head = fixture.store.head(&flow()).unwrap();
    let mut next = after(head.as_ref(), &[]);
    next.put(&records("data"), "a", "third\n");
    let AppendError::Failed(error) =
        next.append(&fixture.store, &flow(), head.as_ref()).unwrap_err()
    else {
        panic!("not a plain failure")
    };
    assert_eq!(error.kind, StoreErrorKind::Transient, "{error}");
    assert!(error.message.contains("main.lock"), "{error}");
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    next.append(&fixture.store, &flow(), head.as_ref()).unwrap();
    assert_whole(&fixture.store, 3);
}

#[test]
fn packed_references_are_read() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append("a", "first\n");
    fixture.git(&["pack-refs", "--all"]);
    assert!(!fixture.path().join("refs/heads/main").exists());
    assert_whole(&fixture.store, 1);
    fixture.append("a", "second\n");
    fixture.git(&["pack-refs", "--all"]);
    assert_whole(&fixture.reopened(), 2);
}

/// Versions that [`git_gc_beside_a_writer`] makes.
const BESIDE_GC: usize = 24;

#[test]
fn git_gc_beside_a_writer() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.append_pack("first");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // While a version gets its names, git refuses, as beside another git gc.
                let gc = Command::new("git")
                    .args(["gc", "-q"])
                    .current_dir(fixture.path())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&gc.stderr);
                assert!(gc.status.success() || said.contains("gc is already running"), "{said}");
                fixture.git(&["repack", "-q", "-A", "-d"]);
                fixture.git(&["prune-packed", "-q"]);
            }
        });
        for n in 0..BESIDE_GC {
            if n % 5 == 0 {
                fixture.append_pack(&format!("pack {n}"));
            } else {
                fixture.append("050", &format!("version {n}\n"));
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_whole(&fixture.store, BESIDE_GC + 1);
    assert_whole(&fixture.reopened(), BESIDE_GC + 1);
    fixture.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn a_named_author_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let make = || GitStore::new(&dir.path().join("repo")).unwrap();
    let store = make().with_author("Ann O. <ann@example.org>").unwrap();
    assert_eq!(append_one(&store, &flow(), "a", "first\n").author, "Ann O. <ann@example.org>");
    assert_eq!(store.log(&flow()).unwrap()[0].author, "Ann O. <ann@example.org>");
    for wrong in ["", "Ann", "Ann <>", "<a@b>", "Ann\n <a@b>", "Ann <a@b> <c@d>"] {
        assert!(make().with_author(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn nothing_is_left_beside_what_belongs_there() {
    let fixture = Fixture::new();
    fixture.append_pack("first");
    fixture.append("000", "second\n");
    let mut next = after(None, &["data"]);
    next.put(&records("data"), "000", "lost\n");
    assert!(matches!(next.append(&fixture.store, &flow(), None), Err(AppendError::Lost)));
    let mut writer = fixture.store.writer(&flow(), None).unwrap();
    for n in 0..200 {
        let (chunk, text) = crate::conformance::chunk(&format!("{n}"), &format!("dropped {n}\n"));
        writer.write_chunk(&List::Sources, &chunk, text).unwrap();
    }
    drop(writer);
    let mut left = Vec::new();
    let mut dirs = vec![fixture.path()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else if name.starts_with("tmp") {
                left.push(name);
            }
        }
    }
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(packs(&fixture.path()), 1);
}

/// Names the repository that [`killed_child`] writes to, and what: `one` change, or a `pack`.
const CHILD: (&str, &str) = ("NIFI_IDB_TEST_REPOSITORY", "NIFI_IDB_TEST_SIZE");

/// Not a test: the process that [`killed_at_every_step`] kills.
#[test]
#[ignore = "run by killed_at_every_step"]
fn killed_child() {
    let Ok(path) = std::env::var(CHILD.0) else { return };
    let store = GitStore::new(Path::new(&path)).unwrap();
    let head = store.head(&flow()).unwrap();
    let mut next = after(head.as_ref(), &["data"]);
    let count = if std::env::var(CHILD.1).unwrap() == "pack" { 100 } else { 1 };
    for n in 0..count {
        next.put(
            &records("data"),
            &format!("{n}"),
            &format!("by the child {n} {}\n", next.manifest.version),
        );
    }
    next.append(&store, &flow(), head.as_ref()).unwrap();
}

#[test]
fn killed_at_every_step() {
    let child = |path: &Path, size: &str, fault: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "git_store::killed_child", "--ignored", "--quiet"]);
        child.env(CHILD.0, path).env(CHILD.1, size).env("NIFI_IDB_FAULT", fault);
        child.output().unwrap().status.success()
    };
    let steps = [
        ("git:init", false),
        ("git:init@2", false),
        ("git:before-sync", false),
        ("git:before-lock", false),
        ("git:before-link", false),
        ("git:link", false),
        ("git:link@2", false),
        ("git:after-link", false),
        ("git:before-ref-lock", false),
        ("git:ref-locked", false),
        ("git:after-rename", true),
        ("git:done", true),
    ];
    for size in ["one", "pack"] {
        let fixture = Fixture::new();
        let mut versions = 0;
        for (step, visible) in steps {
            let (name, count) = step.split_once('@').unwrap_or((step, "1"));
            let fault = format!("{name}=abort@{count}");
            assert!(!child(&fixture.path(), size, &fault), "{size}, {step}: was not killed");
            versions += usize::from(visible);
            assert_eq!(fixture.reopened().log(&flow()).unwrap().len(), versions, "{size}, {step}");
            if name != "git:init" {
                // The next writer is not held up by anything that is left.
                let start = std::time::Instant::now();
                assert!(child(&fixture.path(), size, ""), "{size}, {step}: the next one failed");
                assert!(start.elapsed().as_secs() < 8, "{size}, {step}: the next one had to wait");
                versions += 1;
                assert_whole(&fixture.reopened(), versions);
            }
        }
        assert!(!fixture.path().join("refs/heads/main.lock").exists());
        if has_git() {
            fixture.git(&["fsck", "--strict", "--full"]);
        }
    }
}

#[test]
fn the_environment_of_git_does_not_count() {
    let fixture = Fixture::new();
    let elsewhere = fixture.dir.path().join("elsewhere");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "git_store::killed_child", "--ignored", "--quiet"])
        .env_clear()
        .current_dir("/");
    for name in
        ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL"]
    {
        child.env(name, &elsewhere);
    }
    child
        .env("GIT_NAMESPACE", "other")
        .env("GIT_AUTHOR_NAME", "Mallory")
        .env("GIT_CONFIG_COUNT", "x");
    child.env(CHILD.0, fixture.path()).env(CHILD.1, "one");
    assert!(child.output().unwrap().status.success());
    assert!(!elsewhere.exists());
    assert_whole(&fixture.store, 1);
    assert_eq!(fixture.store.log(&flow()).unwrap()[0].author, "nifi-idb <nifi-idb@localhost>");
}
