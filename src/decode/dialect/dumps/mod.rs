//! Dumps of common local databases: documents of RxDB, Dexie Cloud, CouchDB, PouchDB and MongoDB.

pub(crate) mod couchdb;
pub(crate) mod dexie_cloud;
pub(crate) mod mongoexport;
mod revisions;
pub(crate) mod rxdb;

use std::io::Read;

use revisions::Revisions;

use crate::decode::built::Built;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::options::{Decimals, DecodeOptions};
use crate::decode::raw_json::{self, Reject};
use crate::decode::staged::{RawRecord, Staged};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::tree::{Tree, write_name, write_plain};
use crate::loss::Losses;
use crate::rejection::code;

/// The shape of a dump's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DumpFormat {
    Rxdb,
    DexieCloud,
    AllDocs,
    Changes,
    PouchdbDump,
    Mongoexport,
}

/// The source of a dump's records.
enum Source {
    /// Records that were read to the end, because information that they need comes after them.
    Staged(Staged),
    /// Records that are read one at a time.
    Stream(mongoexport::Documents),
}

/// A dump whose records are being read.
pub(crate) struct Dump {
    format: DumpFormat,
    source: Source,
    /// The winning revision of each document.
    revisions: Revisions,
    key_field: Option<String>,
    decimals: Decimals,
}

impl Dump {
    fn new(format: DumpFormat, source: Source, options: &DecodeOptions) -> Self {
        let (key_field, decimals) = (options.key_field.clone(), options.decimals);
        Self { format, source, revisions: Revisions::default(), key_field, decimals }
    }

    /// Finds the next record and copies it to `raw`.
    pub(crate) fn next<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        raw: &mut Vec<u8>,
    ) -> Result<Option<RawRecord>, DecodeError> {
        loop {
            let found = match &mut self.source {
                Source::Staged(staged) => staged.next(raw)?,
                Source::Stream(documents) => documents.next(lines, raw)?,
            };
            let is_superseded = found.as_ref().is_some_and(|found| !found.too_long)
                && self.format == DumpFormat::PouchdbDump
                && self.revisions.is_superseded(raw);
            if !is_superseded {
                return Ok(found);
            }
        }
    }

    /// Reports the documents that the dump contains but that are not returned.
    pub(crate) fn missing(&self, store: &DomString, losses: &mut Losses) {
        self.revisions.missing(store, losses);
    }

    /// Builds a record.
    pub(crate) fn build(
        &self,
        raw: &[u8],
        store: &ObjectStore,
        out: &mut Built,
    ) -> Result<(), Reject> {
        match self.format {
            DumpFormat::Rxdb => rxdb::record(raw, store, out)?,
            DumpFormat::DexieCloud => return dexie_cloud::record(raw, store, out),
            DumpFormat::AllDocs | DumpFormat::Changes => couchdb::row(raw, store, out)?,
            DumpFormat::PouchdbDump => couchdb::document(raw, store, out)?,
            DumpFormat::Mongoexport => mongoexport::record(raw, self.decimals, out)?,
        }
        if let Some(field) =
            self.key_field.as_deref().filter(|_| store.key_path.is_none() && !out.is_deleted)
        {
            let value = std::mem::take(&mut out.value);
            let key = raw_json::take_key(&value, field, &mut out.value)?;
            out.key.extend_from_slice(key.of(&value));
            out.keyed = true;
        }
        Ok(())
    }
}

/// Returns the object store of a dump that does not name its key paths: with the path from the
/// options, or else `default`.
fn store(name: &DomString, options: &DecodeOptions, default: &str) -> ObjectStore {
    let named = options.key_paths.iter().find(|(own, _)| own == name).map(|(_, path)| path.clone());
    let default = || options.key_field.is_none().then(|| KeyPath::Path(default.into()));
    ObjectStore::new(name.clone(), named.or_else(|| options.key_path.clone()).or_else(default))
}

/// Writes the members of a document, except those for which `leaves_out` is true.
fn write_members(
    members: &[(&[u8], Tree<'_>)],
    leaves_out: impl Fn(&[u8], &Tree<'_>) -> bool,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let mut is_first = true;
    for (name, value) in members.iter().filter(|(name, value)| !leaves_out(name, value)) {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        write_name(name, out);
        write_plain(value, out);
    }
    out.push(b'}');
}

/// Builds the deletion of a record of which only the key is known.
fn write_deletion(key: &[u8], out: &mut Built) {
    out.key.extend_from_slice(key);
    (out.keyed, out.is_deleted) = (true, true);
}

const NO_OBJECT: Reject = (code::SYNTAX, "the document is not an object");
