//! The parts of a Dexie dump around its rows, such as the description of the tables.

use std::collections::BTreeSet;

use super::write_name;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::tree::{escape, write_list};
use crate::loss::{Losses, path, what};
use crate::snapshot::{Manifest, StoreManifest};

/// True if the rows are bare values. Dexie has no key path that denotes the value itself.
pub(super) fn in_line(schema: &ObjectStore) -> bool {
    schema.key_path.as_ref().is_some_and(|path| !is_whole(path))
}

fn is_whole(path: &KeyPath) -> bool {
    matches!(path, KeyPath::Path(path) if path.units().is_empty())
}

/// Writes everything before the first table's rows. Losses of the schema are recorded where the
/// rows of the table begin.
pub(super) fn open(manifest: &Manifest, stores: &[&StoreManifest], out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"{\"formatName\":\"dexie\",\"formatVersion\":1,\"data\":{\"databaseName\":",
    );
    write_name(&manifest.database, out);
    // Dexie's version number is a tenth of the browser's.
    let (whole, tenth) = (manifest.database_version / 10, manifest.database_version % 10);
    let version = if tenth == 0 { whole.to_string() } else { format!("{whole}.{tenth}") };
    out.extend_from_slice(format!(",\"databaseVersion\":{version},\"tables\":").as_bytes());
    write_list(stores, out, |store, out| {
        out.extend_from_slice(b"{\"name\":");
        write_name(&store.schema.name, out);
        out.extend_from_slice(b",\"schema\":\"");
        escape(schema(&store.schema).0, out);
        out.extend_from_slice(format!("\",\"rowCount\":{}}}", store.record_count()).as_bytes());
    });
    out.extend_from_slice(b",\"data\":[");
}

pub(super) fn open_store(store: &StoreManifest, out: &mut Vec<u8>, losses: &mut Losses) {
    let place = path(&store.schema.name, &[]);
    let (_, names, left_out) = schema(&store.schema);
    losses.add(&place, what::INDEX_NAMES, names);
    losses.add(&place, what::INDEX, left_out);
    losses.add(
        &place,
        what::KEY_PATH,
        u64::from(store.schema.key_path.as_ref().is_some_and(is_whole)),
    );
    out.extend_from_slice(b"{\"tableName\":");
    write_name(&store.schema.name, out);
    out.extend_from_slice(format!(",\"inbound\":{},\"rows\":[", in_line(&store.schema)).as_bytes());
}

/// Returns the schema in Dexie's syntax as UTF-16 units, the number of renamed indexes, and the
/// number of indexes that it cannot represent.
fn schema(store: &ObjectStore) -> (Vec<u16>, u64, u64) {
    let mut text: Vec<u16> =
        if store.auto_increment { "++".encode_utf16().collect() } else { Vec::new() };
    if let Some(path) = store.key_path.as_ref().filter(|path| !is_whole(path)) {
        text.extend(name(path));
    }
    let (mut renamed, mut left_out) = (0, 0);
    let mut seen = BTreeSet::new();
    for index in &store.indexes {
        let own = name(&index.key_path);
        // A compound index cannot be multiEntry in the browser either.
        if is_whole(&index.key_path) || !seen.insert(own.clone()) {
            left_out += 1;
            continue;
        }
        renamed += u64::from(index.name != DomString::from_units(own.clone()));
        text.push(u16::from(b','));
        if index.unique {
            text.push(u16::from(b'&'));
        }
        if index.multi_entry {
            text.push(u16::from(b'*'));
        }
        text.extend(own);
    }
    (text, renamed, left_out)
}

/// Returns Dexie's name for an index with this key path.
fn name(path: &KeyPath) -> Vec<u16> {
    match path {
        KeyPath::Path(path) => path.units().to_vec(),
        KeyPath::Paths(paths) => {
            let inside: Vec<_> = paths.iter().map(|path| path.units().to_vec()).collect();
            [&[u16::from(b'[')][..], &inside.join(&u16::from(b'+')), &[u16::from(b']')]].concat()
        }
    }
}
