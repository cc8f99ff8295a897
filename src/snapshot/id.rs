//! The ids and numbers of a snapshot, each with a distinct type: digests, versions, names.

use std::fmt;
use std::str::FromStr;

use crate::indexeddb::dom_string::DomString;

/// A BLAKE3 digest, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The error for text that is not a valid id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct IdError(&'static str);

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError("a digest of 64 lower-case hexadecimal digits");
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(error);
        }
        blake3::Hash::from_hex(text).map(Self::from).map_err(|_| error)
    }
}

macro_rules! digest_type {
    ($(#[$doc:meta] $name:ident),*) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self)
            }
        }
    )*};
}

digest_type! {
    /// Identifies the data: a digest of schema and records.
    RootId,
    /// Identifies one version: the digest of the manifest's text.
    StateId
}

/// A flow version: 1, 2, 3 … without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowVersion(u32);

impl FlowVersion {
    /// The first version of every flow.
    pub const FIRST: Self = Self(1);

    /// Accepts 1 to 2^31 − 1, the range that NiFi Registry can number.
    pub fn new(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| (1..=i32::MAX as u32).contains(number)).map(Self)
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Returns the version that follows `head`.
    pub fn after(head: Option<Self>) -> Self {
        head.map_or(Self::FIRST, |head| Self(head.0 + 1))
    }
}

impl fmt::Display for FlowVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FlowVersion {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().ok().and_then(Self::new).ok_or(IdError("a flow version (a number from 1)"))
    }
}

/// One writer: `[A-Za-z0-9._:-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(String);

impl SourceId {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SourceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError("a source id (1 to 64 of A-Z a-z 0-9 . _ : -)"))
        }
    }
}

/// The bucket and flow that one database's snapshots are stored in.
///
/// Both names consist of `A-Z a-z 0-9 . _ % -` only, have at most 200 bytes, and do not begin with
/// a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowName {
    bucket: String,
    flow: String,
}

impl FlowName {
    /// Returns the flow with these names, or an error if one of them is not valid.
    pub fn new(bucket: &str, flow: &str) -> Result<Self, IdError> {
        let legal = |name: &str| {
            let plain =
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%-".contains(&byte));
            plain && (1..=200).contains(&name.len()) && !name.starts_with('.')
        };
        if legal(bucket) && legal(flow) && !bucket.ends_with(".lock") {
            Ok(Self { bucket: bucket.to_owned(), flow: flow.to_owned() })
        } else {
            Err(IdError(
                "a name for a bucket or flow (1 to 200 of A-Z a-z 0-9 . _ % -, no leading dot)",
            ))
        }
    }

    /// Returns the flow that `name` refers to.
    ///
    /// `name` is the name of a flow, or of a database. If it is not valid as a flow's name, it is
    /// percent-encoded, as [`FlowName::of_database`] does for a database that names no flow. An
    /// empty name is refused: it is more likely an unset variable than the database with an empty
    /// name, whose flow is `%`.
    ///
    /// # Errors
    ///
    /// Fails if the bucket's name is not valid, or if `name` is empty.
    pub fn of_name(bucket: &str, name: &str) -> Result<Self, IdError> {
        Self::new(bucket, name).or_else(|error| {
            if name.is_empty() { Err(error) } else { Self::of_database(bucket, name) }
        })
    }

    /// Returns the flow that a database is stored in by default.
    ///
    /// # Errors
    ///
    /// Fails if the bucket's name is not valid.
    pub fn of_database(bucket: &str, database: &str) -> Result<Self, IdError> {
        Self::new(bucket, &DomString::from(database).to_file_name())
    }

    /// Returns the bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the flow's name.
    pub fn flow(&self) -> &str {
        &self.flow
    }

    /// Returns the name of the bucket that holds the chunk flows.
    pub fn chunk_bucket(&self) -> String {
        format!("{}-chunks", self.bucket)
    }
}

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.flow)
    }
}
