//! Any bytes as a storage state of Playwright, and as the records in one: never a panic, and what is taken can be written and read again.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Dialect;

const BEFORE: &[u8] = br#"{"origins":[{"origin":"o","indexedDB":[{"name":"d","version":1,"stores":[{"name":"data","autoIncrement":false,"indexes":[],"records":["#;
const AFTER: &[u8] = br#"]}]}]}]}"#;

fuzz_target!(|data: &[u8]| {
    imports::run(data, Some(Dialect::Playwright));
    imports::run(&[BEFORE, data, AFTER].concat(), Some(Dialect::Playwright));
});
