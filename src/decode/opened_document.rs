//! A document whose beginning was read.

use super::header::BatchHeader;
use crate::indexeddb::dom_string::DomString;

/// A document that was read up to its first record.
pub(crate) struct OpenedDocument<T> {
    /// The batch, as the document and the options describe it.
    pub(crate) header: BatchHeader,
    /// The document's object stores, in its order: records name them by their place here.
    pub(crate) names: Vec<DomString>,
    /// The source of its records.
    pub(crate) records: T,
}
