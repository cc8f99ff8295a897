//! Small rules of HTTP: names that are misspelt, methods, codings, and what caches may keep.

use std::io::{BufReader, Read, Write};

use super::{RECORDS, Serve, TO, head, read_answer, request};

#[test]
fn a_misspelt_attribute_does_not_go_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let query = "indexeddb.object.store=data&indexeddb.key.path=id";
    for misspelt in [
        "indexeddb.databse=shop",
        "indexeddb.mod=full",
        "indexeddb.=x",
        "Indexeddb.mode=full",
        "uid=1",
    ] {
        let refused = server
            .post(&format!("/v1/sync?{misspelt}&{query}"), &[], RECORDS.as_bytes())
            .expect(400);
        let name = misspelt.split('=').next().unwrap();
        assert!(refused.header("sync.error").unwrap().contains(name), "{refused:?}");
    }
    // What a pattern of InvokeHTTP sends as headers is no other thing.
    for misspelt in ["indexeddb.databse", "Indexeddb.Mod", "indexeddb.database.name"] {
        let refused = server
            .post(&format!("/v1/sync?{query}"), &[(misspelt, "full")], RECORDS.as_bytes())
            .expect(400);
        assert!(
            refused.header("sync.error").unwrap().contains(&misspelt.to_lowercase()),
            "{refused:?}"
        );
    }
    server
        .post(&format!("/v1/sync?indexeddb.database=shop&{query}"), &[], RECORDS.as_bytes())
        .expect(200);
    assert_eq!(server.get("/v1/flows/indexeddb/default/versions").status, 404);
}

#[test]
fn a_path_says_which_methods_it_takes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    for (method, path, allowed) in [
        ("GET", "/v1/sync", "POST"),
        ("HEAD", "/v1/sync", "POST"),
        ("PUT", "/v1/flows/indexeddb/shop/sync", "POST"),
        ("POST", "/v1/flows/indexeddb/shop/versions", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
    ] {
        let mut stream = server.connect();
        stream.write_all(head(method, path, &[("connection", "close")]).as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 "), "{method} {path}: {text}");
        assert!(text.contains(&format!("\r\nallow: {allowed}\r\n")), "{method} {path}: {text}");
    }
}

#[test]
fn head_says_what_get_would_without_its_body() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let versions = "/v1/flows/indexeddb/shop/versions";
    for path in ["/healthz", "/readyz", "/metrics", versions, "/v1/flows/indexeddb/none/versions"] {
        let got = server.get(path);
        let mut stream = server.connect();
        stream.write_all(head("HEAD", path, &[("connection", "close")]).as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(
            text.starts_with(&format!("HTTP/1.1 {} ", got.status)) && text.ends_with("\r\n\r\n"),
            "{path}: {text}"
        );
        if path != "/metrics" {
            assert!(
                text.contains(&format!("\r\ncontent-length: {}\r\n", got.body.len())),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn nothing_is_for_caches() {
    let dir = tempfile::tempdir().unwrap();
    let page = "https://shop.example";
    let server = Serve::start(dir.path(), &["--allow-origin", page]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let paths = [
        "/v1/flows/indexeddb/shop/versions/latest",
        "/v1/flows/indexeddb/shop/versions",
        "/metrics",
        "/none",
    ];
    for path in paths {
        for origin in [None, Some(page), Some("https://evil.example")] {
            let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            let answer = request(server.connect(), "GET", path, &headers, b"");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}: {answer:?}");
            assert_eq!(answer.header("vary"), Some("origin"), "{path}: {answer:?}");
        }
    }
}

#[test]
fn no_coding_is_undone_wherever_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let send = |more: &[(&str, &str)]| {
        let headers = [&TO[..], more].concat();
        server.post("/v1/sync", &headers, RECORDS.as_bytes())
    };
    send(&[("content-encoding", "identity"), ("content-encoding", "Identity")]).expect(200);
    for codings in
        [&["gzip"][..], &["identity", "gzip"], &["identity, gzip"], &["gzip", "identity"]]
    {
        let headers: Vec<_> = codings.iter().map(|coding| ("content-encoding", *coding)).collect();
        send(&headers).expect(415);
    }
    let mut stream = server.connect();
    let headers = [&TO[..], &[("transfer-encoding", "gzip, chunked")]].concat();
    stream.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    stream.write_all(b"0\r\n\r\n").unwrap();
    read_answer(&mut BufReader::new(stream)).expect(415);
}
