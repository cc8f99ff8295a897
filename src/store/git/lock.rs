//! Moving `main`: our own lock among ourselves, git's lock towards git.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::error::io_error;
use super::repo::{BRANCH, LOCK_FILE, Repo};
use super::temp::{Linked, TempFile, ToSync, sync};
use crate::store::fault::step;
use crate::store::{AppendError, StoreError, StoreErrorKind};

/// How long a writer waits for the others of ours.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);

/// How long a writer waits for git, or for a person, to release `main`.
pub const REF_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Between two looks: it doubles up to the second number.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// The lock of a repository. The system releases it when the process ends, however it ends.
///
/// The file stays, and while a commit is being made visible it holds that commit's id, so that a `main.lock` that a killed
/// writer of ours left can be told from anybody else's.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
    path: PathBuf,
}

struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    fn new(wait: Duration) -> Self {
        Self { until: Instant::now() + wait, next: PAUSE.0 }
    }

    /// Sleeps; false if the time is up.
    fn pause(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        std::thread::sleep(self.next.min(left));
        self.next = (self.next * 2).min(PAUSE.1);
        !left.is_zero()
    }
}

impl StoreLock {
    /// Takes the lock; waits up to [`LOCK_WAIT`].
    pub(super) fn take(repository: &Path) -> Result<Self, StoreError> {
        let path = repository.join(LOCK_FILE);
        let mut pauses = Pauses::new(LOCK_WAIT);
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|error| io_error("open the lock", &path, error))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Somebody may have removed the file by hand since; then it locks nobody out.
                Ok(()) if is_at(&file, &path) => return Ok(Self { file, path }),
                Ok(()) | Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(io_error("lock", &path, error.into())),
            }
            if !pauses.pause() {
                let message = format!(
                    "{} was locked by other nifi-idb processes for {} s: try again",
                    path.display(),
                    LOCK_WAIT.as_secs()
                );
                return Err(StoreError::new(StoreErrorKind::Transient, message));
            }
        }
    }

    fn intent(&self) -> Result<Vec<u8>, StoreError> {
        let mut buffer = vec![0; 64];
        let read = self.file.read_at(&mut buffer, 0).map_err(|error| io_error("read", &self.path, error))?;
        buffer.truncate(read);
        Ok(buffer)
    }

    fn set_intent(&self, text: &[u8]) -> Result<(), StoreError> {
        let set = self.file.set_len(0).and_then(|()| self.file.write_all_at(text, 0));
        set.map_err(|error| io_error("write", &self.path, error))
    }

    /// Makes objects durable by syncing `dirs`, then moves `main` from `old` to `new`.
    ///
    /// Returns false, with nothing changed, if `main` is not at `old`. From the first attempt to move it on, a failure
    /// is ambiguous.
    pub(super) fn move_main(
        &self,
        repo: &Repo,
        old: Option<ObjectId>,
        new: ObjectId,
        dirs: &[PathBuf],
    ) -> Result<bool, AppendError> {
        let main = repo.path().join(BRANCH);
        let heads = main.parent().unwrap_or(repo.path());
        let git_lock = heads.join("main.lock");
        fs::create_dir_all(heads).map_err(|error| io_error("make the directory", heads, error))?;

        // Before the new intent overwrites the one that explains it.
        self.remove_stale(&git_lock)?;
        let text = format!("{new}\n");
        let value = TempFile::reference(repo.path())?;
        value.write_at(text.as_bytes(), 0)?;
        self.set_intent(text.as_bytes())?;
        let mut to_sync: Vec<_> = dirs.iter().map(|dir| ToSync::Dir(dir)).collect();
        to_sync.push(ToSync::File(&value));
        to_sync.push(ToSync::Open(&self.file, &self.path));
        sync(&to_sync)?;
        step("git:before-ref-lock");

        take_git_lock(&value, &git_lock)?;
        step("git:ref-locked");
        let now = repo.main();
        if !matches!(&now, Ok(now) if *now == old) {
            fs::remove_file(&git_lock).map_err(|error| io_error("remove the lock", &git_lock, error))?;
            now?;
            return Ok(false);
        }
        if let Err(error) = fs::rename(&git_lock, &main) {
            // The lock must not stay; that the file cannot be removed either is the smaller news.
            let _ = fs::remove_file(&git_lock);
            return Err(AppendError::Ambiguous(io_error("move main with", &git_lock, error)));
        }
        step("git:after-rename");
        sync(&[ToSync::Dir(heads)]).map_err(AppendError::Ambiguous)?;
        // The next writer must not take a lock of somebody who sets the same value for ours. If this fails, all is as
        // it would be after a kill.
        let _ = self.set_intent(b"");
        step("git:done");
        Ok(true)
    }

    /// Removes the `main.lock` of a killed writer of ours: we hold the lock that it held, and it says what that one
    /// meant to set.
    fn remove_stale(&self, git_lock: &Path) -> Result<(), StoreError> {
        let intent = self.intent()?;
        let stale = !intent.is_empty() && fs::read(git_lock).is_ok_and(|content| content == intent);
        if stale {
            fs::remove_file(git_lock).map_err(|error| io_error("remove the stale lock", git_lock, error))?;
        }
        Ok(())
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn take_git_lock(value: &TempFile, git_lock: &Path) -> Result<(), StoreError> {
    let mut pauses = Pauses::new(REF_LOCK_WAIT);
    loop {
        match value.link(git_lock) {
            Ok(Linked::New) => return Ok(()),
            Ok(Linked::Exists) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error("make the lock", git_lock, error)),
        }
        if !pauses.pause() {
            let message = format!(
                "{} was there for {} s: git, or somebody else, is changing main; if no git process runs, remove that file",
                git_lock.display(),
                REF_LOCK_WAIT.as_secs()
            );
            return Err(StoreError::new(StoreErrorKind::Transient, message));
        }
    }
}
