//! Links the objects of a version, and keeps them in place until `main` leads to them.
//!
//! Until then they are garbage to git. Three things guard them: no `git gc` starts meanwhile
//! ([`super::gc`]); a pack has a `.keep` file, which `git repack` heeds; and all files are checked
//! again once nobody else can move `main`. If a `git gc` is already running, or a file is missing
//! at that second check, everything goes into a pack, because `git prune` removes loose objects
//! only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::io_error;
use super::gc::{self, GcHold};
use super::pending::PendingObjects;
use super::repo::Repo;
use super::sink::pack_of;
use super::small_file::{MAX_REFERENCE_BYTES, read_small};
use super::temp::{Linked, TempFile, ToSync, sync};
use crate::store::fault::step;
use crate::store::{StoreError, StoreErrorKind};

/// The number of times that objects which somebody removes meanwhile are restored.
const TRIES: u32 = 16;

/// The content of our `.keep` files. Files that people write contain other text.
const KEEP: &[u8] = b"nifi-idb writes a version\n";

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
