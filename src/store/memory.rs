//! The memory store, for tests and for trying things out. Its versions are lost when the process
//! ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    AppendError, CommittedVersion, SnapshotReader, SnapshotStore, StoreCoordinates, StoreError,
    StoreErrorKind, StoredVersion, VersionDraft, VersionInfo, VersionWriter,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest};

/// Keeps versions in this process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<KeptVersion>,
}

#[derive(Debug, Default)]
struct KeptVersion {
    flows: BTreeMap<FlowName, Vec<StoredVersion>>,
    chunks: BTreeMap<Digest, Arc<Vec<u8>>>,
    parts: BTreeMap<(Digest, u32), Vec<u8>>,
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, KeptVersion> {
        // A panic elsewhere leaves whole entries: every change is one insertion.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotReader for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        Ok(self.kept().flows.get(flow).and_then(|versions| versions.last().cloned()))
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        let kept = self.kept();
        let head = kept.flows.get(flow).and_then(|versions| versions.last());
        Ok(Some(head.is_some_and(|head| head.state == version.state)))
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        let index = version.get() as usize - 1;
        Ok(self.kept().flows.get(flow).and_then(|versions| versions.get(index).cloned()))
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        let kept = self.kept();
        let versions = kept.flows.get(flow).map(Vec::as_slice).unwrap_or_default();
        let info = |stored: &StoredVersion| VersionInfo {
            version: stored.manifest.version,
            comment: stored.comment.clone(),
            author: stored.author.clone(),
            timestamp_ms: stored.timestamp_ms,
        };
        Ok(versions.iter().rev().map(info).collect())
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        Ok(self.kept().flows.keys().cloned().collect())
    }

    fn read_chunk(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
        _list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        let text = self.kept().chunks.get(&chunk.full).cloned();
        let text = text.ok_or_else(|| missing(format!("chunk {}", chunk.full)))?;
        Ok(text.as_ref().clone())
    }

    fn read_part(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        let bytes = self.kept().parts.get(&(*digest, part)).cloned();
        bytes.ok_or_else(|| missing(format!("part {part} of spilled value {digest}")))
    }
}

impl SnapshotStore for MemoryStore {
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        let head = head.map(|head| head.manifest.version);
        Ok(Box::new(MemoryWriter {
            store: self,
            flow: flow.clone(),
            head,
            chunks: Vec::new(),
            parts: Vec::new(),
        }))
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        Ok(vec!["kept in this process only".to_owned()])
    }
}

fn missing(what: String) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, format!("{what} is missing"))
}

struct MemoryWriter<'a> {
    store: &'a MemoryStore,
    flow: FlowName,
    head: Option<FlowVersion>,
    chunks: Vec<(Digest, Arc<Vec<u8>>)>,
    parts: Vec<((Digest, u32), Vec<u8>)>,
}

impl VersionWriter for MemoryWriter<'_> {
    fn write_chunk(
        &mut self,
        _list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.chunks.push((chunk.full, Arc::new(text)));
        Ok(())
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.parts.push(((*digest, part), bytes.to_vec()));
        Ok(())
    }

    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        let mut kept = self.store.kept();
        let newest = kept.flows.get(&self.flow).and_then(|versions| versions.last());
        if newest.map(|stored| stored.manifest.version) != self.head {
            return Err(AppendError::Lost);
        }
        kept.chunks.extend(self.chunks);
        kept.parts.extend(self.parts);
        let stored = StoredVersion {
            manifest: Manifest::clone(&draft.manifest),
            state: draft.manifest.state(),
            comment: draft.comment.clone(),
            author: "memory".to_owned(),
            timestamp_ms: draft.timestamp_ms,
            coordinates: StoreCoordinates::default(),
        };
        kept.flows.entry(self.flow).or_default().push(stored);
        Ok(draft.committed())
    }
}
