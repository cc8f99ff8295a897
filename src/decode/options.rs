//! What the caller knows about a stream before its first byte.

use super::error::DecodeError;
use super::framing::DEFAULT_MAX_LINE_BYTES;
use super::header::{BatchHeader, Mode};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{Database, KeyPath, ObjectStore};
use crate::snapshot::id::SourceId;

/// Name of the database if nothing names it.
pub const DEFAULT_DATABASE: &str = "default";

/// A batch may have this many change lines unless an option says otherwise.
pub const DEFAULT_MAX_CHANGES: u64 = 100_000_000;

/// Which dialect to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// What the first line looks like.
    #[default]
    Auto,
    /// Bare NDJSON.
    Records,
    /// `indexeddb-changes/1`.
    Changes,
}

/// Which dialect was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Bare NDJSON.
    Records,
    /// `indexeddb-changes/1`.
    Changes,
}

/// What the caller knows about a stream.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// Which dialect to read.
    pub input: Input,
    /// Where records go. Not looked at for changes.
    pub object_store: Option<DomString>,
    /// Where a record's key is in it; not together with `key_field`. Not looked at for changes.
    pub key_path: Option<KeyPath>,
    /// The top-level member that holds an out-of-line key and is taken out of the value. Not looked at for changes.
    pub key_field: Option<String>,
    /// The database's name; a header must agree. [`DEFAULT_DATABASE`] if neither names it.
    pub database: Option<DomString>,
    /// IndexedDB's version of the database, where a header gives none; else 1.
    pub database_version: Option<u64>,
    /// The writer; a header must agree.
    pub source: Option<SourceId>,
    /// Full or delta; a header must agree.
    pub mode: Option<Mode>,
    /// Longest line in bytes, its end not counted.
    pub max_line_bytes: usize,
    /// Most change lines.
    pub max_changes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            input: Input::Auto,
            object_store: None,
            key_path: None,
            key_field: None,
            database: None,
            database_version: None,
            source: None,
            mode: None,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            max_changes: DEFAULT_MAX_CHANGES,
        }
    }
}

impl DecodeOptions {
    /// The header that a stream of records would have.
    pub(crate) fn records_header(&self) -> Result<BatchHeader, DecodeError> {
        let usage = |what: &str| DecodeError::Usage(what.to_owned());
        let Some(name) = self.object_store.clone() else {
            return Err(usage(
                "records need an object store to go to: give --object-store, and --key-path or --key-field",
            ));
        };
        if self.key_path.is_some() == self.key_field.is_some() {
            return Err(usage("records need either --key-path (the key is in the value) or --key-field (it is not)"));
        }
        if self.mode == Some(Mode::Full) && self.source.is_none() {
            return Err(usage("a full batch needs a source: give --source"));
        }
        let database = self.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
        let store = ObjectStore::new(name, self.key_path.clone());
        let schema = Database::new(database, self.database_version.unwrap_or(1), vec![store]);
        Ok(BatchHeader {
            dialect: Dialect::Records,
            schema: schema.map_err(|error| DecodeError::Usage(error.to_string()))?,
            key_generators: vec![None],
            source: self.source.clone(),
            sequence: None,
            base: None,
            mode: self.mode.unwrap_or_default(),
        })
    }
}
