//! The double itself: faults, races, sizes, requests, and what its clients rely on beyond the recordings.

use super::replay::{Reply, Sent, load, send};
use super::{Fault, On, Provider, RegistryDouble, Release, Seen};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const RELEASES: [Release; 3] = [Release::V0_8_0, Release::V1_28_1, Release::V2_11_0];
const VERSIONS: &str = "/buckets/*/flows/*/versions";

/// A double with one bucket and one empty flow, `f`, that lives at `flow`.
struct Bench {
    double: RegistryDouble,
    flow: String,
}

impl Bench {
    fn new(release: Release, provider: Provider) -> Self {
        let double = RegistryDouble::start(release, provider);
        let bucket = post(&double.url(), "/buckets", &json!({"name": "b"}));
        let bucket = bucket["identifier"].as_str().expect("a bucket has an identifier").to_owned();
        let flows = format!("/buckets/{bucket}/flows");
        post(&double.url(), &flows, &json!({"name": "f", "identifier": FLOW}));
        Self { flow: format!("{flows}/{FLOW}"), double }
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Reply> {
        call(&self.double.url(), method, &format!("{}{path}", self.flow), body)
    }

    /// Posts a version; its status, or 0 if no whole answer came.
    fn commit(&self, version: i64, text: &str) -> u16 {
        self.call("POST", "/versions", Some(&snapshot(version, text)))
            .map_or(0, |reply| reply.status)
    }

    /// The numbers that the flow's list holds.
    fn listed(&self) -> Vec<i64> {
        let reply = self.call("GET", "/versions", None).expect("the double answers");
        assert_eq!(reply.status, 200);
        let list: Value = text_of(&reply).parse().expect("a list is JSON");
        list.as_array().into_iter().flatten().filter_map(|item| item["version"].as_i64()).collect()
    }

    /// The text that a version holds.
    fn text(&self, version: i64) -> String {
        let reply =
            self.call("GET", &format!("/versions/{version}"), None).expect("the double answers");
        let stored: Value = text_of(&reply).parse().expect("a version is JSON");
        stored["flowContents"]["processors"][0]["properties"]["k"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

const FLOW: &str = "4b1c7f58-5a55-4d2e-9d0e-0d2f6cf8a001";

fn snapshot(version: i64, text: &str) -> Value {
    json!({
        "snapshotMetadata": {"version": version, "comments": text.get(..20)},
        "flowContents": {"identifier": "r", "processors": [{"identifier": "p", "properties": {"k": text}}]},
    })
}

fn call(base: &str, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Reply> {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let body = body.map(|body| body.to_string().into_bytes());
    send(base, &Sent { method: method.to_owned(), path: path.to_owned(), headers, body })
}

fn post(base: &str, path: &str, body: &Value) -> Value {
    let reply = call(base, "POST", path, Some(body)).expect("the double answers");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    text_of(&reply).parse().expect("the answer is JSON")
}

fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

// ---- races ----------------------------------------------------------------------------------------------------------

/// What twenty writers got from the real servers (`races.json`), and get here.
#[test]
fn of_writers_of_one_number_exactly_one_wins() {
    let recorded = load("races.json");
    let kinds: std::collections::BTreeSet<&str> = recorded
        .values()
        .flat_map(|rounds| rounds.as_array().into_iter().flatten())
        .flat_map(|round| round["answers"].as_object().into_iter().flatten())
        .map(|(answer, _)| answer.as_str())
        .collect();
    assert_eq!(kinds.len(), 3, "200, 409 and 500: {kinds:?}");
    for (release, provider) in RELEASES.into_iter().flat_map(|release| {
        [Provider::File, Provider::Database].map(|provider| (release, provider))
    }) {
        let bench = Bench::new(release, provider);
        assert_eq!(bench.commit(1, "first"), 200);
        let barrier = Barrier::new(20);
        let texts: Vec<_> = (0..20).map(|writer| format!("writer {writer} ").repeat(50)).collect();
        let answers: Vec<(u16, String)> = thread::scope(|scope| {
            let writers: Vec<_> = texts
                .iter()
                .map(|text| {
                    let (bench, barrier) = (&bench, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        let reply = bench
                            .call("POST", "/versions", Some(&snapshot(2, text)))
                            .expect("an answer comes");
                        (reply.status, text_of(&reply))
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().expect("a writer ends well")).collect()
        });
        let winners: Vec<_> = (0..20).filter(|writer| answers[*writer].0 == 200).collect();
        assert_eq!(winners.len(), 1, "{release:?} {provider:?}");
        for (status, text) in answers.iter().filter(|(status, _)| *status != 200) {
            let answer = format!("{status} {text}");
            assert!(kinds.contains(answer.as_str()), "{answer}");
        }
        assert_eq!(bench.text(2), texts[winners[0]], "content is the winner's");
        assert_eq!(bench.listed(), [2, 1]);
        assert_eq!(bench.commit(3, "next"), 200);
    }
}

// ---- faults ---------------------------------------------------------------------------------------------------------

#[test]
fn an_answer_fault_does_nothing_else() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    bench.double.inject(On::next("POST", VERSIONS), Fault::conflict(1));
    bench.double.inject(On::next("POST", VERSIONS), Fault::internal_error());
    bench.double.inject(On::next("POST", VERSIONS), Fault::OutOfHeap);
    assert_eq!([bench.commit(1, "x"), bench.commit(1, "x"), bench.commit(1, "x")], [409, 500, 500]);
    assert!(bench.double.all_faults_struck());
    assert_eq!(bench.listed(), [0; 0]);
    assert_eq!(bench.commit(1, "x"), 200);
}

#[test]
fn faults_are_aimed_and_counted() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    let denied = Fault::Answer(403, "denied".to_owned());
    bench.double.inject(On::next("GET", "/versions/latest").after(1).times(2), denied);
    bench.commit(1, "x");
    let status = |path| bench.call("GET", path, None).expect("an answer comes").status;
    assert_eq!(status("/versions"), 200);
    assert_eq!(status("/versions/latest/metadata"), 200);
    assert_eq!([0; 4].map(|_| status("/versions/latest")), [200, 403, 403, 200]);
    bench.double.inject(On::next("", ""), Fault::conflict(1));
    assert_eq!(status(""), 409, "a fault for any request");
}

#[test]
fn a_cut_answer_is_stored() {
    for text in ["short".to_owned(), "long ".repeat(100_000)] {
        let bench = Bench::new(Release::V2_11_0, Provider::File);
        bench.double.inject(On::next("POST", VERSIONS), Fault::CutAnswer);
        assert_eq!(bench.commit(1, &text), 0);
        assert_eq!(bench.text(1), text);
    }
}

#[test]
fn a_lost_answer_is_stored_and_a_lost_request_is_not() {
    let bench = Bench::new(Release::V1_28_1, Provider::Database);
    bench.double.inject(On::next("POST", VERSIONS), Fault::LostRequest);
    assert_eq!(bench.commit(1, "one"), 0);
    assert_eq!(bench.listed(), [0; 0]);
    bench.double.inject(On::next("POST", VERSIONS), Fault::LostUpload);
    assert_eq!(bench.commit(1, &"one".repeat(3_000_000)), 0);
    assert_eq!(bench.listed(), [0; 0]);
    bench.double.inject(On::next("POST", VERSIONS), Fault::LostAnswer);
    assert_eq!(bench.commit(1, "one"), 0);
    assert_eq!(bench.listed(), [1]);
}

#[test]
fn a_delayed_answer_comes_late() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    let delay = Duration::from_millis(150);
    bench.double.inject(On::next("POST", VERSIONS), Fault::Delay(delay));
    let start = Instant::now();
    assert_eq!(bench.commit(1, "x"), 200);
    assert!(start.elapsed() >= delay);
}

#[test]
fn silence_lasts_until_the_double_ends() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    bench.double.inject(On::next("POST", VERSIONS), Fault::Silence);
    let (url, path) = (bench.double.url(), format!("{}/versions", bench.flow));
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            call(&url, "POST", &path, Some(&snapshot(1, "x"))).map(|reply| reply.status)
        });
        thread::sleep(Duration::from_millis(200));
        assert!(!waiting.is_finished());
        assert_eq!(bench.listed(), [0; 0]);
        drop(bench);
        assert!(waiting.join().expect("the writer ends well").is_err());
    });
}

#[test]
fn an_orphaned_number_is_blocked_until_the_flow_is_deleted() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    assert_eq!(bench.commit(1, "one"), 200);
    bench.double.inject(On::next("POST", VERSIONS), Fault::Orphan);
    assert_eq!(bench.commit(2, "two"), 0);
    assert_eq!([bench.commit(2, "two"), bench.commit(-1, "two"), bench.commit(2, "two")], [500; 3]);
    assert_eq!([bench.commit(1, "one"), bench.commit(3, "three")], [409; 2]);
    assert_eq!(bench.listed(), [1]);
    assert_eq!(bench.text(1), "one");
    assert_eq!(bench.call("DELETE", "", None).expect("an answer comes").status, 200);
    let (flows, _) = bench.flow.rsplit_once('/').expect("a flow is below its bucket");
    post(&bench.double.url(), flows, &json!({"name": "f", "identifier": FLOW}));
    assert_eq!([bench.commit(1, "one"), bench.commit(2, "two")], [200; 2]);
}

#[test]
fn a_dead_database_fails_all_but_about_until_a_restart() {
    let mut bench = Bench::new(Release::V2_11_0, Provider::Database);
    assert_eq!(bench.commit(1, "one"), 200);
    bench.double.inject(On::next("POST", VERSIONS), Fault::DeadDatabase);
    assert_eq!([bench.commit(2, "two"), bench.commit(2, "two")], [500; 2]);
    let url = bench.double.url();
    let status = |path| call(&url, "GET", path, None).expect("an answer comes").status;
    assert_eq!([status("/buckets"), status("/about")], [500, 200]);
    bench.double.restart();
    assert_eq!(bench.double.url(), url);
    assert_eq!(bench.listed(), [1]);
    assert_eq!(bench.commit(2, "two"), 200);
}

#[test]
fn refuses_connections_while_it_is_down() {
    let mut bench = Bench::new(Release::V1_28_1, Provider::File);
    assert_eq!(bench.commit(1, "one"), 200);
    bench.double.refuse_connections();
    let error = bench.call("GET", "", None).expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    bench.double.restart();
    assert_eq!(bench.listed(), [1]);
}

#[test]
fn wants_the_authorization_it_was_told() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    bench.double.require_authorization("Bearer x");
    for (header, status) in
        [(None, 401), (Some("Bearer y"), 401), (Some("Basic dTpw"), 401), (Some("Bearer x"), 200)]
    {
        let headers = header
            .map(|value: &str| ("Authorization".to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let request =
            Sent { method: "GET".to_owned(), path: "/buckets".to_owned(), headers, body: None };
        let reply = send(&bench.double.url(), &request).expect("an answer comes");
        assert_eq!(reply.status, status, "{header:?}: {}", text_of(&reply));
    }
}

// ---- requests and sizes ---------------------------------------------------------------------------------------------

#[test]
fn lists_the_requests_it_got() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    bench.double.forget_requests();
    bench.commit(2, "x");
    bench.double.inject(On::next("GET", "/latest/metadata"), Fault::LostRequest);
    bench.call("GET", "/versions/latest/metadata", None).expect_err("the connection closes");
    let seen = bench.double.requests();
    let body_bytes = snapshot(2, "x").to_string().len();
    let answer_bytes = "Version of first snapshot must be 1".len();
    let path = |end| format!("{}{end}", bench.flow);
    assert_eq!(
        seen,
        [
            Seen {
                method: "POST".to_owned(),
                path: path("/versions"),
                body_bytes,
                status: Some(409),
                answer_bytes,
                connection: 3
            },
            Seen {
                method: "GET".to_owned(),
                path: path("/versions/latest/metadata"),
                body_bytes: 0,
                status: None,
                answer_bytes: 0,
                connection: 4
            },
        ]
    );
}

/// Keep-alive, a body in chunks and `Expect: 100-continue`, over one connection.
#[test]
fn keeps_connections_alive() {
    use std::io::{Read, Write};
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    bench.double.forget_requests();
    let base = bench.double.url();
    let host = base.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let mut stream = std::net::TcpStream::connect(&host).expect("the double listens");
    let body = snapshot(1, "x").to_string();
    let (one, other) = body.split_at(10);
    write!(
        stream,
        "POST /nifi-registry-api{}/versions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        bench.flow
    )
    .expect("the double reads");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("the double answers at once");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    write!(stream, "{:x};a=b\r\n{one}\r\n{:X}\r\n{other}\r\n0\r\n\r\n", one.len(), other.len())
        .expect("the double reads");
    write!(
        stream,
        "GET /nifi-registry-api{}/versions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
        bench.flow
    )
    .expect("the double reads");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("the double closes");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let seen = bench.double.requests();
    assert_eq!(seen[0].body_bytes, body.len());
    assert!(seen.iter().all(|request| request.connection == seen[0].connection));
}

/// Flows of the size of chunks stay at little more than their text, and are given back as they were.
#[test]
fn keeps_large_flows() {
    const FLOWS: usize = 64;
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    let (flows, _) = bench.flow.rsplit_once('/').expect("a flow is below its bucket");
    let text = "{\"key\":\"\\u00e9\",\"value\":[1,2,3,4,5,6,7,8]}\n".repeat(1024 * 1024 / 43);
    let url = bench.double.url();
    for index in 0..FLOWS {
        let flow = post(&url, flows, &json!({"name": index.to_string()}));
        let path = format!("{flows}/{}/versions", flow["identifier"].as_str().unwrap_or_default());
        let reply = call(&url, "POST", &path, Some(&snapshot(1, &text))).expect("an answer comes");
        assert_eq!(reply.status, 200);
        if index + 1 == FLOWS {
            let reply =
                call(&url, "GET", &format!("{path}/latest"), None).expect("an answer comes");
            let stored: Value = text_of(&reply).parse().expect("a version is JSON");
            assert_eq!(stored["flowContents"]["processors"][0]["properties"]["k"], text.as_str());
        }
    }
    let held: usize = bench.double.requests().iter().map(|request| request.body_bytes).sum();
    assert!(held > FLOWS * 1024 * 1024);
}

/// What is stored can be spoilt behind the client's back.
#[test]
fn alters_what_is_stored() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    assert_eq!(bench.commit(1, "good text"), 200);
    assert!(bench.double.alter_contents(FLOW, 1, "good", "evil"));
    assert_eq!(bench.text(1), "evil text");
    assert!(!bench.double.alter_contents(FLOW, 1, "good", "evil"), "nothing to replace");
    assert!(!bench.double.alter_contents(FLOW, 2, "evil", "good"), "no such version");
}

/// Members of a set come back in no order that was sent.
#[test]
fn sets_have_an_order_of_their_own() {
    let bench = Bench::new(Release::V1_28_1, Provider::File);
    let labels: Vec<_> = (0..50)
        .map(|index| json!({"identifier": format!("label {}", index * 7919 % 50)}))
        .collect();
    let body = json!({"snapshotMetadata": {"version": 1}, "flowContents": {"identifier": "r", "labels": labels}});
    let reply = bench.call("POST", "/versions", Some(&body)).expect("an answer comes");
    let stored: Value = text_of(&reply).parse().expect("a version is JSON");
    let order = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|label| label["identifier"].to_string())
            .collect()
    };
    let (mut sent, mut got) =
        (order(&body["flowContents"]["labels"]), order(&stored["flowContents"]["labels"]));
    assert_ne!(sent, got);
    sent.sort();
    got.sort();
    assert_eq!(sent, got);
}
