//! Slots and deliveries are shared: whoever asks for the most keeps nobody else out.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nifi_idb::flowfile::{Attributes, write_head};
use socket2::{Domain, Socket, Type};

use super::{Answer, RECORDS, Serve, TO, head, request};

/// Two clients, known by tokens.
fn start(dir: &Path, arguments: &[&str]) -> Serve {
    let client = |name: &str| {
        let token = blake3::hash(format!("token-{name}").as_bytes()).to_hex();
        format!(
            "[[client]]\nname = \"{name}\"\ntoken_blake3 = \"{token}\"\nflows = [\"*\"]\nallow = [\"read\", \"sync\"]\n"
        )
    };
    let file = dir.join("clients.toml");
    std::fs::write(&file, ["greedy", "modest"].map(client).concat()).unwrap();
    Serve::start(&dir.join("s.git"), &[&["--clients", file.to_str().unwrap()], arguments].concat())
}

fn bearer(client: &str) -> String {
    format!("Bearer token-{client}")
}

fn post(server: &Serve, client: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let token = bearer(client);
    let headers = [&[("authorization", token.as_str())], more].concat();
    server.post("/v1/sync", &headers, body)
}

/// A batch whose body does not come.
fn begin(mut stream: TcpStream, client: &str) -> TcpStream {
    let token = bearer(client);
    let headers =
        [&TO[..], &[("authorization", token.as_str()), ("content-length", "1000")]].concat();
    stream.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    stream.write_all(b"{\"id\":1}\n").unwrap();
    stream
}

fn wait_for(server: &Serve, client: &str, metric: &str, value: f64) {
    let (start, token) = (Instant::now(), bearer(client));
    loop {
        let headers = [("authorization", token.as_str())];
        let text = request(server.connect(), "GET", "/metrics", &headers, b"").expect(200).text();
        let found = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok());
        if found == Some(value) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{metric} is {found:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_never_holds_all_slots() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), &["--max-requests", "4", "--deadline", "15s"]);
    let _greedy: Vec<_> = (0..8).map(|_| begin(server.connect(), "greedy")).collect();
    wait_for(&server, "modest", "nifi_idb_requests_waiting", 5.0);
    wait_for(&server, "modest", "nifi_idb_requests_in_flight", 3.0);
    for _ in 0..3 {
        post(&server, "modest", &TO, RECORDS.as_bytes()).expect(200);
    }
}

/// Without a clients file the address tells them apart.
#[test]
fn an_address_never_holds_all_slots() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-requests", "2", "--deadline", "15s"]);
    let from = |source: [u8; 4]| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&server.address.parse::<SocketAddr>().unwrap().into()).unwrap();
        TcpStream::from(socket)
    };
    let _greedy: Vec<_> = (0..6).map(|_| begin(from([127, 0, 0, 2]), "")).collect();
    wait_for(&server, "", "nifi_idb_requests_waiting", 5.0);
    request(from([127, 0, 0, 3]), "POST", "/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    server.post("/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
}

/// 1,100 deliveries of one client in one package, so that it takes one version.
pub(super) fn many_deliveries(round: u32) -> Vec<u8> {
    let mut package = Vec::new();
    for number in 0..1_100 {
        let mut attributes: Attributes =
            TO.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        attributes.set("uuid", format!("{round}-{number}"));
        let content = format!("{{\"id\":{number}}}\n");
        write_head(&attributes, content.len() as u64, &mut package).unwrap();
        package.extend_from_slice(content.as_bytes());
    }
    package
}

#[test]
fn a_clients_deliveries_do_not_push_out_those_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), &[]);
    let named = [&TO[..], &[("idempotency-key", "1")]].concat();
    let first = post(&server, "modest", &named, b"{\"id\":1,\"n\":1}\n").expect(200);
    assert_eq!(first.header("sync.outcome"), Some("committed"));
    for round in 0..2 {
        post(&server, "greedy", &[], &many_deliveries(round)).expect(200);
    }
    // The same again changes nothing, though the record is another one since.
    let again = post(&server, "modest", &named, b"{\"id\":1,\"n\":1}\n").expect(200);
    assert_eq!(
        (again.header("sync.outcome"), again.header("sync.put")),
        (Some("unchanged"), Some("0"))
    );
}
