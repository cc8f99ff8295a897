//! Responses of CouchDB's `_all_docs` and `_changes` with `include_docs=true`, and output of
//! pouchdb-dump.

use crate::decode::dialect::{ANY_NUMBER, ANY_STRING, Beginning, Dialect, DialectSpec};
use std::io::Read;

use serde_json::Value;

use super::rxdb::has_stubs;
use super::{Dump, DumpFormat, NO_OBJECT, Revisions, Source, store, write_deletion, write_members};
use crate::decode::built::Built;
use crate::decode::document_walk::DocumentWalk;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::header::Mode;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::{DEFAULT_DATABASE, DecodeOptions};
use crate::decode::raw_json::{Reject, tree};
use crate::decode::staged::Stage;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::tree::Tree;
use crate::indexeddb::value::write::write_string;
use crate::loss::{LossStep, what};
use crate::rejection::code;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "couchdb",
    summary: "A response of CouchDB's _all_docs or _changes with include_docs=true",
    losses: LOSSES,
    beginnings: &[
        Beginning::only(&[
            b"{",
            b"\"total_rows\"",
            b":",
            ANY_NUMBER,
            b",",
            b"\"offset\"",
            b":",
            ANY_NUMBER,
            b",",
        ]),
        Beginning::only(&[b"{", b"\"results\"", b":", b"[", b"{", b"\"seq\"", b":"]),
        Beginning::only(&[
            b"{",
            b"\"seq\"",
            b":",
            ANY_STRING,
            b",",
            b"\"id\"",
            b":",
            ANY_STRING,
            b",",
            b"\"changes\"",
        ]),
        Beginning::only(&[
            b"{",
            b"\"seq\"",
            b":",
            ANY_NUMBER,
            b",",
            b"\"id\"",
            b":",
            ANY_STRING,
            b",",
            b"\"changes\"",
        ]),
    ],
    ..DialectSpec::NONE
};

pub(crate) const POUCHDB_DUMP: DialectSpec = DialectSpec {
    name: "pouchdb-dump",
    summary: "An output of pouchdb-dump",
    losses: LOSSES,
    beginnings: &[Beginning::only(&[
        b"{",
        b"\"version\"",
        b":",
        ANY_STRING,
        b",",
        b"\"db_type\"",
        b":",
        ANY_STRING,
    ])],
    ..DialectSpec::NONE
};

const LOSSES: &[&str] = &[what::REVISIONS, what::RICH_TYPES, what::SCHEMA];

/// The object store of documents, unless the options name another.
const OBJECT_STORE: &str = "docs";

/// The key path of documents.
const KEY_PATH: &str = "_id";

struct CouchdbReader<'a, R> {
    pull: DocumentWalk<'a, R>,
    options: &'a DecodeOptions,
    stage: Stage,
    rows: u64,
}

impl<'a, R: Read> CouchdbReader<'a, R> {
    fn new(lines: &'a mut Lines<R>, options: &'a DecodeOptions) -> Self {
        let stage = Stage::new(options.temp_folder.as_deref());
        Self { pull: DocumentWalk(lines), options, stage, rows: 0 }
    }

    /// Stages one row and copies it to `raw`; returns `false` if it is longer than the limit.
    fn row(&mut self, raw: &mut Vec<u8>) -> Result<bool, DecodeError> {
        self.pull.peek()?;
        let mark = self.pull.mark();
        let whole = self.pull.copy(raw, self.options.max_line_bytes)?;
        self.rows += 1;
        self.stage.push(0, mark, whole.then_some(&raw[..]))?;
        Ok(whole)
    }

    fn rows(&mut self, what: &str) -> Result<(), DecodeError> {
        let mut raw = Vec::new();
        let mut first = self.pull.open(b'[', what)?;
        while self.pull.item(&mut first)? {
            self.row(&mut raw)?;
        }
        Ok(())
    }
}

/// Reads a whole response.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    if is_continuous(lines)? {
        return continuous(lines, options);
    }
    let mut reader = CouchdbReader::new(lines, options);
    let mut first = reader.pull.open(b'{', "an answer of CouchDB")?;
    let mut format = None;
    let mut total = None;
    while let Some(member) = reader.pull.member(&mut first)? {
        match member.as_str() {
            "rows" if format.is_none() => {
                format = Some(DumpFormat::AllDocs);
                reader.rows("rows")?;
            }
            "results" if format.is_none() => {
                format = Some(DumpFormat::Changes);
                reader.rows("results")?;
            }
            "total_rows" => total = reader.pull.value("total_rows")?.as_u64(),
            "error" => {
                return Err(reader.pull.framing("the answer of CouchDB is an error: ask again"));
            }
            _ => reader.pull.skip()?,
        }
    }
    let format = format.ok_or_else(|| {
        reader.pull.framing("this is no answer of CouchDB: it has no rows or results")
    })?;
    reader.pull.finish()?;
    let is_whole = format == DumpFormat::AllDocs && total == Some(reader.rows);
    finish(reader.stage, CouchdbDump { is_whole, ..CouchdbDump::of(format) }, options)
}

/// True if each line is one change, as with `feed=continuous`.
fn is_continuous<R: Read>(lines: &mut Lines<R>) -> Result<bool, DecodeError> {
    Ok(lines.peek(64)?.trim_ascii_start().starts_with(b"{\"seq\""))
}

fn continuous<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    let mut reader = CouchdbReader::new(lines, options);
    let mut raw = Vec::new();
    while reader.pull.peek_or_end()?.is_some() {
        let mark = reader.pull.mark();
        let whole = reader.pull.copy(&mut raw, options.max_line_bytes)?;
        // The last line contains only the sequence number to continue from.
        if !whole || !raw.starts_with(b"{\"last_seq\"") {
            reader.stage.push(0, mark, whole.then_some(&raw[..]))?;
        }
    }
    finish(reader.stage, CouchdbDump::of(DumpFormat::Changes), options)
}

/// Reads a whole dump of PouchDB: a header, then objects with `docs` or `seq`.
pub(crate) fn open_dump<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    let mut reader = CouchdbReader::new(lines, options);
    let mut revisions = Revisions::default();
    let mut info = Value::Null;
    let mut raw = Vec::new();
    while reader.pull.peek_or_end()?.is_some() {
        let mut first = reader.pull.open(b'{', "each line of a dump of PouchDB")?;
        while let Some(member) = reader.pull.member(&mut first)? {
            match member.as_str() {
                "docs" => {
                    let mut first = reader.pull.open(b'[', "docs")?;
                    while reader.pull.item(&mut first)? {
                        if reader.row(&mut raw)? {
                            revisions.hear(&raw);
                        }
                    }
                }
                "db_info" => info = reader.pull.value("db_info")?,
                _ => reader.pull.skip()?,
            }
        }
    }
    let is_whole = info["doc_count"].as_u64() == Some(revisions.documents());
    let name = info["db_name"].as_str().map(DomString::from);
    let dump = CouchdbDump { format: DumpFormat::PouchdbDump, revisions, is_whole, database: name };
    finish(reader.stage, dump, options)
}

/// The facts of a dump that was read completely.
struct CouchdbDump {
    format: DumpFormat,
    revisions: Revisions,
    /// True if it has all documents of its database.
    is_whole: bool,
    /// The database's name, if the dump has it.
    database: Option<DomString>,
}

impl CouchdbDump {
    fn of(format: DumpFormat) -> Self {
        Self { format, revisions: Revisions::default(), is_whole: false, database: None }
    }
}

fn finish(
    stage: Stage,
    dump: CouchdbDump,
    options: &DecodeOptions,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    let CouchdbDump { format, revisions, is_whole, database } = dump;
    if options.mode == Some(Mode::Full) && !is_whole {
        let what = "the input does not hold all documents of its database, as its own numbers have \
            it, or it holds changes: \
                    it cannot be a full batch";
        return Err(DecodeError::Usage(what.to_owned()));
    }
    let full = (is_whole && options.source.is_some()).then_some(Mode::Full);
    let options =
        DecodeOptions { mode: options.mode.or(full).or(Some(Mode::Delta)), ..options.clone() };
    let name = options.object_store.clone().unwrap_or_else(|| OBJECT_STORE.into());
    let stores = vec![store(&name, &options, KEY_PATH)];
    let dialect =
        if format == DumpFormat::PouchdbDump { Dialect::PouchdbDump } else { Dialect::Couchdb };
    let database = options.database.clone().or(database).unwrap_or_else(|| DEFAULT_DATABASE.into());
    let header =
        options.import_header(dialect, database, options.database_version.unwrap_or(1), stores)?;
    let source = Source::Staged(stage.finish()?);
    let dump = Dump { revisions, ..Dump::new(format, source, &options) };
    Ok(OpenedDocument { header, names: vec![name], records: dump })
}

/// Builds a row: `{"id","key","value":{"rev"},"doc"}` of `_all_docs`, or
/// `{"seq","id","changes","deleted","doc"}` of `_changes`.
pub(super) fn row(raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let row = tree(raw)?;
    row.members().ok_or((code::SYNTAX, "the row is not an object"))?;
    let is_true = |member: Option<&Tree<'_>>| member == Some(&Tree::Bool(true));
    if is_true(row.get("deleted"))
        || is_true(row.get("value").and_then(|value| value.get("deleted")))
    {
        let Some(Tree::String(id)) = row.get("id") else {
            return Err((code::NO_KEY, "the row has no id"));
        };
        return deletion(id, store, out);
    }
    match row.get("doc") {
        Some(document @ Tree::Object(_)) => write_document(document, store, out),
        _ => Err((
            code::MISSING_MEMBER,
            "the row has no document: ask for it with include_docs=true",
        )),
    }
}

/// Builds a document of a dump.
pub(super) fn document(raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    write_document(&tree(raw)?, store, out)
}

fn write_document(document: &Tree<'_>, store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let members = document.members().ok_or(NO_OBJECT)?;
    if document.get("_deleted") == Some(&Tree::Bool(true)) {
        let Some(Tree::String(id)) = document.get("_id") else {
            return Err((code::NO_KEY, "the document has no _id"));
        };
        return deletion(id, store, out);
    }
    let mut lose =
        |name: &'static [u8], what| out.losses.at(&store.name, &[LossStep::member(name)], what);
    if document.get("_attachments").is_some_and(has_stubs) {
        lose(b"_attachments", what::ATTACHMENTS);
    }
    if document.get("_conflicts").and_then(Tree::items).is_some_and(|others| !others.is_empty()) {
        lose(b"_conflicts", what::REVISIONS);
    }
    // Members that CouchDB adds to a document and that are not part of it.
    let is_told = |name: &[u8], _: &Tree<'_>| {
        matches!(
            name,
            b"_revisions"
                | b"_revs_info"
                | b"_conflicts"
                | b"_deleted_conflicts"
                | b"_local_seq"
                | b"_deleted"
        )
    };
    write_members(members, is_told, &mut out.value);
    Ok(())
}

fn deletion(id: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let is_id =
        |path: &KeyPath| matches!(path, KeyPath::Path(path) if path.to_string() == KEY_PATH);
    if !store.key_path.as_ref().is_none_or(is_id) {
        return Err((
            code::NO_KEY,
            "a deletion names its document by _id, which is not the object store's key path",
        ));
    }
    let mut key = Vec::new();
    write_string(id, &mut key);
    write_deletion(&key, out);
    Ok(())
}
