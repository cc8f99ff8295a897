//! Where compressed objects go: loose while a version is small, one pack when it is not.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gix::ObjectId;

use super::error::io_error;
use super::object::{Deflated, is_loose_object};
use super::pack::PackWriter;
use super::temp::{Linked, TempFile, ToSync};
use crate::store::StoreError;
use crate::store::fault::step;

/// A version with more new objects than this goes into a pack.
const LOOSE_OBJECTS: usize = 64;

/// A version whose new objects are longer than this, compressed, goes into a pack.
const LOOSE_BYTES: usize = 1024 * 1024;

/// How often a directory that somebody removes under us is made again.
const LINK_TRIES: u32 = 16;

/// Takes objects.
#[derive(Debug)]
pub(super) struct Sink {
    objects: PathBuf,
    seen: HashSet<ObjectId>,
    waiting: Vec<Deflated>,
    bytes: usize,
    pack: Option<PackWriter>,
}

impl Sink {
    /// `objects` is the repository's directory of that name.
    pub(super) fn new(objects: PathBuf) -> Self {
        Self { objects, seen: HashSet::new(), waiting: Vec::new(), bytes: 0, pack: None }
    }

    /// Takes an object; one that came before is dropped.
    pub(super) fn add(&mut self, object: Deflated) -> Result<(), StoreError> {
        if !self.seen.insert(object.id) {
            return Ok(());
        }
        if let Some(pack) = &mut self.pack {
            return pack.add(&object);
        }
        self.bytes += object.zlib.len();
        self.waiting.push(object);
        if self.waiting.len() > LOOSE_OBJECTS || self.bytes > LOOSE_BYTES {
            let mut pack = PackWriter::new(&self.objects.join("pack"))?;
            self.waiting.drain(..).try_for_each(|object| pack.add(&object))?;
            self.pack = Some(pack);
        }
        Ok(())
    }

    /// Writes what is waiting to files that have no names yet.
    pub(super) fn finish(self) -> Result<Pending, StoreError> {
        let mut pending = Pending { files: Vec::new(), objects: self.objects };
        if let Some(pack) = self.pack {
            let pack = pack.finish(&pending.objects.join("pack"))?;
            pending.files.extend([pack.pack, pack.index].map(|(file, path)| (file, path, None)));
        }
        for object in &self.waiting {
            pending.add_loose(object)?;
        }
        Ok(pending)
    }
}

/// Complete object files without names.
#[derive(Debug)]
pub(super) struct Pending {
    /// Each with its path, and its id if it is a loose object.
    files: Vec<(TempFile, PathBuf, Option<ObjectId>)>,
    objects: PathBuf,
}

impl Pending {
    fn add_loose(&mut self, object: &Deflated) -> Result<(), StoreError> {
        let file = TempFile::object(&self.objects, "tmp_obj_")?;
        file.write_at(&object.to_loose(), 0)?;
        let hex = object.id.to_string();
        self.files.push((file, self.objects.join(&hex[..2]).join(&hex[2..]), Some(object.id)));
        Ok(())
    }

    /// The files, to be synced.
    pub(super) fn files(&self) -> Vec<ToSync<'_>> {
        self.files.iter().map(|(file, ..)| ToSync::File(file)).collect()
    }

    /// Gives all files their names and returns the directories that now have to be synced.
    ///
    /// An object that is there already is kept, and its time set to now, as git does: `git prune` may be about to
    /// remove it as old and unused. One that is there but damaged, as an empty file is after a power cut, is replaced: the
    /// version that is about to be acknowledged needs it.
    pub(super) fn link(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut dirs = Vec::new();
        for (file, path, id) in &self.files {
            let dir = path.parent().unwrap_or(&self.objects);
            if link_object(file, dir, path, *id)
                .map_err(|error| io_error("give its name to the object", path, error))?
            {
                dirs.push(self.objects.clone());
            }
            dirs.push(dir.to_owned());
            step("git:link");
        }
        dirs.sort_unstable();
        dirs.dedup();
        Ok(dirs)
    }
}

/// Links one object; true if its directory was made for it.
fn link_object(file: &TempFile, dir: &Path, path: &Path, id: Option<ObjectId>) -> io::Result<bool> {
    let mut made = false;
    let mut tries = 0;
    loop {
        tries += 1;
        let result = file.link(path).and_then(|linked| match linked {
            Linked::New => Ok(()),
            Linked::Exists => match id {
                Some(id) if !is_loose_object(&fs::read(path)?, id) => replace(file, dir, path, id),
                _ => freshen(path),
            },
        });
        match result {
            // `git gc` removes empty directories, and old objects, at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < LINK_TRIES => match fs::create_dir(dir) {
                Ok(()) => made = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            },
            result => return result.map(|()| made),
        }
    }
}

/// Puts a file in the place of a damaged one. The name in between is one that git cleans away.
fn replace(file: &TempFile, dir: &Path, path: &Path, id: ObjectId) -> io::Result<()> {
    let between = dir.join(format!("tmp_obj_{id}"));
    if file.link(&between)? == Linked::Exists {
        // A killed writer's.
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
        // Not ours to touch: then it is somebody else's to keep.
        _ => Ok(()),
    }
}
