//! What the rights of the clients file keep apart: writing from reading, and everybody's time from a client's.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nifi_idb::flowfile::{Attributes, write_head};
use serde_json::Value;
use tonic::Code;

use super::grpc::Client;
use super::{Answer, Serve, TO, request};
use crate::program::{program, run, store_of};

const RECORDS: &str = "/v1/flows/indexeddb/shared/versions/latest/records?object.store=data&key=";

/// The year 9999.
const FAR: &str = "253402300799000";

/// A server with clients `one` and `two` that write, `page` that may pull too, `reader`, and `nifi`.
fn serve(dir: &Path) -> Serve {
    let entry = |name: &str, allow: &str| {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        format!(
            "[[client]]\nname = \"{name}\"\ntoken_blake3 = \"{digest}\"\nsources = [\"{name}-*\"]\nflow = \"shared\"\n\
             allow = [{allow}]\n\n"
        )
    };
    let text = [
        entry("one", "\"sync\""),
        entry("two", "\"sync\""),
        entry("page", "\"sync\", \"pull\""),
        entry("reader", "\"read\""),
        entry("nifi", "\"sync\", \"received-at\""),
    ];
    let clients = dir.join("clients.toml");
    std::fs::write(&clients, text.concat()).unwrap();
    Serve::start(&dir.join("s.git"), &["--clients", clients.to_str().unwrap()])
}

fn post(
    server: &Serve,
    client: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let bearer = format!("Bearer {client}");
    let all = [&[("authorization", bearer.as_str())][..], headers].concat();
    request(server.connect(), "POST", &format!("/v1/sync{query}"), &all, body)
}

/// A batch of one put of a source, with the source's clock.
fn put(source: &str, at: &str, value: &str) -> String {
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"{source}\",\"stores\":[{{\"name\":\"data\",\
         \"keyPath\":\"id\"}}]}}\n{{\"op\":\"put\",\"store\":\"data\",\"at\":{at},\"value\":{value}}}\n\
         {{\"op\":\"end\",\"count\":1}}\n"
    )
}

fn lines(answer: &Answer, of_type: &str) -> Vec<Value> {
    let all = answer.text();
    let all = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["type"] == of_type).collect()
}

#[test]
fn who_may_only_write_reads_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    let now = "1700000000000";
    post(&server, "one", "", &[], put("one-1", now, r#"{"id":1,"card":"4111"}"#).as_bytes())
        .expect(200);
    let empty = "{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[]}\n{\"op\":\"end\",\"count\":0}\n";
    for body in [empty.to_owned(), put("two-1", "5", r#"{"id":2}"#)] {
        let refused = post(&server, "two", "?pull=true", &[], body.as_bytes()).expect(403);
        assert!(
            refused.header("sync.error").unwrap().ends_with("has not the right \"pull\""),
            "{refused:?}"
        );
    }
    // An older put loses. What wins is another's: only who may pull is shown it.
    let lost = |client: &str| {
        let source = format!("{client}-1");
        post(&server, client, "", &[], put(&source, "5", r#"{"id":1,"card":"?"}"#).as_bytes())
            .expect(200)
    };
    let told = lost("two");
    assert_eq!(lines(&told, "conflict")[0]["winner"], "head", "{}", told.text());
    assert!(lines(&told, "change").is_empty() && !told.text().contains("4111"), "{}", told.text());
    let shown = lost("page");
    assert_eq!(lines(&shown, "change")[0]["line"]["value"]["card"], "4111", "{}", shown.text());
    let pulled = post(&server, "page", "?pull=true", &[], empty.as_bytes()).expect(200);
    assert!(pulled.text().contains("4111"), "{}", pulled.text());

    // A person decides; the source that lost hears of it, and not of the record.
    let store = store_of(&dir.path().join("s.git"));
    let resolve = |of: &str| {
        let mut all = vec![
            "conflicts",
            "resolve",
            "--store",
            &store,
            "--flow",
            "shared",
            "--all-matching",
            "--source",
            of,
        ];
        all.extend(["--state", "all", "--use", "head", "--even-if-changed"]);
        run(program(all), b"").done()
    };
    resolve("two-1");
    let told =
        post(&server, "two", "", &[], put("two-1", "6", r#"{"id":7}"#).as_bytes()).expect(200);
    let resolved = lines(&told, "resolved");
    assert_eq!(
        (&resolved[0]["line"], &resolved[0]["withheld"]),
        (&Value::Null, &Value::Bool(true)),
        "{}",
        told.text()
    );
    assert!(!told.text().contains("4111"), "{}", told.text());
    resolve("page-1");
    let told =
        post(&server, "page", "", &[], put("page-1", "6", r#"{"id":8}"#).as_bytes()).expect(200);
    assert_eq!(lines(&told, "resolved")[0]["line"]["value"]["card"], "4111", "{}", told.text());
}

#[test]
fn who_may_only_write_reads_nothing_over_grpc() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    post(&server, "one", "", &[], put("one-1", "9", r#"{"id":1,"card":"4111"}"#).as_bytes())
        .expect(200);
    let sync = |token: &str, pull: bool| {
        let body = put(&format!("{token}-1"), "5", r#"{"id":1,"card":"?"}"#);
        Client::new(&server).with_token(token).sync_with(None, &[], body.as_bytes(), pull)
    };
    assert_eq!(sync("two", true).unwrap_err().code(), Code::PermissionDenied);
    let (report, result) = sync("two", false).unwrap();
    assert_eq!(result.status, 0, "{result:?}");
    assert!(!String::from_utf8(report).unwrap().contains("4111"));
    let (report, _) = sync("page", true).unwrap();
    assert!(String::from_utf8(report).unwrap().contains("4111"));
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

/// When a record was changed, as it is stored.
fn stored(server: &Serve, token: &str, path: &str) -> i64 {
    let bearer = format!("Bearer {token}");
    let answer =
        request(server.connect(), "GET", path, &[("authorization", &bearer)], b"").expect(200);
    answer.summary()["at"].as_i64().unwrap()
}

fn package(at: &str, content: &str) -> Vec<u8> {
    let attributes: Attributes = TO
        .iter()
        .chain(&[("indexeddb.received.at", at)])
        .map(|(name, value)| owned(name, value))
        .collect();
    let mut out = Vec::new();
    write_head(&attributes, content.len() as u64, &mut out).unwrap();
    out.extend_from_slice(content.as_bytes());
    out
}

fn owned(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_time_of_receipt_is_the_servers() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    // The skew that a clock may have is five minutes.
    let latest = || now() + 300_000;
    let at = |key: u32| stored(&server, "reader", &format!("{RECORDS}{key}"));
    let record = |key: u32| format!("{{\"id\":{key}}}\n");
    let header = |at: &'static str| [&TO[..], &[("indexeddb.received.at", at)]].concat();
    for (key, time) in [(1, FAR), (2, "1000")] {
        let begun = now();
        post(&server, "one", "", &header(time), record(key).as_bytes()).expect(200);
        assert!((begun..=now()).contains(&at(key)), "{time}: {}", at(key));
        let query = format!("?indexeddb.received.at={time}");
        post(&server, "one", &query, &TO, record(key + 10).as_bytes()).expect(200);
        assert!((begun..=now()).contains(&at(key + 10)), "{time}");
        post(&server, "one", "", &[], &package(time, &record(key + 20))).expect(200);
        assert!((begun..=now()).contains(&at(key + 20)), "{time}");
        let client = Client::new(&server).with_token("one");
        client.send(&header(time), record(key + 30).as_bytes()).unwrap();
        assert!((begun..=now()).contains(&at(key + 30)), "{time}");
        client.sync(None, &header(time), record(key + 40).as_bytes()).unwrap();
        assert!((begun..=now()).contains(&at(key + 40)), "{time}");
    }
    // A clock in a line has the skew after the server's time, and no more.
    post(
        &server,
        "one",
        "",
        &[("indexeddb.received.at", FAR)],
        put("one-1", FAR, r#"{"id":50}"#).as_bytes(),
    )
    .expect(200);
    assert!(at(50) <= latest(), "{}", at(50));

    // NiFi has stamped it before; but not in the future.
    post(&server, "nifi", "", &header("1000"), record(60).as_bytes()).expect(200);
    assert_eq!(at(60), 1000);
    post(&server, "nifi", "", &[], &package("2000", &record(61))).expect(200);
    assert_eq!(at(61), 2000);
    for body in [record(62).into_bytes(), package(FAR, &record(62))] {
        post(&server, "nifi", "", &header(FAR), &body).expect(200);
        assert!(at(62) <= now(), "{}", at(62));
    }
}

#[test]
fn without_authentication_it_is_believed_but_not_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let page = "https://shop.example";
    let server = Serve::start(dir.path(), &["--allow-origin", page]);
    let send = |key: u32, time: &str, origin: &[(&str, &str)]| {
        let headers = [&TO[..], &[("indexeddb.received.at", time)], origin].concat();
        server.post("/v1/sync", &headers, format!("{{\"id\":{key}}}\n").as_bytes()).expect(200);
        stored(
            &server,
            "",
            &format!(
                "/v1/flows/indexeddb/shop/versions/latest/records?object.store=data&key={key}"
            ),
        )
    };
    assert_eq!(send(1, "1000", &[]), 1000);
    assert!(send(2, FAR, &[]) <= now());
    let begun = now();
    assert!(send(3, "1000", &[("origin", page)]) >= begun);
}

/// What NiFi's listener passes on to the command: it says when the request came, the client's package says otherwise.
#[test]
fn a_package_is_never_received_after_it_was_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let sync = |at: &str, key: u32| {
        let flags = ["--received-at", "1700000000000", "--report", "lines"];
        crate::program::on(&repo, "sync", &flags, &package(at, &format!("{{\"id\":{key}}}\n")))
            .done();
        let key = key.to_string();
        let shown = crate::program::on(
            &repo,
            "show",
            &["--flow", "shop", "--object-store", "data", "--key", &key],
            b"",
        );
        serde_json::from_slice::<Value>(&shown.done()).unwrap()["at"].as_i64()
    };
    assert_eq!((sync(FAR, 1), sync("1000", 2)), (Some(1_700_000_000_000), Some(1000)));
}
