//! The Rust examples work as their text says.

use nifi_idb::snapshot::FlowName;
use nifi_idb::store::SnapshotStore;
use nifi_idb::store::memory::MemoryStore;

use self::custom_store::sync_into_memory;
use crate::conformance;

#[path = "../../examples/custom_store.rs"]
#[expect(dead_code, reason = "the program around the store that is tested")]
mod custom_store;
#[path = "../../examples/read_a_version.rs"]
#[expect(dead_code, reason = "the program around the function that is tested")]
mod read_a_version;

#[test]
fn what_one_example_syncs_the_other_reads() {
    let store = MemoryStore::default();
    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let sync = |records: &str, received_at| {
        let summary = sync_into_memory::sync_records(&store, records, received_at).unwrap();
        (summary.put, summary.unchanged, summary.version.unwrap().get())
    };
    let two = "{\"id\":1,\"name\":\"apple\"}\n{\"id\":2}\n";
    assert_eq!(sync(two, 1_000), (2, 0, 1));
    assert_eq!(sync("{\"id\":1,\"name\":\"pear\"}\n", 2_000), (1, 0, 2));
    assert_eq!(sync("{\"id\":1,\"name\":\"pear\"}\n", 3_000), (0, 1, 2));

    let mut out = Vec::new();
    read_a_version::read_flow(&store, &flow, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("version 2: +0 ~1 -0"), "{out}");
    assert!(lines[1].starts_with("version 1: +2 ~0 -0"), "{out}");
    assert_eq!(lines[2], "fruit has 2 records");
    assert!(lines[3].starts_with("the record with the key 1: {\"at\":2000,"), "{out}");
    assert!(lines[4].contains("indexeddb-changes/1") && lines[7].contains("end"), "{out}");
}

#[test]
fn a_store_outside_of_the_crate_keeps_what_every_store_promises() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::run(&|| {
        number.set(number.get() + 1);
        let folder = dir.path().join(number.get().to_string());
        Box::new(custom_store::FolderStore::open(&folder).unwrap()) as Box<dyn SnapshotStore>
    });
}
