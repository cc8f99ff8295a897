//! Debezium's events.

use nifi_idb::decode::{DecodeOptions, Dialect};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{input, take, written};

fn event(op: &str, before: &str, after: &str, ts_ms: u64) -> String {
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"connector":"mysql","table":"data"}},"op":"{op}","ts_ms":{ts_ms}}}"#
    )
}

fn to_data() -> DecodeOptions {
    DecodeOptions {
        object_store: Some("data".into()),
        key_path: Some(KeyPath::Path("id".into())),
        ..DecodeOptions::default()
    }
}

#[test]
fn events_are_found_out_and_applied_in_order() {
    let store = MemoryStore::default();
    let lines = [
        event("r", "null", r#"{"id":1,"n":"snapshot"}"#, 1000),
        event("c", "null", r#"{"id":2,"n":"created"}"#, 2000),
        format!(
            r#"{{"schema":{{"type":"struct"}},"payload":{}}}"#,
            event("c", "null", r#"{"id":3,"n":"wrapped"}"#, 2500)
        ),
        event("u", r#"{"id":2,"n":"created"}"#, r#"{"id":2,"n":"updated"}"#, 3000),
        event("d", r#"{"id":1,"n":"snapshot"}"#, "null", 4000),
        "null".to_owned(),
        r#"{"schema":null,"payload":null}"#.to_owned(),
        event("m", "null", "null", 5000),
        event("u", "null", "null", 5000),
        event("c", "null", r#"{"n":"no key"}"#, 5000),
        event("c", "null", r#"{"id":9}"#, 5000).replace("5000", "\"late\""),
        event("c", "null", r#"{"id":4,"big":9007199254740993}"#, 5000),
        "{\"op\":\"c\"".to_owned(),
    ];
    let taken = take(&store, to_data(), &lines.join("\n"));
    assert_eq!(
        (taken.outcome, taken.received, taken.rejected),
        (Outcome::Committed, 10, 5),
        "{:?}",
        taken.error
    );
    let mut reasons = taken.reasons();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        ["invalid-member", "missing-member", "no-key", "number-precision", "syntax"]
    );
    assert!(taken.losses().contains(&(String::new(), "database-types".to_owned())));
    let (text, _) = written(&store, ExportFormat::Json);
    assert_eq!(text, "{\"data\":[{\"id\":2,\"n\":\"updated\"},{\"id\":3,\"n\":\"wrapped\"}]}\n");
    // Truncating a table that has more than one record is asked about.
    let truncated = event("t", "null", "null", 9000);
    assert_eq!(take(&store, to_data(), &truncated).outcome, Outcome::Refused);
    take(&store, to_data(), &event("d", r#"{"id":3}"#, "null", 8000));
    let cleared = take(&store, to_data(), &truncated);
    assert_eq!((cleared.outcome, cleared.deleted), (Outcome::Committed, 1), "{:?}", cleared.error);
}

#[test]
fn a_base_that_is_not_what_stands_is_a_conflict() {
    let store = MemoryStore::default();
    let at = |ts: u64, before: &str, after: &str| event("u", before, after, ts);
    let from = |source: &str| DecodeOptions { source: Some(source.parse().unwrap()), ..to_data() };
    take(&store, from("a"), &event("c", "null", r#"{"id":1,"a":1,"b":1}"#, 1000));
    take(&store, from("a"), &at(2000, r#"{"id":1,"a":1,"b":1}"#, r#"{"id":1,"a":2,"b":1}"#));
    // Someone who had not seen that: both members are kept, by the three-way merge.
    let merged =
        take(&store, from("b"), &at(3000, r#"{"id":1,"a":1,"b":1}"#, r#"{"id":1,"a":1,"b":3}"#));
    assert_eq!(merged.outcome, Outcome::Committed);
    assert_eq!(written(&store, ExportFormat::Json).0, "{\"data\":[{\"a\":2,\"b\":3,\"id\":1}]}\n");
}

#[test]
fn tables_go_to_the_object_stores_of_their_names() {
    let path = |path: &str| KeyPath::Path(path.into());
    let tables = || DecodeOptions {
        key_paths: vec![
            ("data".into(), path("id")),
            ("more".into(), KeyPath::Paths(vec!["a".into(), "b.c".into()])),
        ],
        ..input(Some(Dialect::Debezium))
    };
    let of = |table: &str, line: String| {
        line.replace("\"table\":\"data\"", &format!("\"table\":\"{table}\""))
    };
    let lines = [
        event("c", "null", r#"{"id":1}"#, 1),
        of("more", event("c", "null", r#"{"a":1,"b":{"c":2}}"#, 1)),
        of("more", event("c", "null", r#"{"a":1,"b":{"c":3}}"#, 1)),
        of("more", event("d", r#"{"a":1,"b":{"c":2}}"#, "null", 2)),
        of("other", event("c", "null", r#"{"id":1}"#, 1)),
    ];
    let store = MemoryStore::default();
    let taken = take(&store, tables(), &lines.join("\n"));
    assert_eq!((taken.received, taken.reasons()), (5, vec!["unknown-store"]));
    assert_eq!(
        written(&store, ExportFormat::Json).0,
        "{\"data\":[{\"id\":1}],\"more\":[{\"a\":1,\"b\":{\"c\":3}}]}\n"
    );
    let field = DecodeOptions { key_field: Some("id".to_owned()), key_path: None, ..to_data() };
    let taken = take(
        &MemoryStore::default(),
        field,
        &[&lines[0][..], &event("d", r#"{"id":1}"#, "null", 2)].join("\n"),
    );
    assert_eq!((taken.outcome, taken.received, taken.rejected), (Outcome::Committed, 2, 0));
    let nowhere = take(&MemoryStore::default(), input(Some(Dialect::Debezium)), &lines[0]);
    assert!(nowhere.error.unwrap().contains("--object-store"));
}
