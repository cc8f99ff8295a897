//! Any bytes as events of Debezium, and as the records in one: never a panic, and what is taken can be written and read again.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Dialect;

const BEFORE: &[u8] = br#"{"op":"c","before":null,"source":{},"ts_ms":1,"after":"#;
const AFTER: &[u8] = br#"}"#;

fuzz_target!(|data: &[u8]| {
    imports::run(data, Some(Dialect::Debezium));
    imports::run(&[BEFORE, data, AFTER].concat(), Some(Dialect::Debezium));
});
