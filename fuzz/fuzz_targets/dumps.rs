//! Any bytes as a dump of another local database, alone and as the documents of one: never a panic, and what is taken can
//! be written and read again. The first byte chooses the program.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Dialect;

/// A program, and what it writes before and after its documents.
const PROGRAMS: [(Dialect, &str, &str); 5] = [
    (
        Dialect::Rxdb,
        r#"{"name":"d","instanceToken":"t","collections":[{"name":"data","schemaHash":"h","docs":["#,
        "]}]}",
    ),
    (Dialect::DexieCloud, r#"{"data":{"#, "}}"),
    (Dialect::Couchdb, r#"{"total_rows":1,"offset":0,"rows":["#, "]}"),
    (
        Dialect::PouchdbDump,
        "{\"version\":\"1.2.1\",\"db_info\":{\"doc_count\":1,\"update_seq\":1,\"db_name\":\"d\"}}\n{\"docs\":[",
        "]}\n{\"seq\":1}\n",
    ),
    (Dialect::Mongoexport, r#"{"_id":"#, "}"),
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let (dialect, before, after) = PROGRAMS[usize::from(choice) % PROGRAMS.len()];
    imports::run(data, Some(dialect));
    imports::run(&[before.as_bytes(), data, after.as_bytes()].concat(), Some(dialect));
});
