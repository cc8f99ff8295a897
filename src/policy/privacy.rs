//! Private fields, which are left out, redacted or hashed before anything is stored.

use std::fmt;

use super::path::FieldPath;

/// The treatment of a private field. Each variant reveals more of the value than the ones before
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hide {
    /// The field is left out.
    Exclude,
    /// The value is replaced by a mark.
    Redact,
    /// The value is replaced by a digest with a secret key.
    Hash,
}

/// The private fields of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The fields, each with its treatment.
    pub fields: Vec<(FieldPath, Hide)>,
}

impl Privacy {
    /// True if it hashes a field.
    pub fn hashes(&self) -> bool {
        self.fields.iter().any(|(_, hide)| *hide == Hide::Hash)
    }
}

/// The secret key of `hash`. Without a key, anyone could guess a value (an address, a telephone
/// number) and check the guess. The debug form hides the key.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// The least length of a secret, in bytes; a shorter one could itself be guessed.
    pub const MIN_SECRET_BYTES: usize = 16;

    /// BLAKE3's context for deriving the key.
    const CONTEXT: &str = "nifi-idb privacy hash 1";

    /// Derives the key from a secret; returns `None` if the secret is too short.
    pub fn from_secret(secret: &str) -> Option<Self> {
        (secret.len() >= Self::MIN_SECRET_BYTES)
            .then(|| Self(blake3::derive_key(Self::CONTEXT, secret.as_bytes())))
    }

    /// Returns the digest of a canonical value.
    pub fn digest(&self, canonical: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, canonical)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn a_key_is_long_enough_and_never_shown() {
        assert!(HashKey::from_secret("fifteen bytes..").is_none());
        let key = HashKey::from_secret("correct horse battery staple").unwrap();
        assert_eq!(format!("{key:?}"), "HashKey(hidden)");
        let other = HashKey::from_secret("correct horse battery stapler").unwrap();
        assert_ne!(key.digest(b"1"), other.digest(b"1"));
        assert_ne!(key.digest(b"1"), blake3::hash(b"1"));
    }

    #[test]
    fn a_policy_knows_whether_it_hashes() {
        let mut policy = Policy::default();
        assert!(!policy.needs_hash_key());
        let mut store = policy.default.clone();
        store.privacy.fields.push((FieldPath::parse("a").unwrap(), Hide::Redact));
        policy.stores.insert("data".into(), store.clone());
        assert!(!policy.needs_hash_key());
        store.privacy.fields.push((FieldPath::parse("b").unwrap(), Hide::Hash));
        policy.stores.insert("data".into(), store);
        assert!(policy.needs_hash_key());
    }
}
