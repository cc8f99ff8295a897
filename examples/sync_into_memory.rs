//! Syncs records into a store in memory, with the stages of the library one after the other.
//!
//! `cargo run --example sync_into_memory`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::normalize::{NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::report::{ReportLines, Summary};
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::SnapshotStore;
use nifi_idb::store::memory::MemoryStore;

/// Bare records, one per line: the key is in the member `id`.
const MONDAY: &str = "{\"id\":1,\"name\":\"apple\",\"price\":1.2}\n{\"id\":2,\"name\":\"pear\"}\n";
const TUESDAY: &str = "{\"id\":1,\"name\":\"apple\",\"price\":1.3}\n";

fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::default();
    // The time of receipt is an argument: the library reads no clock, so the same input gives the
    // same bytes.
    for (received_at, records) in [(1_000, MONDAY), (2_000, TUESDAY), (3_000, TUESDAY)] {
        println!("{}", sync_records(&store, records, received_at)?.to_json());
    }
    Ok(())
}

/// Makes one version of the records, unless they change nothing.
pub(crate) fn sync_records(
    store: &dyn SnapshotStore,
    records: &str,
    received_at: i64,
) -> Result<Summary, Box<dyn Error>> {
    // Bare records name neither their database nor their key path; a batch of
    // `indexeddb-changes/1` would.
    let options = DecodeOptions {
        database: Some("shop".into()),
        object_store: Some("fruit".into()),
        key_path: Some(KeyPath::Path("id".into())),
        ..DecodeOptions::default()
    };
    let mut decoder = Decoder::open(records.as_bytes(), options)?;

    // Sorts the changes by key. A bad line does not end the batch: it is handed to the closure.
    let batch =
        normalize(&mut decoder, &NormalizeOptions::received_at(received_at), &mut |rejection| {
            println!("{}", rejection.to_json());
            Ok(())
        })?;

    // Reads head, merges the batch into it, and appends the result as the next version.
    let flow = FlowName::new("indexeddb", "shop")?;
    let mut report = ReportLines::default();
    Ok(sync(store, &flow, &batch, &SyncOptions::default(), &mut report)?)
}
