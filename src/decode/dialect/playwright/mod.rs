//! Output of Playwright's `storageState({ indexedDB: true })`: all databases of all origins, of
//! which one is read.
//!
//! Records may come before the schema of their object store, so they wait in a temporary file until
//! the document has been read.

mod value;

use crate::decode::dialect::{Beginning, DialectSpec, ValueSyntax};
use std::io::Read;

use serde_json::{Map, Value};

pub(crate) use value::record;

use crate::decode::dialect::Dialect;
use crate::decode::document_walk::DocumentWalk;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::DecodeOptions;
use crate::decode::staged::{Stage, Staged};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;
use crate::loss::{Losses, what};

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "playwright",
    summary: "A storage state of Playwright, with IndexedDB",
    has_schema: true,
    names_indexes: true,
    is_whole: true,
    lacks_key_generators: true,
    values: ValueSyntax::Canonical,
    losses: &[what::ARRAY_MEMBERS, what::NEGATIVE_ZERO, what::OWN_PROTO, what::SHARING],
    beginnings: &[
        Beginning::like_record(&[b"{", b"\"cookies\"", b":", b"["]),
        Beginning::like_record(&[b"{", b"\"origins\"", b":", b"["]),
    ],
    ..DialectSpec::NONE
};

/// The most databases that a message names.
const MAX_NAMED: usize = 20;

/// The greatest length of the empty file system of an origin, in bytes.
const OPFS_BYTES: usize = 16;

/// The most object stores of a document.
const MAX_STORES: usize = 10_000;

/// A database as the document describes it.
#[derive(Default)]
struct FoundDatabase {
    name: Option<DomString>,
    version: Option<u64>,
    stores: Vec<ObjectStore>,
}

struct StateReader<'a, R> {
    pull: DocumentWalk<'a, R>,
    options: &'a DecodeOptions,
    stage: Stage,
    chosen: Option<FoundDatabase>,
    /// True if an origin was saved with its databases.
    has_databases: bool,
    /// All databases, for messages.
    there: Vec<String>,
    matching: usize,
    losses: Losses,
}

/// Reads a whole document.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
    losses: &mut Losses,
) -> Result<OpenedDocument<Staged>, DecodeError> {
    let mut reader = StateReader {
        pull: DocumentWalk(lines),
        options,
        stage: Stage::new(options.temp_folder.as_deref()),
        chosen: None,
        has_databases: false,
        there: Vec::new(),
        matching: 0,
        losses: Losses::default(),
    };
    reader.document()?;
    losses.append(&mut reader.losses);
    let found = reader.chosen()?;
    let names: Vec<_> = found.stores.iter().map(|store| store.name.clone()).collect();
    let name = found.name.unwrap_or_default();
    let header = options.import_header(
        Dialect::Playwright,
        name,
        found.version.unwrap_or(1),
        found.stores,
    )?;
    Ok(OpenedDocument { header, names, records: reader.stage.finish()? })
}

impl<R: Read> StateReader<'_, R> {
    /// Returns the one database that the options mean.
    fn chosen(&mut self) -> Result<FoundDatabase, DecodeError> {
        let list = match self.there.as_slice() {
            [] => "none".to_owned(),
            there => there.join(", "),
        };
        let what = match (self.chosen.take(), self.matching) {
            (Some(found), 1) => return Ok(found),
            (_, 0) if !self.has_databases => {
                "the input has no such database; it has none: save the storage state with \
                 storageState({ indexedDB: true }), which Playwright 1.51 or newer has"
                    .to_owned()
            }
            (_, 0) => {
                format!("the input has no such database (--origin, --database); it has {list}")
            }
            _ => {
                format!("say which database is meant (--origin, --database); the input has {list}")
            }
        };
        Err(DecodeError::Usage(what))
    }

    fn document(&mut self) -> Result<(), DecodeError> {
        let mut first = self.pull.open(b'{', "a storage state")?;
        let mut origins = false;
        while let Some(name) = self.pull.member(&mut first)? {
            match name.as_str() {
                "origins" if !origins => {
                    origins = true;
                    let mut first = self.pull.open(b'[', "origins")?;
                    while self.pull.item(&mut first)? {
                        self.origin()?;
                    }
                }
                "origins" => return Err(self.pull.framing("origins is there twice")),
                _ => self.pull.skip()?,
            }
        }
        self.pull.finish()?;
        if origins {
            Ok(())
        } else {
            Err(self.pull.framing("this is no storage state: it has no origins"))
        }
    }

    fn origin(&mut self) -> Result<(), DecodeError> {
        let mut first = self.pull.open(b'{', "an origin")?;
        let mut origin = None;
        while let Some(name) = self.pull.member(&mut first)? {
            match name.as_str() {
                "origin" => origin = Some(self.pull.text("origin")?),
                "indexedDB" => {
                    let Some(origin) = &origin else {
                        return Err(self
                            .pull
                            .framing("an origin's name must stand before its databases"));
                    };
                    let mut first = self.pull.open(b'[', "indexedDB")?;
                    self.has_databases = true;
                    while self.pull.item(&mut first)? {
                        self.database(origin)?;
                    }
                }
                "opfs" => {
                    let mut files = Vec::new();
                    let whole = self.pull.copy(&mut files, OPFS_BYTES)?;
                    let is_empty = matches!(files.as_slice(), b"[]" | b"{}" | b"null");
                    let meant = origin.as_ref().is_none_or(|origin| self.is_meant(origin));
                    self.losses.add("opfs", what::OPFS, u64::from(meant && !(whole && is_empty)));
                }
                _ => self.pull.skip()?,
            }
        }
        Ok(())
    }

    /// True if the options name this origin, or none. A slash at the end is ignored.
    fn is_meant(&self, origin: &str) -> bool {
        let bare = |origin: &str| origin.strip_suffix('/').unwrap_or(origin).to_owned();
        self.options.origin.as_ref().is_none_or(|wanted| bare(wanted) == bare(origin))
    }

    fn database(&mut self, origin: &str) -> Result<(), DecodeError> {
        let mut first = self.pull.open(b'{', "a database")?;
        let mut found = FoundDatabase::default();
        let mut meant = false;
        while let Some(member) = self.pull.member(&mut first)? {
            match member.as_str() {
                "name" if found.name.is_none() => {
                    let name = DomString::from_json(&self.pull.value("a database's name")?);
                    let name = name
                        .ok_or_else(|| self.pull.framing("a database's name must be a string"))?;
                    let is = |wanted: &Option<DomString>| {
                        wanted.as_ref().is_none_or(|wanted| *wanted == name)
                    };
                    meant = is(&self.options.database) && self.is_meant(origin);
                    if self.there.len() < MAX_NAMED {
                        self.there.push(format!("{} of {origin}", name.to_canonical()));
                    }
                    self.matching += usize::from(meant);
                    // A second match is only listed.
                    meant &= self.matching == 1;
                    found.name = Some(name);
                }
                "version" => {
                    let version = self.pull.value("a database's version")?.as_u64();
                    found.version = Some(version.ok_or_else(|| {
                        self.pull.framing("a database's version must be a number")
                    })?);
                }
                "stores" if found.name.is_none() => {
                    return Err(self
                        .pull
                        .framing("a database's name must stand before its object stores"));
                }
                "stores" if meant => {
                    let mut first = self.pull.open(b'[', "stores")?;
                    while self.pull.item(&mut first)? {
                        let store = self.store(found.stores.len())?;
                        found.stores.push(store);
                    }
                }
                "stores" => self.pull.skip()?,
                other => self.unknown(other, meant)?,
            }
        }
        if meant {
            if found.version.is_none() {
                return Err(self.pull.framing("a database needs a version"));
            }
            self.chosen = Some(found);
        }
        Ok(())
    }

    fn unknown(&mut self, member: &str, meant: bool) -> Result<(), DecodeError> {
        if meant {
            self.losses.add(&member.chars().take(80).collect::<String>(), what::UNKNOWN_MEMBER, 1);
        }
        self.pull.skip()
    }

    fn store(&mut self, number: usize) -> Result<ObjectStore, DecodeError> {
        if number >= MAX_STORES {
            return Err(self.pull.framing("a database has more object stores than 10000"));
        }
        let mut first = self.pull.open(b'{', "an object store")?;
        let mut members = Map::new();
        let mut raw = Vec::new();
        while let Some(name) = self.pull.member(&mut first)? {
            match name.as_str() {
                "records" => {
                    let mut first = self.pull.open(b'[', "records")?;
                    while self.pull.item(&mut first)? {
                        self.pull.peek()?;
                        let mark = self.pull.mark();
                        let whole = self.pull.copy(&mut raw, self.options.max_line_bytes)?;
                        self.stage.push(number, mark, whole.then_some(&raw[..]))?;
                    }
                }
                "name" | "autoIncrement" | "keyPath" | "keyPathArray" => {
                    let value = self.pull.value(&name)?;
                    members.insert(name, value);
                }
                "indexes" => {
                    let value = self.pull.value("indexes")?;
                    members.insert(name, self.indexes(value));
                }
                other => self.unknown(other, true)?,
            }
        }
        paths(&mut members);
        ObjectStore::from_json(&members).map_err(|error| {
            self.pull.framing(format!("an object store is not described as it should be: {error}"))
        })
    }

    /// Returns the indexes in our form.
    fn indexes(&mut self, mut value: Value) -> Value {
        for index in value.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            paths(index);
            let known = ["name", "keyPath", "unique", "multiEntry"];
            let before = index.len();
            index.retain(|name, _| known.contains(&name.as_str()));
            self.losses.add("indexes", what::UNKNOWN_MEMBER, (before - index.len()) as u64);
        }
        value
    }
}

/// Merges the members for the two kinds of key path into one.
fn paths(members: &mut Map<String, Value>) {
    if let Some(paths) = members.remove("keyPathArray") {
        members.insert("keyPath".to_owned(), paths);
    }
}
