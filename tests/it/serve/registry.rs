//! A server on NiFi Registry: what a warm request costs there, and what a Registry that is away means for it.

use super::{RECORDS, Serve, TO, many};
use crate::registry_double::{Provider, RegistryDouble, Release};

#[test]
fn a_warm_request_asks_for_heads_metadata_only() {
    let double = RegistryDouble::start(Release::V1_28_1, Provider::File);
    let server = Serve::on(&double.url(), &[]);
    server.post("/v1/sync", &TO, many(10_000).as_bytes()).expect(200);
    server.post("/v1/sync", &TO, b"{\"id\":1,\"n\":1}\n").expect(200);
    // Head is read once more, for it is new.
    server.post("/v1/sync", &TO, b"{\"id\":1,\"n\":1}\n").expect(200);
    double.forget_requests();
    let answer = server.post("/v1/sync", &TO, b"{\"id\":1,\"n\":1}\n").expect(200);
    assert_eq!(answer.header("sync.outcome"), Some("unchanged"));
    let calls: Vec<_> = double
        .requests()
        .into_iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(
        calls[0].starts_with("GET ") && calls[0].ends_with("/versions/latest/metadata"),
        "{calls:?}"
    );
    // A change of a record costs no more than its one chunk and the new version.
    double.forget_requests();
    server.post("/v1/sync", &TO, b"{\"id\":1,\"n\":2}\n").expect(200);
    assert!(double.requests().len() <= 5, "{:?}", double.requests().len());
}

#[test]
fn a_registry_that_is_away_is_transient() {
    let mut double = RegistryDouble::start(Release::V2_11_0, Provider::Database);
    let server = Serve::on(&double.url(), &["--retries", "0"]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    server.get("/readyz").expect(200);
    double.refuse_connections();
    let answer = server.post("/v1/sync", &TO, b"{\"id\":3}\n").expect(503);
    assert_eq!(answer.header("sync.status"), Some("4"));
    let start = std::time::Instant::now();
    while server.get("/readyz").status != 503 {
        assert!(start.elapsed() < std::time::Duration::from_secs(10));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.get("/healthz").expect(200);
}
