//! The common part of other programs' dialects: records are found in a document, and converted to
//! our form.

use std::io::Read;

use super::dialect::dexie;
use super::dialect::dumps::Dump;
use super::dialect::{plain_json, playwright};
use super::error::DecodeError;
use super::framing::Lines;
use super::header::BatchHeader;
use super::raw_json::Reject;
use super::rejected::{at, rejected_keys};
use super::staged::{RawRecord, Staged};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::tree::{Tree, TreeError};
use crate::indexeddb::value::{Canonicalizer, MAX_DEPTH, Options};
use crate::loss::{Losses, what};
use crate::rejection::code;

/// A record in our form: its value, and its key if it is separate from the value. Both are not
/// checked yet.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) key: Vec<u8>,
    pub(crate) keyed: bool,
    pub(crate) value: Vec<u8>,
    /// True if the file marks the record as deleted.
    pub(crate) is_deleted: bool,
    pub(crate) losses: Losses,
}

impl Built {
    fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        (self.keyed, self.is_deleted, self.losses) = (false, false, Losses::default());
    }
}

/// The reason why a document, by its own account, does not contain all records of an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The document describes the object store, but has no list of its records.
    LeftOut,
    /// The document has fewer records than it declares.
    Filtered,
}

/// A document that is being read.
pub(crate) struct Import {
    document: Document,
    /// For each object store, in the order of the document, its position in the header's schema.
    places: Vec<usize>,
}

pub(crate) enum Document {
    Dexie(dexie::Rows),
    Playwright(Staged),
    PlainJson(Staged, Option<String>),
    Dump(Dump),
}

impl Import {
    /// Returns an import; `names` are the document's object stores, in its order.
    pub(crate) fn new<'n>(
        document: Document,
        names: impl IntoIterator<Item = &'n crate::indexeddb::dom_string::DomString>,
        header: &BatchHeader,
    ) -> Self {
        let place = |name| header.schema.store(name).map_or(usize::MAX, |(place, _)| place);
        Self { document, places: names.into_iter().map(place).collect() }
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

/// The greatest depth of brackets in a record: Playwright writes three for one of ours.
const MAX_RECORD_DEPTH: usize = 3 * MAX_DEPTH + 8;

/// Parses a record's JSON.
pub(crate) fn tree(raw: &[u8]) -> Result<Tree<'_>, Reject> {
    Tree::read_within(raw, MAX_RECORD_DEPTH).map_err(|error| match error {
        TreeError::Syntax => (code::SYNTAX, "the record is not JSON"),
        TreeError::Depth => (code::DEPTH, "brackets are nested too deep"),
        TreeError::TooMany => {
            (code::LINE_TOO_LONG, "the record has more values than one record may have")
        }
    })
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
