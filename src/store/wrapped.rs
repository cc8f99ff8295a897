//! Stores that wrap another one and change only some calls.

use std::fmt;

use super::{
    SnapshotReader, SnapshotStore, StoreError, StoredPlaces, StoredVersion, VersionInfo,
    VersionWriter,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};

/// A store around another one. Every call is passed on, unless the wrapper defines the method; so a
/// wrapper cannot forget one.
///
/// Implementing this trait implements [`SnapshotReader`] and [`SnapshotStore`].
#[allow(missing_docs, reason = "each method is that of SnapshotReader or SnapshotStore")]
pub trait WrappedStore: fmt::Debug + Send + Sync {
    /// The type of the wrapped store.
    type Inner: SnapshotStore + ?Sized;

    /// Returns the wrapped store.
    fn inner(&self) -> &Self::Inner;

    fn describe(&self) -> String {
        self.inner().describe()
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        self.inner().head(flow)
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        self.inner().is_head(flow, version)
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.inner().version(flow, version)
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        self.inner().log(flow)
    }

    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.inner().log_newest(flow, limit)
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.inner().previous(flow, newer)
    }

    fn places(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        self.inner().places(flow, version)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        self.inner().flows()
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.inner().read_chunk(flow, version, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        self.inner().read_part(flow, version, digest, part)
    }

    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        self.inner().writer(flow, head)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.inner().check()
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        self.inner().check_reachable()
    }
}

impl<W: WrappedStore> SnapshotReader for W {
    fn describe(&self) -> String {
        WrappedStore::describe(self)
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        WrappedStore::head(self, flow)
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        WrappedStore::is_head(self, flow, version)
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        WrappedStore::version(self, flow, version)
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        WrappedStore::log(self, flow)
    }

    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        WrappedStore::log_newest(self, flow, limit)
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        WrappedStore::previous(self, flow, newer)
    }

    fn places(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        WrappedStore::places(self, flow, version)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        WrappedStore::flows(self)
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        WrappedStore::read_chunk(self, flow, version, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        WrappedStore::read_part(self, flow, version, digest, part)
    }
}

impl<W: WrappedStore> SnapshotStore for W {
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        WrappedStore::writer(self, flow, head)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        WrappedStore::check(self)
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        WrappedStore::check_reachable(self)
    }
}

impl<S: SnapshotStore + ?Sized> WrappedStore for Box<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}
