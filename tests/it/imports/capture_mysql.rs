//! Events of NiFi's CaptureChangeMySQL.

use nifi_idb::decode::{DecodeOptions, Dialect};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{input, take, written};

fn event(kind: &str, members: &str) -> String {
    let place = r#""binlog_filename":"master.000001","binlog_position":6,"database":"shop","table_name":"orders","table_id":1"#;
    format!(r#"{{"type":"{kind}","timestamp":1465515600000,{place}{members}}}"#)
}

fn columns(columns: &[&str]) -> String {
    let written: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(id, column)| format!(r#"{{"id":{},{column}}}"#, id + 1))
        .collect();
    format!(r#","columns":[{}]"#, written.join(","))
}

fn lines() -> Vec<String> {
    let column = |name: &str, kind: u8, value: &str| {
        format!(r#""name":"{name}","column_type":{kind},"value":{value}"#)
    };
    let changed = |name: &str, last: &str, value: &str| {
        format!(r#""name":"{name}","column_type":4,"last_value":{last},"value":{value}"#)
    };
    vec![
        event("begin", ""),
        event("schema_change", r#","query":"ALTER TABLE orders""#),
        event("insert", &columns(&[&column("id", 4, "1"), &column("n", 12, "\"a\"")])),
        event("insert", &columns(&[&column("id", 4, "2"), &column("n", 12, "null")])),
        event("update", &columns(&[&changed("id", "1", "1"), &changed("n", "\"a\"", "\"b\"")])),
        event("update", &columns(&[&changed("id", "2", "3"), &changed("n", "null", "\"moved\"")])),
        event("commit", ""),
    ]
}

fn orders() -> DecodeOptions {
    DecodeOptions {
        object_store: Some("orders".into()),
        key_path: Some(KeyPath::Path("id".into())),
        ..DecodeOptions::default()
    }
}

#[test]
fn rows_are_put_moved_and_deleted() {
    let store = MemoryStore::default();
    let taken = take(&store, orders(), &lines().join("\n"));
    assert_eq!(
        (taken.outcome, taken.received, taken.rejected),
        (Outcome::Committed, 4, 0),
        "{:?}",
        taken.error
    );
    let all = "{\"orders\":[{\"id\":1,\"n\":\"b\"},{\"id\":3,\"n\":\"moved\"}]}\n";
    assert_eq!(written(&store, ExportFormat::Json).0, all);
    assert!(taken.losses().contains(&(String::new(), "database-types".to_owned())));
    let gone = event("delete", &columns(&[r#""name":"id","column_type":4,"value":3"#]));
    assert_eq!(take(&store, orders(), &gone).deleted, 1);
}

#[test]
fn tables_are_named_and_what_cannot_be_applied_is_rejected() {
    let store = MemoryStore::default();
    let tables = DecodeOptions {
        key_paths: vec![("shop.orders".into(), KeyPath::Path("id".into()))],
        ..input(Some(Dialect::CaptureChangeMysql))
    };
    let named = r#""name":"id","column_type":4,"value":1"#;
    let odd = [
        event("insert", &columns(&[named])),
        event("insert", &columns(&[named])).replace("\"orders\"", "\"others\""),
        event("insert", &columns(&[r#""value":1"#])),
        event("insert", ""),
        event("ddl", r#","query":"TRUNCATE TABLE orders""#),
        event("ddl", r#","query":"DROP INDEX i""#),
        event("heartbeat", ""),
        "{".to_owned(),
    ];
    let taken = take(&store, tables, &odd.join("\n"));
    let mut reasons = taken.reasons();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        ["missing-member", "missing-member", "syntax", "unknown-op", "unknown-op", "unknown-store"]
    );
    assert_eq!(written(&store, ExportFormat::Json).0, "{\"shop.orders\":[{\"id\":1}]}\n");
}
