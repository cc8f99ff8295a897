//! Versions on the way into a store and out of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::snapshot::{Digest, FlowVersion, Manifest, RootId, SealedManifest, StateId};

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
    /// The data with which the store finds the version's objects again.
    pub coordinates: StoreCoordinates,
}

/// Data of a store about a version that it read: only that store can look inside.
#[derive(Clone, Debug, Default)]
pub struct StoreCoordinates(Option<Arc<dyn Any + Send + Sync>>);

impl StoreCoordinates {
    /// Wraps the data of a store.
    pub fn new(data: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(data)))
    }

    /// Returns the data, if it has the type `T`: if not, another store has read the version.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }
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
    /// The whole new version; its number is head + 1. A store keeps its text.
    pub manifest: SealedManifest,
    /// The comment.
    pub comment: String,
    /// Time for stores in which the client sets it (git, memory), in milliseconds since 1970: the
    /// time at which the batch was received.
    pub timestamp_ms: i64,
}

impl VersionDraft {
    /// Returns the result of an append that stored the draft.
    pub fn committed(&self) -> CommittedVersion {
        CommittedVersion {
            version: self.manifest.version,
            root: self.manifest.root(),
            state: self.manifest.state(),
        }
    }
}

/// The store's own names for the objects of a version. Equal names mean the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPlaces {
    /// The name of each chunk, in the manifest's order; `None` if the chunk is stored with this
    /// version alone, or is missing.
    pub chunks: Vec<Option<String>>,
    /// The names of parts of spilled values.
    pub parts: BTreeMap<(Digest, u32), String>,
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
