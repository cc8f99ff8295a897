//! What the dialects of other programs share: records found in a document, and built in our own form.

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

/// A record in our own form: its key, if it stands beside the value, and its value; not looked at in full yet.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) key: Vec<u8>,
    pub(crate) keyed: bool,
    pub(crate) value: Vec<u8>,
    /// The file says that the record is gone.
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

/// Why a document does not hold all records of an object store, by what it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// It describes the object store, and has no list of its records.
    LeftOut,
    /// It has fewer records than it says that there are.
    Filtered,
}

/// A document that is being read.
pub(crate) struct Import {
    document: Document,
    /// For each object store, in the order of the document, its place in the header's schema.
    places: Vec<usize>,
}

pub(crate) enum Document {
    Dexie(dexie::Rows),
    Playwright(Staged),
    PlainJson(Staged, Option<String>),
    Dump(Dump),
}

impl Import {
    /// `names`: the document's object stores, in its order.
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
        let place = |store: usize| self.places.get(store).copied().filter(|&place| place != usize::MAX);
        Ok(found.map(|found| RawRecord { store: found.store.and_then(place), ..found }))
    }

    /// What the document says of records that it does not hold.
    pub(crate) fn missing(&self, header: &BatchHeader, losses: &mut Losses) {
        match &self.document {
            Document::Dexie(rows) => rows.missing(losses),
            Document::Dump(dump) => {
                header.schema.stores.iter().take(1).for_each(|store| dump.missing(&store.name, losses))
            }
            Document::Playwright(_) | Document::PlainJson(..) => {}
        }
    }

    /// The places of object stores that the document does not hold whole.
    pub(crate) fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        let Document::Dexie(rows) = &self.document else { return Vec::new() };
        let all = self.places.iter().zip(rows.incomplete());
        all.filter_map(|(place, incomplete)| Some((*place, incomplete?))).collect()
    }

    /// The keys that a record may have that could not be built; none if that cannot be told.
    pub(crate) fn rejected_keys(&self, raw: &[u8], store: &ObjectStore, built: &Built) -> Vec<SortableKey> {
        let mut canonicalizer = Canonicalizer::new(Options::default());
        let key = built.keyed.then_some(&built.key[..]);
        let value = match &self.document {
            Document::Dexie(_) => store.key_path.as_ref().and_then(|path| dexie::plain_value(raw, path)),
            Document::Playwright(_) => at(raw, "value"),
            Document::PlainJson(..) => Some(raw),
            Document::Dump(_) => return Vec::new(),
        };
        rejected_keys(key, value, store, &mut canonicalizer)
    }

    /// Builds a record of this object store.
    pub(crate) fn build(&self, raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
        out.clear();
        match &self.document {
            Document::Dexie(rows) => dexie::record(raw, store, rows.in_line(), out),
            Document::Playwright(_) => playwright::record(raw, store, out),
            Document::PlainJson(_, key_field) => plain_json::record(raw, store, key_field.as_deref(), out),
            Document::Dump(dump) => dump.build(raw, store, out),
        }
    }
}

/// Brackets may nest so deep in a record: Playwright writes three for one of ours.
const MAX_RECORD_DEPTH: usize = 3 * MAX_DEPTH + 8;

/// Reads a record's own JSON.
pub(crate) fn tree(raw: &[u8]) -> Result<Tree<'_>, Reject> {
    Tree::read_within(raw, MAX_RECORD_DEPTH).map_err(|error| match error {
        TreeError::Syntax => (code::SYNTAX, "the record is not JSON"),
        TreeError::Depth => (code::DEPTH, "brackets are nested too deep"),
        TreeError::TooMany => (code::LINE_TOO_LONG, "the record has more values than one record may have"),
    })
}

/// What a dialect cannot say of any record, whatever they hold.
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
