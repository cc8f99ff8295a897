//! Stage 5: where versions are kept. One trait, three stores, and wrappers.
//!
//! A store is an append-only history of flow versions with compare-and-swap. It moves texts that the snapshot format
//! defines and knows nothing of records. The one thing that makes a version visible is [`VersionWriter::commit`](crate::store::VersionWriter::commit).

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

/// What went wrong in a store, by what a caller does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// May go away by itself: unreachable, busy, timed out.
    Transient,
    /// Not allowed: credentials missing, wrong, or without the right.
    Denied,
    /// Configured wrongly: no such path, not a URL, a certificate that cannot be read.
    Configuration,
    /// Stored bytes are not what their digest says, or are missing.
    Damaged,
    /// The disk takes no more: full, a quota, a limit on the size of files, read-only. Not the batch's fault.
    NoRoom,
    /// Refused for good: too large, an orphaned version number, a name that is taken by something else.
    Refused,
}

/// A failed call to a store: what kind, what was attempted on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What a caller does about it.
    pub kind: StoreErrorKind,
    /// Cause first, the object by name; no data, no credentials.
    pub message: String,
    /// What lies below.
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

    /// The exit status that it ends a run with.
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

/// A version that was read: its manifest, and what the store needs to read the rest.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Checked: its text has digest `state`.
    pub manifest: Manifest,
    /// Digest of the manifest's text.
    pub state: StateId,
    /// The comment that it was committed with.
    pub comment: String,
    /// Who committed it, as the store says.
    pub author: String,
    /// When, as the store says, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Texts that came along with the manifest, and the store's own coordinates.
    pub(crate) inner: StoredInner,
}

/// What a store keeps with a version that it read.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredInner {
    /// Chunks that came along, by full digest.
    pub(crate) texts: std::collections::BTreeMap<Digest, std::sync::Arc<Vec<u8>>>,
    /// The store's name for the version: a commit id in git, the parent's flow id in Registry, nothing in memory.
    pub(crate) token: String,
    /// The store's name for where chunks lie: the chunk bucket's id in Registry.
    pub(crate) chunks: String,
}

/// What a log says of a version without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The number.
    pub version: FlowVersion,
    /// The comment: a summary, then `root=… state=…`.
    pub comment: String,
    /// Who, as the store says.
    pub author: String,
    /// When, as the store says, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// What is to be appended.
#[derive(Clone, Debug)]
pub struct VersionDraft {
    /// The whole new version; its number is head + 1.
    pub manifest: Manifest,
    /// The comment.
    pub comment: String,
    /// Time for stores that let the client say it (git, memory), in milliseconds since 1970: the batch's receipt.
    pub timestamp_ms: i64,
}

/// Where a store keeps what a version names, by names of its own. Equal names mean the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPlaces {
    /// One for each chunk, in the manifest's order; `None` if the chunk is kept with this version alone, or is missing.
    pub chunks: Vec<Option<String>>,
    /// Parts of spilled values.
    pub parts: std::collections::BTreeMap<(Digest, u32), String>,
    /// True if `parts` names every part that is there.
    pub parts_are_known: bool,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedVersion {
    /// The flow version.
    pub version: FlowVersion,
    /// Says *same data*.
    pub root: RootId,
    /// Says *this version is mine*.
    pub state: StateId,
}

/// Why an append did not answer with success.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else's version has this number; nothing of ours is visible.
    #[error("another writer was first")]
    Lost,
    /// The store may or may not have it: read head and compare states.
    #[error("the answer to the append is missing or says nothing: {0}")]
    Ambiguous(StoreError),
    /// Surely not stored, and trying again will not help beyond what the kind says.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// An append-only history of flow versions with compare-and-swap.
///
/// Flows are made by their first version; a flow that was never written to has no head.
pub trait SnapshotStore: fmt::Debug + Send + Sync {
    /// Names the store in messages, without credentials.
    fn describe(&self) -> String;

    /// Reads the newest version, or `None` if there is none.
    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError>;

    /// Whether `version`, which was read from here as head, is head still. `None`: that would take as long as reading it.
    fn is_head(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        Ok(None)
    }

    /// Reads one version, or `None` if it is not there.
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

    /// Reads the version that `newer`, which was read from here, names as the one before it; `None` if it is not there.
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

    /// Tells where the store keeps what `version` names, so that what versions share is read once. `None`: it cannot tell.
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

    /// Reads one part of a spilled value that `version` names; the caller checks the digest of the whole.
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

    /// Checks that the store can be reached and written to, and says in lines for people what it found.
    fn check(&self) -> Result<Vec<String>, StoreError>;

    /// Whether the store answers, asked as cheaply as it can be.
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

/// Takes what is new in a version, then appends it.
pub trait VersionWriter: Send {
    /// Takes a chunk that head has not got. Idempotent by digest.
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError>;

    /// Takes one part of a spilled value that head has not got. Idempotent by digest and number.
    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError>;

    /// Appends `draft` as exactly head + 1: this is the commit. Every chunk that the manifest names was in head or was
    /// given to this writer.
    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError>;
}
