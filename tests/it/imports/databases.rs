//! Change data capture as people run it: columns that were not sent, keys that change, tables of one name, flattened rows,
//! decimals, and lines that change nothing.

use nifi_idb::decode::{Decimals, DecodeOptions, Dialect};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{Taken, input, take, take_with, written};

fn path(path: &str) -> KeyPath {
    KeyPath::Path(path.into())
}

fn to_rows() -> DecodeOptions {
    DecodeOptions {
        object_store: Some("rows".into()),
        key_path: Some(path("id")),
        ..DecodeOptions::default()
    }
}

fn event(op: &str, before: &str, after: &str, ts_ms: u64) -> String {
    let source = r#"{"connector":"postgresql","db":"shop","schema":"public","table":"rows"}"#;
    format!(
        r#"{{"before":{before},"after":{after},"source":{source},"op":"{op}","ts_ms":{ts_ms}}}"#
    )
}

fn rows(store: &MemoryStore) -> String {
    written(store, ExportFormat::Json).0.trim_end().to_owned()
}

/// Takes lines into a new store, and gives what is stored then.
fn stored(options: DecodeOptions, lines: &[String]) -> (Taken, String) {
    let store = MemoryStore::default();
    let taken = take(&store, options, &lines.join("\n"));
    let rows = if taken.outcome == Outcome::Committed { rows(&store) } else { String::new() };
    (taken, rows)
}

#[test]
fn a_column_that_was_not_sent_stays_as_it_is_stored() {
    let whole = event(
        "c",
        "null",
        r#"{"id":1,"qty":1,"doc":"a long document","bin":"AQI=","tags":["a"]}"#,
        1,
    );
    let partly = event(
        "u",
        "null",
        r#"{"id":1,"qty":2,"doc":"__debezium_unavailable_value","bin":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","tags":["__debezium_unavailable_value"]}"#,
        2,
    );
    let expected =
        r#"{"rows":[{"bin":"AQI=","doc":"a long document","id":1,"qty":2,"tags":["a"]}]}"#;
    // In one batch, and in two.
    let (taken, found) = stored(to_rows(), &[whole.clone(), partly.clone()]);
    assert_eq!((taken.rejected, &*found), (0, expected));
    let lost = taken.losses();
    for member in ["bin", "doc", "tags"] {
        assert!(lost.contains(&(format!("rows.{member}"), "unsent-member".to_owned())), "{lost:?}");
    }
    let store = MemoryStore::default();
    take(&store, to_rows(), &whole);
    let taken = take(&store, to_rows(), &partly);
    assert_eq!((taken.rejected, &*rows(&store)), (0, expected));
    // Once more: nothing differs.
    assert_eq!(take(&store, to_rows(), &partly).outcome, Outcome::Unchanged);
}

#[test]
fn what_the_row_before_holds_was_sent() {
    let unsent = r#"{"id":1,"doc":"__debezium_unavailable_value","old":null}"#;
    let (taken, found) =
        stored(to_rows(), &[event("u", r#"{"id":1,"doc":"from before","old":1}"#, unsent, 1)]);
    assert_eq!(
        (taken.rejected, &*found),
        (0, r#"{"rows":[{"doc":"from before","id":1,"old":null}]}"#)
    );
    assert!(taken.losses().iter().all(|(_, what)| what != "unsent-member"));
    // Nothing is known of it anywhere.
    let (taken, found) = stored(to_rows(), &[event("u", "null", unsent, 1)]);
    assert_eq!((taken.rejected, &*found), (0, r#"{"rows":[{"id":1,"old":null}]}"#));
    assert!(taken.losses().contains(&("rows.doc".to_owned(), "unsent-member".to_owned())));
}

#[test]
fn a_deletion_whose_row_was_not_sent_whole_is_no_conflict() {
    let store = MemoryStore::default();
    take(&store, to_rows(), &event("c", "null", r#"{"id":1,"doc":"long"}"#, 1));
    let by = |name: &str| DecodeOptions { source: Some(name.parse().unwrap()), ..to_rows() };
    let gone = event("d", r#"{"id":1,"doc":"__debezium_unavailable_value"}"#, "null", 2);
    let taken = take(&store, by("pg"), &gone);
    assert_eq!((taken.deleted, taken.of("conflict").len()), (1, 0));
}

#[test]
fn an_update_whose_key_changed_deletes_the_old_key() {
    let moved = event("u", r#"{"id":1,"n":"a"}"#, r#"{"id":2,"n":"a"}"#, 2);
    let store = MemoryStore::default();
    take(&store, to_rows(), &event("c", "null", r#"{"id":1,"n":"a"}"#, 1));
    let taken = take(&store, to_rows(), &moved);
    assert_eq!(
        (taken.deleted, taken.received, &*rows(&store)),
        (1, 1, r#"{"rows":[{"id":2,"n":"a"}]}"#)
    );
    // The same key, written in another way, is the same key.
    let same = event("u", r#"{"id":2,"n":"a"}"#, r#"{"id":2.0,"n":"b"}"#, 3);
    assert_eq!(
        (take(&store, to_rows(), &same).deleted, &*rows(&store)),
        (0, r#"{"rows":[{"id":2,"n":"b"}]}"#)
    );
    // Beside the row too, and in a compound key.
    let lines = [event("c", "null", r#"{"id":1,"n":"a"}"#, 1), moved.clone()];
    let field = DecodeOptions { key_path: None, key_field: Some("id".to_owned()), ..to_rows() };
    let store = MemoryStore::default();
    assert_eq!(take(&store, field, &lines.join("\n")).rejected, 0);
    assert!(!rows(&store).contains("[1,"), "{}", rows(&store));
    let compound = DecodeOptions {
        key_path: Some(KeyPath::Paths(vec!["id".into(), "n".into()])),
        ..to_rows()
    };
    assert_eq!(stored(compound, &lines).1, r#"{"rows":[{"id":2,"n":"a"}]}"#);
}

#[test]
fn a_row_that_moves_and_is_not_whole_stays_where_it_is() {
    let moved =
        event("u", r#"{"id":1,"doc":null}"#, r#"{"id":2,"doc":"__debezium_unavailable_value"}"#, 2);
    let store = MemoryStore::default();
    take(&store, to_rows(), &event("c", "null", r#"{"id":1,"doc":"long"}"#, 1));
    assert_eq!(
        take(&store, to_rows(), &[moved, event("c", "null", r#"{"id":9}"#, 3)].join("\n"))
            .reasons(),
        ["missing-member"]
    );
    assert_eq!(rows(&store), r#"{"rows":[{"doc":"long","id":1},{"id":9}]}"#);
    // So does one of which one half cannot be taken.
    let inexact = event(
        "u",
        r#"{"id":1,"doc":"long","n":1}"#,
        r#"{"id":3,"doc":"long","n":9007199254740993}"#,
        4,
    );
    assert_eq!(
        take(&store, to_rows(), &[inexact, event("c", "null", r#"{"id":8}"#, 5)].join("\n"))
            .reasons(),
        ["number-precision"]
    );
    assert_eq!(rows(&store), r#"{"rows":[{"doc":"long","id":1},{"id":8},{"id":9}]}"#);
}

#[test]
fn lines_that_change_no_row_are_passed_over() {
    let marker =
        r#"{"status":"BEGIN","id":"571:1","event_count":null,"data_collections":null,"ts_ms":1}"#;
    let end = r#"{"status":"END","id":"571:1","event_count":2,"data_collections":[{"data_collection":"public.rows","event_count":2}],"ts_ms":1,"ts_us":1000,"ts_ns":1000000}"#;
    let ddl = r#"{"source":{"connector":"mysql","table":"rows"},"databaseName":"shop","ddl":"ALTER TABLE","tableChanges":[],"ts_ms":1}"#;
    let message = r#"{"op":"m","ts_ms":2,"source":{"connector":"postgresql","table":""},"message":{"prefix":"p","content":"AA=="}}"#;
    let passed = [
        "null",
        r#"{"ts_ms":1700000000000}"#,
        r#"{"schema":{},"payload":{"ts_ms":1,"ts_us":1,"ts_ns":1}}"#,
        marker,
        end,
        ddl,
        message,
    ];
    let change = event("c", "null", r#"{"id":1}"#, 1);
    // Each may come first.
    for first in passed {
        for options in [to_rows(), DecodeOptions { input: Some(Dialect::Debezium), ..to_rows() }] {
            let lines = [first.to_owned(), String::new(), change.clone(), first.to_owned()];
            let (taken, found) = stored(options, &lines);
            assert_eq!(
                (taken.received, taken.rejected, &*found),
                (1, 0, r#"{"rows":[{"id":1}]}"#),
                "{first}"
            );
        }
    }
    // And there may be nothing else.
    let taken = take(&MemoryStore::default(), to_rows(), &passed.join("\n"));
    assert_eq!((taken.received, taken.error), (0, None));
}

#[test]
fn records_that_look_like_what_is_passed_over_stay_records() {
    let times = DecodeOptions { key_path: Some(path("ts_ms")), ..to_rows() };
    let (taken, found) = stored(times, &[r#"{"ts_ms":1}"#.to_owned(), r#"{"ts_ms":2}"#.to_owned()]);
    assert_eq!((taken.received, &*found), (2, r#"{"rows":[{"ts_ms":1},{"ts_ms":2}]}"#));
    // What follows shows that the stream holds records: the first lines are records too.
    let (taken, found) =
        stored(to_rows(), &[r#"{"ts_ms":1}"#.to_owned(), r#"{"id":2}"#.to_owned()]);
    assert_eq!(
        (taken.received, taken.reasons(), &*found),
        (2, vec!["no-key"], r#"{"rows":[{"id":2}]}"#)
    );
    let orders =
        [r#"{"id":1,"status":"BEGIN","n":1}"#.to_owned(), r#"{"id":2,"status":"END"}"#.to_owned()];
    assert_eq!(stored(to_rows(), &orders).0.rejected, 0);
}

#[test]
fn tables_of_one_name_in_two_schemas_are_two_tables() {
    let of = |schema: &str, id: u64| {
        event("c", "null", &format!(r#"{{"id":{id},"of":"{schema}"}}"#), 1)
            .replace("public", schema)
    };
    let lines = [of("tenant_a", 1), of("tenant_b", 1)];
    let qualified = |names: [&str; 2]| DecodeOptions {
        key_paths: names.map(|name| (name.into(), path("id"))).to_vec(),
        ..input(Some(Dialect::Debezium))
    };
    for names in [
        ["tenant_a.rows", "tenant_b.rows"],
        ["shop.tenant_a.rows", "shop.tenant_b.rows"],
        ["tenant_a.rows", "rows"],
    ] {
        let (taken, found) = stored(qualified(names), &lines);
        assert_eq!(taken.rejected, 0);
        for (name, of) in names.iter().zip(["tenant_a", "tenant_b"]) {
            assert!(found.contains(&format!(r#""{name}":[{{"id":1,"of":"{of}"}}]"#)), "{found}");
        }
    }
    // Unqualified: the first one's.
    let by_table = DecodeOptions {
        key_paths: vec![("rows".into(), path("id"))],
        ..input(Some(Dialect::Debezium))
    };
    for options in [by_table, to_rows()] {
        let (taken, found) = stored(options, &lines);
        assert_eq!(
            (taken.reasons(), &*found),
            (vec!["unknown-store"], r#"{"rows":[{"id":1,"of":"tenant_a"}]}"#)
        );
    }
    // Two databases without schemas.
    let mysql = |database: &str| {
        of("x", 1).replace(r#""schema":"x","#, "").replace("\"shop\"", &format!("\"{database}\""))
    };
    let (taken, _) = stored(to_rows(), &[mysql("a"), mysql("b")]);
    assert_eq!(taken.reasons(), ["unknown-store"]);
    let (taken, found) = stored(qualified(["a.rows", "b.rows"]), &[mysql("a"), mysql("b")]);
    assert_eq!((taken.rejected, found.matches("\"id\":1").count()), (0, 2));
}

#[test]
fn flattened_rows_say_what_happened() {
    let lines = [
        r#"{"id":1,"q":1,"__deleted":"false","__op":"c","__ts_ms":1,"__table":"rows","__source_lsn":5}"#,
        r#"{"id":2,"q":1,"__deleted":"false","__op":"c","__ts_ms":1,"__own":true}"#,
        r#"{"id":1,"q":null,"__deleted":"true","__op":"d","__ts_ms":2}"#,
        "null",
        r#"{"id":3,"__op":"d"}"#,
        r#"{"id":4,"__deleted":true}"#,
        r#"{"schema":null,"payload":{"id":5,"__op":"u","__source_ts_ms":7}}"#,
        r#"{"id":6,"__deleted":"perhaps"}"#,
        r#"{"id":7,"plain":true}"#,
    ];
    let (taken, found) = stored(to_rows(), &lines.map(str::to_owned));
    assert_eq!(found, r#"{"rows":[{"__own":true,"id":2,"q":1},{"id":5}]}"#);
    let mut reasons = taken.reasons();
    reasons.sort_unstable();
    assert_eq!((taken.received, reasons), (8, vec!["invalid-member", "missing-member"]));
    assert!(taken.losses().iter().all(|(_, what)| what != "deletion"));
    // Where deletions are not rewritten, they cannot be read.
    let (taken, found) =
        stored(to_rows(), &[r#"{"id":1,"__op":"c"}"#.to_owned(), "null".to_owned()]);
    assert_eq!(found, r#"{"rows":[{"id":1}]}"#);
    assert!(taken.losses().contains(&(String::new(), "deletion".to_owned())));
    // A flattened update keeps what was not sent, too.
    let (_, found) = stored(
        to_rows(),
        &[
            r#"{"id":1,"doc":"long","__op":"c"}"#.to_owned(),
            r#"{"id":1,"doc":"__debezium_unavailable_value","q":2,"__op":"u"}"#.to_owned(),
        ],
    );
    assert_eq!(found, r#"{"rows":[{"doc":"long","id":1,"q":2}]}"#);
    let tables = DecodeOptions {
        key_paths: vec![("b.rows".into(), path("id"))],
        ..input(Some(Dialect::Debezium))
    };
    let (taken, _) = stored(
        tables,
        &[
            r#"{"id":1,"__op":"c","__source_schema":"b","__source_table":"rows"}"#.to_owned(),
            r#"{"id":1,"__op":"c","__schema":"a","__table":"rows"}"#.to_owned(),
        ],
    );
    assert_eq!(taken.reasons(), ["unknown-store"]);
}

#[test]
fn decimals_and_large_integers_are_keys() {
    let number = |scale: i64, base64: &str| format!(r#"{{"scale":{scale},"value":"{base64}"}}"#);
    let oracle = event(
        "c",
        "null",
        &format!(r#"{{"id":{},"p":{}}}"#, number(0, "AQ=="), number(2, "MDk=")),
        1,
    );
    assert_eq!(
        stored(to_rows(), std::slice::from_ref(&oracle)).1,
        r#"{"rows":[{"id":1,"p":123.45}]}"#
    );
    let text = DecodeOptions { decimals: Decimals::Text, ..to_rows() };
    assert_eq!(stored(text.clone(), &[oracle]).1, r#"{"rows":[{"id":1,"p":"123.45"}]}"#);
    // 9007199254740993: no double.
    let large = [
        event("c", "null", r#"{"id":9007199254740993,"n":1}"#, 1),
        event("u", r#"{"id":9007199254740993,"n":1}"#, r#"{"id":9007199254740993,"n":2}"#, 2),
        event("c", "null", &format!(r#"{{"id":{}}}"#, number(0, "IAAAAAAAAw==")), 1),
        event("c", "null", r#"{"id":1,"n":9007199254740993}"#, 1),
    ];
    assert_eq!(stored(to_rows(), &large).0.reasons(), ["number-precision"; 4]);
    let options = DecodeOptions { big_integers: true, ..to_rows() };
    let store = MemoryStore::default();
    let mut normalize = NormalizeOptions::received_at(1_700_000_000_000);
    normalize.values.big_integers = true;
    let taken = take_with(&store, options, normalize, &large.join("\n"));
    assert_eq!((taken.rejected, taken.received), (0, 4), "{:?}", taken.reasons());
    let changes = String::from_utf8(super::changes(&store)).unwrap();
    assert!(
        changes.contains(r#""key":"9007199254740993""#) && changes.contains(r#""n":2"#),
        "{changes}"
    );
    assert!(changes.contains(r#""n":{"~bigint":"9007199254740993"}"#), "{changes}");
    // A scale that only the schema says.
    let schema = r#"{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"id","type":"int32"},{"field":"p","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]}]}"#;
    let wrapped = format!(
        r#"{{"schema":{schema},"payload":{}}}"#,
        event("c", "null", r#"{"id":1,"p":"MDk="}"#, 1)
    );
    assert_eq!(stored(to_rows(), &[wrapped]).1, r#"{"rows":[{"id":1,"p":123.45}]}"#);
    let long = event("c", "null", r#"{"id":1,"p":12345678901234567890.12}"#, 1);
    assert_eq!(stored(to_rows(), std::slice::from_ref(&long)).0.reasons(), ["number-precision"]);
    assert_eq!(stored(text, &[long]).1, r#"{"rows":[{"id":1,"p":"12345678901234567890.12"}]}"#);
}

#[test]
fn documents_of_mongodb_are_extended_json_in_a_string() {
    let of = |op: &str, members: &str| {
        format!(
            r#"{{{members},"source":{{"connector":"mongodb","db":"shop","collection":"rows"}},"op":"{op}","ts_ms":1}}"#
        )
    };
    let document = |text: &str| serde_json::to_string(text).unwrap();
    let one = document(
        r#"{"_id":{"$oid":"5d505646cf6d4fe581014ab2"},"n":{"$numberLong":"7"},"at":{"$date":1565545664000}}"#,
    );
    let two = document(r#"{"_id":{"$numberLong":"1004"},"name":"Anne"}"#);
    let filter = document(r#"{"_id":{"$numberLong":"1004"}}"#);
    let lines = [
        of("c", &format!(r#""before":null,"after":{one}"#)),
        of("c", &format!(r#""before":null,"after":{two}"#)),
        of(
            "u",
            &format!(
                r#""before":null,"after":{two},"updateDescription":{{"updatedFields":"{{}}"}}"#
            ),
        ),
        // Only what changed, and nothing that names the document.
        of(
            "u",
            r#""before":null,"after":null,"updateDescription":{"removedFields":null,"updatedFields":"{\"x\":1}"}"#,
        ),
        of(
            "u",
            &format!(
                r#""after":null,"patch":{},"filter":{filter}"#,
                document(r#"{"$v":2,"diff":{"u":{"name":"x"}}}"#)
            ),
        ),
        of(
            "u",
            &format!(
                r#""after":null,"patch":{},"filter":{filter}"#,
                document(r#"{"name":"Marie","old":1}"#)
            ),
        ),
        of(
            "u",
            &format!(
                r#""after":null,"patch":{},"filter":{filter}"#,
                document(r#"{"$set":{"n":{"$numberInt":"5"}},"$unset":{"old":true}}"#)
            ),
        ),
        of(
            "u",
            &format!(
                r#""after":null,"patch":{},"filter":{filter}"#,
                document(r#"{"$set":{"a.b":1}}"#)
            ),
        ),
        of("d", r#""before":null,"after":null"#),
    ];
    let options = || DecodeOptions { key_path: Some(path("_id")), ..to_rows() };
    let (taken, found) = stored(options(), &lines);
    assert_eq!((taken.received, taken.reasons()), (9, vec!["missing-member"; 4]));
    assert_eq!(
        found,
        r#"{"rows":[{"_id":1004,"n":5,"name":"Marie"},{"_id":"5d505646cf6d4fe581014ab2","at":"2019-08-11T17:47:44.000Z","n":7}]}"#
    );
    assert!(taken.losses().contains(&("rows".to_owned(), "unsent-member".to_owned())));
    let gone = [
        lines[1].clone(),
        of("d", &format!(r#""before":null,"filter":{filter}"#)),
        lines[0].clone(),
    ];
    assert!(!stored(options(), &gone).1.contains("1004"));
}
