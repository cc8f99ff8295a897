//! A client like InvokeHTTP: what it sends, and the status that routes its FlowFile.

use std::io::{BufReader, Write};

use serde_json::json;

use super::{RECORDS, Serve, TO, chunked, head, many, read_answer, request};
use crate::program::on;

#[test]
fn attributes_are_headers_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let mut headers = TO.to_vec();
    headers.extend([
        ("Content-Type", "application/json"),
        ("User-Agent", ""),
        ("Accept-Encoding", "gzip"),
        ("uuid", "u1"),
    ]);
    let answer = server.post("/v1/sync", &headers, RECORDS.as_bytes()).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    for (name, value) in [
        ("sync.outcome", "committed"),
        ("sync.put", "2"),
        ("sync.rejected", "0"),
        ("sync.status", "0"),
        ("registry.bucket", "indexeddb"),
        ("registry.flow", "shop"),
        ("registry.flow.version", "1"),
        ("indexeddb.object.store", "data"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("mime.type"), None);
    assert_eq!(answer.summary()["put"], 2);
    assert_eq!(answer.header("sync.root"), answer.summary()["root"].as_str());
    // The same delivery again is a replay; by its other name too, and as parameters.
    let query =
        "/v1/sync?indexeddb.database=shop&indexeddb.object.store=data&indexeddb.key.path=id";
    let again = server.post(query, &[("idempotency-key", "u1")], RECORDS.as_bytes()).expect(200);
    assert_eq!(
        (again.header("sync.outcome"), again.summary()["version"].as_u64()),
        (Some("unchanged"), Some(1))
    );
}

#[test]
fn a_body_comes_in_every_way_that_http_knows() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let body = many(3_000);
    let roots = [1, 1_000, 100_000].map(|size| {
        let mut headers = TO.to_vec();
        headers.push(("transfer-encoding", "chunked"));
        let answer =
            server.post("/v1/sync", &headers, &chunked(&body.as_bytes()[..size.max(30_000)], size));
        answer.expect(200).summary()["root"].clone()
    });
    assert_ne!(roots[0], roots[2]);
    // The client waits until it is told to go on.
    let mut headers = TO.to_vec();
    let length = body.len().to_string();
    headers.extend([("expect", "100-continue"), ("content-length", &length)]);
    let mut stream = server.connect();
    stream.write_all(head("POST", "/v1/flows/other/own/sync", &headers).as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert_eq!(read_answer(&mut reader).status, 100);
    stream.write_all(body.as_bytes()).unwrap();
    let answer = read_answer(&mut reader).expect(200);
    assert_eq!(
        (&answer.summary()["bucket"], &answer.summary()["flow"]),
        (&json!("other"), &json!("own"))
    );
    // The connection goes on.
    let answer =
        request(stream, "POST", "/v1/flows/other/own/sync", &TO, body.as_bytes()).expect(200);
    assert_eq!(answer.summary()["outcome"], "unchanged");
}

#[test]
fn a_client_confirms_a_plan_and_begins_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let batch = |epoch: &str, first: usize, op: &str, keys: std::ops::Range<usize>| {
        let lines: String = keys
            .clone()
            .map(|key| match op {
                "put" => {
                    format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":{key}}}}}\n")
                }
                _ => format!("{{\"op\":\"delete\",\"store\":\"data\",\"key\":{key}}}\n"),
            })
            .collect();
        let (count, last) = (keys.len(), first + keys.len() - 1);
        format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"a\",\"epoch\":\"{epoch}\",\"first\":{first},\
             \"last\":{last},\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}]}}\n{lines}{{\"op\":\"end\",\"count\":{count}}}\n"
        )
    };
    let post =
        |query: &str, body: &str| server.post(&format!("/v1/sync{query}"), &[], body.as_bytes());
    post("", &batch("e1", 1, "put", 0..20)).expect(200);
    let gone = batch("e1", 21, "delete", 0..15);
    let plan = post("", &gone).expect(409).header("sync.plan").unwrap().to_owned();
    post("?confirm=other", &gone).expect(409);
    assert_eq!(post(&format!("?confirm={plan}"), &gone).expect(200).summary()["deleted"], 15);
    let anew = batch("e2", 1, "put", 0..1);
    post("", &anew).expect(409);
    post("?new-epoch=mirror", &anew).expect(400);
    assert_eq!(post("?new-epoch=keep", &anew).expect(200).header("sync.checkpoint"), Some("1"));
}

#[test]
fn what_is_wrong_with_a_batch_has_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let sequenced = |first: u32, lines: &str| {
        format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"a\",\"epoch\":\"e\",\"first\":{first},\
             \"last\":{first},\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}]}}\n{lines}"
        )
    };
    let put = "{\"op\":\"put\",\"store\":\"data\",\"value\":{\"id\":1}}\n";
    let end = format!("{put}{{\"op\":\"end\",\"count\":1}}\n");
    let post = |body: String| server.post("/v1/sync", &[], body.as_bytes());
    let done = post(sequenced(1, &end)).expect(200);
    assert_eq!(done.header("sync.checkpoint"), Some("1"));
    assert!(done.text().contains("\"type\":\"ack\""), "{}", done.text());
    let gap = post(sequenced(5, &end)).expect(503);
    assert_eq!((gap.header("sync.resync"), gap.header("sync.status")), (Some("true"), Some("4")));
    let cut = post(sequenced(2, put)).expect(422);
    assert_eq!(cut.header("sync.outcome"), Some("failed"));
    assert!(cut.header("sync.error").unwrap().contains("send it again"), "{cut:?}");
    // Bare records without a place to go.
    post(RECORDS.to_owned()).expect(400);
    // The guard.
    server.post("/v1/sync", &TO, many(100).as_bytes()).expect(200);
    let clear = "{\"op\":\"clear\",\"store\":\"data\"}\n{\"op\":\"end\",\"count\":1}\n";
    let guard = post(sequenced(2, clear)).expect(409);
    assert!(guard.header("sync.plan").is_some() && guard.summary()["outcome"] == "refused");
    // Nothing of these was written.
    assert_eq!(
        server.get("/v1/flows/indexeddb/shop/versions").expect(200).text().lines().count(),
        2
    );
    assert_eq!(
        server.get("/v1/flows/indexeddb/shop/sources/a").text(),
        "{\"checkpoint\":1,\"epoch\":\"e\",\"source\":\"a\",\"type\":\"source\",\"version\":2}\n"
    );
}

#[test]
fn a_damaged_store_is_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--cache-bytes", "0"]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    for file in crate::program::files(&dir.path().join("objects")) {
        std::fs::remove_file(dir.path().join("objects").join(file)).unwrap();
    }
    let answer = server.post("/v1/sync", &TO, b"{\"id\":9}\n").expect(424);
    assert_eq!(answer.header("sync.status"), Some("7"));
}

#[test]
fn what_is_wrong_with_a_request_has_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        request(server.connect(), method, path, headers, b"")
    };
    for (status, method, path) in [
        (404, "GET", "/"),
        (404, "POST", "/v1/sink"),
        (405, "GET", "/v1/sync"),
        (405, "PUT", "/v1/sync"),
        (405, "POST", "/v1/flows/b/f/versions"),
        (400, "POST", "/v1/sync?pul=true"),
        (400, "POST", "/v1/sync?pull=yes"),
        (400, "POST", "/v1/flows/a%2Fb/f/sync"),
        (400, "GET", "/v1/flows/b/f/versions/0"),
        (404, "GET", "/v1/flows/b/f/versions/1"),
        (404, "GET", "/v1/flows/b/f/versions"),
        (400, "GET", "/v1/flows/b/f/versions/1/records"),
    ] {
        let answer = send(method, path, &[]).expect(status);
        let line = answer.summary();
        assert_eq!(
            (&line["type"], line["message"].as_str()),
            (&json!("error"), answer.header("sync.error")),
            "{path}"
        );
    }
    for (name, value) in [
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
    ] {
        send("POST", "/v1/sync", &[(name, value)]).expect(415);
    }
    send("GET", "/healthz", &[]).expect(200);
    send("GET", "/readyz", &[]).expect(200);
}

#[test]
fn what_was_written_is_read_as_the_commands_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    for body in [many(2_000), RECORDS.to_owned()] {
        server.post("/v1/sync", &TO, body.as_bytes()).expect(200);
    }
    let flow = "/v1/flows/indexeddb/shop";
    for (path, command) in [
        ("/versions/latest", vec!["restore"]),
        (
            "/versions/1?format=records&object.store=data",
            vec!["restore", "--at", "1", "--format", "records"],
        ),
        ("/versions", vec!["log", "--format", "json"]),
        ("/versions?limit=1", vec!["log", "--format", "json", "--limit", "1"]),
        (
            "/versions/2/records?object.store=data&key=1",
            vec!["show", "--object-store", "data", "--key", "1"],
        ),
        ("/sources/kiosk-7", vec!["sources", "--flow", "shop", "--source", "kiosk-7"]),
        ("/sources", vec!["sources"]),
    ] {
        let answer = server.get(&format!("{flow}{path}")).expect(200);
        let expected = on(dir.path(), command[0], &command[1..], b"").done();
        assert!(answer.body == expected, "{path}");
    }
    server.get(&format!("{flow}/versions/latest/records?object.store=data&key=77777")).expect(404);
    server.get(&format!("{flow}/versions/latest/records?object.store=data&key=x")).expect(400);
    // A flow that is not there yet has a checkpoint.
    let none = server.get("/v1/flows/indexeddb/none/sources/a").expect(200).text();
    assert_eq!(
        none,
        "{\"checkpoint\":0,\"epoch\":null,\"source\":\"a\",\"type\":\"source\",\"version\":null}\n"
    );
    let restores =
        server.metric("nifi_idb_requests_total{edge=\"http\",route=\"/v1/flows/versions/version\",status=\"200\"}");
    assert_eq!(restores, Some(2.0));
    assert_eq!(server.metric("nifi_idb_records_total{what=\"put\"}"), Some(2002.0));
    assert!(server.metric("nifi_idb_cache_head_hits_total").unwrap() >= 3.0);
}
