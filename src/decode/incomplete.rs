//! Documents that do not contain all records of an object store.

/// The reason why a document, by its own account, does not contain all records of an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The document describes the object store, but has no list of its records.
    LeftOut,
    /// The document has fewer records than it declares.
    Filtered,
}
