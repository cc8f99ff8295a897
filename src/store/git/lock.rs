//! The lock between the nifi-idb writers of a repository, and its file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::error::io_error;
use super::small_file::{MAX_REFERENCE_BYTES, open_plain, read_small};
use super::temp::ToSync;
use crate::store::{StoreError, StoreErrorKind};

/// The file that nifi-idb writers lock.
const LOCK_FILE: &str = "nifi-idb.lock";

/// Time limit for the wait for other nifi-idb writers.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);

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
    pub(super) intent: Option<String>,
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

/// The pauses of a wait, until its time is up.
pub(super) struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    /// Makes the pauses of a wait that lasts `wait` at most.
    pub(super) fn new(wait: Duration) -> Self {
        Self { until: Instant::now() + wait, next: PAUSE.0 }
    }

    /// Sleeps; returns false if the time is up.
    pub(super) fn pause(&mut self) -> bool {
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

    /// Reads the intent of the writer that last held the lock.
    pub(super) fn intent(&self) -> Result<Option<String>, StoreError> {
        let mut buffer = vec![0; 256];
        let read = self
            .file
            .read_at(&mut buffer, 0)
            .map_err(|error| io_error("read", &self.path, error))?;
        buffer.truncate(read);
        Ok(LockRecord::parse(&buffer).intent)
    }

    /// The lock's file, to be synced.
    pub(super) fn to_sync(&self) -> ToSync<'_> {
        ToSync::Open(&self.file, &self.path)
    }

    /// Writes a record into the lock's file.
    pub(super) fn set(&self, record: &LockRecord) -> Result<(), StoreError> {
        let text = record.to_text();
        // The text is written before the rest of an older one is cut off, so that no reader finds
        // the file empty.
        let set = self
            .file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64));
        set.map_err(|error| io_error("write", &self.path, error))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
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
