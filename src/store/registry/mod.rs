//! A snapshot store in NiFi Registry, over its REST API (0.8 to 2.11).
//!
//! A flow is found without a look-up: its id is a UUIDv5 of bucket and flow name. The flow found is
//! checked by name; if a flow of that name has another id, that one is used. A version is appended
//! as exactly head + 1, which is Registry's compare-and-swap. `writer.rs` defines the order of
//! steps, and [`crate::store::envelope`] the layout of a version.

mod auth;
mod failure;
mod http;
mod options;
mod place;
mod types;
mod upload;
mod version_place;
mod writer;

pub use self::auth::Credentials;
pub use self::http::{MAX_ANSWER_BYTES, MAX_POST_BYTES};
pub use self::options::RegistryOptions;
pub use self::upload::{MAX_SALTS, PARALLEL_UPLOADS};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use self::http::Http;
use self::place::FlowPlace;
use self::types::{About, CallerRights, Flow, Frame, Metadata, read, segment};
use self::version_place::VersionPlace;
use super::envelope::{EnvelopeContents, placeholder_identifiers};
use super::{
    SnapshotReader, SnapshotStore, StoreCoordinates, StoreError, StoreErrorKind, StoredPlaces,
    StoredVersion, VersionInfo, VersionWriter,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest, StateId};

/// A NiFi Registry as a snapshot store.
#[derive(Debug)]
pub struct RegistryStore {
    http: Http,
    /// Ids of flows and their buckets, once found.
    places: Mutex<BTreeMap<FlowName, FlowPlace>>,
    /// Ids of chunk buckets by name, once found.
    chunk_buckets: Mutex<BTreeMap<String, String>>,
}

/// A version in Registry's format.
struct Snapshot {
    frame: Frame,
    body: Vec<u8>,
}

impl RegistryStore {
    /// Checks the options; nothing is connected or started before the first call. `Configuration`
    /// if they are wrong.
    pub fn open(options: RegistryOptions) -> Result<Self, StoreError> {
        let http = Http::open(options)?;
        Ok(Self { http, places: Mutex::default(), chunk_buckets: Mutex::default() })
    }

    /// Reads `versions/<which>` of a flow, found by its derived id, else by name.
    fn snapshot(&self, flow: &FlowName, which: &str) -> Result<Option<Snapshot>, StoreError> {
        let known = self.known_place(flow);
        let id = known.map_or_else(|| place::flow_id(flow), |place| place.flow);
        let named =
            |frame: &Frame| frame.bucket.name == flow.bucket() && frame.flow.name == flow.flow();
        match self.snapshot_of(&id, which)? {
            Some(snapshot) if named(&snapshot.frame) => return Ok(Some(snapshot)),
            _ => self.forget(flow),
        }
        match self.find(flow)? {
            Some(place) if place.flow != id => self.snapshot_of(&place.flow, which),
            _ => Ok(None),
        }
    }

    fn snapshot_of(&self, id: &str, which: &str) -> Result<Option<Snapshot>, StoreError> {
        let path = format!("/flows/{}/versions/{which}", segment(id));
        let Some(body) = self.http.get(&path)? else { return Ok(None) };
        let frame = read(&format!("GET {path}"), &body)?;
        Ok(Some(Snapshot { frame, body }))
    }

    fn stored(&self, flow: &FlowName, snapshot: Snapshot) -> Result<StoredVersion, StoreError> {
        let Snapshot { frame, body } = snapshot;
        let metadata = frame.snapshot_metadata;
        let in_version = |error: StoreError| {
            let message = format!(
                "version {} of {flow} in {}: {}",
                metadata.version,
                self.describe(),
                error.message
            );
            StoreError { message, ..error }
        };
        let contents = EnvelopeContents::from_snapshot(&body).map_err(in_version)?;
        let text = contents.manifest().map_err(in_version)?;
        let manifest = Manifest::parse(text).map_err(|error| {
            in_version(StoreError::new(StoreErrorKind::Damaged, "its manifest").because(error))
        })?;
        if u64::from(manifest.version.get()) != metadata.version {
            let message = format!("its manifest is that of version {}", manifest.version);
            return Err(in_version(StoreError::new(StoreErrorKind::Damaged, message)));
        }
        let state = StateId(Digest::of(text.as_bytes()));
        let place = FlowPlace { bucket: frame.bucket.identifier, flow: frame.flow.identifier };
        self.remember(flow, &place);
        let place = version_place(place, &manifest, contents).map_err(in_version)?;
        let coordinates = StoreCoordinates::new(place);
        let (comment, author, timestamp_ms) =
            (metadata.comments, metadata.author, metadata.timestamp);
        Ok(StoredVersion { manifest, state, comment, author, timestamp_ms, coordinates })
    }

    /// Reads the text of the flow of a chunk or part; `None` if there is no such version.
    fn flow_contents(&self, id: &str) -> Result<Option<(Metadata, EnvelopeContents)>, StoreError> {
        let Some(Snapshot { frame, body }) = self.snapshot_of(id, "1")? else { return Ok(None) };
        Ok(Some((frame.snapshot_metadata, EnvelopeContents::from_snapshot(&body)?)))
    }

    fn chunk_text(&self, place: &VersionPlace, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError> {
        if let Some(text) = place.texts.get(&chunk.full) {
            return Ok(text.as_ref().clone());
        }
        let missing =
            || StoreError::new(StoreErrorKind::Damaged, format!("chunk {} is nowhere", chunk.full));
        let coordinates = place.chunk(chunk).ok_or_else(missing)?;
        let about = |error: StoreError| {
            let message =
                format!("chunk {} in flow {}: {}", chunk.full, coordinates.flow, error.message);
            StoreError { message, ..error }
        };
        match self.flow_contents(&coordinates.flow).map_err(about)? {
            Some((_, mut contents)) => {
                contents.take_text(&chunk.full).map(String::into_bytes).map_err(about)
            }
            None => Err(about(StoreError::new(
                StoreErrorKind::Damaged,
                "no such flow: deleted, or pruned",
            ))),
        }
    }

    /// True if the version with this number is the one that `state` names.
    fn is_state(
        &self,
        place: &FlowPlace,
        metadata: &Metadata,
        state: StateId,
    ) -> Result<bool, StoreError> {
        if let Some(stored) = metadata.state() {
            return Ok(stored == state);
        }
        // The comment does not contain the state, so the manifest decides.
        let snapshot = self.snapshot_of(&place.flow, &metadata.version.to_string())?;
        let contents =
            snapshot.map(|snapshot| EnvelopeContents::from_snapshot(&snapshot.body)).transpose()?;
        let manifest = contents.and_then(|contents| contents.manifest);
        Ok(manifest.is_some_and(|text| StateId(Digest::of(text.as_bytes())) == state))
    }

    /// True if a flow contains versions of ours.
    fn is_ours(&self, flow: &Flow, name: &FlowName) -> Result<bool, StoreError> {
        if flow.version_count == 0 {
            return Ok(false);
        }
        if flow.identifier == place::flow_id(name) || flow.description == place::FLOW_DESCRIPTION {
            return Ok(true);
        }
        if name.bucket().ends_with(place::CHUNKS) {
            return Ok(false);
        }
        let path = format!("/flows/{}/versions/latest/metadata", segment(&flow.identifier));
        let Some(body) = self.http.get(&path)? else { return Ok(false) };
        Ok(read::<Metadata>(&format!("GET {path}"), &body)?.state().is_some())
    }
}

/// Sorts the data that was read with a version: texts by digest, and the places of the other
/// chunks.
fn version_place(
    flow: FlowPlace,
    manifest: &Manifest,
    contents: EnvelopeContents,
) -> Result<VersionPlace, StoreError> {
    let by_digest = |text: String| (Digest::of(text.as_bytes()), Arc::new(text.into_bytes()));
    let texts: BTreeMap<_, _> = contents.texts.into_iter().map(by_digest).collect();
    let elsewhere: Vec<_> =
        manifest.chunks().filter(|(_, chunk)| !texts.contains_key(&chunk.full)).collect();
    let mut place = VersionPlace::new(flow, texts);
    for (id, (_, chunk)) in placeholder_identifiers(&elsewhere).iter().zip(&elsewhere) {
        let Some(coordinates) = contents.placed.get(id) else {
            let message = format!("chunk {} is neither in it nor named by it", chunk.full);
            return Err(StoreError::new(StoreErrorKind::Damaged, message));
        };
        place.note(&chunk.full, coordinates);
    }
    Ok(place)
}

impl SnapshotReader for RegistryStore {
    fn describe(&self) -> String {
        format!("NiFi Registry at {}", self.http.address())
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        let snapshot = self.snapshot(flow, "latest")?;
        snapshot.map(|snapshot| self.stored(flow, snapshot)).transpose()
    }

    fn is_head(
        &self,
        _flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        let path = format!(
            "/flows/{}/versions/latest/metadata",
            segment(&VersionPlace::of(version)?.flow.flow)
        );
        let Some(body) = self.http.get(&path)? else { return Ok(Some(false)) };
        let newest: Metadata = read(&format!("GET {path}"), &body)?;
        let is_same = newest.version == u64::from(version.manifest.version.get());
        Ok(newest.state().map(|state| is_same && state == version.state))
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        let snapshot = self.snapshot(flow, &version.to_string())?;
        snapshot.map(|snapshot| self.stored(flow, snapshot)).transpose()
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        let Some(place) = self.place(flow)? else { return Ok(Vec::new()) };
        let mut versions = self.versions(&place)?;
        versions.sort_by_key(|metadata| std::cmp::Reverse(metadata.version));
        versions.into_iter().map(Metadata::info).collect()
    }

    fn places(
        &self,
        _flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        let place = VersionPlace::of(version)?;
        let name = |chunk: &ChunkRef| place.chunk(chunk).map(|elsewhere| elsewhere.flow);
        let chunks = version.manifest.chunks().map(|(_, chunk)| name(chunk)).collect();
        Ok(Some(StoredPlaces { chunks, ..StoredPlaces::default() }))
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        let mut names = Vec::new();
        for bucket in self.buckets()? {
            for flow in self.flows_in(&bucket.identifier)? {
                // A name that is not legal here belongs to somebody else.
                let Ok(name) = FlowName::new(&bucket.name, &flow.name) else { continue };
                if self.is_ours(&flow, &name)? {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        _list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.chunk_text(VersionPlace::of(version)?, chunk).map_err(|error| {
            let message =
                format!("version {} of {flow}: {}", version.manifest.version, error.message);
            StoreError { message, ..error }
        })
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        let bucket = match &VersionPlace::of(version)?.chunk_bucket {
            Some(bucket) => Some(bucket.clone()),
            None => self.chunk_bucket(flow)?,
        };
        for salt in 0..MAX_SALTS {
            let Some(bucket) = &bucket else { break };
            let id = place::part_id(bucket, digest, part, salt);
            let contents = self.flow_contents(&id)?;
            if let Some(text) = contents.and_then(|(_, contents)| contents.texts.into_iter().next())
            {
                return Ok(text.into_bytes());
            }
        }
        let message = format!(
            "part {part} of spilled value {digest} is missing: {flow} in {}",
            self.describe()
        );
        Err(StoreError::new(StoreErrorKind::Damaged, message))
    }
}

impl SnapshotStore for RegistryStore {
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        Ok(Box::new(writer::RegistryWriter::new(self, flow, head)))
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        self.buckets().map(drop)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        let buckets = self.buckets()?;
        let mut lines = vec![format!(
            "{} answers; buckets that can be read: {}",
            self.describe(),
            buckets.len()
        )];
        let about = self.http.get("/about").ok().flatten();
        let about: Option<About> = about.and_then(|body| read("GET /about", &body).ok());
        lines.push(match about.map(|about| about.registry_about_version) {
            Some(version) if !version.is_empty() => format!("its version is {version}"),
            _ => "it does not say its version (before 1.0 none does)".to_owned(),
        });
        let access = self.http.get("/access").ok().flatten();
        let access: Option<CallerRights> = access.and_then(|body| read("GET /access", &body).ok());
        if let Some(CallerRights { identity, resource_permissions }) =
            access.filter(|access| !access.identity.is_empty())
        {
            let buckets = resource_permissions.buckets;
            let can = |allowed: bool| if allowed { "can" } else { "cannot" };
            let (reads, writes) = (can(buckets.can_read), can(buckets.can_write));
            lines.push(format!("{identity} {reads} read all buckets and {writes} create buckets"));
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
