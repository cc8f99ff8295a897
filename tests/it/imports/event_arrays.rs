//! Change events however a program joins them.

use nifi_idb::decode::{DecodeOptions, Dialect};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{take, written};

fn to_rows(input: Option<Dialect>) -> DecodeOptions {
    let key_path = Some(KeyPath::Path("id".into()));
    DecodeOptions { input, object_store: Some("rows".into()), key_path, ..DecodeOptions::default() }
}

/// Ways in which programs join values.
fn joined(values: &[&str]) -> Vec<String> {
    let pretty = |value: &&str| {
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let all: Vec<String> = values.iter().map(pretty).collect();
    vec![
        format!("{}\n", values.join("\n")),
        format!("[{}]", values.join(",")),
        format!("[\n{}\n]\n", values.join(",\n")),
        format!("[{}]", all.join(", ")),
        all.join("\n"),
        values.iter().map(|value| format!("\u{1e}{value}\n")).collect(),
    ]
}

#[test]
fn events_of_debezium_may_be_an_array() {
    let source = r#""source":{"db":"shop","schema":"public","table":"rows"}"#;
    let put =
        format!(r#"{{"before":null,"after":{{"id":1,"n":"["}},{source},"op":"c","ts_ms":1}}"#);
    let moved = format!(
        r#"{{"before":{{"id":1,"n":"["}},"after":{{"id":2,"n":"]"}},{source},"op":"u","ts_ms":2}}"#
    );
    for text in joined(&["null", r#"{"ts_ms":1}"#, &put, &moved]) {
        for input in [None, Some(Dialect::Debezium)] {
            let store = MemoryStore::default();
            let taken = take(&store, to_rows(input), &text);
            assert_eq!((taken.received, taken.rejected), (2, 0), "{text}: {:?}", taken.error);
            assert_eq!(
                written(&store, ExportFormat::Json).0,
                "{\"rows\":[{\"id\":2,\"n\":\"]\"}]}\n"
            );
        }
    }
    let cut = take(&MemoryStore::default(), to_rows(None), &format!("[{put},{moved}"));
    assert_eq!(cut.outcome, Outcome::Failed, "cut off");
}

#[test]
fn events_of_capture_change_mysql_may_be_an_array() {
    let event = |kind: &str, columns: &str| {
        format!(
            r#"{{"type":"{kind}","timestamp":1,"binlog_filename":"m","database":"shop","table_name":"rows"{columns}}}"#
        )
    };
    let put = event("insert", r#","columns":[{"id":1,"name":"id","value":1}]"#);
    for text in joined(&[&event("begin", ""), &put, &event("commit", "")]) {
        let store = MemoryStore::default();
        let taken = take(&store, to_rows(None), &text);
        assert_eq!((taken.received, taken.rejected), (1, 0), "{text}: {:?}", taken.error);
        assert_eq!(written(&store, ExportFormat::Json).0, "{\"rows\":[{\"id\":1}]}\n");
    }
}

#[test]
fn an_array_of_records_stays_one() {
    let store = MemoryStore::default();
    let taken = take(&store, to_rows(None), r#"[{"ts_ms":1,"id":1},{"id":2,"op":"c"}]"#);
    assert_eq!((taken.received, taken.rejected), (2, 0));
    assert_eq!(
        written(&store, ExportFormat::Json).0,
        "{\"rows\":[{\"id\":1,\"ts_ms\":1},{\"id\":2,\"op\":\"c\"}]}\n"
    );
}
