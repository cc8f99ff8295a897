//! Links the objects of a version, and keeps them in place until `main` leads to them.
//!
//! Until then they are garbage to git. Three things guard them: no `git gc` starts meanwhile
//! ([`super::gc`]); a pack has a `.keep` file, which `git repack` heeds; and all files are checked
//! again once nobody else can move `main`. If a `git gc` is already running, or a file is missing
//! at that second check, everything goes into a pack, because `git prune` removes loose objects
//! only.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gix::ObjectId;

use super::error::io_error;
use super::gc::{self, GcHold};
use super::object::{Deflated, is_loose_object};
use super::repo::Repo;
use super::sink::pack_of;
use super::small_file::{MAX_REFERENCE_BYTES, read_small};
use super::temp::{Linked, TempFile, ToSync, is_shared, sync};
use crate::store::fault::step;
use crate::store::{StoreError, StoreErrorKind};

/// The number of times that a directory which somebody removes meanwhile is made again, and a
/// removed object is restored.
const TRIES: u32 = 16;

/// The length of the longest loose object that is compared before it is reused; a longer one is
/// replaced.
const MAX_COMPARED_BYTES: u64 = 16 * 1024 * 1024;

/// The content of our `.keep` files. Files that people write contain other text.
const KEEP: &[u8] = b"nifi-idb writes a version\n";

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

    fn is_there(&self) -> bool {
        self.files.iter().all(|pending| fs::symlink_metadata(&pending.path).is_ok())
    }

    /// The name of the `.keep` file of a pack.
    fn keep(&self) -> Option<PathBuf> {
        let pack = self.files.iter().find(|pending| pending.id.is_none());
        pack.map(|pack| pack.path.with_extension("keep"))
    }

    /// Links all files and adds the directories that now have to be synced.
    ///
    /// An object that exists already is kept, and its time set to now, as git does: `git prune` may
    /// be about to remove it as old and unused. If it is damaged, for example empty after a power
    /// cut, it is replaced, because the version that is about to be acknowledged needs it.
    fn link(&self, dirs: &mut Vec<PathBuf>) -> Result<(), StoreError> {
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

/// The objects of a version between their linking and the move of `main`.
#[derive(Debug)]
pub(super) struct Placing {
    objects: PathBuf,
    /// True if everything goes into packs.
    packed: bool,
    placed: Vec<PendingObjects>,
    /// The directories to be synced.
    dirs: Vec<PathBuf>,
    /// Our `.keep` files.
    kept: Vec<PathBuf>,
    _gc: Option<GcHold>,
}

impl Placing {
    /// Starts; the caller holds the lock of the repository until this is dropped.
    pub(super) fn start(repo: &Repo) -> Result<Self, StoreError> {
        let objects = repo.path().join("objects");
        remove_stale_keeps(&objects.join("pack"))?;
        let gc = gc::hold(repo.path())?;
        if gc.is_none() {
            tracing::info!(path = %objects.display(), "git gc is running");
        }
        Ok(Self {
            objects,
            packed: gc.is_none(),
            placed: Vec::new(),
            dirs: Vec::new(),
            kept: Vec::new(),
            _gc: gc,
        })
    }

    /// Links objects that were synced.
    pub(super) fn place(&mut self, mut pending: PendingObjects) -> Result<(), StoreError> {
        if self.packed && !pending.loose.is_empty() {
            pending = pack_of(pending.objects, pending.loose)?;
            sync(&pending.to_sync())?;
        }
        if let Some(keep) = pending.keep() {
            self.keep(keep)?;
        }
        pending.link(&mut self.dirs)?;
        self.placed.push(pending);
        Ok(())
    }

    /// Makes all links, and `more`, durable.
    pub(super) fn sync_with(&mut self, more: &[ToSync<'_>]) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut all: Vec<_> = self.dirs.iter().map(|dir| ToSync::Dir(dir)).collect();
            all.extend(more);
            match sync(&all) {
                // Somebody removed a directory, so its files are gone.
                Err(error) if error.kind == StoreErrorKind::Transient && tries < TRIES => {
                    self.restore_missing()?
                }
                result => return result,
            }
        }
    }

    /// Checks that every object is still there. If not, all of them are written to a durable pack
    /// that is kept.
    pub(super) fn restore_missing(&mut self) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            if self.placed.iter().all(PendingObjects::is_there) {
                return Ok(());
            }
            tracing::warn!(path = %self.objects.display(), "missing objects written again");
            self.packed = true;
            self.dirs.clear();
            let (loose, packs): (Vec<_>, Vec<_>) = std::mem::take(&mut self.placed)
                .into_iter()
                .partition(|pending| !pending.loose.is_empty());
            let loose: Vec<_> = loose.into_iter().flat_map(|pending| pending.loose).collect();
            packs.into_iter().try_for_each(|pack| self.place(pack))?;
            if !loose.is_empty() {
                let pack = pack_of(self.objects.clone(), loose)?;
                sync(&pack.to_sync())?;
                self.place(pack)?;
            }
            let dirs: Vec<_> = self.dirs.iter().map(|dir| ToSync::Dir(dir)).collect();
            sync(&dirs)?;
        }
        let message = format!(
            "the new objects in {} are removed by somebody else as soon as they are there: does a git prune run?",
            self.objects.display()
        );
        Err(StoreError::new(StoreErrorKind::Transient, message))
    }

    fn keep(&mut self, path: PathBuf) -> Result<(), StoreError> {
        if self.kept.contains(&path) {
            return Ok(());
        }
        let file = TempFile::object(&self.objects.join("pack"), "tmp_keep_")?;
        file.write_at(KEEP, 0)?;
        let linked = file.link(&path).map_err(|error| io_error("write", &path, error))?;
        if linked == Linked::New {
            self.kept.push(path);
        }
        step("git:link");
        Ok(())
    }
}

impl Drop for Placing {
    fn drop(&mut self) {
        for keep in &self.kept {
            // If it stays, the next writer removes it.
            let _ = fs::remove_file(keep);
        }
    }
}

/// Removes `.keep` files that killed nifi-idb writers left: they would keep packs out of `git gc`
/// for ever.
fn remove_stale_keeps(packs: &Path) -> Result<(), StoreError> {
    let failed = |error| io_error("read the directory", packs, error);
    let entries = match fs::read_dir(packs) {
        Ok(entries) => entries,
        // Without packs there is nothing to keep.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "keep")
            && read_small(&path, MAX_REFERENCE_BYTES)
                .is_ok_and(|text| text.as_deref() == Some(KEEP))
        {
            fs::remove_file(&path)
                .map_err(|error| io_error("remove the stale file", &path, error))?;
        }
    }
    Ok(())
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
