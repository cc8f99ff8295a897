//! What is left out, hidden or hashed before anything is stored.

use std::fmt;

use super::path::FieldPath;
use super::rules::Policy;

/// What becomes of a private field. A later one says more of the value than the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hide {
    /// It is left out.
    Exclude,
    /// Its value is replaced by a mark.
    Redact,
    /// Its value is replaced by a digest with a secret key.
    Hash,
}

/// The private fields of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// Field and what becomes of it.
    pub fields: Vec<(FieldPath, Hide)>,
}

impl Privacy {
    /// Whether it hashes a field.
    pub fn hashes(&self) -> bool {
        self.fields.iter().any(|(_, hide)| *hide == Hide::Hash)
    }
}

impl Policy {
    /// Whether any object store has a field that is hashed: then there must be a [`HashKey`].
    pub fn needs_hash_key(&self) -> bool {
        self.default.privacy.hashes() || self.stores.values().any(|store| store.privacy.hashes())
    }
}

/// The secret key of `hash`: without one, whoever guesses a value (an address, a telephone number) can tell that it is the
/// right one. Its debug form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// A secret of fewer bytes could be guessed itself.
    pub const MIN_SECRET_BYTES: usize = 16;

    /// What BLAKE3 derives keys for.
    const CONTEXT: &str = "nifi-idb privacy hash 1";

    /// Derives the key from a secret; `None` if that is too short.
    pub fn from_secret(secret: &str) -> Option<Self> {
        (secret.len() >= Self::MIN_SECRET_BYTES).then(|| Self(blake3::derive_key(Self::CONTEXT, secret.as_bytes())))
    }

    /// The digest of a canonical value.
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
