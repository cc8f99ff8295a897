//! Reads a flow in a git repository: its versions, one record, and the newest version as a batch.
//!
//! `cargo run --example read_a_version -- target/snapshots.git myDatabase`, after the main job of
//! the README.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;

use nifi_idb::history::{At, RestoreOptions, open_version, restore, show_record};
use nifi_idb::indexeddb::key::Key;
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::SnapshotStore;
use nifi_idb::store::git::GitStore;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(repository), Some(flow)) = (arguments.next(), arguments.next()) else {
        return Err("give the path of a git repository and the name of a flow in it".into());
    };
    let store = GitStore::new(Path::new(&repository))?;
    read_flow(&store, &FlowName::new("indexeddb", &flow)?, &mut stdout())
}

/// Writes what a store has of a flow.
pub(crate) fn read_flow(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    // The newest version is first.
    for version in store.log(flow)? {
        let subject = version.comment.lines().next().unwrap_or_default();
        writeln!(out, "version {}: {subject}", version.version)?;
    }

    // A version is opened once, and stays what it is while others write new ones.
    let version = open_version(store, flow, At::Latest)?;
    for object_store in &version.manifest.stores {
        let name = &object_store.schema.name;
        writeln!(out, "{name} has {} records", object_store.record_count())?;
        // Keys are compared as bytes; `to_sortable` makes the bytes of a number, date, string …
        let key = Key::Number(1.0).to_sortable()?;
        if let Some(record) = show_record(store, flow, &version, name, &key)? {
            writeln!(out, "the record with the key 1: {}", record.line)?;
        }
    }

    // Every chunk is compared with its digest before a byte of it is written. `sync` reads this
    // batch again.
    restore(store, flow, &version, &RestoreOptions::default(), out)?;
    Ok(())
}
