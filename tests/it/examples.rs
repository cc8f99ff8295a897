//! The Rust examples work as their text says.

use nifi_idb::snapshot::FlowName;
use nifi_idb::store::memory::MemoryStore;

#[path = "../../examples/read_a_version.rs"]
#[expect(dead_code, reason = "the program around the function that is tested")]
mod read_a_version;
#[path = "../../examples/sync_into_memory.rs"]
#[expect(dead_code, reason = "the program around the function that is tested")]
mod sync_into_memory;

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
