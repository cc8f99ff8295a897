//! What is left out, hidden or hashed before anything is stored.

use super::path::FieldPath;

/// What becomes of a private field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hide {
    /// It is left out.
    Exclude,
    /// Its value is replaced by a mark.
    Redact,
    /// Its value is replaced by a digest with the policy's key.
    Hash,
}

/// The private fields of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// Field and what becomes of it.
    pub fields: Vec<(FieldPath, Hide)>,
}
