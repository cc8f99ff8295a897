//! Writes compressed objects: loose while a version is small, else as one pack.

use std::collections::HashSet;
use std::path::PathBuf;

use gix::ObjectId;

use super::object::Deflated;
use super::pack::PackWriter;
use super::pending::{PendingFile, PendingObjects};
use super::temp::TempFile;
use crate::store::StoreError;

/// Limit on the new objects of a version that are written loose; above it they go into a pack.
const LOOSE_OBJECTS: usize = 64;

/// Limit on the compressed bytes of a version's new objects that are written loose; above it they
/// go into a pack.
const LOOSE_BYTES: usize = 1024 * 1024;

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
    /// `objects` is the repository's `objects` directory.
    pub(super) fn new(objects: PathBuf) -> Self {
        Self { objects, seen: HashSet::new(), waiting: Vec::new(), bytes: 0, pack: None }
    }

    /// Takes an object; drops one that was added before.
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

    /// Writes the waiting objects to files that have no names yet.
    pub(super) fn finish(self) -> Result<PendingObjects, StoreError> {
        if let Some(pack) = self.pack {
            return finish_pack(pack, self.objects);
        }
        let mut files = Vec::new();
        for object in &self.waiting {
            let file = TempFile::object(&self.objects, "tmp_obj_")?;
            file.write_at(&object.to_loose(), 0)?;
            let hex = object.id.to_string();
            let path = self.objects.join(&hex[..2]).join(&hex[2..]);
            files.push(PendingFile { file, path, id: Some(object.id) });
        }
        tracing::debug!(objects = files.len(), bytes = self.bytes, "loose objects written");
        Ok(PendingObjects { objects: self.objects, files, loose: self.waiting })
    }
}

/// Writes objects to a pack that has no name yet, however few they are.
pub(super) fn pack_of(
    objects: PathBuf,
    loose: Vec<Deflated>,
) -> Result<PendingObjects, StoreError> {
    let mut pack = PackWriter::new(&objects.join("pack"))?;
    let mut seen = HashSet::new();
    let mut new = loose.iter().filter(|object| seen.insert(object.id));
    new.try_for_each(|object| pack.add(object))?;
    finish_pack(pack, objects)
}

fn finish_pack(pack: PackWriter, objects: PathBuf) -> Result<PendingObjects, StoreError> {
    let pack = pack.finish(&objects.join("pack"))?;
    let files = [pack.pack, pack.index].map(|(file, path)| PendingFile { file, path, id: None });
    Ok(PendingObjects { objects, files: files.into(), loose: Vec::new() })
}
