//! Flows by their database's name, and names that nothing has.

use std::path::Path;

use crate::program::{Ran, program, run, store_of};

/// Names that are legal in IndexedDB and not as a flow, or that look like an encoded one.
const DATABASES: [&str; 7] =
    ["firestore/[DEFAULT]/demo-app/main", "my db", "shop:v2", "", ".hidden", "a%20b", "\u{1F600}"];

fn batch(database: &str) -> String {
    let name = serde_json::to_string(database).unwrap();
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":{name},\"stores\":[{{\"name\":\"s\",\"keyPath\":\"id\"}}]}}\n\
         {{\"op\":\"put\",\"store\":\"s\",\"value\":{{\"id\":1}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
    )
}

fn on(repo: &Path, command: &str, words: &[&str]) -> Ran {
    let store = store_of(repo);
    run(program([&[command, "--store", &store][..], words].concat()), b"")
}

#[test]
fn a_database_has_its_own_name_wherever_a_flow_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for database in DATABASES {
        run(program(["sync", "--store", &store_of(dir.path())]), batch(database).as_bytes()).done();
    }
    for database in DATABASES {
        for flag in ["--flow", "--database"] {
            // An empty word counts as not given: the empty name is asked for by its flow.
            let name = if database.is_empty() { ["--flow", "%"] } else { [flag, database] };
            let text = String::from_utf8(on(dir.path(), "restore", &name).done()).unwrap();
            let expected = format!("\"database\":{}", serde_json::to_string(database).unwrap());
            assert!(text.contains(&expected) || !database.is_ascii(), "{database}: {text}");
            for command in ["log", "verify", "sources"] {
                on(dir.path(), command, &name).done();
            }
            on(dir.path(), "show", &[&name[..], &["--object-store", "s", "--key", "1"]].concat())
                .done();
            let store = store_of(dir.path());
            run(program(["conflicts", "list", "--store", &store, name[0], name[1]]), b"").done();
        }
    }
}

#[test]
fn sync_takes_a_name_that_is_no_flows() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(
        program(["sync", "--store", &store_of(dir.path()), "--flow", "my db"]),
        batch("other").as_bytes(),
    );
    assert!(String::from_utf8(ran.done()).unwrap().contains("\"flow\":\"my%20db\""));
    on(dir.path(), "restore", &["--flow", "my db"]).done();
}

#[test]
fn an_unknown_flow_is_answered_with_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |words: &[&str], expected: &str| {
        let ran = on(dir.path(), "log", words);
        assert_eq!(ran.code(), Some(2), "{}", ran.err);
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    };
    fails(&["--flow", "orders"], "it holds no flow yet");
    for database in ["orders", "customers"] {
        run(program(["sync", "--store", &store_of(dir.path())]), batch(database).as_bytes()).done();
    }
    fails(&["--flow", "order"], "did you mean orders?");
    fails(&["--flow", "xyz"], "indexeddb/customers");
    fails(
        &["--flow", "orders", "--bucket", "b"],
        "there is indexeddb/orders: give --bucket indexeddb",
    );
    fails(&["--flow", "xyz", "--bucket", "b"], "check --bucket");
    fails(&[], "holds 2 flows: name one with --flow");
}
