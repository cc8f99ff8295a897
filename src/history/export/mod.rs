//! Writes a version in the formats of other programs, one record at a time. The page is
//! `doc/reference/exports.md`.

mod dexie;
mod dexie_value;
mod json;
mod playwright;
mod playwright_value;
#[cfg(test)]
mod tests;

use std::io::Write;

use super::HistoryError;
use super::reader::VersionReader;
use super::restore::{CountingOutput, RestorePart, Restored, chosen, each_part};
use super::{Unmakeable, unmakeable};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::value::tree::{Tree, escape};
use crate::loss::{Losses, path, what};
use crate::snapshot::{FlowName, StoreManifest};
use crate::store::{SnapshotReader, StoredVersion};

/// Limit on the bytes of output for one record.
const MAX_RECORD_BYTES: usize = 1024 * 1024 * 1024;

/// A format of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A storage state of Playwright, with one origin that has one database.
    Playwright {
        /// The origin: `https://shop.example`.
        origin: String,
    },
    /// A dump in the format of dexie-export-import, format version 1.
    Dexie,
    /// `{"store":[value,…],…}`, with the values as `JSON.stringify` writes them.
    Json,
}

/// Options of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// The output format.
    pub format: ExportFormat,
    /// Only this object store.
    pub object_store: Option<DomString>,
}

/// The result of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Records and bytes.
    pub written: Restored,
    /// The data that the format cannot represent.
    pub losses: Losses,
    /// The parts of the version that no web page can create. Playwright and Dexie create a page's
    /// database, so their losses include these parts.
    pub unmakeable: Unmakeable,
}

/// Writes a version to `out`, in the order of object store and key, and returns the data that the
/// format cannot represent.
///
/// Memory: one chunk, and several copies of one record.
///
/// # Errors
///
/// As [`restore`](super::restore). [`HistoryError::Usage`] if the format cannot represent the
/// database's name or the origin (nothing was written), or if a record is too large for it. After
/// an error the output is incomplete.
pub fn export(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<Exported, HistoryError> {
    let reader = VersionReader { store, flow, version };
    let stores = chosen(&reader, options.object_store.as_ref(), false)?;
    let mut writer = Writer::new(&options.format, &version.manifest.database)?;
    reader.check_manifest()?;
    let mut output = CountingOutput { out, written: Restored::default() };
    let mut losses = Losses::default();
    let mut text = Vec::new();
    writer.open(&version.manifest, &stores, &mut text);
    output.write(&text)?;
    let mut first_store = true;
    let mut first_record = true;
    let mut generated = 1;
    each_part(&reader, &stores, |object_store, part| {
        text.clear();
        match part {
            RestorePart::Begin => {
                if !std::mem::replace(&mut first_store, false) {
                    text.push(b',');
                }
                (first_record, generated) = (true, 1);
                writer.open_store(object_store, &mut text, &mut losses);
            }
            RestorePart::Chunk(chunk) => {
                for line in &chunk.lines {
                    let value = reader.whole(&line.state)?.unwrap_or_default();
                    let key = line.key.to_canonical();
                    let damaged = || HistoryError::from(reader.damaged("a value is not canonical"));
                    let key = Tree::read(key.as_bytes()).map_err(|_| damaged())?;
                    let value = Tree::read(&value).map_err(|_| too_large())?;
                    if !std::mem::replace(&mut first_record, false) {
                        text.push(b',');
                    }
                    generated = generated.max(next_key(&key));
                    writer
                        .record(object_store, &key, &value, &mut text, &mut losses)
                        .ok_or_else(too_large)?;
                    output.write(&text)?;
                    text.clear();
                }
                output.written.records += chunk.seen.count;
            }
            RestorePart::End => {
                // The reader's key generator continues after the greatest key.
                let further = object_store.key_generator.is_some_and(|next| next > generated);
                let lost = further && options.format != ExportFormat::Json;
                losses.add(
                    &path(&object_store.schema.name, &[]),
                    what::KEY_GENERATOR,
                    u64::from(lost),
                );
                writer.close_store(&mut text);
            }
        }
        output.write(&text)
    })?;
    text.clear();
    writer.close(&mut text);
    output.write(&text)?;
    output.out.flush()?;
    let unmakeable = unmakeable(store, flow, version, options.object_store.as_ref(), u64::MAX)?;
    if options.format != ExportFormat::Json {
        for (name, _) in &unmakeable.schemas {
            losses.add(&path(name, &[]), what::UNMAKEABLE_SCHEMA, 1);
        }
        for clash in &unmakeable.clashes {
            losses.add(&path(&clash.store, &[]), what::UNIQUE_INDEX, clash.records);
        }
    }
    Ok(Exported { written: output.written, losses, unmakeable })
}

/// Returns the key that a generator returns after this one: at most 2^53.
fn next_key(key: &Tree<'_>) -> u64 {
    let number = key.number().filter(|number| *number >= 1.0);
    number.map_or(1, |number| (number.floor() as u64).saturating_add(1).min(1 << 53))
}

fn too_large() -> HistoryError {
    let what = "a record is too large, or has too many holes or references, for this format; restore it as changes";
    HistoryError::Usage(what.to_owned())
}

/// The writer of one format.
enum Writer<'a> {
    Playwright(playwright::Writer<'a>),
    Dexie,
    Json,
}

impl<'a> Writer<'a> {
    fn new(format: &'a ExportFormat, database: &DomString) -> Result<Self, HistoryError> {
        let usage = |what: &str| Err(HistoryError::Usage(what.to_owned()));
        match format {
            ExportFormat::Playwright { .. } if database.units().is_empty() => usage(
                "Playwright cannot read a database whose name is empty: restore it as changes",
            ),
            ExportFormat::Dexie if database.units().is_empty() => {
                usage("Dexie cannot read a database whose name is empty: restore it as changes")
            }
            ExportFormat::Playwright { origin } if !is_origin(origin) => usage(
                "a storage state belongs to an origin: give --origin, such as https://shop.example",
            ),
            ExportFormat::Playwright { origin } => {
                Ok(Self::Playwright(playwright::Writer { origin }))
            }
            ExportFormat::Dexie => Ok(Self::Dexie),
            ExportFormat::Json => Ok(Self::Json),
        }
    }

    fn open(
        &self,
        manifest: &crate::snapshot::Manifest,
        stores: &[&StoreManifest],
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Playwright(writer) => writer.open(manifest, out),
            Self::Dexie => dexie::open(manifest, stores, out),
            Self::Json => out.push(b'{'),
        }
    }

    fn open_store(&self, store: &StoreManifest, out: &mut Vec<u8>, losses: &mut Losses) {
        match self {
            Self::Playwright(_) => playwright::open_store(store, out),
            Self::Dexie => dexie::open_store(store, out, losses),
            Self::Json => json::open_store(store, out, losses),
        }
    }

    fn record(
        &mut self,
        store: &StoreManifest,
        key: &Tree<'_>,
        value: &Tree<'_>,
        out: &mut Vec<u8>,
        losses: &mut Losses,
    ) -> Option<()> {
        match self {
            Self::Playwright(_) => playwright_value::record(&store.schema, key, value, out, losses),
            Self::Dexie => dexie_value::record(&store.schema, key, value, out, losses),
            Self::Json => json::record(&store.schema, value, out, losses),
        }
    }

    fn close_store(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Playwright(_) | Self::Dexie => b"]}",
            Self::Json => b"]",
        });
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Playwright(_) => b"]}]}]}\n",
            Self::Dexie => b"]}}\n",
            Self::Json => b"}\n",
        });
    }
}

/// True if the text is a scheme, a host and possibly a port, without a path.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map(|(_, host)| host);
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '"', '\\', ' ']))
        && text.is_ascii()
}

/// Appends a name as a JSON string.
fn write_name(name: &DomString, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(name.units().iter().copied(), out);
    out.push(b'"');
}
