//! DNS rebinding: a page whose name was made to point at this machine is a stranger, whatever its name looks like.

use std::io::{BufReader, Write};

use tonic::Code;
use tonic::transport::Endpoint;

use super::grpc::Client;
use super::{RECORDS, Serve, TO, read_answer, request};

const VERSIONS: &str = "/v1/flows/indexeddb/shop/versions/latest?format=records";

#[test]
fn a_name_that_looks_like_an_address_is_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let with = |host: &str| request(server.connect(), "GET", VERSIONS, &[("host", host)], b"");
    for host in
        ["localhost", "LOCALHOST:8765", "localhost.", "127.0.0.1", "127.1.2.3:80", "[::1]:80"]
    {
        with(host).expect(200);
    }
    for host in [
        "127.evil.example",
        "127.0.0.1.evil.example:8765",
        "127.0.0.1.nip.io",
        "evil.example",
        "10.0.0.1",
    ] {
        let refused = with(host).expect(403);
        assert!(!refused.text().contains("apple"), "{host}");
    }
    // What browsers allow in a name and we cannot read is refused as well.
    for host in
        ["a{b}.evil.example:8765", "a\"b.evil.example", "a`b.evil.example", "user@localhost", ""]
    {
        with(host).expect(400);
    }
}

/// Sends a head as it is.
fn raw(server: &Serve, head: &str) -> u16 {
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    read_answer(&mut BufReader::new(stream)).status
}

#[test]
fn http_1_1_names_its_host_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let get = |target: &str, version: &str, hosts: &str| {
        raw(&server, &format!("GET {target} {version}\r\n{hosts}\r\n"))
    };
    let host = |name: &str| format!("host: {name}\r\n");
    for target in [VERSIONS, "/healthz", "/metrics"] {
        assert_eq!(get(target, "HTTP/1.1", &host("localhost")), 200, "{target}");
        assert_eq!(get(target, "HTTP/1.1", ""), 400, "{target}");
        assert_eq!(
            get(target, "HTTP/1.1", &(host("localhost") + &host("localhost"))),
            400,
            "{target}"
        );
        assert_eq!(get(target, "HTTP/1.1", &host("a{b}")), 400, "{target}");
    }
    let absolute = format!("http://127.evil.example{VERSIONS}");
    assert_eq!(get(&absolute, "HTTP/1.1", &host("localhost")), 403);
    assert_eq!(get(&absolute, "HTTP/1.1", ""), 400);
}

#[test]
fn grpc_is_called_by_this_machines_name_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = |origin: &'static str| {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        Client::with(endpoint.origin(origin.parse().unwrap()))
    };
    client("http://localhost:8765").send(&TO, RECORDS.as_bytes()).unwrap();
    for origin in ["http://127.evil.example", "http://evil.example"] {
        let refused = client(origin).send(&TO, b"{\"id\":9}\n").unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{origin}: {refused:?}");
    }
}
