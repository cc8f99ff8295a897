//! The store as one request sees it: large values that it reads count toward the request's memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::memory::{MemoryClaim, MemoryError, MemoryUse};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};
use crate::store::{
    SnapshotStore, StoreError, StoreErrorKind, StoredVersion, VersionInfo, VersionWriter,
};

/// Values of one record that are in memory at once: base, head and their merge.
const AT_ONCE: usize = 3;

/// Bytes of memory per byte of a stored value while it is read and merged.
const FACTOR: u64 = 3;

/// A store for one request.
#[derive(Debug)]
pub(super) struct MeteredStore<'a> {
    inner: &'a dyn SnapshotStore,
    memory: MemoryClaim,
    /// The values that were read last, with the number of bytes read of each.
    recent: Mutex<VecDeque<(Digest, u64)>>,
}

impl<'a> MeteredStore<'a> {
    pub(super) fn new(inner: &'a dyn SnapshotStore, memory: MemoryClaim) -> Self {
        Self { inner, memory, recent: Mutex::default() }
    }

    fn count(&self, digest: &Digest, bytes: usize) -> Result<(), StoreError> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match recent.front_mut() {
            Some((last, sum)) if last == digest => *sum += bytes as u64,
            _ => recent.push_front((*digest, bytes as u64)),
        }
        recent.truncate(AT_ONCE);
        let sum: u64 = recent.iter().map(|(_, bytes)| bytes).sum();
        self.memory.need(MemoryUse::Stored, sum.saturating_mul(FACTOR)).map_err(|error| {
            let kind = match error {
                MemoryError::Busy => StoreErrorKind::Transient,
                MemoryError::TooLarge { .. } => StoreErrorKind::Refused,
            };
            StoreError::new(kind, "a large stored value").because(error)
        })
    }
}

impl SnapshotStore for MeteredStore<'_> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        self.inner.head(flow)
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        self.inner.is_head(flow, version)
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.inner.version(flow, version)
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        self.inner.log(flow)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        self.inner.flows()
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.inner.read_chunk(flow, version, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.read_part(flow, version, digest, part)?;
        self.count(digest, bytes.len())?;
        Ok(bytes)
    }

    fn writer<'w>(
        &'w self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'w>, StoreError> {
        self.inner.writer(flow, head)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.inner.check()
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        self.inner.check_reachable()
    }
}
