//! Reads a flow: finds our texts in the response of Registry, NiFi, or in a file. Collections may
//! have any order, and unknown fields are skipped.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::component::TEXT;
use crate::snapshot::Digest;
use crate::store::{StoreError, StoreErrorKind};

/// The property, and so the attribute, that contains the kind of a text.
pub(super) const PART: &str = "indexeddb.part";

/// The value of [`PART`] for the manifest.
pub(super) const MANIFEST: &str = "manifest";

/// The key of the property that contains the text, in NiFi 2.7 and later.
const NEW_TEXT: &str = "Custom Text";

/// Depth limit for nested groups; ours are nested two deep.
const MAX_DEPTH: usize = 16;

/// Bucket and flow of a chunk, whose version is always 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coordinates {
    /// Id of the bucket.
    pub bucket: String,
    /// Id of the flow.
    pub flow: String,
}

/// Our texts and placeholders in a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeContents {
    /// Number of groups, processors and labels, including the root. If fewer than were sent, some
    /// were lost.
    pub components: usize,
    /// The manifest's text.
    pub manifest: Option<String>,
    /// All other texts.
    pub texts: Vec<String>,
    /// Coordinates by the identifier of the placeholder.
    pub placed: BTreeMap<String, Coordinates>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupIn {
    identifier: String,
    process_groups: Vec<Option<GroupIn>>,
    processors: Vec<Option<ProcessorIn>>,
    labels: Vec<Option<LabelIn>>,
    versioned_flow_coordinates: Option<CoordinatesIn>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProcessorIn {
    properties: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Default, Deserialize)]
struct LabelIn {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CoordinatesIn {
    bucket_id: String,
    flow_id: String,
}

/// The part of a snapshot that contains the flow.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotIn {
    flow_contents: GroupIn,
}

impl EnvelopeContents {
    /// Reads a `VersionedFlowSnapshot`, or a NiFi flow definition.
    pub fn from_snapshot(json: &[u8]) -> Result<Self, StoreError> {
        let snapshot: SnapshotIn = serde_json::from_slice(json).map_err(not_a_flow)?;
        let mut contents = Self::default();
        contents.take(snapshot.flow_contents, 0)?;
        Ok(contents)
    }

    /// Reads the result of [`super::Parent::contents`] and the like, with which the response to a
    /// POST is compared.
    pub fn from_contents(contents: &Value) -> Result<Self, StoreError> {
        let group = GroupIn::deserialize(contents).map_err(not_a_flow)?;
        let mut contents = Self::default();
        contents.take(group, 0)?;
        Ok(contents)
    }

    fn take(&mut self, group: GroupIn, depth: usize) -> Result<(), StoreError> {
        if depth > MAX_DEPTH {
            return Err(damaged(
                "groups lie deeper inside each other than this program makes them".to_owned(),
            ));
        }
        self.components += 1 + group.labels.len();
        if let Some(CoordinatesIn { bucket_id, flow_id }) = group.versioned_flow_coordinates {
            self.placed.insert(group.identifier, Coordinates { bucket: bucket_id, flow: flow_id });
        }
        for processor in group.processors {
            self.components += 1;
            let mut properties = processor.unwrap_or_default().properties;
            let mut text = |key: &str| properties.remove(key).flatten();
            let Some(content) = text(TEXT).or_else(|| text(NEW_TEXT)) else { continue };
            if text(PART).as_deref() == Some(MANIFEST) {
                self.manifest = Some(content);
            } else {
                self.texts.push(content);
            }
        }
        group.process_groups.into_iter().flatten().try_for_each(|child| self.take(child, depth + 1))
    }

    /// The manifest's text, or the error if it is missing.
    pub fn manifest(&self) -> Result<&str, StoreError> {
        let manifest = self.manifest.as_deref();
        manifest.ok_or_else(|| {
            damaged(
                "no manifest: the flow is not one of ours, or it was changed by hand".to_owned(),
            )
        })
    }

    /// Removes and returns the text with this digest.
    pub fn take_text(&mut self, digest: &Digest) -> Result<String, StoreError> {
        let place = self.texts.iter().position(|text| Digest::of(text.as_bytes()) == *digest);
        match place {
            Some(place) => Ok(self.texts.swap_remove(place)),
            None => Err(damaged(format!("no text with digest {digest} is in the flow"))),
        }
    }

    /// Compares a server's echo with the flow that was sent; the error `Damaged` names the first
    /// thing that is missing.
    pub fn check_echo(&self, echo: &Self) -> Result<(), StoreError> {
        let (sent, kept) = (self.components, echo.components);
        if sent != kept {
            return Err(damaged(format!("{sent} components were sent and {kept} came back")));
        }
        if self.manifest != echo.manifest {
            return Err(damaged("the manifest came back changed".to_owned()));
        }
        if self.placed != echo.placed {
            return Err(damaged("the coordinates of chunks came back changed".to_owned()));
        }
        let sorted = |contents: &Self| {
            let mut texts: Vec<Digest> =
                contents.texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
            texts.sort();
            texts
        };
        if sorted(self) != sorted(echo) {
            return Err(damaged("the text of a chunk came back changed".to_owned()));
        }
        Ok(())
    }
}

fn not_a_flow(error: serde_json::Error) -> StoreError {
    // Category and place only: the message could quote data.
    damaged(format!("not a flow snapshot (line {}, column {})", error.line(), error.column()))
}

fn damaged(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, message)
}
