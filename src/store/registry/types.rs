//! Registry's JSON, as far as we read it. Source: nifi-registry-data-model 0.8 to 2.11. Fields that are absent in some
//! of them have defaults; fields that we do not know are passed over.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::snapshot::{FlowVersion, StateId};
use crate::store::{StoreError, StoreErrorKind, VersionInfo};

/// A bucket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bucket {
    pub(super) identifier: String,
    pub(super) name: String,
}

/// A flow, without its versions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Flow {
    pub(super) identifier: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) bucket_identifier: String,
    pub(super) bucket_name: String,
    pub(super) version_count: u64,
}

/// What is known of a version without its contents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) bucket_identifier: String,
    pub(super) flow_identifier: String,
    pub(super) version: u64,
    pub(super) timestamp: i64,
    pub(super) author: String,
    pub(super) comments: String,
}

/// A version's frame: all of it but the contents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Frame {
    pub(super) snapshot_metadata: Metadata,
    pub(super) bucket: Bucket,
    pub(super) flow: Flow,
}

/// What the caller may do, as `GET /access` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Access {
    pub(super) identity: String,
    pub(super) resource_permissions: Resources,
}

/// Rights on top-level resources.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) buckets: Rights,
}

/// Rights on one resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Rights {
    pub(super) can_read: bool,
    pub(super) can_write: bool,
}

/// `GET /about`, which 0.8.0 has not.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct About {
    pub(super) registry_about_version: String,
}

impl Metadata {
    pub(super) fn number(&self) -> Result<FlowVersion, StoreError> {
        let error = || StoreError::new(StoreErrorKind::Damaged, format!("{} is no flow version", self.version));
        FlowVersion::new(self.version).ok_or_else(error)
    }

    pub(super) fn info(self) -> Result<VersionInfo, StoreError> {
        let version = self.number()?;
        Ok(VersionInfo { version, comment: self.comments, author: self.author, timestamp_ms: self.timestamp })
    }

    /// The state that the comment ends with.
    pub(super) fn state(&self) -> Option<StateId> {
        state_in(&self.comments)
    }
}

/// The state that a comment ends with, as `FORMAT.md` says.
pub(super) fn state_in(comment: &str) -> Option<StateId> {
    comment.trim_end().rsplit(|character: char| character.is_whitespace()).next()?.strip_prefix("state=")?.parse().ok()
}

/// Reads an answer's body; `what` names the call in the error.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|error| {
        // Place only: serde_json's message could quote data.
        let (line, column) = (error.line(), error.column());
        let message = format!("not the JSON that NiFi Registry gives (line {line}, column {column}): {what}");
        StoreError::new(StoreErrorKind::Transient, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Digest;

    #[test]
    fn the_state_is_the_last_word_of_a_comment() {
        let state = StateId(Digest::of(b"x"));
        assert_eq!(state_in(&format!("+1 state=no\nroot=r state={state}")), Some(state));
        assert_eq!(state_in(&format!("state={state} more")), None);
        assert_eq!(state_in(""), None);
    }

    #[test]
    fn unknown_and_missing_fields_are_no_error() {
        let frame: Frame = read("x", br#"{"snapshotMetadata":{"version":3,"new":[]},"flowContents":{"a":1}}"#).unwrap();
        assert_eq!((frame.snapshot_metadata.version, frame.flow.name.as_str()), (3, ""));
        let error = read::<Frame>("GET /x", b"{\"secret\"").unwrap_err();
        assert!(!error.message.contains("secret") && error.message.contains("GET /x"), "{error}");
        assert!(Metadata::default().number().is_err());
    }
}
