//! Google's own gRPC client, with nothing but NiFi's message numbers, as InvokeGRPC has them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::python::{python, run, script};

const PACKAGES: [&str; 2] = ["grpcio==1.76.0", "grpcio-tools==1.76.0"];

/// A server; it is killed when it is dropped.
struct Serve {
    child: Child,
    address: String,
}

impl Serve {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nifi-idb"));
        command.args(["serve", "--store", "memory:", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `grpcio_client.py` prints of one call.
fn call(address: &str, what: &str) -> Value {
    call_with(&[address, what])
}

fn call_with(arguments: &[&str]) -> Value {
    let python = python("grpcio", &PACKAGES);
    let output = run(
        Command::new(python).arg(script("grpcio_client.py")).args(arguments),
        "grpcio_client.py",
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.parse().unwrap_or_else(|error| panic!("grpcio_client.py printed no JSON: {error}\n{text}"))
}

#[test]
fn every_answer_is_understood() {
    let server = Serve::start(&[]);
    let body = |answer: &Value| answer["body"].as_str().unwrap().parse::<Value>().unwrap();
    for (what, bytes) in [("1KB", 1_000), ("30MB", 30_000_000)] {
        let done = call(&server.address, what);
        assert_eq!(done["code"], "SUCCESS", "{what}: {done}");
        assert!(done["sent"].as_u64().unwrap() >= bytes, "{done}");
        assert_eq!(
            (&body(&done)["outcome"], &body(&done)["put"]),
            (&json!("committed"), &done["records"])
        );
    }
    let again = call(&server.address, "again");
    assert_eq!(
        (&again["code"], &body(&again)["outcome"]),
        (&json!("SUCCESS"), &json!("unchanged"))
    );
    let gap = call(&server.address, "gap");
    assert_eq!((&gap["code"], &body(&gap)["status"]), (&json!("RETRY"), &json!(4)));
    let cut = call(&server.address, "cut");
    assert_eq!((&cut["code"], &body(&cut)["status"]), (&json!("ERROR"), &json!(5)));
    for answer in [&gap, &cut] {
        assert!(answer["body"].as_str().unwrap().is_ascii());
    }
}

#[test]
fn who_finds_nobody_or_sends_too_much_is_told_so() {
    let server = Serve::start(&[]);
    let address = server.address.clone();
    drop(server);
    assert_eq!(call(&address, "1KB")["status"], "UNAVAILABLE");
    let server = Serve::start(&["--max-message-bytes", "100000"]);
    let large = call(&server.address, "30MB");
    assert_eq!(large["status"], "RESOURCE_EXHAUSTED", "{large}");
}

#[test]
fn mutual_tls_says_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // A certificate whose subject is its issuer passes for self-signed.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(path("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let mut fingerprint = String::new();
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        std::fs::write(path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        fingerprint = digest(&SHA256, certificate.der())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
    }
    let clients = |flow: &str| {
        let text = format!(
            "[[client]]\nname = \"nifi\"\ncertificate_sha256 = \"{fingerprint}\"\nflow = \"{flow}\"\nallow = [\"sync\"]\n"
        );
        std::fs::write(path("clients.toml"), text).unwrap();
    };
    clients("own");
    let files = ["server.pem", "server.key", "ca.pem", "clients.toml"].map(path);
    let arguments = [
        "--tls-cert",
        &files[0],
        "--tls-key",
        &files[1],
        "--client-ca",
        &files[2],
        "--clients",
        &files[3],
    ];
    let server = Serve::start(&arguments);
    let address = server.address.replace("127.0.0.1", "localhost");
    let folder = dir.path().to_str().unwrap();
    let done = call_with(&[&address, "1KB", folder]);
    assert_eq!(done["code"], "SUCCESS", "{done}");
    assert!(done["body"].as_str().unwrap().contains("\"flow\":\"own\""), "{done}");
    // Its batches must name no source, for its entry has none.
    assert_eq!(call_with(&[&address, "gap", folder])["status"], "PERMISSION_DENIED");
    assert_eq!(call(&address, "1KB")["status"], "UNAVAILABLE");
}
