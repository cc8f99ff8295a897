//! Plain JSON, `{"store":[value,…],…}`, as simple export tools write it: where the keys are has to be said.

use std::collections::BTreeSet;
use std::io::Read;

use super::error::DecodeError;
use super::framing::Lines;
use super::header::BatchHeader;
use super::import::{Built, Document, Import};
use super::options::{DEFAULT_DATABASE, DecodeOptions, Dialect};
use super::pull::Pull;
use super::records::{self, Reject};
use super::staged::Stage;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;

/// A document may have this many object stores.
const MAX_STORES: usize = 10_000;

/// Reads a whole document.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<(BatchHeader, Import), DecodeError> {
    let mut pull = Pull(lines);
    let mut stage = Stage::new(options.temp_folder.as_deref());
    let mut names: Vec<DomString> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut raw = Vec::new();
    let mut first = pull.open(b'{', "plain JSON")?;
    while let Some(name) = pull.member(&mut first)? {
        let name = DomString::from(name.as_str());
        if !seen.insert(name.clone()) || seen.len() > MAX_STORES {
            return Err(pull.framing("an object store is there twice, or there are more than 10000"));
        }
        let mut first = pull.open(b'[', "each member of plain JSON is an object store, and")?;
        while pull.item(&mut first)? {
            pull.peek()?;
            let mark = pull.mark();
            let whole = pull.copy(&mut raw, options.max_line_bytes)?;
            stage.push(names.len(), mark, whole.then_some(&raw[..]))?;
        }
        names.push(name);
    }
    pull.finish()?;
    let stores = names.iter().map(|name| store(name, options)).collect::<Result<_, _>>()?;
    if let Some((name, _)) = options.key_paths.iter().find(|(name, _)| !seen.contains(name)) {
        let what = format!("--key-path names the object store {}, which the input does not have", name.to_canonical());
        return Err(DecodeError::Usage(what));
    }
    let database = options.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
    let version = options.database_version.unwrap_or(1);
    let header = options.import_header(Dialect::PlainJson, database, version, stores)?;
    let document = Document::PlainJson(stage.finish()?, options.key_field.clone());
    let import = Import::new(document, &names, &header);
    Ok((header, import))
}

fn store(name: &DomString, options: &DecodeOptions) -> Result<ObjectStore, DecodeError> {
    let path = options.key_paths.iter().find(|(own, _)| own == name).map(|(_, path)| path.clone());
    if path.is_none() && options.key_field.is_none() {
        let what = format!(
            "nothing says where the keys of object store {} are: give --key-path STORE=PATH, or --key-field",
            name.to_canonical()
        );
        return Err(DecodeError::Usage(what));
    }
    Ok(ObjectStore::new(name.clone(), path))
}

/// Builds a record: its value, from which the key field is taken out if its keys are not in line.
pub(crate) fn record(raw: &[u8], store: &ObjectStore, key_field: Option<&str>, out: &mut Built) -> Result<(), Reject> {
    match key_field.filter(|_| store.key_path.is_none()) {
        Some(field) => {
            let key = records::take_key(raw, field, &mut out.value)?;
            out.key.extend_from_slice(key.of(raw));
            out.keyed = true;
        }
        None => out.value.extend_from_slice(raw),
    }
    Ok(())
}
