//! FIFOs, devices, links and giants where a repository has small plain files, and objects that inflate without end.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::program::{git, has_git, on};

/// Refused at once means within this time, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

const BATCH: &[u8] =
    b"{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{\"name\":\"s\",\
    \"keyPath\":\"id\"}],\"source\":\"a\"}\n{\"op\":\"put\",\"store\":\"s\",\"value\":{\"id\":1}}\n\
    {\"op\":\"end\",\"count\":1}\n";

/// Another record, so that there is something to write.
const NEXT: &[u8] =
    b"{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{\"name\":\"s\",\
    \"keyPath\":\"id\"}],\"source\":\"a\"}\n{\"op\":\"put\",\"store\":\"s\",\"value\":{\"id\":2}}\n\
    {\"op\":\"end\",\"count\":1}\n";

fn made(dir: &Path) -> PathBuf {
    let repo = dir.join("r.git");
    on(&repo, "sync", &[], BATCH).done();
    repo
}

/// Puts something odd in the place of a file.
fn put_odd(what: &str, place: &Path, victim: &Path) {
    if place.exists() {
        fs::remove_file(place).unwrap();
    }
    match what {
        "fifo" => {
            assert!(std::process::Command::new("mkfifo").arg(place).status().unwrap().success())
        }
        "link" => symlink(victim, place).unwrap(),
        "link to a device" => symlink("/dev/zero", place).unwrap(),
        "giant" => File::create(place).unwrap().set_len(3 << 30).unwrap(),
        _ => fs::create_dir(place).unwrap(),
    }
}

#[test]
fn what_is_no_small_plain_file_is_refused_at_once() {
    for name in ["refs/heads/main", "config", "nifi-idb.lock", "packed-refs"] {
        for what in ["fifo", "link", "link to a device", "giant", "directory"] {
            // Nobody reads the whole lock file, and only a lost main makes anybody read packed-refs.
            if (name, what) == ("nifi-idb.lock", "giant")
                || name == "packed-refs" && what == "giant"
            {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let repo = made(dir.path());
            if name == "packed-refs" {
                fs::remove_file(repo.join("refs/heads/main")).unwrap();
            }
            let victim = dir.path().join("victim");
            fs::write(&victim, "precious\n").unwrap();
            put_odd(what, &repo.join(name), &victim);
            let start = Instant::now();
            let ran = on(&repo, "sync", &[], NEXT);
            assert_eq!(ran.code(), Some(7), "{name}, {what}: {ran:?}");
            assert!(ran.err.contains(name), "{name}, {what}: {}", ran.err);
            if name != "nifi-idb.lock" {
                assert_eq!(on(&repo, "restore", &[], b"").code(), Some(7), "{name}, {what}");
            }
            assert!(start.elapsed() < AT_ONCE, "{name}, {what}: {:?}", start.elapsed());
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious\n", "{name}, {what}");
        }
    }
}

#[test]
fn a_lock_that_links_to_nothing_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = made(dir.path());
    fs::remove_file(repo.join("nifi-idb.lock")).unwrap();
    symlink(dir.path().join("new"), repo.join("nifi-idb.lock")).unwrap();
    assert_eq!(on(&repo, "sync", &[], NEXT).code(), Some(7));
    assert!(!dir.path().join("new").exists());
}

/// Peak memory of the program in KiB for a command on a repository.
fn peak_of(repo: &Path, command: &str) -> (Option<i32>, u64, String) {
    let store = format!("git:{}", repo.display());
    let mut child = crate::program::program([command, "--store", &store]).spawn().unwrap();
    drop(child.stdin.take());
    let id = child.id();
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0),
        );
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut err = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
    (status.code(), peak, err)
}

#[test]
fn an_object_that_inflates_without_end_is_refused_in_little_memory() {
    if !has_git() || !Path::new("/proc/self/status").exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let repo = made(dir.path());
    for path in ["main:indexeddb/d/~manifest.ndjson", "main:indexeddb/d", "main"] {
        let id = git(&repo, &["rev-parse", path]).trim().to_owned();
        let kind = git(&repo, &["cat-file", "-t", &id]).trim().to_owned();
        let file = repo.join("objects").join(&id[..2]).join(&id[2..]);
        let kept = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        // A gigabyte of zeros takes one megabyte.
        let bytes: u64 = 1 << 30;
        let mut out = flate2::write::ZlibEncoder::new(
            File::create(&file).unwrap(),
            flate2::Compression::fast(),
        );
        out.write_all(format!("{kind} {bytes}\0").as_bytes()).unwrap();
        let block = vec![0; 1 << 20];
        (0..bytes >> 20).for_each(|_| out.write_all(&block).unwrap());
        out.finish().unwrap();
        let (code, peak, err) = peak_of(&repo, "restore");
        assert_eq!(code, Some(7), "{path}: {err}");
        assert!(peak < 300 * 1024, "{path}: {peak} KiB");
        fs::remove_file(&file).unwrap();
        fs::write(&file, kept).unwrap();
    }
    on(&repo, "verify", &["--chain"], b"").done();
}

#[test]
fn a_new_repository_is_private_and_a_shared_one_stays_shared() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    let dir = tempfile::tempdir().unwrap();
    let repo = made(dir.path());
    assert_eq!(mode(&repo), 0o700);
    if !has_git() {
        return;
    }
    git(dir.path(), &["init", "-q", "--bare", "--shared=group", "shared.git"]);
    let shared = dir.path().join("shared.git");
    // As a writer with a strict umask, whose files the group could not read.
    let program = format!(
        "umask 077; exec {} sync --store git:{}",
        env!("CARGO_BIN_EXE_nifi-idb"),
        shared.display()
    );
    let mut sh = std::process::Command::new("sh");
    sh.args(["-c", &program]);
    sh.stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    crate::program::run(sh, BATCH).done();
    assert_eq!(mode(&shared.join("refs/heads/main")) & 0o660, 0o660);
    let mut looked = 0;
    for path in crate::program::files(&shared.join("objects")) {
        let path = shared.join("objects").join(path);
        assert_eq!(mode(&path) & 0o770, 0o440, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap()) & 0o2070, 0o2070, "{}", path.display());
        looked += 1;
    }
    assert!(looked > 5, "{looked}");
}
