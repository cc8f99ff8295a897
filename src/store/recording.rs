//! A wrapper that records every call: tests assert the I/O, not only the result.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    AppendError, CommittedVersion, SnapshotStore, StoreError, StoredVersion, VersionDraft,
    VersionInfo, VersionWriter, WrappedStore,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};

/// One call to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reads the newest version.
    Head,
    /// Asks if a version is still the newest one.
    IsHead,
    /// Reads one version.
    Version(FlowVersion),
    /// Lists versions.
    Log,
    /// Lists flows.
    Flows,
    /// Reads a chunk of a list.
    ReadChunk(List),
    /// Reads a part of a spilled value.
    ReadPart(u32),
    /// Starts a version.
    Writer,
    /// Writes a chunk of a list.
    WriteChunk(List),
    /// Writes a part of a spilled value.
    WritePart(u32),
    /// Appends this version.
    Commit(FlowVersion),
    /// Checks the store.
    Check,
    /// Checks that the store responds.
    CheckReachable,
}

/// Records every call, then passes it on.
#[derive(Debug)]
pub struct RecordingStore<S> {
    inner: S,
    calls: Calls,
}

type Calls = Arc<Mutex<Vec<Call>>>;

fn record(calls: &Calls, call: Call) {
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
}

impl<S: SnapshotStore> RecordingStore<S> {
    /// Wraps a store.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: Calls::default() }
    }

    /// Returns the calls since the last time, in order.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: SnapshotStore> WrappedStore for RecordingStore<S> {
    type Inner = S;

    fn inner(&self) -> &Self::Inner {
        &self.inner
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        record(&self.calls, Call::Head);
        self.inner.head(flow)
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        record(&self.calls, Call::IsHead);
        self.inner.is_head(flow, version)
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        record(&self.calls, Call::Version(version));
        self.inner.version(flow, version)
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        record(&self.calls, Call::Log);
        self.inner.log(flow)
    }

    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        record(&self.calls, Call::Log);
        self.inner.log_newest(flow, limit)
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        record(&self.calls, Call::Version(newer.manifest.version));
        self.inner.previous(flow, newer)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        record(&self.calls, Call::Flows);
        self.inner.flows()
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        record(&self.calls, Call::ReadChunk(list.clone()));
        self.inner.read_chunk(flow, version, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        record(&self.calls, Call::ReadPart(part));
        self.inner.read_part(flow, version, digest, part)
    }

    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        record(&self.calls, Call::Writer);
        let inner = self.inner.writer(flow, head)?;
        Ok(Box::new(RecordingWriter { inner, calls: Arc::clone(&self.calls) }))
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        record(&self.calls, Call::Check);
        self.inner.check()
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        record(&self.calls, Call::CheckReachable);
        self.inner.check_reachable()
    }
}

struct RecordingWriter<'a> {
    inner: Box<dyn VersionWriter + 'a>,
    calls: Calls,
}

impl VersionWriter for RecordingWriter<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        record(&self.calls, Call::WriteChunk(list.clone()));
        self.inner.write_chunk(list, chunk, text)
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        record(&self.calls, Call::WritePart(part));
        self.inner.write_part(digest, part, bytes)
    }

    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        record(&self.calls, Call::Commit(draft.manifest.version));
        self.inner.commit(draft)
    }
}
