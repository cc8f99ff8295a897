//! The common part of other programs' dialects: records are found in a document, and converted to
//! our form.

use std::io::Read;

use super::built::Built;
use super::dialect::dumps::{self, Dump};
use super::dialect::{Dialect, dexie, plain_json, playwright};
use super::error::DecodeError;
use super::framing::Lines;
use super::header::BatchHeader;
use super::incomplete::Incomplete;
use super::opened_document::OpenedDocument;
use super::options::DecodeOptions;
use super::raw_json::Reject;
use super::rejected::{at, rejected_keys};
use super::staged::{RawRecord, Staged};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::{Canonicalizer, Options};
use crate::loss::{Losses, what};

/// A document that is being read.
pub(crate) struct Import {
    document: Document,
    /// For each object store, in the order of the document, its position in the header's schema.
    places: Vec<usize>,
}

enum Document {
    Dexie(dexie::Rows),
    Playwright(Staged),
    PlainJson(Staged, Option<String>),
    Dump(Dump),
}

impl Import {
    /// Opens a document of another program; returns `None` for dialects of lines.
    pub(crate) fn open<R: Read>(
        dialect: Dialect,
        lines: &mut Lines<R>,
        options: &DecodeOptions,
        losses: &mut Losses,
    ) -> Result<Option<(BatchHeader, Self)>, DecodeError> {
        let dump = match dialect {
            Dialect::Playwright => {
                let opened = playwright::open(lines, options, losses)?;
                return Ok(Some(Self::new(opened, Document::Playwright)));
            }
            Dialect::Dexie => {
                return Ok(Some(Self::new(dexie::open(lines, options)?, Document::Dexie)));
            }
            Dialect::PlainJson => {
                let key_field = options.key_field.clone();
                let document = |staged| Document::PlainJson(staged, key_field);
                return Ok(Some(Self::new(plain_json::open(lines, options, losses)?, document)));
            }
            Dialect::Rxdb => dumps::rxdb::open(lines, options, losses)?,
            Dialect::DexieCloud => dumps::dexie_cloud::open(lines, options, losses)?,
            Dialect::Couchdb => dumps::couchdb::open(lines, options)?,
            Dialect::PouchdbDump => dumps::couchdb::open_dump(lines, options)?,
            Dialect::Mongoexport => dumps::mongoexport::open(options)?,
            Dialect::Records
            | Dialect::Changes
            | Dialect::Debezium
            | Dialect::CaptureChangeMysql => return Ok(None),
        };
        Ok(Some(Self::new(dump, Document::Dump)))
    }

    fn new<T>(
        opened: OpenedDocument<T>,
        document: impl FnOnce(T) -> Document,
    ) -> (BatchHeader, Self) {
        let OpenedDocument { header, names, records } = opened;
        let place = |name| header.schema.store(name).map_or(usize::MAX, |(place, _)| place);
        let places = names.iter().map(place).collect();
        (header, Self { document: document(records), places })
    }

    /// Finds the next record and copies it to `raw`.
    pub(crate) fn next<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        raw: &mut Vec<u8>,
    ) -> Result<Option<RawRecord>, DecodeError> {
        let found = match &mut self.document {
            Document::Dexie(rows) => rows.next(lines, raw)?,
            Document::Playwright(staged) | Document::PlainJson(staged, _) => staged.next(raw)?,
            Document::Dump(dump) => dump.next(lines, raw)?,
        };
        let place =
            |store: usize| self.places.get(store).copied().filter(|&place| place != usize::MAX);
        Ok(found.map(|found| RawRecord { store: found.store.and_then(place), ..found }))
    }

    /// Reports the losses for records that the document does not contain.
    pub(crate) fn missing(&self, header: &BatchHeader, losses: &mut Losses) {
        match &self.document {
            Document::Dexie(rows) => rows.missing(losses),
            Document::Dump(dump) => header
                .schema
                .stores
                .iter()
                .take(1)
                .for_each(|store| dump.missing(&store.name, losses)),
            Document::Playwright(_) | Document::PlainJson(..) => {}
        }
    }

    /// Returns the positions of object stores that the document does not contain completely.
    pub(crate) fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        let Document::Dexie(rows) = &self.document else { return Vec::new() };
        let all = self.places.iter().zip(rows.incomplete());
        all.filter_map(|(place, incomplete)| Some((*place, incomplete?))).collect()
    }

    /// Returns the possible keys of a record that could not be converted; none if they are unknown.
    pub(crate) fn rejected_keys(
        &self,
        raw: &[u8],
        store: &ObjectStore,
        built: &Built,
    ) -> Vec<SortableKey> {
        let mut canonicalizer = Canonicalizer::new(Options::default());
        let key = built.keyed.then_some(&built.key[..]);
        let value = match &self.document {
            Document::Dexie(_) => {
                store.key_path.as_ref().and_then(|path| dexie::plain_value(raw, path))
            }
            Document::Playwright(_) => at(raw, "value"),
            Document::PlainJson(..) => Some(raw),
            Document::Dump(_) => return Vec::new(),
        };
        rejected_keys(key, value, store, &mut canonicalizer)
    }

    /// Converts a record of this object store.
    pub(crate) fn build(
        &self,
        raw: &[u8],
        store: &ObjectStore,
        out: &mut Built,
    ) -> Result<(), Reject> {
        out.clear();
        match &self.document {
            Document::Dexie(rows) => dexie::record(raw, store, rows.in_line(), out),
            Document::Playwright(_) => playwright::record(raw, store, out),
            Document::PlainJson(_, key_field) => {
                plain_json::record(raw, store, key_field.as_deref(), out)
            }
            Document::Dump(dump) => dump.build(raw, store, out),
        }
    }
}

/// Returns the losses that a dialect has for any record.
pub(crate) fn notes(header: &BatchHeader, records: u64) -> Losses {
    let spec = header.dialect.spec();
    let mut losses = Losses::default();
    for what in spec.losses {
        losses.add("", what, records);
    }
    if spec.lacks_key_generators {
        for store in &header.schema.stores {
            let path = crate::loss::path(&store.name, &[]);
            losses.add(&path, what::KEY_GENERATOR, u64::from(store.auto_increment));
            if spec.has_schema && !spec.names_indexes {
                losses.add(&path, what::INDEX_NAMES, store.indexes.len() as u64);
            }
        }
    }
    losses
}
