//! Dumps of common local databases.

use nifi_idb::decode::{DecodeOptions, Dialect, Mode};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{Taken, input, take, written};

fn path(path: &str) -> KeyPath {
    KeyPath::Path(path.into())
}

fn stored(options: DecodeOptions, text: &str) -> (Taken, String) {
    let store = MemoryStore::default();
    let taken = take(&store, options, text);
    let rows = if taken.outcome == Outcome::Committed {
        written(&store, ExportFormat::Json).0.trim_end().to_owned()
    } else {
        taken.error.clone().unwrap_or_default()
    };
    (taken, rows)
}

fn loss(taken: &Taken, path: &str, what: &str) -> bool {
    taken.losses().contains(&(path.to_owned(), what.to_owned()))
}

#[test]
fn rxdb_writes_a_database_or_a_collection() {
    let orders = r#"{"name":"orders","schemaHash":"x","docs":[{"id":"a","qty":1,"_deleted":false,"_meta":{"lwt":1.01}}]}"#;
    let database = format!(
        r#"{{"name":"shop","instanceToken":"abc","collections":[{orders},{{"name":"log","schemaHash":"y","docs":[]}}]}}"#
    );
    let expected = r#"{"log":[],"orders":[{"id":"a","qty":1}]}"#;
    let (taken, found) = stored(DecodeOptions::default(), &database);
    assert_eq!((taken.rejected, &*found), (0, expected), "{:?}", taken.error);
    assert!(loss(&taken, "", "schema") && loss(&taken, "", "attachments"));
    // Also where plain JSON was said, which it is not.
    let paths = vec![("orders".into(), path("id"))];
    assert_eq!(
        stored(DecodeOptions { key_paths: paths, ..input(Some(Dialect::PlainJson)) }, &database).1,
        expected
    );
    assert_eq!(stored(DecodeOptions::default(), orders).1, r#"{"orders":[{"id":"a","qty":1}]}"#);
    // Another key, another object store left out, and what an option names must be there.
    let other = DecodeOptions {
        key_paths: vec![("orders".into(), path("qty"))],
        ..DecodeOptions::default()
    };
    assert_eq!(stored(other, orders).0.rejected, 0);
    let skip =
        |name: &str| DecodeOptions { skip_stores: vec![name.into()], ..DecodeOptions::default() };
    let (taken, found) = stored(skip("orders"), &database);
    assert_eq!(found, r#"{"log":[]}"#);
    assert!(loss(&taken, "orders", "skipped-store"));
    assert!(stored(skip("others"), &database).1.contains("--skip-store"));
    let deleted = orders
        .replace("false", "true")
        .replace("\"docs\":[", "\"encrypted\":true,\"docs\":[{\"id\":\"b\"},");
    let (taken, found) = stored(DecodeOptions::default(), &deleted);
    assert_eq!(found, r#"{"orders":[{"id":"b"}]}"#);
    assert!(loss(&taken, "", "encrypted"));
    for broken in [r#"{"name":"shop","instanceToken":"x"}"#, &database[..database.len() - 1]] {
        assert_eq!(stored(DecodeOptions::default(), broken).0.outcome, Outcome::Failed, "{broken}");
    }
}

#[test]
fn dexie_cloud_writes_tables_by_key_with_or_without_realms() {
    let tables = r#"{"data":{"todoItems":{"tdi1":{"id":"tdi1","title":"x"},"tdi2":{"title":"y"},"tdi3":null}}}"#;
    let expected = r#"{"todoItems":[{"id":"tdi1","title":"x"},{"id":"tdi2","title":"y"}]}"#;
    let (taken, found) = stored(DecodeOptions::default(), tables);
    assert_eq!((taken.rejected, taken.received, &*found), (0, 3, expected), "{:?}", taken.error);
    let paths = vec![("todoItems".into(), path("id"))];
    assert_eq!(
        stored(DecodeOptions { key_paths: paths, ..input(Some(Dialect::PlainJson)) }, tables).1,
        expected
    );
    let realms = r#"{"schema":{"products":{"primaryKey":"@sku"}},"data":{"rlm-public":{"products":{"prd1":{"price":60,"at":{"$t":"Date","v":"2019-08-11T17:47:44.000Z"}}}},"a@b.example":{"products":{"prd2":{"x":{"$t":"Sum"}}}}}}"#;
    let (taken, found) = stored(input(Some(Dialect::DexieCloud)), realms);
    assert_eq!(taken.reasons(), ["unknown-tag"]);
    assert_eq!(
        found,
        r#"{"products":[{"at":"2019-08-11T17:47:44.000Z","price":60,"realmId":"rlm-public","sku":"prd1"}]}"#
    );
    // A record that begins like it goes where it is told to.
    let records = DecodeOptions {
        object_store: Some("s".into()),
        key_path: Some(path("k")),
        ..DecodeOptions::default()
    };
    let (taken, _) = stored(records, r#"{"data":{"a":{"b":{"c":1}}},"k":1}"#);
    assert_eq!((taken.received, taken.rejected), (1, 0));
}

#[test]
fn couchdb_answers_with_all_documents_or_with_changes() {
    let row = |id: &str, rest: &str| {
        format!(
            r#"{{"id":"{id}","key":"{id}","value":{{"rev":"1-a"}},"doc":{{"_id":"{id}","_rev":"1-a"{rest}}}}}"#
        )
    };
    let all = |total: usize, rows: &[String]| {
        format!(
            "{{\"total_rows\":{total},\"offset\":0,\"rows\":[\r\n{}\r\n]}}\r\n",
            rows.join(",\r\n")
        )
    };
    let rows =
        [row("a", ",\"n\":1"), row("b", ",\"_attachments\":{\"f\":{\"stub\":true,\"length\":1}}")];
    let from = |name: &str| DecodeOptions {
        source: Some(name.parse().unwrap()),
        ..DecodeOptions::default()
    };
    let store = MemoryStore::default();
    let taken = take(&store, from("couch"), &all(2, &rows));
    assert_eq!((taken.outcome, taken.rejected), (Outcome::Committed, 0), "{:?}", taken.error);
    assert!(loss(&taken, "docs._attachments", "attachments") && loss(&taken, "", "revisions"));
    let text = written(&store, ExportFormat::Json).0;
    assert!(text.starts_with(r#"{"docs":[{"_id":"a","_rev":"1-a","n":1},{"#), "{text}");
    // All of it is a full batch; a part of it cannot be one.
    let taken = take(&store, from("couch"), &all(2, &rows[..1]));
    assert_eq!((taken.outcome, taken.deleted), (Outcome::Unchanged, 0));
    let part = take(
        &store,
        DecodeOptions { mode: Some(Mode::Full), ..from("couch") },
        &all(2, &rows[..1]),
    );
    assert!(part.error.unwrap().contains("full batch"));
    assert_eq!(take(&store, from("couch"), &all(1, &rows[..1])).deleted, 1);
    // Without documents there is nothing to store.
    let bare = r#"{"total_rows":1,"offset":0,"rows":[{"id":"a","key":"a","value":{"rev":"1-a"}}]}"#;
    assert_eq!(stored(DecodeOptions::default(), bare).0.rejected, 1);
    let change = |seq: u64, id: &str, rest: &str| {
        format!(r#"{{"seq":"{seq}-x","id":"{id}","changes":[{{"rev":"2-b"}}]{rest}}}"#)
    };
    let changes = [
        change(1, "c", r#","doc":{"_id":"c","_rev":"2-b"}"#),
        change(2, "a", r#","deleted":true,"doc":{"_id":"a","_rev":"2-b","_deleted":true}"#),
    ];
    let feed = format!(
        "{{\"results\":[\n{}\n],\n\"last_seq\":\"2-x\",\"pending\":0}}\n",
        changes.join(",\n")
    );
    let continuous = format!("{}\n\n{{\"last_seq\":\"2-x\",\"pending\":0}}\n", changes.join("\n"));
    for text in [feed, continuous] {
        let store = MemoryStore::default();
        take(&store, from("couch"), &all(2, &rows));
        let taken = take(&store, from("couch"), &text);
        assert_eq!((taken.received, taken.rejected, taken.deleted), (2, 0, 1), "{:?}", taken.error);
        let text = written(&store, ExportFormat::Json).0;
        assert!(
            text.contains(r#""_id":"b""#)
                && text.contains(r#""_id":"c""#)
                && !text.contains(r#""_id":"a""#),
            "{text}"
        );
    }
    let named =
        DecodeOptions { object_store: Some("notes".into()), ..input(Some(Dialect::Couchdb)) };
    assert!(stored(named, &all(1, &rows[..1])).1.starts_with(r#"{"notes":["#));
}

#[test]
fn pouchdb_dump_gives_the_revision_that_counts() {
    let lines = [
        r#"{"version":"1.2.0","db_type":"leveldb","start_time":"2014-11-02T18:57:26.169Z","db_info":{"doc_count":2,"update_seq":4,"db_name":"foobar"}}"#,
        r#"{"docs":[{"_id":"foo","_rev":"2-b","n":2,"_revisions":{"start":2,"ids":["b","a"]}},{"_id":"foo","_rev":"2-a","n":1}]}"#,
        r#"{"seq":1}"#,
        r#"{"docs":[{"_id":"bar","_rev":"1-y"},{"_id":"foo","_rev":"3-z","_deleted":true},{"_id":"gone","_rev":"2-c","_deleted":true}]}"#,
        r#"{"seq":4}"#,
    ];
    let (taken, found) = stored(DecodeOptions::default(), &lines.join("\n"));
    assert_eq!(
        (taken.rejected, &*found),
        (0, r#"{"docs":[{"_id":"bar","_rev":"1-y"},{"_id":"foo","_rev":"2-b","n":2}]}"#),
        "{:?}",
        taken.error
    );
    assert!(loss(&taken, "docs", "revisions"));
    let store = MemoryStore::default();
    let source =
        || DecodeOptions { source: Some("pouch".parse().unwrap()), ..DecodeOptions::default() };
    assert_eq!(
        take(&store, source(), &lines.join("\n")).received,
        2,
        "a full batch, which names no deletion"
    );
    let partial = take(&store, source(), &lines[..2].join("\n"));
    assert_eq!((partial.outcome, partial.deleted), (Outcome::Unchanged, 0), "{:?}", partial.error);
    assert_eq!(
        take(&store, source(), &lines.join("\n")[..300]).outcome,
        Outcome::Failed,
        "cut off"
    );
}

#[test]
fn mongoexport_is_lines_or_an_array_of_extended_json() {
    let one = r#"{"_id":{"$oid":"5d505646cf6d4fe581014ab2"},"at":{"$date":"2019-08-11T17:47:44Z"},"n":{"$numberLong":"7"}}"#;
    let two = r#"{"_id":{"$numberLong":"1004"},"name":"Anne"}"#;
    let to = |name: &str| DecodeOptions {
        object_store: Some(name.into()),
        key_path: Some(path("_id")),
        ..DecodeOptions::default()
    };
    let expected = r#"{"c":[{"_id":1004,"name":"Anne"},{"_id":"5d505646cf6d4fe581014ab2","at":"2019-08-11T17:47:44.000Z","n":7}]}"#;
    for text in
        [format!("{one}\n{two}\n"), format!("[{one},{two}]\n"), format!("[\n{one},\n{two}\n]")]
    {
        let (taken, found) = stored(to("c"), &text);
        assert_eq!((taken.rejected, &*found), (0, expected), "{:?}", taken.error);
        assert!(loss(&taken, "", "database-types"));
    }
    let said = DecodeOptions { key_path: None, input: Some(Dialect::Mongoexport), ..to("c") };
    assert_eq!(stored(said, &format!("{two}\n{one}")).1, expected);
    assert!(stored(DecodeOptions::default(), one).1.contains("--object-store"));
    for cut in [&one[..one.len() - 2], "[{\"_id\":{\"$oid\":\"aa\"}}"] {
        assert_eq!(stored(to("c"), cut).0.outcome, Outcome::Failed, "{cut}");
    }
}

#[test]
fn empty_object_stores_need_no_key_and_one_can_be_left_out() {
    let dump = r#"{"orders":[{"id":1}],"log":[],"settings":["dark"]}"#;
    let options = |skip: &[&str], paths: &[&str]| DecodeOptions {
        key_paths: paths.iter().map(|name| ((*name).into(), path("id"))).collect(),
        skip_stores: skip.iter().map(|name| (*name).into()).collect(),
        ..input(Some(Dialect::PlainJson))
    };
    let (taken, found) = stored(options(&["settings"], &["orders"]), dump);
    assert_eq!((taken.rejected, &*found), (0, r#"{"orders":[{"id":1}]}"#), "{:?}", taken.error);
    assert!(loss(&taken, "settings", "skipped-store"));
    assert_eq!(
        stored(options(&["settings"], &["orders", "log"]), dump).1,
        r#"{"log":[],"orders":[{"id":1}]}"#
    );
    let error = stored(options(&[], &["orders"]), dump).1;
    assert!(error.contains("settings") && error.contains("--skip-store"), "{error}");
    assert!(stored(options(&["other"], &["orders"]), dump).1.contains("other"));
}
