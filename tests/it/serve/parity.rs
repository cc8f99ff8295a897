//! The same FlowFiles through standard input, HTTP and gRPC give the same reports and the same roots.

use std::path::Path;

use nifi_idb::flowfile::{Attributes, write_head};
use serde_json::Value;

use super::Serve;
use super::grpc::Client;
use crate::program::on;

/// Attributes of a FlowFile and its content.
type FlowFile = (Vec<(&'static str, &'static str)>, Vec<u8>);

fn changes(header: &str, lines: &[&str]) -> String {
    let mut text = format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}]{header}}}\n"
    );
    for line in lines {
        text.push_str(&format!("{{\"store\":\"data\",{line}}}\n"));
    }
    text + &format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len())
}

/// Packages of FlowFiles, of which the last one but one is cut off.
fn package() -> Vec<u8> {
    let mut out = Vec::new();
    let sequenced = |first: u32, value: u32| {
        let header =
            format!(",\"source\":\"p\",\"epoch\":\"e\",\"first\":{first},\"last\":{first}");
        changes(&header, &[&format!("\"op\":\"put\",\"value\":{{\"id\":{value}}}")])
    };
    let cut = sequenced(3, 903);
    for (uuid, content) in [
        ("u2", sequenced(2, 902)),
        ("u1", sequenced(1, 901)),
        ("u3", cut[..cut.len() - 10].to_owned()),
        ("u4", changes("", &["\"op\":\"put\",\"value\":{\"id\":904}"])),
    ] {
        let attributes: Attributes =
            [("uuid", uuid), ("indexeddb.received.at", "1700000000000"), ("other", "\u{e9}")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
        write_head(&attributes, content.len() as u64, &mut out).unwrap();
        out.extend_from_slice(content.as_bytes());
    }
    out
}

fn flowfiles() -> Vec<FlowFile> {
    let records = vec![
        ("indexeddb.database", "shop"),
        ("indexeddb.object.store", "data"),
        ("indexeddb.key.path", "id"),
    ];
    let many: String = (0..200).map(|id| format!("{{\"id\":{id},\"n\":{}}}\n", id * 7)).collect();
    let put =
        |id: u32, value: u32| format!("\"op\":\"put\",\"value\":{{\"id\":{id},\"n\":{value}}}");
    let first = changes(
        ",\"source\":\"a\",\"epoch\":\"e\",\"first\":1,\"last\":2",
        &["\"op\":\"put\",\"value\":{\"id\":1000}", "\"op\":\"delete\",\"key\":3"],
    );
    let cut = changes(",\"source\":\"b\"", &[&put(5, 5)]);
    vec![
        (records.clone(), many.into_bytes()),
        (vec![], first.clone().into_bytes()),
        // A replay, and a conflict on what has changed since version 1.
        (vec![], first.into_bytes()),
        (vec![], changes(",\"source\":\"c\",\"base\":1", &[&put(4, 1), &put(3, 3)]).into_bytes()),
        (vec![], changes(",\"source\":\"d\",\"base\":1", &[&put(4, 2)]).into_bytes()),
        // Rejects.
        (
            records.clone(),
            b"{\"id\":4}\nno json\n{\"no\":1}\n{\"id\":12345678901234567890}\n{\"id\":7,\"n\":\"\xc3\xa9\"}\n".to_vec(),
        ),
        // Cut off, a gap, the guard, a wrong attribute, nowhere to go, a delivery that comes twice, and with other content.
        (vec![], cut.as_bytes()[..cut.len() - 5].to_vec()),
        (vec![], changes(",\"source\":\"a\",\"epoch\":\"e\",\"first\":9,\"last\":9", &[&put(6, 6)]).into_bytes()),
        (vec![], changes("", &["\"op\":\"clear\""]).into_bytes()),
        (vec![("indexeddb.mode", "half")], b"{}\n".to_vec()),
        (vec![], b"{\"id\":1}\n".to_vec()),
        ([&records[..], &[("uuid", "twice")]].concat(), b"{\"id\":2000}\n".to_vec()),
        ([&records[..], &[("uuid", "twice")]].concat(), b"{\"id\":2000}\n".to_vec()),
        ([&records[..], &[("uuid", "twice")]].concat(), b"{\"id\":2001}\n".to_vec()),
        (vec![], package()),
        (vec![], package()),
    ]
}

/// What came of a FlowFile: its exit status, if the edge tells, and its report.
type Came = (Option<i32>, Vec<u8>);

/// The options of `sync` that say what attributes say.
fn by_pipe(repo: &Path, (attributes, content): &FlowFile) -> Came {
    let mut arguments = vec!["--received-at", "1700000000000"];
    for (name, value) in attributes {
        arguments.extend(match *name {
            "indexeddb.database" => ["--database", value],
            "indexeddb.object.store" => ["--object-store", value],
            "indexeddb.key.path" => ["--key-path", value],
            "uuid" => ["--batch-id", value],
            "indexeddb.mode" => ["--mode", value],
            other => panic!("{other}"),
        });
    }
    let ran = on(repo, "sync", &arguments, content);
    (ran.code(), ran.out)
}

fn by_http(server: &Serve, (attributes, content): &FlowFile) -> Came {
    let mut headers = attributes.clone();
    headers.push(("indexeddb.received.at", "1700000000000"));
    let answer = server.post("/v1/sync", &headers, content);
    let statuses = [(200, 0), (400, 2), (503, 4), (422, 5), (409, 6)];
    let exit = statuses.iter().find(|(status, _)| *status == answer.status).map(|(_, exit)| *exit);
    (exit, answer.body)
}

fn by_grpc(client: &Client, (attributes, content): &FlowFile) -> Came {
    let mut attributes = attributes.clone();
    attributes.push(("indexeddb.received.at", "1700000000000"));
    let (report, result) = client.sync(None, &attributes, content).unwrap();
    (Some(result.status as i32), report)
}

/// NiFi's service gives no report, but the same summary where it is done.
fn by_nifi(client: &Client, (attributes, content): &FlowFile) -> (i32, String) {
    let mut attributes = attributes.clone();
    attributes.push(("indexeddb.received.at", "1700000000000"));
    let reply = client.send(&attributes, content).unwrap();
    (reply.response_code, reply.body)
}

#[test]
fn every_edge_gives_the_same_report_and_the_same_root() {
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let [pipe, http, grpc, nifi] = [0, 1, 2, 3].map(|number| dirs[number].path());
    let (http_server, grpc_server, nifi_server) =
        (Serve::start(http, &[]), Serve::start(grpc, &[]), Serve::start(nifi, &[]));
    let (grpc_client, nifi_client) = (Client::new(&grpc_server), Client::new(&nifi_server));
    let mut statuses = Vec::new();
    for (number, flowfile) in flowfiles().iter().enumerate() {
        let expected = by_pipe(pipe, flowfile);
        let shown = |came: &Came| format!("{:?} {}", came.0, String::from_utf8_lossy(&came.1));
        let (over_http, over_grpc) =
            (by_http(&http_server, flowfile), by_grpc(&grpc_client, flowfile));
        // The command has no attribute that could be wrong: a wrong option is refused before anything is reported.
        if flowfile.0 != [("indexeddb.mode", "half")] {
            assert_eq!(shown(&over_http), shown(&expected), "FlowFile {number} over HTTP");
        }
        assert_eq!(shown(&over_grpc), shown(&over_http), "FlowFile {number} over gRPC");
        let (code, body) = by_nifi(&nifi_client, flowfile);
        let status = over_http.0.unwrap();
        assert_eq!(
            code,
            match status {
                0 => 1,
                4 => 2,
                _ => 0,
            },
            "FlowFile {number}: {body}"
        );
        let is_package = flowfile.1.starts_with(b"NiFiFF3");
        if status == 0 && !is_package {
            let last = String::from_utf8(expected.1).unwrap();
            assert_eq!(last.lines().last(), Some(body.as_str()));
        }
        statuses.push(status);
    }
    assert_eq!(statuses, [0, 0, 0, 0, 0, 0, 5, 4, 6, 2, 2, 0, 0, 2, 0, 0]);
    let log = |repo: &Path| {
        let text = String::from_utf8(on(repo, "log", &["--format", "json"], b"").done()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
            .collect::<Vec<_>>()
    };
    let states = log(pipe);
    assert!(states.len() >= 6, "{states:?}");
    for repo in [http, grpc, nifi] {
        assert_eq!(log(repo), states);
    }
}
