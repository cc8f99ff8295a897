//! Stage 5: the stores of versions. Two traits, three stores, and wrappers.
//!
//! A store is an append-only history of flow versions with compare-and-swap. It moves texts that
//! the snapshot format defines and has no knowledge of records. Only
//! [`VersionWriter::commit`](crate::store::VersionWriter::commit) makes a version visible.
//!
//! `examples/custom_store.rs` implements a store outside of this crate.

pub mod cached;
pub mod envelope;
pub mod fault;
#[cfg(feature = "git")]
pub mod git;
pub mod memory;
pub mod recording;
#[cfg(feature = "registry")]
pub mod registry;
mod version;
mod wrapped;

use std::fmt;

use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};
pub use crate::store_error::{StoreError, StoreErrorKind};
pub use version::{
    CommittedVersion, StoreCoordinates, StoredPlaces, StoredVersion, VersionDraft, VersionInfo,
};
pub use wrapped::WrappedStore;

/// The reason why an append did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else's version has this number; nothing of this append is visible.
    #[error("another writer was first")]
    Lost,
    /// The store may or may not have it: read head and compare states.
    #[error("the answer to the append is missing or says nothing: {0}")]
    Ambiguous(StoreError),
    /// Surely not stored; the kind of the error determines if another attempt can help.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Reads an append-only history of flow versions.
///
/// Flows are created by their first version; a flow that was never written to has no head.
pub trait SnapshotReader: fmt::Debug + Send + Sync {
    /// Names the store in messages, without credentials.
    fn describe(&self) -> String;

    /// Reads the newest version, or `None` if there is none.
    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError>;

    /// True if `version`, which was read from this store as head, is still head. `None` if finding
    /// out would take as long as reading it.
    fn is_head(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        Ok(None)
    }

    /// Reads one version, or `None` if it does not exist.
    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError>;

    /// Lists versions, newest first; empty if there is no such flow.
    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError>;

    /// Lists at most `limit` versions, newest first.
    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        let mut versions = self.log(flow)?;
        versions.truncate(limit);
        Ok(versions)
    }

    /// Reads the version that `newer`, which was read from this store, names as its previous one;
    /// `None` if it does not exist.
    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        match FlowVersion::new(u64::from(newer.manifest.version.get()) - 1) {
            Some(number) => self.version(flow, number),
            None => Ok(None),
        }
    }

    /// Returns the store's names for the objects of `version`, so that objects which versions share
    /// are read once. `None` if the store has no such names.
    fn places(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        Ok(None)
    }

    /// Lists all flows of all buckets, sorted.
    fn flows(&self) -> Result<Vec<FlowName>, StoreError>;

    /// Reads the text of a chunk that `version` names; the digest is checked.
    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError>;

    /// Reads one part of a spilled value that `version` names; the caller checks the digest of the
    /// whole.
    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError>;
}

/// An append-only history of flow versions with compare-and-swap.
pub trait SnapshotStore: SnapshotReader {
    /// Starts the version that follows `head`. Dropping the writer leaves nothing visible.
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError>;

    /// Checks that the store can be reached and written to, and returns its findings as lines for
    /// people.
    fn check(&self) -> Result<Vec<String>, StoreError>;

    /// Checks as cheaply as possible that the store responds.
    fn check_reachable(&self) -> Result<(), StoreError> {
        self.check().map(drop)
    }
}

/// Takes the new objects of a version, then appends it.
pub trait VersionWriter: Send {
    /// Takes a chunk that is not in head. Idempotent by digest.
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError>;

    /// Takes one part of a spilled value that is not in head. Idempotent by digest and number.
    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError>;

    /// Appends `draft` as exactly head + 1: this is the commit. Every chunk that the manifest names
    /// was in head or was given to this writer. The store keeps the manifest's text as it is, and
    /// returns [`VersionDraft::committed`].
    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError>;
}
