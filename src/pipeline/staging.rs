//! The results so far of the batches of one version. They are read like a store, and only the final
//! state is written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest};
use crate::spool::{Place, Spool};
use crate::store::{
    AppendError, CommittedVersion, SnapshotStore, StoreError, StoreErrorKind, StoredPlaces,
    StoredVersion, VersionDraft, VersionWriter, WrappedStore,
};

/// A store with additional chunks and parts that nobody else can see.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    store: &'a dyn SnapshotStore,
    head: Option<&'a StoredVersion>,
    kept: Mutex<StagedChunk>,
}

#[derive(Debug)]
struct StagedChunk {
    spool: Spool,
    chunks: HashMap<Digest, Place>,
    parts: BTreeMap<(Digest, u32), Place>,
}

fn temporary(error: std::io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Transient, "temporary file of the merge (see --temp-dir)")
        .because(error)
}

impl<'a> Staging<'a> {
    /// Creates an empty staging area on top of `head`.
    pub(super) fn new(
        store: &'a dyn SnapshotStore,
        head: Option<&'a StoredVersion>,
        folder: Option<&Path>,
    ) -> Self {
        let kept = StagedChunk {
            spool: Spool::new(folder),
            chunks: HashMap::new(),
            parts: BTreeMap::new(),
        };
        Self { store, head, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, StagedChunk> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes to `writer` everything that `manifest` refers to and head does not have.
    pub(super) fn transfer(
        &self,
        manifest: &Manifest,
        writer: &mut dyn VersionWriter,
    ) -> Result<(), StoreError> {
        let mut known: HashSet<Digest> = HashSet::new();
        let mut spilled: HashSet<Digest> = HashSet::new();
        for (_, chunk) in self.head.into_iter().flat_map(|head| head.manifest.chunks()) {
            known.insert(chunk.full);
            spilled.extend(chunk.spilled.iter().map(|value| value.digest));
        }
        let mut kept = self.kept();
        for (list, chunk) in manifest.chunks() {
            if known.insert(chunk.full) {
                let text = kept.chunk(&chunk.full)?;
                writer.write_chunk(&list, chunk, text)?;
            }
            for value in &chunk.spilled {
                if spilled.insert(value.digest) {
                    kept.parts_of(&value.digest, writer)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the version to use for calls to the underlying store.
    fn below(&self, version: &StoredVersion) -> Option<&StoredVersion> {
        if self.is_staged(version) { self.head } else { None }
    }

    fn is_staged(&self, version: &StoredVersion) -> bool {
        self.head.is_none_or(|head| version.manifest.version > head.manifest.version)
    }
}

impl StagedChunk {
    fn chunk(&mut self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let place = self.chunks.get(digest).copied();
        let place = place.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Damaged, format!("chunk {digest} is nowhere"))
        })?;
        self.spool.read(place).map_err(temporary)
    }

    fn parts_of(
        &mut self,
        digest: &Digest,
        writer: &mut dyn VersionWriter,
    ) -> Result<(), StoreError> {
        let places: Vec<_> = self
            .parts
            .range((*digest, 0)..=(*digest, u32::MAX))
            .map(|((_, part), place)| (*part, *place))
            .collect();
        for (part, place) in places {
            let bytes = self.spool.read(place).map_err(temporary)?;
            writer.write_part(digest, part, &bytes)?;
        }
        Ok(())
    }
}

impl<'a> WrappedStore for Staging<'a> {
    type Inner = dyn SnapshotStore + 'a;

    fn inner(&self) -> &Self::Inner {
        self.store
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        match self.head {
            Some(head) if head.manifest.version == version => Ok(Some(head.clone())),
            _ => self.store.version(flow, version),
        }
    }

    /// Returns `None`: a staged version is no version of the store.
    fn is_head(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        Ok(None)
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        if self.is_staged(newer) {
            return Ok(self.head.cloned());
        }
        self.store.previous(flow, newer)
    }

    /// Returns `None` for a staged version: the store has no names for its objects.
    fn places(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        if self.is_staged(version) { Ok(None) } else { self.store.places(flow, version) }
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        let mut kept = self.kept();
        if kept.chunks.contains_key(&chunk.full) {
            return kept.chunk(&chunk.full);
        }
        drop(kept);
        let below = self.below(version).unwrap_or(version);
        // Head may have the chunk in another list.
        let place = below.manifest.chunks().filter(|(_, there)| there.full == chunk.full);
        match place.max_by_key(|(there, _)| there == list) {
            Some((list, chunk)) => self.store.read_chunk(flow, below, &list, chunk),
            None => self.store.read_chunk(flow, below, list, chunk),
        }
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        let mut kept = self.kept();
        if let Some(place) = kept.parts.get(&(*digest, part)).copied() {
            return kept.spool.read(place).map_err(temporary);
        }
        drop(kept);
        self.store.read_part(flow, self.below(version).unwrap_or(version), digest, part)
    }

    fn writer<'b>(
        &'b self,
        _flow: &FlowName,
        _head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'b>, StoreError> {
        Ok(Box::new(StagingWriter(self)))
    }
}

/// A writer that stages one batch. It commits nothing; the whole version is committed later.
#[derive(Debug)]
pub(super) struct StagingWriter<'s, 'a>(pub(super) &'s Staging<'a>);

impl VersionWriter for StagingWriter<'_, '_> {
    fn write_chunk(
        &mut self,
        _list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut kept = self.0.kept();
        let place = kept.spool.append(&text).map_err(temporary)?;
        kept.chunks.insert(chunk.full, place);
        Ok(())
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let mut kept = self.0.kept();
        let place = kept.spool.append(bytes).map_err(temporary)?;
        kept.parts.insert((*digest, part), place);
        Ok(())
    }

    fn commit(self: Box<Self>, _draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        Err(StoreError::new(
            StoreErrorKind::Refused,
            "a batch of several is committed with the others",
        )
        .into())
    }
}
