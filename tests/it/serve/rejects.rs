//! What the server rejects comes back, and a batch of rejects alone is 422.

use super::{RECORDS, Serve, TO};

/// The path of `POST /v1/sync` for bare records, with more of the query.
fn path(more: &str) -> String {
    let to: Vec<_> = TO.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("/v1/sync?{}{more}", to.join("&"))
}

#[test]
fn a_batch_of_rejects_alone_is_422_and_part_of_one_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serve::start(&folder.path().join("s.git"), &[]);
    for body in
        ["no JSON\n", "<html></html>", "{\"ID\":1}\n", "{\"message\":\"x\",\"type\":\"error\"}\n"]
    {
        let answer = server.post(&path(""), &[], body.as_bytes());
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.header("sync.status"), Some("5"), "{body}");
    }
    let body = format!("{RECORDS}{{\"id\":3,\"n\":NaN}}\n");
    let without = server.post(&path(""), &[], body.as_bytes());
    assert!(without.status == 200 && !without.text().contains("\"text\""), "{}", without.text());
    let with = server.post(&path("&indexeddb.rejects=text"), &[], body.as_bytes());
    assert!(
        with.text().contains(r#""text":"{\"id\":3,\"n\":NaN}","type":"rejected""#),
        "{}",
        with.text()
    );
    let header = server.post(&path(""), &[("indexeddb.rejects", "text")], body.as_bytes());
    assert_eq!(header.text().lines().next(), with.text().lines().next());
    assert_eq!(server.post(&path("&indexeddb.rejects=all"), &[], body.as_bytes()).status, 400);
    let array = server.post(&path(""), &[], b"[{\"id\":4}]");
    assert_eq!((array.status, array.header("sync.put")), (200, Some("1")));
}

#[test]
fn a_numbered_batch_is_acknowledged_and_its_rejects_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serve::start(&folder.path().join("s.git"), &[]);
    let body = "{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[{\"name\":\"data\",\"keyPath\":\"id\"}],\
                \"source\":\"kiosk\",\"epoch\":\"a\",\"first\":1,\"last\":1}\nbad\n{\"op\":\"end\",\"count\":1}\n";
    let answer = server.post("/v1/sync", &[], body.as_bytes());
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.contains("\"text\":\"bad\"") && text.contains("\"type\":\"ack\""), "{text}");
}
