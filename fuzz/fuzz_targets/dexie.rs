//! Any bytes as an export of Dexie, and as the records in one: never a panic, and what is taken can be written and read again.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Dialect;

const BEFORE: &[u8] = br#"{"formatName":"dexie","formatVersion":1,"data":{"databaseName":"d","databaseVersion":1,"tables":[{"name":"data","schema":"","rowCount":1}],"data":[{"tableName":"data","inbound":false,"rows":["#;
const AFTER: &[u8] = br#"]}]}}"#;

fuzz_target!(|data: &[u8]| {
    imports::run(data, Some(Dialect::Dexie));
    imports::run(&[BEFORE, data, AFTER].concat(), Some(Dialect::Dexie));
});
