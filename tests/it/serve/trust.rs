//! Whom the program trusts when it calls a server over TLS, and what it says when TLS fails.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

use super::{Serve, TO};
use crate::program::{program, run};

/// A folder with certificates and keys.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn text(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes `NAME.pem` and `NAME.key`: a certificate that is its own authority, as NiFi makes it.
    fn self_signed(&self, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        std::fs::write(self.text(&format!("{name}.pem")), params.self_signed(&key).unwrap().pem())
            .unwrap();
        std::fs::write(self.text(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn server(&self, name: &str, more: &[&str]) -> Serve {
        let (certificate, key) =
            (self.text(&format!("{name}.pem")), self.text(&format!("{name}.key")));
        let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
        Serve::on("memory:", &[&arguments[..], more].concat())
    }
}

/// Asks a server, which is no Registry, for its buckets; returns exit status and message.
fn ask(url: &str, more: &[&str]) -> (Option<i32>, String) {
    let arguments = ["doctor", "--store", url, "--retries", "0"];
    let ran = run(program([&arguments[..], more].concat()), b"");
    (ran.code(), ran.err)
}

/// The answer of a server that was reached: it is no Registry.
const REACHED: &str = "no NiFi Registry there";

#[test]
fn a_certificate_that_the_ca_file_names_is_accepted_although_it_is_an_authority() {
    let files = Files::new();
    files.self_signed("nifi", &["localhost", "127.0.0.1"], |_| {});
    files.self_signed("other", &["localhost"], |_| {});
    let server = files.server("nifi", &[]);
    let port = server.address.rsplit(':').next().unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let (code, said) =
            ask(&format!("https://{host}:{port}"), &["--ca-file", &files.text("nifi.pem")]);
        assert!(code == Some(2) && said.contains(REACHED), "{said}");
    }
    let (code, said) =
        ask(&format!("https://localhost:{port}"), &["--ca-file", &files.text("other.pem")]);
    assert!(code == Some(2) && said.contains("CA file") && !said.contains(REACHED), "{said}");

    // The installer reaches a NiFi in the same way.
    let url = format!("https://localhost:{port}");
    let ca = files.text("nifi.pem");
    let ran =
        run(program(["template", "install", "live-sync", "--nifi", &url, "--ca-file", &ca]), b"");
    assert!(ran.err.contains("not found: GET https://localhost:"), "{}", ran.err);
    let ran = run(
        program([
            "template",
            "install",
            "live-sync",
            "--nifi",
            &url,
            "--ca-file",
            &files.text("other.pem"),
        ]),
        b"",
    );
    assert!(ran.code() == Some(2) && ran.err.contains("CA file"), "{}", ran.err);
}

#[test]
fn a_name_or_a_date_that_does_not_fit_is_refused_also_of_a_named_certificate() {
    let files = Files::new();
    files.self_signed("elsewhere", &["nifi.example"], |_| {});
    files.self_signed("old", &["localhost"], |params| {
        (params.not_before, params.not_after) =
            (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    });
    files.self_signed("young", &["localhost"], |params| {
        (params.not_before, params.not_after) =
            (date_time_ymd(2201, 1, 1), date_time_ymd(2202, 1, 1));
    });
    for (name, expected) in
        [("elsewhere", "is for other names"), ("old", "has expired"), ("young", "is not valid yet")]
    {
        let server = files.server(name, &[]);
        let port = server.address.rsplit(':').next().unwrap();
        let ca = files.text(&format!("{name}.pem"));
        let (code, said) = ask(&format!("https://localhost:{port}"), &["--ca-file", &ca]);
        assert!(code == Some(2) && said.contains(expected), "{name}: {said}");
    }
}

#[test]
fn a_client_certificate_that_is_missing_or_does_not_fit_is_named() {
    let files = Files::new();
    for name in ["server", "client", "stranger"] {
        files.self_signed(name, &["localhost"], |_| {});
    }
    let server = files.server("server", &["--client-ca", &files.text("client.pem")]);
    let url = format!("https://localhost:{}", server.address.rsplit(':').next().unwrap());
    let ca = files.text("server.pem");
    let with = |certificate: &str, key: &str| {
        let (certificate, key) = (files.text(certificate), files.text(key));
        ask(&url, &["--ca-file", &ca, "--client-cert", &certificate, "--client-key", &key])
    };
    // A client's own certificate may be its authority, too.
    let (code, said) = with("client.pem", "client.key");
    assert!(code == Some(2) && said.contains(REACHED), "{said}");
    let (code, said) = ask(&url, &["--ca-file", &ca]);
    assert!(code == Some(8) && said.contains("asks for a client certificate"), "{said}");
    let (code, said) = with("stranger.pem", "stranger.key");
    assert!(code == Some(8) && said.contains("the client certificate"), "{said}");
    let (code, said) = with("client.pem", "stranger.key");
    assert!(
        code == Some(2) && said.contains("stranger.key is not the key of the client certificate"),
        "{said}"
    );
    let (code, said) = with("client.key", "client.key");
    assert!(code == Some(2) && said.contains("client.key: it holds no certificate"), "{said}");
    std::fs::write(
        files.text("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let (code, said) = with("client.pem", "locked.key");
    assert!(code == Some(2) && said.contains("the key is encrypted"), "{said}");
}

#[test]
fn a_server_that_speaks_in_clear_is_named() {
    let server = Serve::on("memory:", &[]);
    let files = Files::new();
    files.self_signed("any", &["localhost"], |_| {});
    let url = format!("https://{}", server.address);
    let (code, said) = ask(&url, &["--ca-file", &files.text("any.pem")]);
    assert!(code == Some(2) && said.contains("does not speak TLS"), "{said}");
}

#[test]
fn a_flow_answers_to_the_name_of_its_database() {
    let server = Serve::on("memory:", &[]);
    let mut to = TO;
    to[0].1 = "my shop/2";
    server.post("/v1/sync", &to, super::RECORDS.as_bytes()).expect(200);
    for path in ["my%20shop%2F2", "my%2520shop%252F2"] {
        server.get(&format!("/v1/flows/indexeddb/{path}/versions/latest")).expect(200);
    }
    server.get("/v1/flows/indexeddb/my%20shop/versions/latest").expect(404);
}
