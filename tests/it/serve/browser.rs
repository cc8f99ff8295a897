//! Pages: which may speak to the server, and what they are told.

use super::{RECORDS, Serve, TO, request};

const PAGE: &str = "https://shop.example";

#[test]
fn a_listed_page_may_speak_and_read_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(
        dir.path(),
        &["--allow-origin", "http://localhost:3000", "--allow-origin", PAGE],
    );
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,indexeddb.object.store"),
            ("access-control-request-private-network", "true"),
        ];
        request(server.connect(), "OPTIONS", "/v1/sync", &headers, b"")
    };
    let asked = preflight(PAGE).expect(204);
    assert_eq!(asked.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(asked.header("access-control-allow-private-network"), Some("true"));
    let allowed: Vec<_> =
        asked.header("access-control-allow-headers").unwrap().split(", ").collect();
    for name in [
        "idempotency-key",
        "indexeddb.key.paths",
        "indexeddb.object.store",
        "indexeddb.skip.stores",
    ] {
        assert!(allowed.contains(&name), "{name} is not allowed");
    }
    assert!(!allowed.contains(&"indexeddb.received.at"));
    preflight("https://evil.example").expect(403);
    let mut headers = TO.to_vec();
    headers.push(("origin", PAGE));
    let answer = server.post("/v1/sync", &headers, RECORDS.as_bytes()).expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(answer.header("vary"), Some("origin"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    let ours = answer
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("sync.") || name.starts_with("registry."));
    for (name, _) in ours {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} is not exposed");
    }
    assert!(exposed.split(", ").any(|exposed| exposed == "sync.kept"));
    // A page can send this without asking first: hiding the answer would be too late.
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        let mut headers = TO.to_vec();
        headers.extend([("origin", origin), ("content-type", "text/plain")]);
        let answer = server.post("/v1/sync", &headers, b"{\"id\":66}\n").expect(403);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let records = server.get("/v1/flows/indexeddb/shop/versions/latest?format=records").expect(200);
    assert!(!records.text().contains("66"));
}

#[test]
fn a_name_that_was_made_to_point_here_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let with = |host: &str| {
        request(server.connect(), "GET", "/v1/flows/b/f/sources", &[("host", host)], b"").status
    };
    assert_eq!(["localhost", "localhost:8765", "127.0.0.1:1", "[::1]:1"].map(with), [200; 4]);
    assert_eq!(["evil.example", "evil.example:8765", "localhost.evil.example"].map(with), [403; 3]);
}
