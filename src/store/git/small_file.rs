//! Reads the small files of a repository: references, the configuration, locks.
//!
//! Anyone who can write into a repository, or has handed one over, may have put a FIFO, a device, a
//! symbolic link or a file of gigabytes in their place. Such a file is refused at once: opening it
//! never waits, and the length read is bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::io_error;
use crate::store::{StoreError, StoreErrorKind};

/// Limit on the bytes of a reference, lock or `gc.pid`.
pub(super) const MAX_REFERENCE_BYTES: u64 = 4096;

/// Limit on the bytes of the configuration.
pub(super) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Limit on the bytes of the list of packed references.
pub(super) const MAX_PACKED_REFERENCES_BYTES: u64 = 64 * 1024 * 1024;

/// The flags that keep an open from waiting, from following a link, and from leaking.
const CAREFUL: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The error for a file that is not a plain one.
fn odd(path: &Path, what: &str) -> StoreError {
    let message = format!(
        "{} is {what}, not a plain file: it was not read; put the plain file back",
        path.display()
    );
    StoreError::new(StoreErrorKind::Refused, message)
}

/// Opens a plain file for reading, or with `flags` for more; `None` if there is no file.
///
/// # Errors
///
/// *Refused*: it is a symbolic link, a FIFO, a device or a directory.
pub(super) fn open_plain(
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<Option<File>, StoreError> {
    let file = match rustix::fs::open(path, flags.union(CAREFUL), mode) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(odd(path, "a symbolic link")),
        // A FIFO without a reader, a socket, a device without a driver.
        Err(Errno::NXIO | Errno::NODEV) => return Err(odd(path, "a special file")),
        Err(Errno::ISDIR) => return Err(odd(path, "a directory")),
        Err(error) => return Err(io_error("open", path, error.into())),
    };
    let kind = file.metadata().map_err(|error| io_error("look at", path, error))?.file_type();
    if kind.is_file() {
        Ok(Some(file))
    } else if kind.is_dir() {
        Err(odd(path, "a directory"))
    } else {
        Err(odd(path, "a special file"))
    }
}

/// Reads a plain file of at most `limit` bytes; `None` if there is no file.
///
/// # Errors
///
/// *Refused*: it is not a plain file, or it is longer.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = open_plain(path, OFlags::RDONLY, Mode::empty())? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    match read {
        Ok(count) if count as u64 <= limit => Ok(Some(bytes)),
        Ok(_) => {
            let message = format!(
                "{} is longer than {limit} bytes, so it is no file of git's",
                path.display()
            );
            Err(StoreError::new(StoreErrorKind::Refused, message))
        }
        // The file was removed on a network file system while it was open.
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => Ok(None),
        Err(error) => Err(io_error("read", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_of_a_bounded_length_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("plain"), "12345").unwrap();
        assert_eq!(read_small(&path("plain"), 5).unwrap(), Some(b"12345".to_vec()));
        assert_eq!(read_small(&path("missing"), 5).unwrap(), None);
        let refused = |name: &str, limit| {
            let error = read_small(&path(name), limit).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Refused, "{name}: {error}");
            error.message
        };
        assert!(refused("plain", 4).contains("longer than 4 bytes"));
        std::os::unix::fs::symlink("plain", path("link")).unwrap();
        assert!(refused("link", 5).contains("symbolic link"));
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        refused("zero", 5);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(refused("fifo", 5).contains("special file"));
        assert!(refused(".", 5).contains("directory"));
    }
}
