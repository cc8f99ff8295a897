//! Who may speak to the server: TLS, mutual TLS, tokens, and the clients file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Answer, RECORDS, Serve, TO, connect, request};
use crate::program::{program, run, store_of};

/// Files with certificates of one authority.
pub(super) struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    /// Writes `NAME.pem` and `NAME.key`; gives the certificate's fingerprint.
    pub(super) fn issue(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        digest(&SHA256, certificate.der())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A connection as `client`, or as nobody; gives the protocol that was agreed upon too.
    pub(super) fn connect(
        &self,
        address: &str,
        client: Option<&str>,
        protocols: &[&str],
    ) -> std::io::Result<Tls> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain =
                    vec![CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, connect(address));
        // Under TLS 1.3 a client learns only from the first answer that it is not welcome.
        stream.flush()?;
        Ok(stream)
    }
}

pub(super) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A GET whose connection may be refused.
fn try_get(stream: std::io::Result<Tls>, path: &str) -> Option<u16> {
    let mut stream = stream.ok()?;
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .ok()?;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split(' ').nth(1)?.parse().ok()
}

const FLOW: &str = "/v1/flows/indexeddb/shop";

#[test]
fn tls_speaks_both_protocols_and_nobody_speaks_in_clear() {
    let authority = Authority::new();
    authority.issue("server");
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (authority.text("server.pem"), authority.text("server.key"));
    let server = Serve::start(dir.path(), &["--tls-cert", &certificate, "--tls-key", &key]);
    for (protocols, expected) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let stream = authority.connect(&server.address, None, protocols).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(expected.as_bytes()));
    }
    let stream = authority.connect(&server.address, None, &["http/1.1"]).unwrap();
    request(stream, "POST", "/v1/sync", &TO, RECORDS.as_bytes()).expect(200);
    let mut clear = server.connect();
    clear.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = clear.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn with_mutual_tls_alone_the_authority_decides() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.issue("server");
    authority.issue("nifi");
    other.issue("nifi");
    std::fs::copy(authority.path("ca.pem"), other.path("ca.pem")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let names = ["server.pem", "server.key", "ca.pem"].map(|name| authority.text(name));
    let server = Serve::start(
        dir.path(),
        &["--tls-cert", &names[0], "--tls-key", &names[1], "--client-ca", &names[2]],
    );
    let get = |authority: &Authority, client| {
        let path = format!("{FLOW}/sources");
        try_get(authority.connect(&server.address, client, &["http/1.1"]), &path)
    };
    assert_eq!(get(&authority, Some("nifi")), Some(200));
    assert_eq!((get(&authority, None), get(&other, Some("nifi"))), (None, None));
}

/// A clients file with a kiosk that may write only, a reader, and NiFi by its certificate.
fn clients(authority: &Authority, fingerprint: &str) -> String {
    std::fs::write(authority.path("kiosk.token"), "kiosk-secret\n").unwrap();
    let reader = blake3::hash(b"reader-secret").to_hex();
    let text = format!(
        "[[client]]\nname = \"kiosks\"\ntoken_file = \"kiosk.token\"\nsources = [\"kiosk-*\"]\nflows = [\"shop\", \
         \"test-*\"]\nallow = [\"sync\"]\n\n[[client]]\nname = \"reader\"\ntoken_blake3 = \"{reader}\"\nflows = [\"*\"]\n\
         allow = [\"read\"]\n\n[[client]]\nname = \"nifi\"\ncertificate_sha256 = \"{fingerprint}\"\nsource = \"nifi-1\"\n\
         bucket = \"plant\"\nflow = \"machines\"\nallow = [\"read\", \"sync\"]\n"
    );
    std::fs::write(authority.path("clients.toml"), text).unwrap();
    authority.text("clients.toml")
}

fn batch(source: &str, database: &str) -> String {
    let source =
        if source.is_empty() { String::new() } else { format!("\"source\":\"{source}\",") };
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"{database}\",{source}\"stores\":[{{\"name\":\"data\",\
         \"keyPath\":\"id\"}}]}}\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":1}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
    )
}

#[test]
fn a_client_does_what_its_entry_says_and_no_more() {
    let authority = Authority::new();
    authority.issue("server");
    let fingerprint = authority.issue("nifi");
    authority.issue("stranger");
    let clients = clients(&authority, &fingerprint);
    let dir = tempfile::tempdir().unwrap();
    let names = ["server.pem", "server.key", "ca.pem"].map(|name| authority.text(name));
    let server = Serve::start(
        dir.path(),
        &[
            "--tls-cert",
            &names[0],
            "--tls-key",
            &names[1],
            "--client-ca",
            &names[2],
            "--clients",
            &clients,
        ],
    );
    let send = |client: Option<&str>,
                token: &str,
                method: &str,
                path: &str,
                headers: &[(&str, &str)],
                body: &str| {
        let stream = authority.connect(&server.address, client, &["http/1.1"]).unwrap();
        let bearer = format!("Bearer {token}");
        let mut all = headers.to_vec();
        if !token.is_empty() {
            all.push(("authorization", &bearer));
        }
        request(stream, method, path, &all, body.as_bytes())
    };
    let post = |token: &str, path: &str, body: &str| send(None, token, "POST", path, &[], body);
    let get = |token: &str, path: &str| send(None, token, "GET", path, &[], "");

    // Nobody, and somebody with a wrong token.
    let nobody = post("", "/v1/sync", &batch("kiosk-1", "shop")).expect(401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    post("kiosk-secre", "/v1/sync", &batch("kiosk-1", "shop")).expect(401);
    get("", "/metrics").expect(401);
    get("", "/healthz").expect(200);
    get("", "/readyz").expect(200);

    // The kiosks: their sources, their flows, and their own checkpoints.
    let secret = "kiosk-secret";
    post(secret, "/v1/sync", &batch("kiosk-1", "shop")).expect(200);
    post(secret, "/v1/flows/indexeddb/test-2/sync", &batch("kiosk-1", "shop")).expect(200);
    post(secret, "/v1/sync", &batch("", "shop")).expect(200);
    let denied = |answer: Answer, what: &str| {
        let answer = answer.expect(403);
        let said = answer.header("sync.error").unwrap();
        assert!(said.contains(what), "{said}");
    };
    denied(post(secret, "/v1/sync", &batch("till-1", "shop")), "may not be source till-1");
    denied(post(secret, "/v1/sync", &batch("kiosk-1", "bank")), "may not use flow bank");
    denied(
        post(secret, "/v1/flows/indexeddb/bank/sync", &batch("kiosk-1", "shop")),
        "may not use flow bank",
    );
    denied(
        post(secret, "/v1/flows/plant/shop/sync", &batch("kiosk-1", "shop")),
        "may use bucket indexeddb only",
    );
    denied(get(secret, &format!("{FLOW}/versions")), "has not the right \"read\"");
    get(secret, &format!("{FLOW}/sources/kiosk-1")).expect(200);
    denied(get(secret, &format!("{FLOW}/sources/nifi-1")), "may not be source nifi-1");

    // The reader.
    get("reader-secret", &format!("{FLOW}/versions")).expect(200);
    denied(post("reader-secret", "/v1/sync", &batch("", "shop")), "has not the right \"sync\"");

    // NiFi, by its certificate: everything goes where its entry says, as its source.
    let nifi = |path: &str, headers: &[(&str, &str)], body: &str| {
        send(Some("nifi"), "", "POST", path, headers, body)
    };
    let done = nifi("/v1/sync", &[], &batch("", "shop")).expect(200);
    assert_eq!(
        (done.header("registry.bucket"), done.header("registry.flow")),
        (Some("plant"), Some("machines"))
    );
    assert_eq!(done.header("indexeddb.source"), Some("nifi-1"));
    denied(nifi("/v1/sync", &[], &batch("kiosk-1", "shop")), "a source that is not its sender's");
    denied(
        nifi("/v1/sync", &[("indexeddb.source", "kiosk-1")], &batch("", "shop")),
        "may not be source kiosk-1",
    );
    denied(nifi("/v1/flows/plant/other/sync", &[], &batch("", "shop")), "may not use flow other");
    denied(send(Some("stranger"), "", "POST", "/v1/sync", &[], &batch("", "shop")), "in no entry");

    // Of all this, what was denied is not there.
    let versions =
        |flow: &str| get("reader-secret", &format!("/v1/flows/indexeddb/{flow}/versions")).status;
    assert_eq!([versions("shop"), versions("test-2"), versions("bank")], [200, 200, 404]);
}

/// Starts it wrongly, and gives what it says.
fn refused(repo: &Path, arguments: &[&str]) -> String {
    let store = store_of(repo);
    let mut all = vec!["serve", "--store", &store];
    all.extend(arguments);
    let ran = run(program(all), b"");
    assert_eq!(ran.code(), Some(2), "{}", ran.err);
    ran.err
}

#[test]
fn another_interface_than_loopback_needs_tls_and_authentication() {
    let authority = Authority::new();
    let fingerprint = authority.issue("server");
    let clients = clients(&authority, &fingerprint);
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (authority.text("server.pem"), authority.text("server.key"));
    let tls = ["--tls-cert", certificate.as_str(), "--tls-key", &key];
    for (arguments, expected) in [
        (vec!["--listen", "0.0.0.0:0"], "is not loopback: it needs --tls-cert and --tls-key"),
        (vec!["--listen", "[::]:0"], "is not loopback: it needs --tls-cert"),
        (
            [&["--listen", "0.0.0.0:0"][..], &tls].concat(),
            "is not loopback: it needs --clients or --client-ca",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--clients", &clients],
            "--clients names certificates: give --client-ca",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--allow-origin", "*"],
            "--allow-origin \"*\" is no origin",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--tls-cert", &key, "--tls-key", &key],
            "it holds no certificate",
        ),
        (vec!["--listen", "127.0.0.1:0", "--max-requests", "0"], "--max-requests"),
    ] {
        let said = refused(dir.path(), &arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let ca = authority.text("ca.pem");
    let all = [&["--listen", "0.0.0.0:0", "--client-ca", &ca][..], &tls].concat();
    drop(Serve::start(dir.path(), &all));
}
