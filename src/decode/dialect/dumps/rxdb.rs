//! Output of RxDB's `exportJSON`: a database,
//! `{"name","instanceToken","collections":[{"name","docs"}]}`, or one collection.

use crate::decode::dialect::{ANY_STRING, Beginning, Dialect, DialectSpec};
use std::collections::BTreeSet;
use std::io::Read;

use super::{Dump, DumpFormat, NO_OBJECT, Source, store, write_deletion, write_members};
use crate::decode::built::Built;
use crate::decode::dialect::plain_json::names_are_known;
use crate::decode::document_walk::DocumentWalk;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::{DEFAULT_DATABASE, DecodeOptions};
use crate::decode::raw_json::{self, Reject, tree};
use crate::decode::staged::Stage;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::tree::Tree;
use crate::loss::{LossStep, Losses, path, what};
use crate::rejection::code;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "rxdb",
    summary: "An export of RxDB's exportJSON; needs --key-path if the keys are not in the member \
        id",
    is_whole: true,
    losses: &[what::ATTACHMENTS, what::RICH_TYPES, what::SCHEMA],
    beginnings: &[
        Beginning::only(&[
            b"{",
            b"\"name\"",
            b":",
            ANY_STRING,
            b",",
            b"\"instanceToken\"",
            b":",
            ANY_STRING,
        ]),
        Beginning::only(&[
            b"{",
            b"\"name\"",
            b":",
            ANY_STRING,
            b",",
            b"\"schemaHash\"",
            b":",
            ANY_STRING,
        ]),
    ],
    ..DialectSpec::NONE
};

/// The key path of RxDB's own examples; exports name none.
const KEY_PATH: &str = "id";

struct RxdbReader<'a, R> {
    pull: DocumentWalk<'a, R>,
    options: &'a DecodeOptions,
    losses: &'a mut Losses,
    stage: Stage,
    names: Vec<DomString>,
}

/// Reads a whole dump.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
    losses: &mut Losses,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    let stage = Stage::new(options.temp_folder.as_deref());
    let mut reader =
        RxdbReader { pull: DocumentWalk(lines), options, losses, stage, names: Vec::new() };
    let mut first = reader.pull.open(b'{', "an export of RxDB")?;
    let (mut name, mut database) = (None, None);
    let mut found = false;
    while let Some(member) = reader.pull.member(&mut first)? {
        match member.as_str() {
            // A name before `collections` is the database's, one before `docs` is the collection's.
            "name" if name.is_none() => name = Some(reader.name()?),
            "collections" if !found => {
                found = true;
                database = name.clone();
                let mut first = reader.pull.open(b'[', "collections")?;
                while reader.pull.item(&mut first)? {
                    reader.collection()?;
                }
            }
            "docs" if !found => {
                found = true;
                reader.docs(name.as_ref())?;
                let what = "the name of a collection must stand before its docs";
                let name = name.clone().ok_or_else(|| reader.pull.framing(what))?;
                reader.names.push(name);
            }
            "encrypted" => reader.encrypted()?,
            _ => reader.pull.skip()?,
        }
    }
    if !found {
        return Err(reader
            .pull
            .framing("this is no export of RxDB: it has neither collections nor docs"));
    }
    reader.pull.finish()?;
    let RxdbReader { stage, names, .. } = reader;
    let known: BTreeSet<DomString> = names.iter().cloned().collect();
    if known.len() != names.len() {
        return Err(DecodeError::Usage("the export names a collection twice".to_owned()));
    }
    names_are_known(options, &known)?;
    let kept = names.iter().filter(|name| !options.skip_stores.contains(name));
    let stores = kept.map(|name| store(name, options, KEY_PATH)).collect();
    let database =
        database.or_else(|| options.database.clone()).unwrap_or_else(|| DEFAULT_DATABASE.into());
    let version = options.database_version.unwrap_or(1);
    let header = options.import_header(Dialect::Rxdb, database, version, stores)?;
    let dump = Dump::new(DumpFormat::Rxdb, Source::Staged(stage.finish()?), options);
    Ok(OpenedDocument { header, names, records: dump })
}

impl<R: Read> RxdbReader<'_, R> {
    fn name(&mut self) -> Result<DomString, DecodeError> {
        let name = DomString::from_json(&self.pull.value("a name")?);
        name.ok_or_else(|| self.pull.framing("a name must be a string"))
    }

    fn encrypted(&mut self) -> Result<(), DecodeError> {
        let is_encrypted = self.pull.value("encrypted")?.as_bool() == Some(true);
        self.losses.add("", what::ENCRYPTED, u64::from(is_encrypted));
        Ok(())
    }

    fn collection(&mut self) -> Result<(), DecodeError> {
        let mut first = self.pull.open(b'{', "a collection")?;
        let mut name = None;
        while let Some(member) = self.pull.member(&mut first)? {
            match member.as_str() {
                "name" => name = Some(self.name()?),
                "docs" => self.docs(name.as_ref())?,
                "encrypted" => self.encrypted()?,
                _ => self.pull.skip()?,
            }
        }
        let name = name.ok_or_else(|| self.pull.framing("a collection has no name"))?;
        self.names.push(name);
        Ok(())
    }

    fn docs(&mut self, name: Option<&DomString>) -> Result<(), DecodeError> {
        let skipped = name.filter(|name| self.options.skip_stores.contains(name));
        let mut raw = Vec::new();
        let mut count = 0;
        let mut first = self.pull.open(b'[', "docs")?;
        while self.pull.item(&mut first)? {
            self.pull.peek()?;
            let mark = self.pull.mark();
            let whole = self.pull.copy(&mut raw, self.options.max_line_bytes)?;
            count += 1;
            if skipped.is_none() {
                self.stage.push(self.names.len(), mark, whole.then_some(&raw[..]))?;
            }
        }
        if let Some(name) = skipped {
            self.losses.add(&path(name, &[]), what::SKIPPED_STORE, count);
        }
        Ok(())
    }
}

/// Builds a document without the members that RxDB's storage adds.
pub(super) fn record(raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let document = tree(raw)?;
    let members = document.members().ok_or(NO_OBJECT)?;
    let is_own = |name: &[u8], value: &Tree<'_>| match name {
        b"_meta" | b"_rev" | b"_deleted" => true,
        b"_attachments" => value.members().is_some_and(<[_]>::is_empty),
        _ => false,
    };
    if document.get("_attachments").is_some_and(has_stubs) {
        out.losses.at(&store.name, &[LossStep::member(b"_attachments")], what::ATTACHMENTS);
    }
    write_members(members, is_own, &mut out.value);
    if document.get("_deleted") == Some(&Tree::Bool(true)) {
        let path = store
            .key_path
            .as_ref()
            .ok_or((code::NO_KEY, "a deleted document needs its key at a key path"))?;
        let key = raw_json::key_at(&out.value, path)?;
        out.value.clear();
        write_deletion(&key, out);
    }
    Ok(())
}

/// True if one of a document's attachments has no data.
pub(super) fn has_stubs(attachments: &Tree<'_>) -> bool {
    let is_stub = |(_, attachment): &(&[u8], Tree<'_>)| attachment.get("data").is_none();
    attachments.members().unwrap_or_default().iter().any(is_stub)
}
