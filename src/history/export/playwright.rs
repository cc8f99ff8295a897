//! The parts of a Playwright storage state around its records.

use super::write_name;
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::text::canonical_text;
use crate::indexeddb::value::tree::write_list;
use crate::snapshot::{Manifest, StoreManifest};

/// Writes the document around the records.
pub(super) struct Writer<'a> {
    pub(super) origin: &'a str,
}

impl Writer<'_> {
    pub(super) fn open(&self, manifest: &Manifest, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"cookies\":[],\"origins\":[{\"origin\":");
        out.extend_from_slice(canonical_text(self.origin).as_bytes());
        out.extend_from_slice(b",\"localStorage\":[],\"indexedDB\":[{\"name\":");
        write_name(&manifest.database, out);
        out.extend_from_slice(
            format!(",\"version\":{},\"stores\":[", manifest.database_version).as_bytes(),
        );
    }
}

pub(super) fn open_store(store: &StoreManifest, out: &mut Vec<u8>) {
    let schema = &store.schema;
    out.extend_from_slice(b"{\"name\":");
    write_name(&schema.name, out);
    out.extend_from_slice(format!(",\"autoIncrement\":{}", schema.auto_increment).as_bytes());
    if let Some(path) = &schema.key_path {
        write_key_path(path, out);
    }
    out.extend_from_slice(b",\"indexes\":");
    write_list(&schema.indexes, out, |index, out| {
        out.extend_from_slice(b"{\"name\":");
        write_name(&index.name, out);
        write_key_path(&index.key_path, out);
        out.extend_from_slice(
            format!(",\"multiEntry\":{},\"unique\":{}}}", index.multi_entry, index.unique)
                .as_bytes(),
        );
    });
    out.extend_from_slice(b",\"records\":[");
}

fn write_key_path(path: &KeyPath, out: &mut Vec<u8>) {
    match path {
        KeyPath::Path(path) => {
            out.extend_from_slice(b",\"keyPath\":");
            write_name(path, out);
        }
        KeyPath::Paths(paths) => {
            out.extend_from_slice(b",\"keyPathArray\":");
            write_list(paths, out, write_name);
        }
    }
}
