//! Output of `dexie-cloud export`: `{"schema":…,"data":{table:{key:object}}}`, or the same grouped
//! by realm.

use crate::decode::dialect::{ANY_STRING, Beginning, Dialect, DialectSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::{Dump, DumpFormat, NO_OBJECT, Source, store, write_deletion};
use crate::decode::built::Built;
use crate::decode::dialect::plain_json::names_are_known;
use crate::decode::document_walk::DocumentWalk;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::{DEFAULT_DATABASE, DecodeOptions};
use crate::decode::raw_json::{Reject, tree};
use crate::decode::staged::Stage;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::MAX_DEPTH;
use crate::indexeddb::value::tree::{Tree, write_list, write_name, write_plain};
use crate::indexeddb::value::write::{
    write_date, write_special_number, write_string, write_undefined,
};
use crate::loss::{Losses, path, what};
use crate::rejection::code;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "dexie-cloud",
    summary: "An export of dexie-cloud export; needs --key-path if it has no schema and the keys \
        are not in the member id",
    losses: &[what::SCHEMA],
    beginnings: &[Beginning::like_record(&[
        b"{",
        b"\"data\"",
        b":",
        b"{",
        ANY_STRING,
        b":",
        b"{",
        ANY_STRING,
        b":",
        b"{",
    ])],
    ..DialectSpec::NONE
};

/// The key path of tables whose key the export does not describe.
const KEY_PATH: &str = "id";

struct DexieCloudReader<'a, R> {
    pull: DocumentWalk<'a, R>,
    options: &'a DecodeOptions,
    stage: Stage,
    names: Vec<DomString>,
    skipped: BTreeMap<DomString, u64>,
    /// The primary keys by table.
    schema: BTreeMap<String, String>,
}

/// Reads a whole export.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
    losses: &mut Losses,
) -> Result<OpenedDocument<Dump>, DecodeError> {
    let mut reader = DexieCloudReader {
        pull: DocumentWalk(lines),
        options,
        stage: Stage::new(options.temp_folder.as_deref()),
        names: Vec::new(),
        skipped: BTreeMap::new(),
        schema: BTreeMap::new(),
    };
    let mut first = reader.pull.open(b'{', "an export of Dexie Cloud")?;
    let mut found = false;
    while let Some(member) = reader.pull.member(&mut first)? {
        match member.as_str() {
            "data" if !found => {
                found = true;
                reader.data()?;
            }
            "schema" => reader.schema()?,
            _ => reader.pull.skip()?,
        }
    }
    if !found {
        return Err(reader.pull.framing("this is no export of Dexie Cloud: it has no data"));
    }
    reader.pull.finish()?;
    let DexieCloudReader { stage, names, skipped, schema, .. } = reader;
    for (name, count) in &skipped {
        losses.add(&path(name, &[]), what::SKIPPED_STORE, *count);
    }
    let known: BTreeSet<DomString> = names.iter().chain(skipped.keys()).cloned().collect();
    names_are_known(options, &known)?;
    // The schema may come after the data, so key paths are only known here.
    let key_of = |name: &DomString| schema.get(&name.to_string()).map_or(KEY_PATH, String::as_str);
    let stores = names.iter().map(|name| store(name, options, key_of(name))).collect();
    let database = options.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
    let version = options.database_version.unwrap_or(1);
    let header = options.import_header(Dialect::DexieCloud, database, version, stores)?;
    let dump = Dump::new(DumpFormat::DexieCloud, Source::Staged(stage.finish()?), options);
    Ok(OpenedDocument { header, names, records: dump })
}

impl<R: Read> DexieCloudReader<'_, R> {
    fn schema(&mut self) -> Result<(), DecodeError> {
        let schema = self.pull.value("schema")?;
        for (table, key) in schema.as_object().into_iter().flatten() {
            let key = key.as_str().or_else(|| key["primaryKey"].as_str()).unwrap_or_default();
            let key = key.trim_start_matches(['@', '$', '+', '&']);
            if !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                self.schema.insert(table.clone(), key.to_owned());
            }
        }
        Ok(())
    }

    fn data(&mut self) -> Result<(), DecodeError> {
        let mut first = self.pull.open(b'{', "data")?;
        while let Some(name) = self.pull.member(&mut first)? {
            if !is_realm(&name) {
                self.table(&name, None)?;
                continue;
            }
            let mut first = self.pull.open(b'{', "a realm")?;
            while let Some(table) = self.pull.member(&mut first)? {
                self.table(&table, Some(&name))?;
            }
        }
        Ok(())
    }

    /// Stages a table's objects, each as a list of key, realm and object.
    fn table(&mut self, name: &str, realm: Option<&str>) -> Result<(), DecodeError> {
        let name = DomString::from(name);
        let is_skipped = self.options.skip_stores.contains(&name);
        let place = self.names.iter().position(|known| *known == name);
        let place = place.unwrap_or(self.names.len());
        if place == self.names.len() && !is_skipped {
            self.names.push(name.clone());
        }
        let mut first = self.pull.open(b'{', "each member of data is a table, and")?;
        let mut raw = Vec::new();
        while let Some(key) = self.pull.member(&mut first)? {
            self.pull.peek()?;
            let mark = self.pull.mark();
            let whole = self.pull.copy(&mut raw, self.options.max_line_bytes)?;
            if is_skipped {
                *self.skipped.entry(name.clone()).or_default() += 1;
                continue;
            }
            let text = |text: &str| serde_json::to_vec(text).unwrap_or_default();
            let realm = realm.map_or_else(|| b"null".to_vec(), text);
            let staged = [b"[", &text(&key)[..], b",", &realm[..], b",", &raw[..], b"]"].concat();
            self.stage.push(place, mark, whole.then_some(&staged[..]))?;
        }
        Ok(())
    }
}

/// True for the name of a realm: one that was created, or a user's private realm, which has the
/// user's address.
fn is_realm(name: &str) -> bool {
    name.starts_with("rlm-") || name.starts_with("rlm~") || name.contains('@')
}

/// Builds an object from a list of its key, its realm and the object.
pub(super) fn record(raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let staged = tree(raw)?;
    let Some([Tree::String(key), realm, object]) = staged.items() else { return Err(NO_OBJECT) };
    let mut key_text = Vec::new();
    match staged
        .items()
        .and_then(|items| items.first())
        .and_then(Tree::text)
        .filter(|key| key.starts_with('['))
    {
        // A compound key.
        Some(list) if Tree::read(list.as_bytes()).is_ok() => {
            key_text.extend_from_slice(list.as_bytes())
        }
        _ => write_string(key, &mut key_text),
    }
    if *object == Tree::Null {
        write_deletion(&key_text, out);
        return Ok(());
    }
    let members = object.members().ok_or(NO_OBJECT)?;
    out.value.push(b'{');
    for (name, value) in members {
        separate(&mut out.value);
        write_name(name, &mut out.value);
        write_typed(value, &mut out.value, 0)?;
    }
    if let Tree::String(realm) = realm
        && object.get("realmId").is_none()
    {
        separate(&mut out.value);
        write_name(b"realmId", &mut out.value);
        write_string(realm, &mut out.value);
    }
    match &store.key_path {
        // An export may leave out the key from an object, because the object is listed under its
        // key.
        Some(KeyPath::Path(path))
            if !path.to_string().contains('.') && object.get(&path.to_string()).is_none() =>
        {
            separate(&mut out.value);
            write_name(path.to_string().as_bytes(), &mut out.value);
            out.value.extend_from_slice(&key_text);
        }
        Some(_) => {}
        None => {
            out.key = key_text;
            out.keyed = true;
        }
    }
    out.value.push(b'}');
    Ok(())
}

fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

/// Writes a value; `{"$t":type,"v":…}` represents a type that JSON does not have.
fn write_typed(tree: &Tree<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Reject> {
    if depth > MAX_DEPTH {
        return Err((code::DEPTH, "brackets are nested too deep"));
    }
    match tree {
        Tree::Object(members) => match tree.get("$t").map(Tree::text) {
            Some(kind) => write_kind(&kind.unwrap_or_default(), tree.get("v"), out),
            None => {
                out.push(b'{');
                for (name, value) in members {
                    separate(out);
                    write_name(name, out);
                    write_typed(value, out, depth + 1)?;
                }
                out.push(b'}');
                Ok(())
            }
        },
        Tree::List(items) => {
            let mut result = Ok(());
            write_list(items, out, |item, out| {
                if result.is_ok() {
                    result = write_typed(item, out, depth + 1);
                }
            });
            result
        }
        _ => {
            write_plain(tree, out);
            Ok(())
        }
    }
}

fn write_kind(kind: &str, content: Option<&Tree<'_>>, out: &mut Vec<u8>) -> Result<(), Reject> {
    const INVALID: Reject = (code::INVALID_TAG, "a typed value that is not written as its type is");
    let text = || content.and_then(Tree::text).ok_or(INVALID);
    match kind {
        "Date" => {
            let ms = iso_date::read(&text()?).ok_or(INVALID)?;
            write_date(Some(ms), out);
        }
        "undefined" => write_undefined(out),
        "number" => match text()?.as_str() {
            word @ ("NaN" | "Infinity" | "-Infinity") => write_special_number(word, out),
            _ => return Err(INVALID),
        },
        _ => {
            return Err((
                code::UNKNOWN_TAG,
                "a typed value of a kind that this release does not know",
            ));
        }
    }
    Ok(())
}
