//! Converts errors of the operating system to store errors.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::store::{StoreError, StoreErrorKind};

/// Returns an error that names what failed, on which file, and why.
///
/// - Missing permission (`EACCES`, `EPERM`): *denied*.
/// - A full or read-only disk, a quota, a file size limit: *no room*. None of these goes away by
///   itself, and a run that tries again at once would only hide the alarm.
/// - A path that does not exist, is not a directory, is too long, or contains a loop of links:
///   *configuration*.
/// - The disk cannot read or write its own sectors (`EIO`): *damaged*.
/// - Everything else (no memory, too many open files, a stale network handle): *transient*.
pub(super) fn io_error(what: &str, path: &Path, error: io::Error) -> StoreError {
    use io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::PermissionDenied => StoreErrorKind::Denied,
        Io::StorageFull | Io::ReadOnlyFilesystem | Io::QuotaExceeded | Io::FileTooLarge => {
            StoreErrorKind::NoRoom
        }
        Io::NotFound | Io::NotADirectory | Io::IsADirectory => StoreErrorKind::Configuration,
        _ if is(&error, Errno::IO) => StoreErrorKind::Damaged,
        _ if [Errno::LOOP, Errno::NAMETOOLONG, Errno::INVAL]
            .iter()
            .any(|errno| is(&error, *errno)) =>
        {
            StoreErrorKind::Configuration
        }
        _ => StoreErrorKind::Transient,
    };
    StoreError::new(kind, format!("cannot {what} {}", path.display())).because(error)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// The error for stored data that is missing or not as it should be.
pub(super) fn damaged(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_disk_say_what_to_do() {
        for (errno, kind) in [
            (Errno::NOSPC, StoreErrorKind::NoRoom),
            (Errno::DQUOT, StoreErrorKind::NoRoom),
            (Errno::ROFS, StoreErrorKind::NoRoom),
            (Errno::FBIG, StoreErrorKind::NoRoom),
            (Errno::ACCESS, StoreErrorKind::Denied),
            (Errno::PERM, StoreErrorKind::Denied),
            (Errno::NOENT, StoreErrorKind::Configuration),
            (Errno::IO, StoreErrorKind::Damaged),
            (Errno::LOOP, StoreErrorKind::Configuration),
            (Errno::NAMETOOLONG, StoreErrorKind::Configuration),
            (Errno::MFILE, StoreErrorKind::Transient),
        ] {
            let error = io_error("write", Path::new("/x/y"), errno.into());
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.starts_with("cannot write /x/y: "), "{error}");
        }
    }
}
