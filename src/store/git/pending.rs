//! Object files that are complete and have no names yet, and giving them their names.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gix::ObjectId;

use super::error::io_error;
use super::object::{Deflated, is_loose_object};
use super::small_file::read_small;
use super::temp::{Linked, TempFile, ToSync, is_shared};
use crate::store::StoreError;
use crate::store::fault::step;

/// The number of times that a directory which somebody removes meanwhile is made again.
const TRIES: u32 = 16;

/// The length of the longest loose object that is compared before it is reused; a longer one is
/// replaced.
const MAX_COMPARED_BYTES: u64 = 16 * 1024 * 1024;

/// A complete file that has no name yet.
#[derive(Debug)]
pub(super) struct PendingFile {
    pub(super) file: TempFile,
    /// The file's future path.
    pub(super) path: PathBuf,
    /// The id of a loose object; `None` for a pack and its index.
    pub(super) id: Option<ObjectId>,
}

/// Complete object files that have no names yet.
#[derive(Debug)]
pub(super) struct PendingObjects {
    pub(super) objects: PathBuf,
    pub(super) files: Vec<PendingFile>,
    /// The same loose objects, in case they must go into a pack.
    pub(super) loose: Vec<Deflated>,
}

impl PendingObjects {
    /// The files, to be synced.
    pub(super) fn to_sync(&self) -> Vec<ToSync<'_>> {
        self.files.iter().map(|pending| ToSync::File(&pending.file)).collect()
    }

    /// True if every file is at its path.
    pub(super) fn is_there(&self) -> bool {
        self.files.iter().all(|pending| fs::symlink_metadata(&pending.path).is_ok())
    }

    /// The name of the `.keep` file of a pack.
    pub(super) fn keep(&self) -> Option<PathBuf> {
        let pack = self.files.iter().find(|pending| pending.id.is_none());
        pack.map(|pack| pack.path.with_extension("keep"))
    }

    /// Links all files and adds the directories that now have to be synced.
    ///
    /// An object that exists already is kept, and its time set to now, as git does: `git prune` may
    /// be about to remove it as old and unused. If it is damaged, for example empty after a power
    /// cut, it is replaced, because the version that is about to be acknowledged needs it.
    pub(super) fn link(&self, dirs: &mut Vec<PathBuf>) -> Result<(), StoreError> {
        for pending in &self.files {
            let dir = pending.path.parent().unwrap_or(&self.objects);
            let made = link_file(pending, dir)
                .map_err(|error| io_error("give its name to the object", &pending.path, error))?;
            if made {
                dirs.push(self.objects.clone());
            }
            dirs.push(dir.to_owned());
            step("git:link");
        }
        dirs.sort_unstable();
        dirs.dedup();
        Ok(())
    }
}

/// Links one file; true if its directory had to be made.
fn link_file(pending: &PendingFile, dir: &Path) -> io::Result<bool> {
    let PendingFile { file, path, .. } = pending;
    let mut made = false;
    let mut tries = 0;
    loop {
        tries += 1;
        let result = file.link(path).and_then(|linked| match linked {
            Linked::New => Ok(()),
            Linked::Exists if is_the_same(pending)? => freshen(path),
            Linked::Exists => replace(file, dir, path),
        });
        match result {
            // `git gc` removes empty directories, and old objects, at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                match fs::create_dir(dir) {
                    Ok(()) => {
                        made = true;
                        share_like_parent(dir)?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            result => return result.map(|()| made),
        }
    }
}

/// Gives a new directory the permissions of its parent if a group shares that, as
/// `core.sharedRepository` requires.
fn share_like_parent(dir: &Path) -> io::Result<()> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    let permissions = fs::metadata(parent)?.permissions();
    if is_shared(permissions.mode()) { fs::set_permissions(dir, permissions) } else { Ok(()) }
}

/// True if the existing file at this path equals the new one. A killed writer may have left it, and
/// a disk may have damaged it since.
fn is_the_same(pending: &PendingFile) -> io::Result<bool> {
    let Some(id) = pending.id else { return pending.file.is_same_as(&pending.path) };
    match read_small(&pending.path, MAX_COMPARED_BYTES) {
        Ok(Some(bytes)) => Ok(is_loose_object(&bytes, id)),
        Ok(None) => Err(io::ErrorKind::NotFound.into()),
        Err(_) => Ok(false),
    }
}

/// Replaces a damaged file. Git cleans away files with the temporary name that is used.
fn replace(file: &TempFile, dir: &Path, path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let between = dir.join(format!("tmp_obj_{name}"));
    if file.link(&between)? == Linked::Exists {
        // Left by a killed writer.
        fs::remove_file(&between)?;
        file.link(&between)?;
    }
    fs::rename(&between, path)
}

fn freshen(path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    match rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => Err(io::ErrorKind::NotFound.into()),
        // The file is not ours to touch: somebody else keeps the pack.
        _ => Ok(()),
    }
}
