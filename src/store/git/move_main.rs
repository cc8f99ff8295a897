//! Moves `main`, under our own lock between our writers and git's lock against everybody else.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::branch::main_without_writers;
use super::error::io_error;
use super::lock::{LockRecord, Pauses, StoreLock, elapsed_ms};
use super::placing::Placing;
use super::repo::{BRANCH, Repo};
use super::small_file::{MAX_REFERENCE_BYTES, read_small};
use super::temp::{Linked, TempFile, ToSync, sync};
use crate::store::fault::step;
use crate::store::{AppendError, StoreError, StoreErrorKind};

/// Time limit for the wait until git, or a person, releases `main`.
pub const REF_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Makes objects durable, then moves `main` from `old` to `new`.
///
/// Returns false, with nothing changed, if `main` is not at `old`. Once the first attempt to move
/// it has begun, a failure is ambiguous.
pub(super) fn move_main(
    lock: &StoreLock,
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
    remove_stale(lock, &git_lock)?;
    let text = format!("{new}\n");
    let value = TempFile::reference(repo.path())?;
    value.write_at(text.as_bytes(), 0)?;
    lock.set(&LockRecord { intent: Some(text), main: old })?;
    objects.sync_with(&[ToSync::File(&value), lock.to_sync()])?;
    step("git:before-ref-lock");

    take_git_lock(&value, &git_lock)?;
    step("git:ref-locked");
    // From here on nobody else moves `main`. A `git prune` that began before may have taken
    // objects away again.
    let ready = main_without_writers(repo).and_then(|now| match now == old {
        true => objects.restore_missing().map(|()| true),
        false => Ok(false),
    });
    if !matches!(ready, Ok(true)) {
        fs::remove_file(&git_lock)
            .map_err(|error| io_error("remove the lock", &git_lock, error))?;
        return Ok(ready?);
    }
    if let Err(error) = fs::rename(&git_lock, &main) {
        // The lock must not stay; the first error matters more than a failure to remove the file.
        let _ = fs::remove_file(&git_lock);
        return Err(AppendError::Ambiguous(io_error("move main with", &git_lock, error)));
    }
    step("git:after-rename");
    sync(&[ToSync::Dir(heads)]).map_err(AppendError::Ambiguous)?;
    objects.restore_missing().map_err(AppendError::Ambiguous)?;
    // The next writer must not mistake somebody else's lock with the same value for ours. If this
    // fails, the state is that after a kill.
    let _ = lock.set(&LockRecord { intent: None, main: Some(new) });
    step("git:done");
    Ok(true)
}

/// Removes the `main.lock` of a killed nifi-idb writer. We hold the lock that it held, and the
/// lock file contains the value that it meant to set.
fn remove_stale(lock: &StoreLock, git_lock: &Path) -> Result<(), StoreError> {
    let Some(intent) = lock.intent()? else { return Ok(()) };
    if read_small(git_lock, MAX_REFERENCE_BYTES)?.as_deref() == Some(intent.as_bytes()) {
        fs::remove_file(git_lock)
            .map_err(|error| io_error("remove the stale lock", git_lock, error))?;
        tracing::warn!(path = %git_lock.display(), "stale lock removed");
    }
    Ok(())
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
