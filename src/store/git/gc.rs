//! Keeps `git gc` from running while the objects of a version are linked.
//!
//! `git gc --prune=now` deletes everything that no reference leads to at that moment, and between
//! the linking of a version's objects and the move of `main` no reference leads to them. Git has a
//! file for this: `gc.pid` contains the `<pid> <host>` of the running `git gc`, and a second one
//! refuses to start (builtin/gc.c, git 2.39 to 2.51). We write it too, for a few milliseconds.
//!
//! Git takes the file by way of `gc.pid.lock`. We link ours in one step, so that a killed process
//! leaves no lock, and then check whether a git process was between its check and its rename: if
//! so, it counts as running.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use super::error::io_error;
use super::small_file::{MAX_REFERENCE_BYTES, read_small};
use super::temp::{Linked, TempFile};
use crate::store::StoreError;

/// The third word of a `gc.pid` that nifi-idb wrote; git reads only two.
const MARK: &str = "nifi-idb";

/// The age from which git ignores the file.
const MAX_AGE: Duration = Duration::from_secs(12 * 60 * 60);

/// The number of times that the file is read again because it changed meanwhile.
const TRIES: u32 = 4;

/// Keeps `git gc` from starting; the file goes away when this is dropped.
#[derive(Debug)]
pub(super) struct GcHold {
    path: PathBuf,
    text: String,
}

impl Drop for GcHold {
    fn drop(&mut self) {
        if read_small(&self.path, MAX_REFERENCE_BYTES)
            .is_ok_and(|text| text.as_deref() == Some(self.text.as_bytes()))
        {
            // If it stays, the next writer removes it, and git believes it for 12 hours at most.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The owner of a `gc.pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// A nifi-idb writer that was killed: the caller holds the lock that it held.
    Ours,
    /// A `git gc` that runs, or may run on another host.
    Running,
    /// Nobody: the process has ended, the file is too old, or it is not a `gc.pid`.
    Nobody,
}

/// Takes git's `gc.pid`; `None` if a `git gc` runs. The caller holds the lock of the repository.
pub(super) fn hold(repository: &Path) -> Result<Option<GcHold>, StoreError> {
    let path = repository.join("gc.pid");
    let lock = repository.join("gc.pid.lock");
    let text = format!("{} {} {MARK}\n", std::process::id(), host());
    let file = TempFile::reference(repository)?;
    file.write_at(text.as_bytes(), 0)?;
    let link = |path: &Path| file.link(path).map_err(|error| io_error("write", path, error));
    let holder = |path: &Path| -> Result<Option<Holder>, StoreError> {
        let Some(text) = read_small(path, MAX_REFERENCE_BYTES)? else { return Ok(None) };
        Ok(Some(holder_of(&text, file.is_newer_by(path, MAX_AGE))))
    };
    if holder(&lock)? == Some(Holder::Ours) {
        fs::remove_file(&lock).map_err(|error| io_error("remove the stale lock", &lock, error))?;
    }
    for _ in 0..TRIES {
        if link(&path)? == Linked::New {
            let hold = GcHold { path, text };
            let ours = read_small(&hold.path, MAX_REFERENCE_BYTES)?.as_deref()
                == Some(hold.text.as_bytes());
            let starting = holder(&lock)?.is_some() && !file.is_newer_by(&lock, MAX_AGE);
            return Ok((ours && !starting).then_some(hold));
        }
        match holder(&path)? {
            None => {}
            Some(Holder::Running) => return Ok(None),
            Some(Holder::Ours | Holder::Nobody) => {
                // As git does it, because a git may want to take the same file over.
                if link(&lock)? == Linked::Exists {
                    return Ok(None);
                }
                let still = holder(&path)? != Some(Holder::Running);
                let taken = if still { fs::rename(&lock, &path) } else { fs::remove_file(&lock) };
                taken.map_err(|error| io_error("take over", &path, error))?;
                return Ok(still.then_some(GcHold { path, text }));
            }
        }
    }
    Ok(None)
}

fn holder_of(text: &[u8], too_old: bool) -> Holder {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split_whitespace();
    let (Some(Ok(pid)), Some(on)) = (words.next().map(str::parse::<i32>), words.next()) else {
        return Holder::Nobody;
    };
    if words.next() == Some(MARK) {
        return Holder::Ours;
    }
    let alive = |pid| match test_kill_process(pid) {
        Ok(()) => true,
        Err(error) => error == rustix::io::Errno::PERM,
    };
    let runs = on != host() || Pid::from_raw(pid).is_some_and(alive);
    if runs && !too_old { Holder::Running } else { Holder::Nobody }
}

/// The name of this host as git writes it: `unknown` if it cannot be determined.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.split_whitespace().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_recognized_as_git_recognizes_itself() {
        let own = std::process::id();
        let host = host();
        for (text, expected) in [
            (format!("{own} {host}"), Holder::Running),
            (format!("{own} {host}\n"), Holder::Running),
            (format!("1 {host}"), Holder::Running),
            ("1 another-host".to_owned(), Holder::Running),
            (format!("{own} {host} nifi-idb\n"), Holder::Ours),
            ("1 another-host nifi-idb\n".to_owned(), Holder::Ours),
            (format!("{} {host}", i32::MAX), Holder::Nobody),
            (String::new(), Holder::Nobody),
            ("x y".to_owned(), Holder::Nobody),
        ] {
            assert_eq!(holder_of(text.as_bytes(), false), expected, "{text:?}");
        }
        assert_eq!(holder_of(format!("{own} {host}").as_bytes(), true), Holder::Nobody);
    }

    #[test]
    fn the_file_is_held_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("gc.pid");
        let lock = dir.path().join("gc.pid.lock");
        let held = hold(dir.path()).unwrap();
        assert!(held.is_some() && pid.exists());
        drop(held);
        assert!(!pid.exists());
        // A git runs: its file stays.
        let running = format!("{} {}", std::process::id(), host());
        fs::write(&pid, &running).unwrap();
        assert!(hold(dir.path()).unwrap().is_none());
        assert_eq!(fs::read_to_string(&pid).unwrap(), running);
        // A git that was killed, and a writer of ours that was.
        for stale in [format!("{} {}", i32::MAX, host()), format!("1 {} {MARK}\n", host())] {
            fs::write(&pid, stale).unwrap();
            let held = hold(dir.path()).unwrap();
            assert!(held.is_some());
            drop(held);
            assert!(!pid.exists() && !lock.exists());
        }
        // A git is between its look and its rename.
        fs::write(&lock, "").unwrap();
        assert!(hold(dir.path()).unwrap().is_none());
        assert!(!pid.exists() && lock.exists());
        fs::write(&lock, format!("1 {} {MARK}\n", host())).unwrap();
        assert!(hold(dir.path()).unwrap().is_some());
    }
}
