//! The place of a version that was read: its flow, and the flows of its chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::place::{FlowPlace, chunk_id};
use crate::snapshot::{ChunkRef, Digest};
use crate::store::envelope::Coordinates;
use crate::store::{StoreError, StoreErrorKind, StoredVersion};

/// The data with which the objects of a version are found in Registry again.
#[derive(Debug)]
pub(super) struct VersionPlace {
    /// Ids of the flow and its bucket.
    pub(super) flow: FlowPlace,
    /// Id of the chunk bucket; `None` if no chunk has a separate flow.
    pub(super) chunk_bucket: Option<String>,
    /// Chunks that were read together with the manifest, by full digest.
    pub(super) texts: BTreeMap<Digest, Arc<Vec<u8>>>,
    /// The places of chunks whose flows do not have the id that [`chunk_id`] gives them.
    moved: BTreeMap<Digest, Coordinates>,
}

impl VersionPlace {
    /// Creates the place of a version with these embedded texts.
    pub(super) fn new(flow: FlowPlace, texts: BTreeMap<Digest, Arc<Vec<u8>>>) -> Self {
        Self { flow, chunk_bucket: None, texts, moved: BTreeMap::new() }
    }

    /// Returns the place of a version.
    ///
    /// # Errors
    ///
    /// *Damaged*: another store has read the version.
    pub(super) fn of(version: &StoredVersion) -> Result<&Self, StoreError> {
        version.coordinates.get().ok_or_else(|| {
            let number = version.manifest.version;
            let message = format!("version {number} was not read from this Registry");
            StoreError::new(StoreErrorKind::Damaged, message)
        })
    }

    /// Records the place of a chunk. The first one determines the chunk bucket.
    pub(super) fn note(&mut self, digest: &Digest, coordinates: &Coordinates) {
        let bucket = self.chunk_bucket.get_or_insert_with(|| coordinates.bucket.clone());
        if coordinates.bucket != *bucket || coordinates.flow != chunk_id(bucket, digest, 0) {
            self.moved.insert(*digest, coordinates.clone());
        }
    }

    /// Returns the place of a chunk; `None` if it was read together with the manifest.
    pub(super) fn chunk(&self, chunk: &ChunkRef) -> Option<Coordinates> {
        let digest = &chunk.full;
        if self.texts.contains_key(digest) {
            return None;
        }
        let derived = || {
            let bucket = self.chunk_bucket.clone().unwrap_or_default();
            let flow = chunk_id(&bucket, digest, 0);
            Coordinates { bucket, flow }
        };
        Some(self.moved.get(digest).cloned().unwrap_or_else(derived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;

    const BUCKET: &str = "58e0a0a3-2a4a-4cbb-8f2c-6d4a2b1c7a11";

    fn chunk(full: Digest) -> ChunkRef {
        let first = Key::Number(1.0).to_list_key().unwrap();
        ChunkRef { first, count: 1, bytes: 1, full, content: full, spilled: Vec::new() }
    }

    #[test]
    fn only_places_that_cannot_be_derived_are_kept() {
        let [a, b] = [b"a", b"b"].map(|text| Digest::of(text));
        let flow = FlowPlace { bucket: "p".into(), flow: "f".into() };
        let mut place = VersionPlace::new(flow, BTreeMap::new());
        let salted = |digest, salt| Coordinates {
            bucket: BUCKET.into(),
            flow: chunk_id(BUCKET, digest, salt),
        };
        place.note(&a, &salted(&a, 0));
        assert!(place.moved.is_empty());
        place.note(&b, &salted(&b, 1));
        assert_eq!(place.chunk(&chunk(a)), Some(salted(&a, 0)));
        assert_eq!(place.chunk(&chunk(b)), Some(salted(&b, 1)));
        place.texts.insert(a, Arc::default());
        assert_eq!(place.chunk(&chunk(a)), None, "it is in the version itself");
    }
}
