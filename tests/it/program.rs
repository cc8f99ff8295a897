//! Runs the program itself, and stock git beside it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No run of these tests takes this long, whatever else the machine does: longer is a hang.
pub(crate) const HANG: Duration = Duration::from_secs(180);

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether it died at a fault, as it was told to.
    pub(crate) fn aborted(&self) -> bool {
        self.status.signal() == Some(rustix::process::Signal::ABORT.as_raw())
    }

    /// Standard output, if it ended with 0 and had nothing to complain about.
    #[track_caller]
    pub(crate) fn done(self) -> Vec<u8> {
        assert_eq!(self.code(), Some(0), "{}", self.err);
        assert_eq!(self.err, "");
        self.out
    }

    /// The last line of standard output.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let last = self
            .out
            .strip_suffix(b"\n")
            .unwrap_or(&self.out)
            .rsplit(|&byte| byte == b'\n')
            .next()
            .unwrap();
        serde_json::from_slice(last)
            .unwrap_or_else(|error| panic!("no summary ({error}): {self:?}"))
    }
}

/// The program, with nothing of this process's environment that means something to it.
pub(crate) fn program(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    // A long run takes a program that was built for speed.
    let other = std::env::var_os("NIFI_IDB_TEST_PROGRAM");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_nifi-idb").into()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NIFI_IDB_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that is under way; its input is given to it beside.
pub(crate) struct Running {
    pub(crate) child: Child,
    threads: [std::thread::JoinHandle<Vec<u8>>; 2],
    input: std::thread::JoinHandle<()>,
    started: Instant,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command, input: Vec<u8>) -> Self {
        fn read(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                from.read_to_end(&mut bytes).unwrap();
                bytes
            })
        }
        let mut child = command.spawn().unwrap();
        let threads = [read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap())];
        let mut stdin = child.stdin.take().unwrap();
        // A killed process reads no more: that is no failure of the test.
        let input = std::thread::spawn(move || drop(stdin.write_all(&input)));
        Self { child, threads, input, started: Instant::now() }
    }

    /// Waits for its end; it may not hang.
    pub(crate) fn wait(mut self) -> Ran {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > HANG {
                let _ = self.child.kill();
                panic!("a run hangs: {:?}", self.child);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.input.join().unwrap();
        let [out, err] = self.threads.map(|thread| thread.join().unwrap());
        Ran { status, out, err: String::from_utf8_lossy(&err).into_owned() }
    }
}

/// Runs it to its end.
pub(crate) fn run(command: Command, input: &[u8]) -> Ran {
    Running::start(command, input.to_vec()).wait()
}

/// `git:PATH`.
pub(crate) fn store_of(repo: &Path) -> String {
    format!("git:{}", repo.display())
}

/// `nifi-idb <command> --store git:REPO <arguments>` to its end.
pub(crate) fn on(repo: &Path, command: &str, arguments: &[&str], input: &[u8]) -> Ran {
    let store = store_of(repo);
    let mut all = vec![command, "--store", &store];
    all.extend(arguments);
    run(program(all), input)
}

/// Whether stock git is there; says so loudly if not.
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output has to know what was not tested"
)]
pub(crate) fn has_git() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: no git binary, so nothing was checked against stock git");
    }
    there
}

/// Runs stock git without anybody's configuration; gives its success and what it said.
pub(crate) fn try_git(repo: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Someone",
            "-c",
            "user.email=someone@localhost",
            "-c",
            "safe.bareRepository=all",
        ])
        .args(arguments)
        .current_dir(repo)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env("HOME", repo)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), format!("{out}{err}"))
}

/// Runs stock git, and fails if it does.
#[track_caller]
pub(crate) fn git(repo: &Path, arguments: &[&str]) -> String {
    let (success, said) = try_git(repo, arguments);
    assert!(success, "git {arguments:?}: {said}");
    said
}

/// Every object that stock git finds is whole and well-formed, and all that `main` needs is there.
#[track_caller]
pub(crate) fn fsck(repo: &Path) {
    if !has_git() {
        return;
    }
    let said = git(repo, &["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
    let wrong = |line: &&str| {
        ["error", "warning", "missing", "broken", "bad", "corrupt"].iter().any(|w| line.contains(w))
    };
    assert_eq!(said.lines().filter(wrong).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A small file system, gone with this.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Makes the folder `path` one, of so many bytes; says why there is none: making one takes root's rights.
    pub(crate) fn new(path: &Path, size: &str) -> Result<Self, String> {
        std::fs::create_dir(path).map_err(|error| error.to_string())?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(path)
            .output();
        let output = output.map_err(|error| error.to_string())?;
        let disk = Self(path.to_owned());
        if output.status.success() {
            Ok(disk)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--quiet", "--lazy"]).arg(&self.0).status();
    }
}

/// All files below a directory, by their path in it, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Bytes that do not compress below three quarters, and are safe in a JSON string; the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = vec![0; length];
    let key = blake3::hash(&seed.to_le_bytes());
    blake3::Hasher::new_keyed(key.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte = LETTERS[usize::from(*byte & 63)]);
    String::from_utf8(bytes).unwrap()
}
