//! Stage 5: the stores of versions. One trait, three stores, and wrappers.
//!
//! A store is an append-only history of flow versions with compare-and-swap. It moves texts that
//! the snapshot format defines and has no knowledge of records. Only
//! [`VersionWriter::commit`](crate::store::VersionWriter::commit) makes a version visible.

pub mod cached;
pub mod envelope;
pub mod fault;
pub mod git;
pub mod memory;
pub mod recording;
pub mod registry;

use std::fmt;

use crate::exit_status::ExitStatus;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest, RootId, StateId};

/// The kind of a store error, which determines the caller's reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// May go away without intervention: unreachable, busy, timed out.
    Transient,
    /// Not allowed: credentials missing, wrong, or without the right.
    Denied,
    /// Wrong configuration: no such path, not a URL, a certificate that cannot be read.
    Configuration,
    /// Stored bytes that do not match their digest, or are missing.
    Damaged,
    /// No room for more: a full disk, a quota, a limit on the size of files, a read-only file
    /// system. Not the batch's fault.
    NoRoom,
    /// Refused for good: too large, an orphaned version number, a name that something else has.
    Refused,
}

/// A failed call to a store: its kind, what was attempted on which object, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The kind, which determines the caller's reaction.
    pub kind: StoreErrorKind,
    /// Cause first, the object by name; no data, no credentials.
    pub message: String,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a deeper cause.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause to the error and its message.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.message = format!("{}: {source}", self.message);
        self.source = Some(source);
        self
    }

    /// The exit status of a run that ends with this error.
    pub fn exit_status(&self) -> ExitStatus {
        match self.kind {
            StoreErrorKind::Transient => ExitStatus::Transient,
            StoreErrorKind::Denied => ExitStatus::Denied,
            StoreErrorKind::Configuration => ExitStatus::Usage,
            StoreErrorKind::Damaged | StoreErrorKind::NoRoom | StoreErrorKind::Refused => {
                ExitStatus::Refused
            }
        }
    }
}

/// A version that was read: its manifest, and the data that the store needs to read the rest.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// The manifest; its text was checked to have the digest `state`.
    pub manifest: Manifest,
    /// Digest of the manifest's text.
    pub state: StateId,
    /// The comment of the commit.
    pub comment: String,
    /// The author of the commit, as recorded by the store.
    pub author: String,
    /// The time of the commit, as recorded by the store, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Texts that were read together with the manifest, and the store's own coordinates.
    pub(crate) inner: StoredInner,
}

/// Data that a store keeps with a version that it read.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredInner {
    /// Chunks that were read together with the manifest, by full digest.
    pub(crate) texts: std::collections::BTreeMap<Digest, std::sync::Arc<Vec<u8>>>,
    /// The store's name for the version: a commit id in git, the parent's flow id in Registry,
    /// empty in memory.
    pub(crate) token: String,
    /// The store's name for the place of chunks: the chunk bucket's id in Registry.
    pub(crate) chunks: String,
}

/// An entry of a log: the data of a version that is known without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The version's number.
    pub version: FlowVersion,
    /// The comment: a summary, then `root=… state=…`.
    pub comment: String,
    /// The author, as recorded by the store.
    pub author: String,
    /// The time, as recorded by the store, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A version to be appended.
#[derive(Clone, Debug)]
pub struct VersionDraft {
    /// The whole new version; its number is head + 1.
    pub manifest: Manifest,
    /// The comment.
    pub comment: String,
    /// Time for stores in which the client sets it (git, memory), in milliseconds since 1970: the
    /// time at which the batch was received.
    pub timestamp_ms: i64,
}

/// The store's own names for the objects of a version. Equal names mean the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPlaces {
    /// The name of each chunk, in the manifest's order; `None` if the chunk is stored with this
    /// version alone, or is missing.
    pub chunks: Vec<Option<String>>,
    /// The names of parts of spilled values.
    pub parts: std::collections::BTreeMap<(Digest, u32), String>,
    /// True if `parts` names every part that exists.
    pub parts_are_known: bool,
}

/// A version that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedVersion {
    /// The flow version.
    pub version: FlowVersion,
    /// The root: equal roots mean the same data.
    pub root: RootId,
    /// The state: identifies this version as the caller's.
    pub state: StateId,
}

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

/// An append-only history of flow versions with compare-and-swap.
///
/// Flows are created by their first version; a flow that was never written to has no head.
pub trait SnapshotStore: fmt::Debug + Send + Sync {
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

impl<S: SnapshotStore + ?Sized> SnapshotStore for Box<S> {
    fn describe(&self) -> String {
        self.as_ref().describe()
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        self.as_ref().head(flow)
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        self.as_ref().is_head(flow, version)
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.as_ref().version(flow, version)
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        self.as_ref().log(flow)
    }

    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.as_ref().log_newest(flow, limit)
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.as_ref().previous(flow, newer)
    }

    fn places(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        self.as_ref().places(flow, version)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        self.as_ref().flows()
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.as_ref().read_chunk(flow, version, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        self.as_ref().read_part(flow, version, digest, part)
    }

    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        self.as_ref().writer(flow, head)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.as_ref().check()
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        self.as_ref().check_reachable()
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
    /// was in head or was given to this writer.
    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError>;
}
