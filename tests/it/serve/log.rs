//! The log of the server: one line for each request with its id, and a warning for each trouble.

use std::io::{BufReader, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::access::Authority;
use super::grpc::Client;
use super::{RECORDS, Serve, TO, head, many, read_answer, request};

/// The flags of a log that a program reads.
const JSON: [&str; 2] = ["--log-format", "json"];

/// Stops a server; gives the lines of its log.
fn stopped(server: Serve) -> Vec<Value> {
    server.signal(Signal::TERM);
    let (_, said) = server.wait();
    said.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The id of the request that a line belongs to.
fn id(line: &Value) -> Option<&str> {
    let spans = line["spans"].as_array()?;
    spans.iter().find(|span| span["name"] == "request")?["request"].as_str()
}

/// The lines with this message.
fn events<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

/// The only line that ends this request.
#[track_caller]
fn end_of<'a>(lines: &'a [Value], request: &str) -> &'a Value {
    let ends = events(lines, "request ended");
    let of: Vec<_> = ends.into_iter().filter(|line| id(line) == Some(request)).collect();
    assert_eq!(of.len(), 1, "{request}: {lines:#?}");
    of[0]
}

#[test]
fn each_request_has_one_line_with_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &JSON);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let mut headers = TO.to_vec();
    headers.extend([
        ("x-request-id", "nifi/7"),
        ("traceparent", &parent),
        ("indexeddb.source", "kiosk-7"),
    ]);
    let answer = server.post("/v1/sync", &headers, RECORDS.as_bytes()).expect(200);
    assert_eq!(answer.header("x-request-id"), Some("nifi/7"));
    // An id that could spoil a line is replaced.
    let long = "x".repeat(129);
    let mut made = Vec::new();
    for sent in ["", "a b", "\u{e9}", &long] {
        let path = "/v1/flows/indexeddb/shop/versions?limit=3";
        let headers = [("x-request-id", sent)];
        let answer = request(server.connect(), "GET", path, &headers, b"").expect(200);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        made.push(id);
    }
    let strange = server.get("/not/there").expect(404);
    let health = server.get("/healthz").expect(200);
    let refused = server.post("/v1/sync?pul=true", &TO, b"").expect(400);
    let lines = stopped(server);

    let end = end_of(&lines, "nifi/7");
    assert_eq!(end["spans"][0]["trace"], trace);
    for (name, value) in [
        ("level", "INFO"),
        ("protocol", "http"),
        ("method", "POST"),
        ("route", "/v1/sync"),
        ("status", "200"),
        ("bucket", "indexeddb"),
        ("flow", "shop"),
        ("source", "kiosk-7"),
        ("outcome", "committed"),
    ] {
        assert_eq!(end[name], value, "{name}: {end}");
    }
    assert_eq!((&end["version"], &end["put"], &end["rejected"]), (&1.into(), &2.into(), &0.into()));
    assert!(end["ms"].is_u64() && end["client"].is_null() && end["error"].is_null(), "{end}");
    for id in &made {
        let end = end_of(&lines, id);
        assert_eq!(end["route"], "/v1/flows/{bucket}/{flow}/versions", "{end}");
        assert_eq!((&end["flow"], end["spans"][0]["trace"].is_null()), (&"shop".into(), true));
    }
    let of = |answer: &super::Answer| {
        let end = end_of(&lines, answer.header("x-request-id").unwrap());
        (end["route"].clone(), end["status"].clone(), end["error"].clone())
    };
    assert_eq!((of(&strange).0, of(&strange).1), ("other".into(), "404".into()));
    assert_eq!(of(&health), ("/healthz".into(), "200".into(), Value::Null));
    let (_, status, error) = of(&refused);
    assert!(status == "400" && error == refused.header("sync.error").unwrap(), "{error}");
}

#[test]
fn calls_have_lines_and_ids_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &JSON);
    let client = Client::new(&server).with_request_id("call-1");
    client.send(&TO, RECORDS.as_bytes()).unwrap();
    let client = Client::new(&server).with_request_id("call-2");
    client.sync(None, &TO, b"{\"id\":3}\n").unwrap();
    let client = Client::new(&server).with_request_id("call-3");
    // A FlowFile without content.
    assert_eq!(client.answered_id(), "call-3");
    let lines = stopped(server);
    for (request, route, status, version) in
        [("call-1", "FlowFileService/Send", "SUCCESS", 1), ("call-2", "Sidecar/Sync", "Ok", 2)]
    {
        let end = end_of(&lines, request);
        assert_eq!((&end["route"], &end["status"]), (&route.into(), &status.into()), "{end}");
        assert_eq!((&end["protocol"], &end["flow"]), (&"grpc".into(), &"shop".into()));
        assert_eq!((&end["version"], &end["outcome"]), (&version.into(), &"committed".into()));
    }
    assert_eq!(end_of(&lines, "call-3")["status"], "ERROR");
}

/// Sends the beginning of a batch; gives the connection.
fn begun(server: &Serve, id: &str) -> std::net::TcpStream {
    let mut stream = server.connect();
    let mut headers = TO.to_vec();
    headers.extend([("content-length", "1000"), ("x-request-id", id)]);
    stream.write_all(head("POST", "/v1/sync", &headers).as_bytes()).unwrap();
    stream.write_all(b"{\"id\":1}\n").unwrap();
    stream
}

fn post(server: &Serve, id: &str, body: &[u8]) -> super::Answer {
    server.post("/v1/sync", &[&TO[..], &[("x-request-id", id)]].concat(), body)
}

#[test]
fn a_slow_or_vanished_client_is_named_by_its_request() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [&JSON[..], &["--idle", "500ms"]].concat();
    let server = Serve::start(dir.path(), &flags);
    let slow = begun(&server, "slow");
    read_answer(&mut BufReader::new(slow)).expect(422);
    begun(&server, "gone").shutdown(std::net::Shutdown::Both).unwrap();
    // More than the buffers of a connection hold, of which the client reads nothing.
    server.post("/v1/sync", &TO, many(120_000).as_bytes()).expect(200);
    let mut reader = server.connect();
    let headers = [("x-request-id", "unread")];
    let path = "/v1/flows/indexeddb/shop/versions/latest";
    reader.write_all(head("GET", path, &headers).as_bytes()).unwrap();
    let start = Instant::now();
    while server.metric("nifi_idb_requests_in_flight") != Some(0.0)
        || start.elapsed() < Duration::from_secs(1)
    {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(reader);
    let lines = stopped(server);
    for (message, request) in
        [("slow client", "slow"), ("client gone", "gone"), ("slow client", "unread")]
    {
        let warned = events(&lines, message);
        let found = warned.iter().any(|line| id(line) == Some(request) && line["level"] == "WARN");
        assert!(found, "{request}: {lines:#?}");
        assert!(end_of(&lines, request)["ms"].is_u64());
    }
}

#[test]
fn a_panic_and_a_lost_store_are_named_by_their_request() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("store.git");
    let server = Serve::with_fault(&repo, "serve:work=panic@2", &JSON);
    post(&server, "first", RECORDS.as_bytes()).expect(200);
    post(&server, "bug", RECORDS.as_bytes()).expect(500);
    server.get("/readyz").expect(200);
    let elsewhere = dir.path().join("elsewhere.git");
    std::fs::rename(&repo, &elsewhere).unwrap();
    post(&server, "lost", b"{\"id\":9}\n").expect(503);
    await_ready(&server, 503);
    std::fs::rename(&elsewhere, &repo).unwrap();
    await_ready(&server, 200);
    let lines = stopped(server);
    let panics = events(&lines, "panic caught");
    assert!(panics.len() == 1 && id(panics[0]) == Some("bug"), "{panics:?}");
    assert_eq!(end_of(&lines, "bug")["status"], "500");
    assert_eq!(end_of(&lines, "lost")["status"], "503");
    let lost = events(&lines, "not ready");
    assert!(lost.len() == 1 && lost[0]["level"] == "WARN" && id(lost[0]).is_some(), "{lost:?}");
    assert_eq!(events(&lines, "ready again").len(), 1);
}

/// Asks for the readiness until it is `status`.
fn await_ready(server: &Serve, status: u16) {
    let start = Instant::now();
    while server.get("/readyz").status != status {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn no_value_and_no_credential_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (token, record) = ("planted-token-1", "planted-record-1");
    let digest = blake3::hash(token.as_bytes()).to_hex();
    let clients = dir.path().join("clients.toml");
    std::fs::write(
        &clients,
        format!(
            "[[client]]\nname = \"till\"\ntoken_blake3 = \"{digest}\"\nflows = [\"*\"]\n\
             sources = [\"*\"]\nallow = [\"sync\", \"read\"]\n"
        ),
    )
    .unwrap();
    let clients = clients.to_str().unwrap();
    let flags = [&JSON[..], &["--clients", clients, "--log-level", "trace"]].concat();
    let server = Serve::start(&dir.path().join("store.git"), &flags);
    let bearer = format!("Bearer {token}");
    let wrong = "Bearer planted-token-2";
    let body = format!("{{\"id\":\"{record}\"}}\nplanted-line-1\n{{\"planted-name-1\":1}}\n");
    let with = |authorization: &str, path: &str, body: &[u8]| {
        let headers = [&TO[..], &[("authorization", authorization)]].concat();
        let method = if body.is_empty() { "GET" } else { "POST" };
        request(server.connect(), method, path, &headers, body).status
    };
    assert_eq!(with(&bearer, "/v1/sync", body.as_bytes()), 200);
    assert_eq!(with(wrong, "/v1/sync", body.as_bytes()), 401);
    let flow = "/v1/flows/indexeddb/shop";
    for (status, key) in [(200, record), (404, "planted-key-1")] {
        let path = format!("{flow}/versions/1/records?object.store=data&key=%22{key}%22");
        assert_eq!(with(&bearer, &path, b""), status);
    }
    assert_eq!(with(&bearer, &format!("{flow}/versions/1"), b""), 200);
    assert_eq!(with(&bearer, "/v1/sync?planted-parameter=planted-value-1", b"x"), 400);
    let lines = stopped(server);
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    assert!(events(&lines, "request ended").iter().any(|line| line["client"] == "till"), "{text}");
    for planted in [token, record, "planted-token-2", "planted-line-1", "planted-name-1"] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
    for planted in ["planted-key-1", "planted-value-1", digest.as_str()] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
}

/// Posts a record over TLS, as a client that trusts the server's authority.
fn post_secure(authority: &Authority, server: &Serve, id: &str, body: &[u8]) -> super::Answer {
    let stream = authority.connect(&server.address, None, &["http/1.1"]).unwrap();
    let headers = [&TO[..], &[("x-request-id", id), ("connection", "close")]].concat();
    request(stream, "POST", "/v1/sync", &headers, body)
}

/// Two servers write to one store, one of them over TLS. While others send, one client stops, one
/// goes away, one speaks no TLS, a bug is met, and the store is gone for a moment.
#[test]
fn under_load_every_trouble_has_the_id_of_its_request() {
    let authority = Authority::new();
    authority.issue("server");
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("store.git");
    let (certificate, key) = (authority.text("server.pem"), authority.text("server.key"));
    let flags = [&JSON[..], &["--idle", "500ms"]].concat();
    let clear = Serve::with_fault(&repo, "serve:work=panic@12", &flags);
    let flags = [&flags[..], &["--tls-cert", &certificate, "--tls-key", &key]].concat();
    let secure = Serve::start(&repo, &flags);
    let sent: Vec<_> = std::thread::scope(|scope| {
        let slow = begun(&clear, "slow");
        begun(&clear, "gone").shutdown(std::net::Shutdown::Both).unwrap();
        let sending: Vec<_> = (0..4)
            .map(|thread| {
                let (authority, clear, secure) = (&authority, &clear, &secure);
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    for number in 0..25 {
                        let id = format!("load-{thread}-{number}");
                        let record = format!("{{\"id\":\"{id}\"}}\n");
                        let answer = if thread % 2 == 0 {
                            post(clear, &id, record.as_bytes())
                        } else {
                            post_secure(authority, secure, &id, record.as_bytes())
                        };
                        assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
                        statuses.push((id, answer.status));
                    }
                    statuses
                })
            })
            .collect();
        let mut strange = secure.connect();
        strange.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        read_answer(&mut BufReader::new(slow)).expect(422);
        clear.get("/readyz").expect(200);
        let elsewhere = dir.path().join("elsewhere.git");
        std::fs::rename(&repo, &elsewhere).unwrap();
        await_ready(&clear, 503);
        std::fs::rename(&elsewhere, &repo).unwrap();
        await_ready(&clear, 200);
        // A large batch is merged for so long that another writer is first.
        let losing = scope.spawn(|| post(&clear, "large", many(5_000).as_bytes()));
        for number in 0.. {
            if losing.is_finished() {
                break;
            }
            let record = format!("{{\"id\":\"small-{number}\"}}\n");
            post_secure(&authority, &secure, &format!("small-{number}"), record.as_bytes());
        }
        sending.into_iter().flat_map(|sent| sent.join().unwrap()).collect()
    });
    let (clear_log, secure_log) = (stopped(clear), stopped(secure));
    let all = [&clear_log[..], &secure_log[..]].concat();
    for (id, status) in &sent {
        assert_eq!(end_of(&all, id)["status"], status.to_string(), "{id}");
    }
    let failed: Vec<_> = sent.iter().filter(|(_, status)| *status == 500).collect();
    let panics = events(&all, "panic caught");
    assert_eq!((panics.len(), failed.len()), (1, 1));
    assert_eq!(id(panics[0]), Some(failed[0].0.as_str()));
    for (message, request) in [("slow client", "slow"), ("client gone", "gone")] {
        let warned = events(&clear_log, message);
        assert!(warned.iter().any(|line| id(line) == Some(request)), "{clear_log:#?}");
    }
    assert_eq!(
        (events(&clear_log, "not ready").len(), events(&clear_log, "ready again").len()),
        (1, 1)
    );
    let handshakes = events(&secure_log, "TLS handshake failed");
    assert_eq!((handshakes.len(), &handshakes[0]["address"]), (1, &"127.0.0.1".into()));
    let lost = events(&all, "race lost");
    assert!(lost.iter().any(|line| id(line) == Some("large")), "{lost:#?}");
    // Only what belongs to no request has no id.
    const ALONE: [&str; 3] = ["TLS handshake failed", "command ended", "repository made"];
    for line in all.iter().filter(|line| id(line).is_none()) {
        assert!(ALONE.iter().any(|message| line["message"] == *message), "{line}");
    }
}
