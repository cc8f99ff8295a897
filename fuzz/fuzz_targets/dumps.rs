//! Any bytes as a dump of another local database, alone and as the documents of one: never a panic, and what is taken can
//! be written and read again. The first byte chooses the program.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Input;

/// A program, and what it writes before and after its documents.
const PROGRAMS: [(Input, &str, &str); 5] = [
    (
        Input::Rxdb,
        r#"{"name":"d","instanceToken":"t","collections":[{"name":"data","schemaHash":"h","docs":["#,
        "]}]}",
    ),
    (Input::DexieCloud, r#"{"data":{"#, "}}"),
    (Input::Couchdb, r#"{"total_rows":1,"offset":0,"rows":["#, "]}"),
    (
        Input::PouchdbDump,
        "{\"version\":\"1.2.1\",\"db_info\":{\"doc_count\":1,\"update_seq\":1,\"db_name\":\"d\"}}\n{\"docs\":[",
        "]}\n{\"seq\":1}\n",
    ),
    (Input::Mongoexport, r#"{"_id":"#, "}"),
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let (input, before, after) = PROGRAMS[usize::from(choice) % PROGRAMS.len()];
    imports::run(data, input);
    imports::run(&[before.as_bytes(), data, after.as_bytes()].concat(), input);
});
