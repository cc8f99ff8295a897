//! Moves `main`, under our own lock between our writers and git's lock against everybody else.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::error::io_error;
use super::placing::Placing;
use super::repo::{BRANCH, LOCK_FILE, Repo};
use super::small_file::{MAX_REFERENCE_BYTES, open_plain, read_small};
use super::temp::{Linked, TempFile, ToSync, sync};
use crate::store::fault::step;
use crate::store::{AppendError, StoreError, StoreErrorKind};

/// Time limit for the wait for other nifi-idb writers.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Time limit for the wait until git, or a person, releases `main`.
pub const REF_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Git's mode for its files, before the umask.
const LOCK_MODE: u32 = 0o666;

/// Pause between two attempts: starts at the first value and doubles up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// The lock of a repository. The operating system releases it when the process ends, for whatever
/// reason.
///
/// The file stays, and contains a [`LockRecord`].
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
    path: PathBuf,
}

/// The content of the lock file.
///
/// ```text
/// 5f0c…              the commit that main is about to be moved to; only while that is being done
/// main 81aa…         the commit that a writer of ours last found main at, or moved it to
/// ```
///
/// With the first line, a `main.lock` that a killed nifi-idb writer left can be distinguished from
/// anybody else's; with the second, a repository that has lost its `main` from a new one. The
/// second line also records the lost commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LockRecord {
    /// The content of the `main.lock` that a nifi-idb writer made, or is about to make.
    intent: Option<String>,
    /// The last known commit of `main`.
    pub(super) main: Option<ObjectId>,
}

impl LockRecord {
    fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut record = Self::default();
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("main ") {
                Some(id) => record.main = id.trim_end().parse().ok(),
                None => record.intent = Some(line.to_owned()),
            }
        }
        record
    }

    fn to_text(&self) -> String {
        let main = self.main.map(|id| format!("main {id}\n"));
        self.intent.iter().cloned().chain(main).collect()
    }
}

/// Reads the lock file of a repository without taking the lock; `None` if there is no such file.
pub(super) fn record(repository: &Path) -> Result<Option<LockRecord>, StoreError> {
    let text = read_small(&repository.join(LOCK_FILE), MAX_REFERENCE_BYTES)?;
    Ok(text.map(|text| LockRecord::parse(&text)))
}

/// Waits until no nifi-idb writer holds the lock, and keeps writers out until the file is dropped.
/// `None` if nifi-idb has never written here. Needs no write permission.
pub(super) fn without_writers(repository: &Path) -> Result<Option<File>, StoreError> {
    let path = repository.join(LOCK_FILE);
    let Some(file) = open_plain(&path, OFlags::RDONLY, Mode::empty())? else { return Ok(None) };
    let mut pauses = Pauses::new(LOCK_WAIT);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(io_error("lock", &path, error.into())),
        }
        if !pauses.pause() {
            return Err(locked_by_others(&path));
        }
    }
}

/// Milliseconds since `start`, for the log.
pub(super) fn elapsed_ms(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}

fn locked_by_others(path: &Path) -> StoreError {
    let seconds = LOCK_WAIT.as_secs();
    let message = format!(
        "{} was locked by other nifi-idb processes for {seconds} s: try again",
        path.display()
    );
    StoreError::new(StoreErrorKind::Transient, message)
}

struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    fn new(wait: Duration) -> Self {
        Self { until: Instant::now() + wait, next: PAUSE.0 }
    }

    /// Sleeps; returns false if the time is up.
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
        let start = Instant::now();
        let mut pauses = Pauses::new(LOCK_WAIT);
        loop {
            let file =
                open_plain(&path, OFlags::RDWR | OFlags::CREATE, Mode::from_raw_mode(LOCK_MODE))?;
            let Some(file) = file else {
                let gone = io::Error::from(io::ErrorKind::NotFound);
                return Err(io_error("open the lock", &path, gone));
            };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Somebody may have removed the file by hand since; then holding it locks nobody
                // out.
                Ok(()) if is_at(&file, &path) => {
                    tracing::debug!(ms = elapsed_ms(start), "store locked");
                    return Ok(Self { file, path });
                }
                Ok(()) | Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(io_error("lock", &path, error.into())),
            }
            if !pauses.pause() {
                return Err(locked_by_others(&path));
            }
        }
    }

    fn intent(&self) -> Result<Option<String>, StoreError> {
        let mut buffer = vec![0; 256];
        let read = self
            .file
            .read_at(&mut buffer, 0)
            .map_err(|error| io_error("read", &self.path, error))?;
        buffer.truncate(read);
        Ok(LockRecord::parse(&buffer).intent)
    }

    fn set(&self, record: &LockRecord) -> Result<(), StoreError> {
        let text = record.to_text();
        // The text is written before the rest of an older one is cut off, so that no reader finds
        // the file empty.
        let set = self
            .file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64));
        set.map_err(|error| io_error("write", &self.path, error))
    }

    /// Makes objects durable, then moves `main` from `old` to `new`.
    ///
    /// Returns false, with nothing changed, if `main` is not at `old`. Once the first attempt to
    /// move it has begun, a failure is ambiguous.
    pub(super) fn move_main(
        &self,
        repo: &Repo,
        old: Option<ObjectId>,
        new: ObjectId,
        objects: &mut Placing,
    ) -> Result<bool, AppendError> {
        let main = repo.path().join(BRANCH);
        let heads = main.parent().unwrap_or(repo.path());
        let git_lock = heads.join("main.lock");
        fs::create_dir_all(heads).map_err(|error| io_error("make the directory", heads, error))?;

        // Must come before the new intent overwrites the old one, which identifies the stale lock.
        self.remove_stale(&git_lock)?;
        let text = format!("{new}\n");
        let value = TempFile::reference(repo.path())?;
        value.write_at(text.as_bytes(), 0)?;
        self.set(&LockRecord { intent: Some(text), main: old })?;
        objects.sync_with(&[ToSync::File(&value), ToSync::Open(&self.file, &self.path)])?;
        step("git:before-ref-lock");

        take_git_lock(&value, &git_lock)?;
        step("git:ref-locked");
        // From here on nobody else moves `main`. A `git prune` that began before may have taken
        // objects away again.
        let ready = repo.main_without_writers().and_then(|now| match now == old {
            true => objects.restore_missing().map(|()| true),
            false => Ok(false),
        });
        if !matches!(ready, Ok(true)) {
            fs::remove_file(&git_lock)
                .map_err(|error| io_error("remove the lock", &git_lock, error))?;
            return Ok(ready?);
        }
        if let Err(error) = fs::rename(&git_lock, &main) {
            // The lock must not stay; the first error matters more than a failure to remove the
            // file.
            let _ = fs::remove_file(&git_lock);
            return Err(AppendError::Ambiguous(io_error("move main with", &git_lock, error)));
        }
        step("git:after-rename");
        sync(&[ToSync::Dir(heads)]).map_err(AppendError::Ambiguous)?;
        objects.restore_missing().map_err(AppendError::Ambiguous)?;
        // The next writer must not mistake somebody else's lock with the same value for ours. If
        // this fails, the state is that after a kill.
        let _ = self.set(&LockRecord { intent: None, main: Some(new) });
        step("git:done");
        Ok(true)
    }

    /// Removes the `main.lock` of a killed nifi-idb writer. We hold the lock that it held, and the
    /// lock file contains the value that it meant to set.
    fn remove_stale(&self, git_lock: &Path) -> Result<(), StoreError> {
        let Some(intent) = self.intent()? else { return Ok(()) };
        if read_small(git_lock, MAX_REFERENCE_BYTES)?.as_deref() == Some(intent.as_bytes()) {
            fs::remove_file(git_lock)
                .map_err(|error| io_error("remove the stale lock", git_lock, error))?;
            tracing::warn!(path = %git_lock.display(), "stale lock removed");
        }
        Ok(())
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn take_git_lock(value: &TempFile, git_lock: &Path) -> Result<(), StoreError> {
    let start = Instant::now();
    let mut pauses = Pauses::new(REF_LOCK_WAIT);
    loop {
        match value.link(git_lock) {
            Ok(Linked::New) => {
                tracing::debug!(ms = elapsed_ms(start), "main locked");
                return Ok(());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let id = ObjectId::from_bytes_or_panic(&[7; 20]);
        for intent in [None, Some(format!("{id}\n"))] {
            for main in [None, Some(id)] {
                let record = LockRecord { intent: intent.clone(), main };
                assert_eq!(LockRecord::parse(record.to_text().as_bytes()), record);
            }
        }
        // The empty file that earlier releases left.
        assert_eq!(LockRecord::parse(b""), LockRecord::default());
    }
}
