//! The store as one request sees it: large values that it reads count toward the request's memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::memory::{MemoryClaim, MemoryError, MemoryUse};
use crate::snapshot::{Digest, FlowName};
use crate::store::{SnapshotStore, StoreError, StoreErrorKind, StoredVersion, WrappedStore};

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

impl<'a> WrappedStore for MeteredStore<'a> {
    type Inner = dyn SnapshotStore + 'a;

    fn inner(&self) -> &Self::Inner {
        self.inner
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
}
