//! `policy explain`: from files, and from stored versions.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::policy;
use crate::program::{program, run};

const POLICY: &str = r#"version = 1
[stores.orders]
resolve = "three-way"
clock = "at"
[stores.orders.fields]
stock = "delta"
[[stores.orders.rules]]
name = "deletions wait"
types = ["update-delete"]
then = "park"
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("p.toml", POLICY),
        ("base.json", r#"{"id": 1, "stock": 10, "note": "a"}"#),
        ("head.json", r#"{"id": 1, "stock": 8, "note": "b"}"#),
        ("incoming.json", r#"{"note": "c", "stock": 7, "id": 1, "at": 5}"#),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn explain(folder: &Path, arguments: &[&str]) -> String {
    let common = ["explain", "--policy", "p.toml", "--object-store", "orders"];
    String::from_utf8(policy(folder, &[&common, arguments].concat()).done()).unwrap()
}

#[test]
fn from_files() {
    let folder = folder();
    let sides = [
        "--base",
        "base.json",
        "--head",
        "head.json",
        "--head-at",
        "4",
        "--incoming",
        "incoming.json",
    ];
    assert_eq!(
        explain(folder.path(), &sides),
        "record    orders 1, from files\n\
         scope     orders\n\
         detected  the change had not seen head: a conflict\n\
         type      update-update\n\
         rules     orders/deletions wait: it is not for update-update\n\
         \x20         orders/three-way: it decides\n\
         fields    note: last-write-wins, incoming's stands\n\
         \x20         stock: delta, of both\n\
         decided   orders/three-way-contested, of both\n\
         kept      head, whole, in the log of conflicts\n\
         result    {\"at\":5,\"id\":1,\"note\":\"c\",\"stock\":5}\n"
    );
    let deleted = explain(
        folder.path(),
        &["--base", "base.json", "--head", "head.json", "--incoming-deleted"],
    );
    assert!(deleted.contains("rules     orders/deletions wait: it decides\n"), "{deleted}");
    assert!(deleted.ends_with("reason    the policy leaves it to a person\nkept      incoming, whole, in the log of conflicts\nresult    parked\n"), "{deleted}");
    let follows = explain(
        folder.path(),
        &["--base", "head.json", "--head", "head.json", "--incoming", "incoming.json"],
    );
    assert!(follows.contains("detected  the change follows head\nresult    {"), "{follows}");
    let again = explain(
        folder.path(),
        &["--head", "head.json", "--incoming", "head.json", "--report", "json"],
    );
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["found"], &again["rules"]), (&"equal".into(), &serde_json::json!([])));
}

#[test]
fn from_stored_versions() {
    let folder = folder();
    for (source, value) in
        [("a", r#"{"id":1,"stock":10,"note":"a"}"#), ("b", r#"{"id":1,"stock":8,"note":"b"}"#)]
    {
        let mut command = program([
            "sync",
            "--store",
            "git:s.git",
            "--database",
            "shop",
            "--object-store",
            "orders",
        ]);
        command.args(["--key-path", "id", "--source", source]).current_dir(folder.path());
        run(command, format!("{value}\n").as_bytes()).done();
    }
    let stored = ["--store", "git:s.git", "--key", "1", "--incoming", "incoming.json"];
    let out = explain(
        folder.path(),
        &[&stored[..], &["--base", "1", "--incoming-at", "99999999999999", "--report", "json"]]
            .concat(),
    );
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&out["conflict"], &out["rule"]),
        (&"update-update".into(), &"orders/three-way-contested".into())
    );
    assert_eq!(
        out["result"]["value"],
        serde_json::json!({ "id": 1, "note": "c", "stock": 5, "at": 5 })
    );
    assert_eq!(out["lost"], serde_json::json!({ "head": true, "incoming": false }));
    // The older version is head, and the change had seen it.
    let out = explain(folder.path(), &[&stored[..], &["--at", "1", "--base", "1"]].concat());
    assert!(out.starts_with("record    orders 1, as of version 1 of indexeddb/shop\n"), "{out}");
    assert!(out.contains("detected  the change follows head\n"), "{out}");
    let ran = policy(
        folder.path(),
        &[
            "explain",
            "--policy",
            "p.toml",
            "--object-store",
            "orders",
            "--store",
            "git:s.git",
            "--incoming-deleted",
        ],
    );
    assert_eq!(
        (ran.code(), ran.err.lines().next()),
        (Some(2), Some("nifi-idb: with --store the record must be named: give --key"))
    );
    let ran = policy(
        folder.path(),
        &[
            &["explain", "--policy", "p.toml", "--object-store", "orders"],
            &stored[..],
            &["--base", "base.json"],
        ]
        .concat(),
    );
    assert!(ran.err.starts_with("nifi-idb: with --store, --base is the version"), "{}", ran.err);
}
