//! Flows by their database's name, names that nothing has, and addresses in the messages of a Registry.

use std::io::{Read, Write};
use std::net::TcpListener;
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

/// Answers each connection with `answer`, and returns the address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_registry_is_named_by_the_whole_address_that_was_asked() {
    let address =
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnginx");
    let url = format!("http://{address}/my/prefix");
    let ran = run(program(["doctor", "--store", &url, "--retries", "0"]), b"");
    let expected = format!(
        "no NiFi Registry there: GET http://{address}/my/prefix/nifi-registry-api/buckets: 404"
    );
    assert!(ran.code() == Some(2) && ran.err.contains(&expected), "{}", ran.err);
}

#[test]
fn a_redirect_is_named_by_where_it_leads() {
    let address = answering(
        "HTTP/1.1 302 Found\r\nlocation: https://sso.example/login?next=hunter2\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n",
    );
    for words in [
        vec!["doctor", "--store", "URL", "--retries", "0"],
        vec!["template", "install", "live-sync", "--nifi", "URL"],
    ] {
        let url = format!("http://{address}/moved");
        let words = words.into_iter().map(|word| if word == "URL" { url.as_str() } else { word });
        let ran = run(program(words), b"");
        assert!(
            ran.code() == Some(2) && ran.err.contains("redirected to https://sso.example/login"),
            "{}",
            ran.err
        );
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
}
