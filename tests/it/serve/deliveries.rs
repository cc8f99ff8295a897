//! Delivery ids count for each client apart: nobody's id suppresses another's batch.

use super::*;

/// Two clients without sources, known by tokens.
fn start(dir: &Path) -> Serve {
    let client = |name: &str| {
        let token = blake3::hash(format!("token-{name}").as_bytes()).to_hex();
        format!(
            "[[client]]\nname = \"{name}\"\ntoken_blake3 = \"{token}\"\nflows = [\"*\"]\nallow = [\"read\", \"sync\"]\n"
        )
    };
    let file = dir.join("clients.toml");
    std::fs::write(&file, ["k1", "k2"].map(client).concat()).unwrap();
    Serve::start(&dir.join("s.git"), &["--clients", file.to_str().unwrap()])
}

fn send(server: &Serve, client: &str, id: &str, body: &str) -> Answer {
    let bearer = format!("Bearer token-{client}");
    let headers =
        [&TO[..], &[("authorization", bearer.as_str()), ("idempotency-key", id)]].concat();
    server.post("/v1/sync", &headers, body.as_bytes())
}

#[test]
fn two_clients_may_use_the_same_ids() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    for (client, outcome) in
        [("k1", "committed"), ("k2", "committed"), ("k1", "unchanged"), ("k2", "unchanged")]
    {
        let answer =
            send(&server, client, "1", &format!("{{\"id\":\"of-{client}\"}}\n")).expect(200);
        assert_eq!(answer.header("sync.outcome"), Some(outcome), "{client}");
    }
    let bearer = [("authorization", "Bearer token-k1")];
    let all =
        request(server.connect(), "GET", "/v1/flows/indexeddb/shop/versions/latest", &bearer, b"")
            .expect(200)
            .text();
    assert!(all.contains("of-k1") && all.contains("of-k2"), "{all}");
}

#[test]
fn an_id_with_other_content_is_no_replay() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    send(&server, "k1", "1", "{\"id\":1}\n").expect(200);
    let refused = send(&server, "k1", "1", "{\"id\":2}\n").expect(400);
    assert!(
        refused.header("sync.error").unwrap().contains("was used before for other content"),
        "{refused:?}"
    );
    assert_eq!(
        (refused.header("sync.outcome"), refused.header("sync.status")),
        (Some("refused"), Some("2"))
    );
    send(&server, "k1", &"x".repeat(257), "{\"id\":3}\n").expect(400);
    send(&server, "k1", &"x".repeat(256), "{\"id\":3}\n").expect(200);
}
