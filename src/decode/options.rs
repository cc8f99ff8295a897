//! The caller's information about a stream before its first byte.

use std::path::PathBuf;

use super::dialect::Dialect;
use super::error::DecodeError;
use super::framing::DEFAULT_MAX_LINE_BYTES;
use super::header::{BatchHeader, Mode};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{Database, KeyPath, ObjectStore};
use crate::memory::MemoryClaim;
use crate::snapshot::id::SourceId;

/// The name of the database by default.
pub const DEFAULT_DATABASE: &str = "default";

/// The default limit for change lines in a batch.
pub const DEFAULT_MAX_CHANGES: u64 = 100_000_000;

/// The form in which decimals of databases are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decimals {
    /// Numbers; a decimal that a double cannot represent is rejected.
    #[default]
    Number,
    /// Text, digit for digit.
    Text,
}

/// The caller's settings for reading a stream.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// The dialect; by default, it is detected from the first bytes and the first line.
    pub input: Option<Dialect>,
    /// The object store of records. Ignored for changes.
    pub object_store: Option<DomString>,
    /// The path of a record's key in its value; not allowed with `key_field`. Ignored for changes.
    pub key_path: Option<KeyPath>,
    /// For plain JSON and events of several tables, the key path of each object store. Ignored for
    /// other dialects.
    pub key_paths: Vec<(DomString, KeyPath)>,
    /// The top-level member that contains an out-of-line key and is removed from the value. Ignored
    /// for changes.
    pub key_field: Option<String>,
    /// The database's name; a header must agree. [`DEFAULT_DATABASE`] if neither names it.
    pub database: Option<DomString>,
    /// The version that IndexedDB gives the database, if a header has none; by default 1.
    pub database_version: Option<u64>,
    /// The writer; a header must agree.
    pub source: Option<SourceId>,
    /// Full or delta; a header must agree.
    pub mode: Option<Mode>,
    /// For Playwright, the origin of the database to read.
    pub origin: Option<String>,
    /// For plain JSON and dumps, the object stores that are left out.
    pub skip_stores: Vec<DomString>,
    /// For events, the form of decimals.
    pub decimals: Decimals,
    /// For events, true if an integer in a key that a double cannot represent is written as text,
    /// because a key cannot be a BigInt.
    pub big_integers: bool,
    /// The folder for records that come before their schema; `None` means the system's folder for
    /// temporary files.
    pub temp_folder: Option<PathBuf>,
    /// The limit for a line, without its end, or for a record of a document, in bytes.
    pub max_line_bytes: usize,
    /// The limit for change lines.
    pub max_changes: u64,
    /// The budget from which memory for large lines is claimed.
    pub memory: MemoryClaim,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            input: None,
            object_store: None,
            key_path: None,
            key_paths: Vec::new(),
            key_field: None,
            database: None,
            database_version: None,
            source: None,
            mode: None,
            origin: None,
            skip_stores: Vec::new(),
            decimals: Decimals::Number,
            big_integers: false,
            temp_folder: None,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            max_changes: DEFAULT_MAX_CHANGES,
            memory: MemoryClaim::default(),
        }
    }
}

impl DecodeOptions {
    /// Returns the header for a stream of records.
    pub(crate) fn records_header(&self) -> Result<BatchHeader, DecodeError> {
        let Some(name) = self.object_store.clone() else {
            return Err(usage(
                "records need an object store to go to: give --object-store, and --key-path or \
                 --key-field",
            ));
        };
        let store = ObjectStore::new(name, self.one_key_path()?);
        let database = self.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
        self.header(Dialect::Records, database, self.database_version.unwrap_or(1), vec![store])
    }

    /// Returns the header for events: one object store, or one for each table with a key path.
    pub(crate) fn events_header(&self, dialect: Dialect) -> Result<BatchHeader, DecodeError> {
        let stores = match &self.object_store {
            Some(name) => vec![ObjectStore::new(name.clone(), self.one_key_path()?)],
            None if self.key_paths.is_empty() => {
                let what = "events need an object store to go to: give --object-store, and \
                    --key-path or --key-field; or \
                            --key-path TABLE=PATH for each table";
                return Err(usage(what));
            }
            None => {
                let store = |(name, path): &(DomString, KeyPath)| {
                    ObjectStore::new(name.clone(), Some(path.clone()))
                };
                self.key_paths.iter().map(store).collect()
            }
        };
        let database = self.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
        self.header(dialect, database, self.database_version.unwrap_or(1), stores)
    }

    /// Returns the header for a document that describes its database. The mode is full if a source
    /// is given, unless an option sets it.
    pub(crate) fn import_header(
        &self,
        dialect: Dialect,
        database: DomString,
        version: u64,
        stores: Vec<ObjectStore>,
    ) -> Result<BatchHeader, DecodeError> {
        if self.database.as_ref().is_some_and(|name| *name != database) {
            return Err(usage("the input and the options name another database"));
        }
        self.header(dialect, database, version, stores)
    }

    fn one_key_path(&self) -> Result<Option<KeyPath>, DecodeError> {
        if self.key_path.is_some() == self.key_field.is_some() {
            return Err(usage(
                "records need either --key-path (the key is in the value) or --key-field (it is \
                 not)",
            ));
        }
        Ok(self.key_path.clone())
    }

    fn header(
        &self,
        dialect: Dialect,
        database: DomString,
        version: u64,
        stores: Vec<ObjectStore>,
    ) -> Result<BatchHeader, DecodeError> {
        let whole = dialect.spec().is_whole && self.source.is_some();
        let mode = self.mode.unwrap_or(if whole { Mode::Full } else { Mode::Delta });
        if mode == Mode::Full && self.source.is_none() {
            return Err(usage("a full batch needs a source: give --source"));
        }
        if mode == Mode::Full && dialect.has_events() {
            return Err(usage("events are changes: they cannot be a full batch"));
        }
        let schema = Database::new(database, version, stores)
            .map_err(|error| DecodeError::Usage(error.to_string()))?;
        Ok(BatchHeader {
            dialect,
            key_generators: vec![None; schema.stores.len()],
            schema,
            source: self.source.clone(),
            sequence: None,
            base: None,
            base_state: None,
            mode,
        })
    }
}

fn usage(what: &str) -> DecodeError {
    DecodeError::Usage(what.to_owned())
}
