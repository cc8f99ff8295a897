//! Plain JSON, `{"store":[value,…],…}`, as simple export tools write it; the options must name the
//! key paths.

use crate::decode::dialect::{Dialect, DialectSpec, ValueSyntax};
use std::collections::BTreeSet;
use std::io::Read;

use crate::decode::built::Built;
use crate::decode::document_walk::DocumentWalk;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::{DEFAULT_DATABASE, DecodeOptions};
use crate::decode::raw_json::{self, Reject};
use crate::decode::staged::{Stage, Staged};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;
use crate::loss::{Losses, what};

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "plain-json",
    aliases: &["indexeddb-export-import"],
    summary: "{\"store\":[value,...],...}, as indexeddb-export-import writes it; needs --key-path \
        STORE=PATH for each, or \
              --key-field. Is never detected",
    is_whole: true,
    values: ValueSyntax::Plain,
    losses: &[what::RICH_TYPES, what::SCHEMA],
    ..DialectSpec::NONE
};

/// The most object stores of a document.
const MAX_STORES: usize = 10_000;

/// Reads a whole document.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
    losses: &mut Losses,
) -> Result<OpenedDocument<Staged>, DecodeError> {
    let mut pull = DocumentWalk(lines);
    let mut stage = Stage::new(options.temp_folder.as_deref());
    // The object stores, each with its number of records.
    let mut names: Vec<(DomString, u64)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut raw = Vec::new();
    let mut first = pull.open(b'{', "plain JSON")?;
    while let Some(name) = pull.member(&mut first)? {
        let name = DomString::from(name.as_str());
        if !seen.insert(name.clone()) || seen.len() > MAX_STORES {
            return Err(
                pull.framing("an object store is there twice, or there are more than 10000")
            );
        }
        let mut first = pull.open(b'[', "each member of plain JSON is an object store, and")?;
        let (skipped, mut count) = (options.skip_stores.contains(&name), 0);
        while pull.item(&mut first)? {
            pull.peek()?;
            let mark = pull.mark();
            let whole = pull.copy(&mut raw, options.max_line_bytes)?;
            count += 1;
            // Records wait in the stage, because the header needs the names of all object stores.
            if !skipped {
                stage.push(names.len(), mark, whole.then_some(&raw[..]))?;
            }
        }
        if skipped {
            losses.add(&crate::loss::path(&name, &[]), what::SKIPPED_STORE, count);
        }
        names.push((name, count));
    }
    pull.finish()?;
    names_are_known(options, &seen)?;
    let mut stores = Vec::new();
    for (name, count) in names.iter().filter(|(name, _)| !options.skip_stores.contains(name)) {
        stores.extend(store(name, *count, options)?);
    }
    let database = options.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
    let version = options.database_version.unwrap_or(1);
    let header = options.import_header(Dialect::PlainJson, database, version, stores)?;
    let names = names.into_iter().map(|(name, _)| name).collect();
    Ok(OpenedDocument { header, names, records: stage.finish()? })
}

/// Refuses options that name an object store that the input does not have.
pub(crate) fn names_are_known(
    options: &DecodeOptions,
    known: &BTreeSet<DomString>,
) -> Result<(), DecodeError> {
    let of_paths = options.key_paths.iter().map(|(name, _)| ("--key-path", name));
    let named = of_paths.chain(options.skip_stores.iter().map(|name| ("--skip-store", name)));
    match named.into_iter().find(|(_, name)| !known.contains(name)) {
        Some((option, name)) => {
            let name = name.to_canonical();
            Err(DecodeError::Usage(format!(
                "{option} names the object store {name}, which the input does not have"
            )))
        }
        None => Ok(()),
    }
}

/// Returns the object store, or `None` if no option names its key path and it has no records to
/// lose.
fn store(
    name: &DomString,
    records: u64,
    options: &DecodeOptions,
) -> Result<Option<ObjectStore>, DecodeError> {
    let path = options.key_paths.iter().find(|(own, _)| own == name).map(|(_, path)| path.clone());
    if path.is_none() && options.key_field.is_none() {
        if records == 0 {
            return Ok(None);
        }
        let what = format!(
            "nothing says where the keys of object store {} are: give --key-path STORE=PATH, or \
             --key-field; or leave \
             it out with --skip-store",
            name.to_canonical()
        );
        return Err(DecodeError::Usage(what));
    }
    Ok(Some(ObjectStore::new(name.clone(), path)))
}

/// Builds a record: its value, without the key field if its keys are out of line.
pub(crate) fn record(
    raw: &[u8],
    store: &ObjectStore,
    key_field: Option<&str>,
    out: &mut Built,
) -> Result<(), Reject> {
    match key_field.filter(|_| store.key_path.is_none()) {
        Some(field) => {
            let key = raw_json::take_key(raw, field, &mut out.value)?;
            out.key.extend_from_slice(key.of(raw));
            out.keyed = true;
        }
        None => out.value.extend_from_slice(raw),
    }
    Ok(())
}
