//! Files that have no name until they are complete and on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::error::io_error;
use super::small_file::open_plain;
use crate::store::{StoreError, StoreErrorKind};

/// The size of the pieces in which files are compared, in bytes.
const COMPARED_BYTES: usize = 256 * 1024;

/// Git's mode for objects: read-only for all.
const OBJECT_MODE: u32 = 0o444;

/// Git's mode for references, before the umask.
const REF_MODE: u32 = 0o644;

/// Git's mode for `HEAD` and `config`, before the umask.
const INIT_MODE: u32 = 0o666;

/// The number of threads that sync at once. A journaling file system combines their work into one
/// commit of its journal.
const SYNC_THREADS: usize = 8;

/// A file that is being written.
///
/// On Linux it has no name (`O_TMPFILE`), so a killed writer leaves nothing. Where that is not
/// available, it is called `tmp_…`, which `git gc` and `git prune` clean away.
#[derive(Debug)]
pub(super) struct TempFile {
    file: File,
    /// The temporary path, if the file has one.
    named: Option<PathBuf>,
    dir: PathBuf,
}

/// The outcome of [`TempFile::link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// The file has the name now.
    New,
    /// The name was taken.
    Exists,
}

impl TempFile {
    /// A file for an object; `prefix` is git's prefix for such files, `tmp_obj_` or `tmp_pack_`.
    pub(super) fn object(dir: &Path, prefix: &str) -> Result<Self, StoreError> {
        Self::create(dir, prefix, OBJECT_MODE)
    }

    /// A file for a reference.
    pub(super) fn reference(dir: &Path) -> Result<Self, StoreError> {
        Self::create(dir, "tmp_ref_", REF_MODE)
    }

    /// A file of a repository that is being created.
    pub(super) fn init(dir: &Path) -> Result<Self, StoreError> {
        Self::create(dir, "tmp_init_", INIT_MODE)
    }

    fn create(dir: &Path, prefix: &str, mode: u32) -> Result<Self, StoreError> {
        let file =
            match unnamed(dir, mode).map_err(|error| io_error("make a file in", dir, error))? {
                Some(file) => Self { file, named: None, dir: dir.to_owned() },
                None => Self::create_named(dir, prefix, mode)?,
            };
        file.share_like(dir, mode)
            .map_err(|error| io_error("set the mode of a file in", dir, error))?;
        Ok(file)
    }

    /// Lets a group use the file if its directory is shared with one, as `core.sharedRepository`
    /// requires; the umask of one writer must not keep out the others.
    fn share_like(&self, dir: &Path, mode: u32) -> io::Result<()> {
        let folder = fs::metadata(dir)?.permissions().mode();
        if is_shared(folder) {
            let for_group = 0o660 | (folder & 0o006);
            let writable = if mode & 0o200 == 0 { 0o444 } else { 0o666 };
            self.file.set_permissions(fs::Permissions::from_mode(for_group & writable))?;
        }
        Ok(())
    }

    fn create_named(dir: &Path, prefix: &str, mode: u32) -> Result<Self, StoreError> {
        let named = tempfile::Builder::new().prefix(prefix).rand_bytes(12).make_in(dir, |path| {
            OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
        });
        let (file, path) =
            named.map_err(|error| io_error("make a file in", dir, error))?.into_parts();
        let path = path.keep().map_err(|error| io_error("keep a file in", dir, error.error))?;
        Ok(Self { file, named: Some(path), dir: dir.to_owned() })
    }

    /// Writes at an offset.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| io_error("write a file in", &self.dir, error))
    }

    /// Reads up to `buffer`'s length at an offset; reads less only at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read a file in", &self.dir, error)),
            }
        }
        Ok(filled)
    }

    /// True if the file at `path` is older than this one by more than `age`. Both times are the
    /// file system's, so our clock does not matter.
    pub(super) fn is_newer_by(&self, path: &Path, age: Duration) -> bool {
        let modified =
            |metadata: io::Result<fs::Metadata>| metadata.and_then(|metadata| metadata.modified());
        match (modified(self.file.metadata()), modified(fs::symlink_metadata(path))) {
            (Ok(own), Ok(other)) => own.duration_since(other).is_ok_and(|older| older > age),
            _ => false,
        }
    }

    /// True if the file at `path` has the same bytes.
    pub(super) fn is_same_as(&self, path: &Path) -> io::Result<bool> {
        let Some(mut other) =
            open_plain(path, OFlags::RDONLY, Mode::empty()).map_err(io::Error::other)?
        else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if other.metadata()?.len() != self.file.metadata()?.len() {
            return Ok(false);
        }
        let (mut left, mut right) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
        let mut offset = 0;
        loop {
            let count = self.read_at(&mut left, offset).map_err(io::Error::other)?;
            if count == 0 {
                return Ok(true);
            }
            match other.read_exact(&mut right[..count]) {
                Ok(()) if left[..count] == right[..count] => offset += count as u64,
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file its name, unless that is taken. The file keeps its first name, if it has one,
    /// until it is dropped.
    pub(super) fn link(&self, path: &Path) -> io::Result<Linked> {
        let linked = match &self.named {
            Some(named) => fs::hard_link(named, path),
            None => link_unnamed(&self.file, path),
        };
        match linked {
            Ok(()) => Ok(Linked::New),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Linked::Exists),
            Err(error) => Err(error),
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(named) = &self.named {
            // If this fails, git cleans such names away.
            let _ = fs::remove_file(named);
        }
    }
}

/// True if the mode of a directory shows that a group shares the repository: git sets these bits
/// for that.
pub(super) fn is_shared(mode: u32) -> bool {
    mode & 0o2020 == 0o2020
}

/// Opens a file without a name; `None` if the system or the file system does not support that.
#[cfg(target_os = "linux")]
fn unnamed(dir: &Path, mode: u32) -> io::Result<Option<File>> {
    use rustix::io::Errno;
    // The name is given through /proc, because a plain linkat on the descriptor requires a
    // capability.
    if !Path::new("/proc/self/fd").exists() {
        return Ok(None);
    }
    match rustix::fs::open(
        dir,
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        Mode::from_raw_mode(mode),
    ) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_dir: &Path, _mode: u32) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
fn link_unnamed(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD};
    let shown = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, shown.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link_unnamed(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Something that [`sync`] makes durable.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToSync<'a> {
    /// The content of a file.
    File(&'a TempFile),
    /// An open file and its path.
    Open(&'a File, &'a Path),
    /// The names in a directory.
    Dir(&'a Path),
}

impl ToSync<'_> {
    fn run(self) -> Result<(), StoreError> {
        match self {
            Self::File(temp) => {
                temp.file.sync_all().map_err(|error| io_error("sync a file in", &temp.dir, error))
            }
            Self::Open(file, path) => {
                file.sync_all().map_err(|error| io_error("sync", path, error))
            }
            Self::Dir(dir) => File::open(dir).and_then(|file| file.sync_all()).map_err(|error| {
                match error.kind() {
                    // git removes an empty folder of objects; the caller restores its objects.
                    io::ErrorKind::NotFound => {
                        let message = format!("{} was removed by somebody else", dir.display());
                        StoreError::new(StoreErrorKind::Transient, message)
                    }
                    _ => io_error("sync the directory", dir, error),
                }
            }),
        }
    }
}

/// Makes everything durable, in parallel.
pub(super) fn sync(all: &[ToSync<'_>]) -> Result<(), StoreError> {
    let threads = all.len().min(SYNC_THREADS);
    if threads <= 1 {
        return all.iter().try_for_each(|one| one.run());
    }
    let run = |share: &[ToSync<'_>]| share.iter().try_for_each(|one| one.run());
    let share = all.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let (own, others) = all.split_at(share);
        let others: Vec<_> = others
            .chunks(share)
            .map(|share| {
                let thread = std::thread::Builder::new().spawn_scoped(scope, move || run(share));
                // If no more threads can be started, this thread does the share.
                thread.map_err(|_| run(share))
            })
            .collect();
        let mut result = run(own);
        for other in others {
            let other = match other {
                // A panic of a thread is passed on.
                Ok(thread) => {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
                Err(result) => result,
            };
            result = result.and(other);
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_name_until_it_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let temp = TempFile::object(dir.path(), "tmp_obj_").unwrap();
        temp.write_at(b"abc", 0).unwrap();
        let path = dir.path().join("x");
        assert!(!path.exists());
        sync(&[ToSync::File(&temp), ToSync::Dir(dir.path())]).unwrap();
        assert_eq!(temp.link(&path).unwrap(), Linked::New);
        assert_eq!(temp.link(&path).unwrap(), Linked::Exists);
        drop(temp);
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_files_need_names_git_knows_them_and_they_go_away() {
        let dir = tempfile::tempdir().unwrap();
        let temp = TempFile::create_named(dir.path(), "tmp_obj_", OBJECT_MODE).unwrap();
        temp.write_at(b"abc", 0).unwrap();
        let names = || {
            fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        };
        assert!(names().all(|name| name.starts_with("tmp_obj_")));
        let path = dir.path().join("x");
        assert_eq!(temp.link(&path).unwrap(), Linked::New);
        assert_eq!(temp.link(&path).unwrap(), Linked::Exists);
        drop(temp);
        assert_eq!(names().collect::<Vec<_>>(), ["x"]);
        assert_eq!(fs::read(&path).unwrap(), b"abc");
    }
}
