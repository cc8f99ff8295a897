//! The real files of Playwright and Dexie, to a flow and back.

use nifi_idb::decode::{DecodeOptions, Dialect, Mode};
use nifi_idb::history::ExportFormat;
use nifi_idb::report::Outcome;
use nifi_idb::report_line::ReportLine;
use nifi_idb::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::{fixture, input, playwright, read, take, written};

fn zoo() -> DecodeOptions {
    let origin = Some("https://zoo.example".to_owned());
    DecodeOptions { origin, database: Some("zoo".into()), ..DecodeOptions::default() }
}

/// Without ids, and with members in order: what Playwright's encoding means, where nothing is shared.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let mut members: serde_json::Map<_, _> = members
                .iter()
                .filter(|(name, _)| {
                    *name != "id"
                        || !["a", "o", "m", "s"].iter().any(|kind| members.contains_key(*kind))
                })
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect();
            if let Some(Value::Array(list)) = members.get_mut("o") {
                list.sort_by_key(|member| member["k"].to_string());
            }
            members.into()
        }
        other => other.clone(),
    }
}

/// What needs no encoding, encoded: whether a value needs it can differ, where an object stands for what was lost.
fn encoded(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "v": "null" }),
        Value::Array(items) => json!({ "a": items.iter().map(encoded).collect::<Vec<_>>() }),
        Value::Object(members) => {
            json!({ "o": members.iter().map(|(k, v)| json!({ "k": k, "v": encoded(v) })).collect::<Vec<_>>() })
        }
        other => other.clone(),
    }
}

fn record(record: &Value) -> Value {
    let part = |name: &str| {
        let own = record.get(name).map(encoded);
        plain(&own.or_else(|| record.get(format!("{name}Encoded")).cloned()).unwrap_or_default())
    };
    json!([part("key"), part("value")])
}

/// The object stores of a storage state, and their records that hold no references.
fn stores(document: &Value) -> Vec<(Value, Vec<Value>)> {
    let stores = document["origins"][0]["indexedDB"].as_array().unwrap().last().unwrap()["stores"]
        .as_array()
        .unwrap();
    let store = |store: &Value| {
        let mut head = store.clone();
        let records = head.as_object_mut().unwrap().remove("records").unwrap();
        let records = records
            .as_array()
            .unwrap()
            .iter()
            .filter(|record| !record.to_string().contains("\"ref\":"));
        (head, records.map(record).collect())
    };
    stores.iter().map(store).collect()
}

#[test]
fn a_storage_state_goes_in_and_comes_out() {
    let text = fixture("playwright/storage-state.json");
    let store = MemoryStore::default();
    let taken = take(&store, zoo(), &text);
    assert_eq!(
        (taken.outcome, taken.received, taken.rejected),
        (Outcome::Committed, 108, 0),
        "{:?}",
        taken.error
    );
    let (again, _) = written(&store, playwright());
    for ((head, records), (own_head, own_records)) in
        stores(&read(&text)).iter().zip(stores(&read(&again)))
    {
        assert_eq!(own_head, *head);
        assert_eq!(own_records.len(), records.len());
        for (own, record) in own_records.iter().zip(records) {
            assert_eq!(own, record, "{}", head["name"]);
        }
    }
    // With its references too: it means the same.
    let other = take(&MemoryStore::default(), zoo(), &again);
    assert_eq!((other.root, other.rejected), (taken.root, 0));
}

/// Rows of an export by table.
fn rows(document: &Value) -> Vec<(Value, Vec<Value>)> {
    let tables = document["data"]["data"].as_array().unwrap();
    let table = |table: &Value| {
        (json!([table["tableName"], table["inbound"]]), table["rows"].as_array().unwrap().clone())
    };
    tables.iter().map(table).collect()
}

#[test]
fn an_export_of_dexie_goes_in_and_comes_out() {
    let text = fixture("dexie/export.json");
    let store = MemoryStore::default();
    let taken = take(&store, DecodeOptions::default(), &text);
    assert_eq!(
        (taken.outcome, taken.received, taken.rejected),
        (Outcome::Committed, 108, 0),
        "{:?}",
        taken.error
    );
    let (again, losses) = written(&store, ExportFormat::Dexie);
    let (theirs, ours) = (read(&text), read(&again));
    let tables = |document: &Value| {
        let mut tables = document["data"]["tables"].clone();
        for table in tables.as_array_mut().unwrap() {
            let mut schema: Vec<_> =
                table["schema"].as_str().unwrap().split(',').map(str::to_owned).collect();
            schema[1..].sort_by_key(|index| index.trim_matches(['&', '*']).to_owned());
            table["schema"] = schema.into();
        }
        tables
    };
    assert_eq!(tables(&ours), tables(&theirs));
    for member in ["databaseName", "databaseVersion"] {
        assert_eq!(ours["data"][member], theirs["data"][member]);
    }
    for ((own_table, own_rows), (table, rows)) in rows(&ours).iter().zip(rows(&theirs)) {
        assert_eq!(*own_table, table);
        assert_eq!(own_rows.len(), rows.len());
        // References may stand elsewhere, or be values.
        let pairs = own_rows.iter().zip(rows).filter(|(_, row)| !row.to_string().contains("\"#"));
        pairs.for_each(|(own, row)| assert_eq!(*own, row, "{table}"));
    }
    // It means the same, but for an object that a Map and a Set held too.
    let shared = again.matches("shared in collections").count();
    assert_eq!(
        (
            shared,
            losses
                .lines()
                .filter(|line| matches!(line, ReportLine::Loss { what: "sharing", .. }))
                .count()
        ),
        (1, 4)
    );
    assert_eq!(take(&MemoryStore::default(), DecodeOptions::default(), &again).rejected, 0);
    let other =
        take(&MemoryStore::default(), DecodeOptions::default(), &fixture("dexie/pretty.json"));
    assert_eq!(
        (&other.root, other.rejected),
        (&taken.root, 0),
        "white space and chunks decide nothing"
    );
}

/// What facts about the formats say must be lost is told, and where.
#[test]
fn what_each_file_cannot_say_is_told() {
    let has = |taken: &super::Taken, path: &str, what: &str| {
        assert!(
            taken.losses().contains(&(path.to_owned(), what.to_owned())),
            "{path} {what}: {:?}",
            taken.losses()
        );
    };
    let state = take(&MemoryStore::default(), zoo(), &fixture("playwright/storage-state.json"));
    for (path, what) in [
        ("", "negative-zero"),
        ("", "own-proto"),
        ("", "sharing"),
        ("", "array-members"),
        ("auto", "key-generator"),
        ("values.value", "emptied-object"),
        ("values.value", "indexed-object"),
        ("values.value", "hole"),
        ("values.value", "dom"),
        ("values.value", "error-cause"),
        ("values.value.a", "buffer-of-view"),
        ("values.value", "buffer-max"),
    ] {
        has(&state, path, what);
    }
    // Blob, binary Blob, File in `values.value`; four boxed primitives and two DataViews in its items.
    let count = |taken: &super::Taken, path: &str, what: &str| {
        let found =
            taken.of("loss").into_iter().find(|line| line["path"] == path && line["what"] == what);
        found.map_or(0, |line| line["count"].as_u64().unwrap())
    };
    assert_eq!(
        (
            count(&state, "values.value", "emptied-object"),
            count(&state, "values.value[]", "emptied-object")
        ),
        (3, 6)
    );
    let export =
        take(&MemoryStore::default(), DecodeOptions::default(), &fixture("dexie/export.json"));
    for (path, what) in [
        ("", "negative-zero"),
        ("", "own-proto"),
        ("", "buffer-max"),
        ("auto", "key-generator"),
        ("values", "index-names"),
        ("values.value", "emptied-object"),
        ("values.value[]", "emptied-object"),
        ("values.value", "indexed-object"),
        ("values.value[]", "indexed-object"),
        ("values.value[]", "regexp-flags"),
        ("values.value[]", "dom"),
    ] {
        has(&export, path, what);
    }
    // The DOMException and the object that was empty; four Errors.
    assert_eq!(
        (
            count(&export, "values.value", "emptied-object"),
            count(&export, "values.value[]", "emptied-object")
        ),
        (2, 4)
    );
    for taken in [state, export] {
        let total: u64 =
            taken.of("loss").into_iter().map(|line| line["count"].as_u64().unwrap()).sum();
        assert_eq!(taken.of("losses")[0]["count"].as_u64(), Some(total));
    }
}

#[test]
fn one_of_several_databases_has_to_be_named() {
    let text = fixture("playwright/storage-state.json");
    let failed =
        |decode: DecodeOptions| take(&MemoryStore::default(), decode, &text).error.unwrap();
    let error = failed(DecodeOptions::default());
    assert!(
        error.contains("\"zoo\" of https://second.example") && error.contains("--origin"),
        "{error}"
    );
    assert!(
        failed(DecodeOptions { database: Some("zoo".into()), ..input(Some(Dialect::Playwright)) })
            .contains("say which")
    );
    assert!(
        failed(DecodeOptions { database: Some("zo".into()), ..input(Some(Dialect::Playwright)) })
            .contains("no such database")
    );
    let origin = Some("https://second.example".to_owned());
    let second =
        DecodeOptions { origin, database: Some("zoo".into()), ..input(Some(Dialect::Playwright)) };
    assert_eq!(take(&MemoryStore::default(), second, &text).received, 32);
}

#[test]
fn a_source_makes_it_full_and_only_what_it_sent_itself_is_missing() {
    let text = fixture("dexie/export.json");
    let store = MemoryStore::default();
    let full =
        || DecodeOptions { source: Some("tablet".parse().unwrap()), ..DecodeOptions::default() };
    assert_eq!(take(&store, full(), &text).outcome, Outcome::Committed);
    assert_eq!(take(&store, full(), &text).outcome, Outcome::Unchanged);
    let less = text.replace(r#"{"x":1,"n":1},"#, "");
    let taken = take(&store, full(), &less);
    assert_eq!(
        (taken.outcome, taken.deleted),
        (Outcome::Unchanged, 0),
        "the file says that there is one more"
    );
    assert_eq!(taken.of("kept")[0]["reason"], "filtered");
    let rows = taken.of("loss").into_iter().find(|line| line["what"] == "rows").unwrap();
    assert_eq!(
        (rows["path"].as_str(), rows["count"].as_u64()),
        (Some("auto"), Some(1)),
        "the file says 2"
    );
    let gone = less.replacen(
        r#""rowCount":2"#,
        r#""rowCount":1"#,
        less.matches(r#""rowCount":2"#).count(),
    );
    let taken = take(&store, full(), &gone);
    assert_eq!((taken.outcome, taken.deleted), (Outcome::Committed, 1));
    let delta = DecodeOptions { mode: Some(Mode::Delta), ..full() };
    assert_eq!(take(&store, delta, &less).deleted, 0);
}

#[test]
fn cut_off_anywhere_nothing_is_written() {
    for (name, decode) in
        [("playwright/storage-state.json", zoo()), ("dexie/export.json", DecodeOptions::default())]
    {
        let text = fixture(name);
        let text = text.trim_end();
        for end in (1..text.len())
            .step_by(997)
            .chain([text.len() - 1])
            .filter(|end| text.is_char_boundary(*end))
        {
            let store = MemoryStore::default();
            let taken = take(&store, decode.clone(), &text[..end]);
            assert_eq!(taken.outcome, Outcome::Failed, "{name} up to {end}");
        }
    }
}
