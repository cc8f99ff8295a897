//! The part of Registry's JSON that we read. Source: nifi-registry-data-model 0.8 to 2.11. Fields
//! that some versions lack have defaults; unknown fields are skipped.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

/// The metadata of a version.
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

/// A version without its contents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Frame {
    pub(super) snapshot_metadata: Metadata,
    pub(super) bucket: Bucket,
    pub(super) flow: Flow,
}

/// The rights of the caller, from `GET /access`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CallerRights {
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

/// `GET /about`, which 0.8.0 does not have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct About {
    pub(super) registry_about_version: String,
}

impl Metadata {
    pub(super) fn number(&self) -> Result<FlowVersion, StoreError> {
        let error = || {
            StoreError::new(StoreErrorKind::Damaged, format!("{} is no flow version", self.version))
        };
        FlowVersion::new(self.version).ok_or_else(error)
    }

    pub(super) fn info(self) -> Result<VersionInfo, StoreError> {
        let version = self.number()?;
        Ok(VersionInfo {
            version,
            comment: self.comments,
            author: self.author,
            timestamp_ms: self.timestamp,
        })
    }

    /// The state at the end of the comment.
    pub(super) fn state(&self) -> Option<StateId> {
        state_in(&self.comments)
    }
}

/// The state at the end of a comment, as `doc/internals/format.md` defines it.
pub(super) fn state_in(comment: &str) -> Option<StateId> {
    comment
        .trim_end()
        .rsplit(|character: char| character.is_whitespace())
        .next()?
        .strip_prefix("state=")?
        .parse()
        .ok()
}

/// Parses a response body; `what` names the call in the error.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|error| {
        // Place only: serde_json's message could quote data.
        let (line, column) = (error.line(), error.column());
        let message =
            format!("not the JSON that NiFi Registry gives (line {line}, column {column}): {what}");
        StoreError::new(StoreErrorKind::Transient, message)
    })
}

/// Limit on the elements of a list. A Registry sends some hundred bytes for each, and a response is
/// bounded, so no real list is longer; `[{},{},…]` would take fifty times its length in memory.
pub(super) const MAX_LISTED: usize = 1 << 18;

/// A list of at most [`MAX_LISTED`] elements.
struct BoundedList<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for BoundedList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonElements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for JsonElements<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_LISTED} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    if list.len() == MAX_LISTED {
                        return Err(serde::de::Error::invalid_length(MAX_LISTED + 1, &self));
                    }
                    list.push(element);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(JsonElements(PhantomData)).map(Self)
    }
}

/// Parses a response that is a list, of a bounded length.
pub(super) fn read_list<T: DeserializeOwned>(
    what: &str,
    body: &[u8],
) -> Result<Vec<T>, StoreError> {
    read::<BoundedList<T>>(what, body).map(|list| list.0)
}

/// An id as a segment of a path. Ids come from the Registry, so characters with a meaning in a URL
/// are escaped.
pub(super) fn segment(id: &str) -> String {
    if ["", ".", ".."].contains(&id) {
        // Escaping cannot keep URL parsers from dropping these. No flow and no bucket has this id.
        return "no-id".to_owned();
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let mut out = String::with_capacity(id.len());
    for byte in id.as_bytes() {
        match plain(byte) {
            true => out.push(char::from(*byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
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
        let frame: Frame =
            read("x", br#"{"snapshotMetadata":{"version":3,"new":[]},"flowContents":{"a":1}}"#)
                .unwrap();
        assert_eq!((frame.snapshot_metadata.version, frame.flow.name.as_str()), (3, ""));
        let error = read::<Frame>("GET /x", b"{\"secret\"").unwrap_err();
        assert!(!error.message.contains("secret") && error.message.contains("GET /x"), "{error}");
        assert!(Metadata::default().number().is_err());
    }

    #[test]
    fn lists_are_bounded() {
        let list = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(
            read_list::<Bucket>("x", list(MAX_LISTED).as_bytes()).unwrap().len(),
            MAX_LISTED
        );
        read_list::<Bucket>("x", list(MAX_LISTED + 1).as_bytes()).unwrap_err();
    }

    #[test]
    fn an_id_stays_one_segment_of_a_path() {
        assert_eq!(
            segment("9f5b1a6e-8f9a-4c66-9a44-0d3b6a3b1d10"),
            "9f5b1a6e-8f9a-4c66-9a44-0d3b6a3b1d10"
        );
        assert_eq!(
            segment("../../admin?x=#\r\n ü%"),
            "..%2F..%2Fadmin%3Fx%3D%23%0D%0A%20%C3%BC%25"
        );
        for id in ["", ".", ".."] {
            assert_eq!(segment(id), "no-id");
        }
    }
}
