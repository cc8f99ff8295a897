//! Any bytes as events of NiFi's CaptureChangeMySQL, alone and as the columns of one event: never a panic, and what is
//! taken can be written and read again.
#![no_main]

#[path = "../imports.rs"]
mod imports;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::Dialect;

const BEFORE: &[u8] = br#"{"type":"insert","timestamp":1,"binlog_filename":"b","binlog_position":4,"database":"d","table_name":"data","table_id":1,"columns":["#;
const AFTER: &[u8] = br#"]}"#;

fuzz_target!(|data: &[u8]| {
    imports::run(data, Some(Dialect::CaptureChangeMysql));
    imports::run(&[BEFORE, data, AFTER].concat(), Some(Dialect::CaptureChangeMysql));
});
