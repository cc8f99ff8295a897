//! Schemas that no browser can make are refused at every door, and a flow that has one already goes on.

use nifi_idb::indexeddb::schema::{Database, KeyPath, ObjectStore};
use nifi_idb::snapshot::{FlowName, FlowVersion, Manifest, SealedManifest};
use nifi_idb::store::SnapshotStore;
use nifi_idb::store::VersionDraft;
use nifi_idb::store::git::GitStore;
use std::path::Path;

use crate::program::{Ran, on};

#[track_caller]
fn refused(ran: &Ran, code: i32, says: &str) {
    assert_eq!(ran.code(), Some(code), "{ran:?}");
    assert!(ran.err.contains(says), "{}", ran.err);
}

fn batch(store: &str) -> Vec<u8> {
    let header =
        format!("{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{store}]}}\n");
    (header + "{\"op\":\"end\",\"count\":0}\n").into_bytes()
}

#[test]
fn an_option_that_names_no_key_path_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    for (path, field) in [
        ("order-id", "--key-field order-id,"),
        ("@id", "--key-field @id,"),
        ("a b", "--key-field 'a b',"),
        ("a..b", "--key-field FIELD,"),
        ("1a", "--key-field 1a,"),
    ] {
        let line = format!("{{\"{path}\":\"v\",\"a\":{{\"\":{{\"b\":1}}}}}}\n");
        let options = ["--database", "d", "--object-store", "s", "--key-path", path];
        let ran = on(folder.path(), "sync", &options, line.as_bytes());
        refused(&ran, 2, field);
        assert!(
            ran.err.contains(&format!("IndexedDB takes no key path \"{path}\"")),
            "{}",
            ran.err
        );
    }
    let ran = on(folder.path(), "restore", &["--flow", "d"], b"");
    assert_eq!((ran.code(), ran.out.len()), (Some(2), 0), "nothing was stored");
    let way_out = ["--database", "d", "--object-store", "s", "--key-field", "order-id"];
    assert_eq!(
        on(folder.path(), "sync", &way_out, b"{\"order-id\":\"v\",\"x\":1}").summary()["put"],
        1
    );
}

#[test]
fn a_header_whose_schema_no_browser_makes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (store, says) in [
        (r#"{"name":"s","keyPath":"","autoIncrement":true}"#, "no key generator"),
        (r#"{"name":"s","keyPath":["a"],"autoIncrement":true}"#, "no key generator"),
        (r#"{"name":"s","keyPath":"a b"}"#, "no key path \"a b\""),
        (r#"{"name":"s","keyPath":["a","b-c"]}"#, "no key path \"b-c\""),
        (
            r#"{"name":"s","indexes":[{"name":"i","keyPath":"x-y"}]}"#,
            "index \"i\": IndexedDB takes no key path \"x-y\"",
        ),
        (
            r#"{"name":"s","indexes":[{"name":"i","keyPath":["x","y"],"multiEntry":true}]}"#,
            "multi-entry index",
        ),
    ] {
        refused(&on(folder.path(), "sync", &[], &batch(store)), 5, says);
    }
    for store in [
        r#"{"name":"s","keyPath":"a.b","autoIncrement":true}"#,
        r#"{"name":"s","keyPath":["","a"],"indexes":[{"name":"i","keyPath":"","multiEntry":true}]}"#,
    ] {
        let flow = format!("f{}", store.len());
        on(folder.path(), "sync", &["--flow", &flow], &batch(store)).done();
    }
}

#[test]
fn files_of_other_programs_and_events_are_refused_alike() {
    let folder = tempfile::tempdir().unwrap();
    let playwright = r#"{"cookies":[],"origins":[{"origin":"https://a.example","localStorage":[],"indexedDB":[{"name":"d",
        "version":1,"stores":[{"name":"s","keyPath":"order-id","autoIncrement":false,"indexes":[],"records":[]}]}]}]}"#;
    let origin = ["--origin", "https://a.example", "--database", "d"];
    refused(
        &on(folder.path(), "sync", &origin, playwright.as_bytes()),
        5,
        "no key path \"order-id\"",
    );
    let dexie = r#"{"formatName":"dexie","formatVersion":1,"data":{"databaseName":"d","databaseVersion":1,
        "tables":[{"name":"s","schema":"order-id","rowCount":0}],"data":[{"tableName":"s","inbound":true,"rows":[]}]}}"#;
    refused(&on(folder.path(), "sync", &[], dexie.as_bytes()), 5, "no key path \"order-id\"");
    let plain = ["--input", "plain-json", "--database", "d", "--key-path", "s=order-id"];
    refused(
        &on(folder.path(), "sync", &plain, br#"{"s":[{"order-id":1}]}"#),
        2,
        "no key path \"order-id\"",
    );
    let events =
        ["--input", "debezium", "--database", "d", "--object-store", "s", "--key-path", "order-id"];
    let event = br#"{"before":null,"after":{"order-id":1},"source":{"table":"s","ts_ms":1},"op":"c","ts_ms":1}"#;
    refused(&on(folder.path(), "sync", &events, event), 2, "no key path \"order-id\"");
}

/// Makes a flow `old` as an earlier release could: its object store `s` has key path `order-id`.
fn make_old_flow(repo: &Path) {
    let store = GitStore::new(repo).unwrap();
    let flow = FlowName::new("indexeddb", "old").unwrap();
    let stores = vec![ObjectStore::new("s".into(), Some(KeyPath::Path("order-id".into())))];
    let empty = Manifest::empty(&Database::new("old".into(), 1, stores).unwrap());
    let manifest = Manifest { version: FlowVersion::FIRST, previous: None, ..empty };
    let manifest = SealedManifest::from(manifest);
    let comment = format!("by hand\n\nroot={} state={}", manifest.root(), manifest.state());
    store
        .writer(&flow, None)
        .unwrap()
        .commit(&VersionDraft { manifest, comment, timestamp_ms: 900 })
        .unwrap();
}

#[test]
fn a_flow_that_has_such_a_schema_already_goes_on_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("s.git");
    make_old_flow(&repo);
    let options = ["--database", "old", "--object-store", "s", "--key-path", "order-id"];
    let record = b"{\"order-id\":\"v\",\"x\":1}\n";
    assert_eq!(
        on(&repo, "sync", &options, record).summary()["put"],
        1,
        "its source is not blocked for ever"
    );
    let other = ["--database", "old", "--object-store", "t", "--key-path", "order-id"];
    refused(&on(&repo, "sync", &other, record), 2, "object store \"t\"");

    let says =
        "no browser can make this: object store \"s\": IndexedDB takes no key path \"order-id\"";
    let verified = on(&repo, "verify", &["--flow", "old"], b"");
    assert!(
        verified.code() == Some(0) && String::from_utf8_lossy(&verified.out).contains(says),
        "{verified:?}"
    );
    let doctor = String::from_utf8(on(&repo, "doctor", &[], b"").done()).unwrap();
    assert!(doctor.contains(&format!("  indexeddb/old: {says}")), "{doctor}");
    let restored = on(&repo, "restore", &["--flow", "old", "--format", "records"], b"");
    assert_eq!(
        (restored.code(), &restored.out[..]),
        (Some(0), &record[..]),
        "its records come back"
    );
    assert!(restored.err.contains(says), "{}", restored.err);
    let losses = folder.path().join("losses");
    let export = ["--flow", "old", "--format", "dexie", "--losses", losses.to_str().unwrap()];
    assert_eq!(on(&repo, "restore", &export, b"").code(), Some(0));
    let told = std::fs::read_to_string(losses).unwrap();
    assert!(
        told.contains(r#"{"count":1,"path":"s","type":"loss","what":"unmakeable-schema"}"#),
        "{told}"
    );
}
