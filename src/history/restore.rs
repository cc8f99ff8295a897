//! Restores a version: as a batch that `sync` takes, or as bare records.
//!
//! Chunks are checked before a byte of them is written, and their text is written unchanged.
//! Memory: one chunk (about 1 MiB, and its parsed lines) and one spilled value.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::HistoryError;
use super::reader::{CheckedChunk, VersionReader};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::name_to_json;
use crate::snapshot::manifest::canonical_json;
use crate::snapshot::{FlowName, Line, LineState, List, Manifest, StoreManifest};
use crate::store::{SnapshotReader, StoredVersion};

/// The `format` of a restored batch; the page is `doc/reference/changes.md`.
const CHANGES_FORMAT: &str = "indexeddb-changes/1";

/// The output format of a restored version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestoreFormat {
    /// A batch of `indexeddb-changes/1`: a header without source, base and mode; a `put` line per
    /// record, as stored in its chunk (members `at`, `by` if known, `key`, `op`, `rev`, `store`,
    /// `value`), with spilled values inline; an end line. `sync` takes this batch, and in an empty
    /// flow it produces the same root. A record whose line exceeds the line limit of `sync` needs a
    /// higher limit there.
    #[default]
    Changes,
    /// One canonical value per line, of one object store. With out-of-line keys, each line is
    /// `{"key":…,"value":…}`.
    Records,
}

/// Options of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The output format.
    pub format: RestoreFormat,
    /// Only this object store, which is then also the only one in a batch's header. Required for
    /// records if there are several.
    pub object_store: Option<DomString>,
}

/// The amount of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Number of records.
    pub records: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// Writes a version to `out`, in the order of object store and key.
///
/// # Errors
///
/// [`HistoryError::Usage`] if the object store does not exist, or none is named and there are
/// several (nothing was written). [`HistoryError::Store`] if something cannot be read or does not
/// match its digest. [`HistoryError::Output`] if `out` fails. After an error a batch has no end
/// line, so its reader notices that it is incomplete. Records have no such mark, so the output must
/// be discarded.
pub fn restore(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    options: &RestoreOptions,
    out: &mut dyn Write,
) -> Result<Restored, HistoryError> {
    let reader = VersionReader { store, flow, version };
    let stores =
        chosen(&reader, options.object_store.as_ref(), options.format == RestoreFormat::Records)?;
    let mut output = CountingOutput { out, written: Restored::default() };
    reader.check_manifest()?;
    if options.format == RestoreFormat::Changes {
        output.write(header(&version.manifest, &stores).as_bytes())?;
    }
    each_part(&reader, &stores, |object_store, part| {
        let RestorePart::Chunk(chunk) = part else { return Ok(()) };
        match options.format {
            RestoreFormat::Changes => write_changes(&reader, chunk, &mut output)?,
            RestoreFormat::Records => {
                write_records(&reader, chunk, object_store.schema.key_path.is_none(), &mut output)?;
            }
        }
        output.written.records += chunk.seen.count;
        Ok(())
    })?;
    if options.format == RestoreFormat::Changes {
        output.write(
            format!("{{\"count\":{},\"op\":\"end\"}}\n", output.written.records).as_bytes(),
        )?;
    }
    output.out.flush()?;
    Ok(output.written)
}

/// A piece of an object store.
pub(super) enum RestorePart<'a> {
    /// The beginning of an object store.
    Begin,
    /// Some records, in key order.
    Chunk(&'a CheckedChunk),
    /// The end of an object store.
    End,
}

/// Passes on every part of these object stores, checked, and finally checks that they agree with
/// the manifest.
pub(super) fn each_part<'a>(
    reader: &VersionReader<'a>,
    stores: &[&'a StoreManifest],
    mut take: impl FnMut(&'a StoreManifest, RestorePart<'_>) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    let mut seen = reader.version.manifest.clone();
    for object_store in stores {
        let name = object_store.schema.name.clone();
        let mut chunks = Vec::with_capacity(object_store.records.len());
        let mut list = reader.list(List::Records(name.clone()), &object_store.records);
        take(object_store, RestorePart::Begin)?;
        while let Some(chunk) = list.advance()? {
            take(object_store, RestorePart::Chunk(&chunk))?;
            chunks.push(chunk.seen);
        }
        take(object_store, RestorePart::End)?;
        if let Some(list) = seen.list_mut(&List::Records(name)) {
            *list = chunks;
        }
    }
    if seen.root() != reader.version.manifest.root() {
        return Err(reader
            .damaged("its records do not have the root that the manifest says")
            .into());
    }
    Ok(())
}

/// Returns the requested object stores; with `one`, there may be only one.
pub(super) fn chosen<'a>(
    reader: &VersionReader<'a>,
    only: Option<&DomString>,
    one: bool,
) -> Result<Vec<&'a StoreManifest>, HistoryError> {
    let manifest = &reader.version.manifest;
    match only {
        Some(name) => match manifest.store(name) {
            Some(store) => Ok(vec![store]),
            None => Err(no_object_store(reader, name)),
        },
        None if one && manifest.stores.len() != 1 => {
            let what = format!(
                "records are of one object store: name it (--object-store); {}",
                there(reader)
            );
            Err(HistoryError::Usage(what))
        }
        None => Ok(manifest.stores.iter().collect()),
    }
}

/// Returns the error for an object store that a version does not have.
pub(super) fn no_object_store(reader: &VersionReader<'_>, name: &DomString) -> HistoryError {
    HistoryError::Usage(format!(
        "there is no object store {}; {}",
        name.to_canonical(),
        there(reader)
    ))
}

fn there(reader: &VersionReader<'_>) -> String {
    let manifest = &reader.version.manifest;
    let names: Vec<_> =
        manifest.stores.iter().map(|store| store.schema.name.to_canonical()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("version {} of flow {} has {names}", manifest.version, reader.flow)
}

fn header(manifest: &Manifest, stores: &[&StoreManifest]) -> String {
    let store = |store: &&StoreManifest| -> Map<String, Value> {
        let mut members = store.schema.to_json();
        members.insert("keyGenerator".into(), store.key_generator.map_or(Value::Null, Value::from));
        members
    };
    let header = json!({
        "database": name_to_json(&manifest.database),
        "databaseVersion": manifest.database_version,
        "format": CHANGES_FORMAT,
        "stores": stores.iter().map(store).collect::<Vec<_>>(),
    });
    canonical_json(&header) + "\n"
}

fn write_changes(
    reader: &VersionReader<'_>,
    chunk: &CheckedChunk,
    output: &mut CountingOutput<'_>,
) -> Result<(), HistoryError> {
    let (mut at, mut copied) = (0, 0);
    if !chunk.seen.spilled.is_empty() {
        for (text, line) in chunk.text.split_inclusive(|&byte| byte == b'\n').zip(&chunk.lines) {
            let end = at + text.len();
            if let LineState::Spilled(_) = line.state {
                let value = reader.whole(&line.state)?.unwrap_or_default();
                output.write(&chunk.text[copied..at])?;
                output.write(&open_line(line, &chunk.name))?;
                output.write(&value)?;
                output.write(b"}\n")?;
                copied = end;
            }
            at = end;
        }
    }
    output.write(&chunk.text[copied..])
}

/// Returns the text of a put line up to its value.
pub(super) fn open_line(line: &Line, name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let empty = Line {
        state: LineState::Put(Box::default()),
        key: line.key.clone(),
        meta: line.meta.clone(),
    };
    empty.write(name, &mut text);
    text.truncate(text.len() - b"}\n".len());
    text
}

fn write_records(
    reader: &VersionReader<'_>,
    chunk: &CheckedChunk,
    with_keys: bool,
    output: &mut CountingOutput<'_>,
) -> Result<(), HistoryError> {
    let mut text = Vec::with_capacity(chunk.text.len());
    for line in &chunk.lines {
        if with_keys {
            text.extend_from_slice(b"{\"key\":");
            text.extend_from_slice(line.key.to_canonical().as_bytes());
            text.extend_from_slice(b",\"value\":");
        }
        match &line.state {
            LineState::Put(value) => text.extend_from_slice(value),
            state => {
                let value = reader.whole(state)?.unwrap_or_default();
                output.write(&text)?;
                output.write(&value)?;
                text.clear();
            }
        }
        text.extend_from_slice(if with_keys { b"}\n" } else { b"\n" });
    }
    output.write(&text)
}

/// A writer that counts its output.
pub(super) struct CountingOutput<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) written: Restored,
}

impl CountingOutput<'_> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), HistoryError> {
        self.out.write_all(bytes)?;
        self.written.bytes += bytes.len() as u64;
        Ok(())
    }
}
