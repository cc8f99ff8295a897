//! Writes a version as FlowFiles, one per object store, for a flow that passes them on.

use std::io::Write;
use std::path::Path;

use super::{HistoryError, RestoreFormat, RestoreOptions, Restored, restore};
use crate::flowfile::{Attributes, names, write_head};
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::FlowName;
use crate::spool::Spool;
use crate::store::{SnapshotReader, StoredVersion};

/// The object stores to write, and where their contents wait.
#[derive(Clone, Copy, Debug)]
pub struct FlowFileOptions<'a> {
    /// One object store; `None`: all.
    pub only: Option<&'a DomString>,
    /// The folder for contents that do not fit into memory; `None`: the system's.
    pub folder: Option<&'a Path>,
}

/// Writes one package per object store to `out`; each content is a complete batch of
/// `indexeddb-changes/1` for that object store.
///
/// The length of a content precedes it, so each content is collected in a temporary file in
/// [`FlowFileOptions::folder`] first. So nothing of a damaged object store is written.
///
/// # Errors
///
/// As [`restore`].
pub fn restore_flowfiles(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    options: FlowFileOptions<'_>,
    out: &mut dyn Write,
) -> Result<Restored, HistoryError> {
    let FlowFileOptions { only, folder } = options;
    let names: Vec<DomString> = match only {
        Some(name) => vec![name.clone()],
        None => version.manifest.stores.iter().map(|store| store.schema.name.clone()).collect(),
    };
    let mut total = Restored::default();
    for name in names {
        let options =
            RestoreOptions { format: RestoreFormat::Changes, object_store: Some(name.clone()) };
        let mut spool = Spool::new(folder);
        let mut written = Err(HistoryError::Usage(String::new()));
        let content = spool.append_with(|mut spool| {
            written = restore(store, flow, version, &options, &mut spool);
            Ok(())
        })?;
        let written = written?;
        write_head(&attributes(flow, version, &name, written.records), content.bytes, out)?;
        spool.copy_to(content, out)?;
        total.records += written.records;
        total.bytes += written.bytes;
    }
    out.flush()?;
    Ok(total)
}

fn attributes(
    flow: &FlowName,
    version: &StoredVersion,
    name: &DomString,
    records: u64,
) -> Attributes {
    let number = version.manifest.version;
    let all = [
        ("filename", format!("{}-{number}-{}.ndjson", flow.flow(), name.to_file_name())),
        (names::DATABASE, version.manifest.database.to_attribute()),
        (names::OBJECT_STORE, name.to_attribute()),
        (names::MIME_TYPE, "application/x-ndjson".to_owned()),
        ("record.count", records.to_string()),
        (names::BUCKET, flow.bucket().to_owned()),
        (names::FLOW, flow.flow().to_owned()),
        (names::FLOW_VERSION, number.to_string()),
        (names::ROOT, version.manifest.root().to_string()),
        (names::STATE, version.state.to_string()),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
