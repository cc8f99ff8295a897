//! The HTTP client for all calls to servers: no redirects, no proxy for loopback addresses, rustls
//! with ring.

mod call_log;
#[cfg(feature = "otel")]
mod otlp;
mod tls_fault;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::header::HeaderValue;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};

use crate::certificate_trust::NamedServerVerifier;

pub use call_log::CallLog;
#[cfg(feature = "otel")]
pub use otlp::OtlpClient;
pub use tls_fault::{TlsFault, TlsFaultKind};

/// Idle connections are closed after this time, before NiFi and Registry drop them (30 s) without
/// notice.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Limit on the characters of a server's redirect address in a message.
const SHOWN_ADDRESS_CHARS: usize = 200;

/// PEM files: the trusted authorities, and the client's own certificate.
#[derive(Clone, Debug, Default)]
pub struct CertificateFiles {
    /// The certificates to trust instead of the system's: those of authorities, or the server's
    /// own.
    pub ca: Option<PathBuf>,
    /// The client certificate and its chain.
    pub client_cert: Option<PathBuf>,
    /// The client certificate's key.
    pub client_key: Option<PathBuf>,
}

/// A wrong setting that prevents creating a client. The message names files and contains no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    /// The fault.
    pub message: String,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Creates the client for a server; reads the certificates.
///
/// # Errors
///
/// A file cannot be read or contains no certificate.
pub fn client(
    server: &Url,
    files: &CertificateFiles,
    connect_timeout: Duration,
) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(concat!("nifi-idb/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true);
    if is_loopback(server) {
        builder = builder.no_proxy();
    }
    // Fails if the program has already chosen a provider, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let identity = match (&files.client_cert, &files.client_key) {
        (Some(certificate), Some(key)) => Some(identity(certificate, key)?),
        _ => None,
    };
    match (&files.ca, &files.client_cert, &files.client_key) {
        (Some(path), ..) => builder = builder.tls_backend_preconfigured(trusting(path, identity)?),
        // Only reqwest can load the system's authorities, so it gets the identity as PEM text.
        (None, Some(certificate), Some(key)) => {
            let pem = [read_file(certificate)?, b"\n".to_vec(), read_file(key)?].concat();
            let identity = reqwest::Identity::from_pem(&pem);
            builder = builder.identity(identity.map_err(|_| no_certificate(certificate))?);
        }
        _ => {}
    }
    let built = builder.build();
    built.map_err(|error| {
        wrong("no HTTP client can be made".to_owned(), Some(Box::new(error.without_url())))
    })
}

/// Returns true if the server is on this machine, by its address.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the target of a redirect without query and credentials, which may be secret, cut to 200
/// characters.
pub fn destination(location: &HeaderValue, asked: &Url) -> Option<String> {
    let mut url = asked.join(location.to_str().ok()?).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for URLs that cannot contain credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(url.as_str().chars().take(SHOWN_ADDRESS_CHARS).collect())
}

fn wrong(message: String, source: Option<Box<dyn Error + Send + Sync>>) -> ClientError {
    ClientError { message, source }
}

/// A certificate with its chain, and its key.
type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a client certificate and its key, and checks that they belong together.
fn identity(certificate: &Path, key: &Path) -> Result<ClientIdentity, ClientError> {
    let chain = certificates(certificate)?;
    let text = read_file(key)?;
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound if contains(&text, b"BEGIN ENCRYPTED PRIVATE KEY") => {
            let path = key.display();
            wrong(
                format!("{path}: the key is encrypted; decrypt it (openssl pkey -in … -out …)"),
                None,
            )
        }
        _ => wrong(
            format!(
                "{}: it holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1)",
                key.display()
            ),
            None,
        ),
    })?;
    let provider = rustls::crypto::ring::default_provider();
    match CertifiedKey::from_der(chain.clone(), private.clone_key(), &provider) {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let (key, certificate) = (key.display(), certificate.display());
            Err(wrong(
                format!("{key} is not the key of the client certificate {certificate}"),
                None,
            ))
        }
        Err(error) => {
            Err(wrong(format!("{}: the key cannot be used", key.display()), Some(Box::new(error))))
        }
        Ok(_) => Ok((chain, private)),
    }
}

/// Creates a TLS configuration that trusts only the certificates in a file.
fn trusting(path: &Path, identity: Option<ClientIdentity>) -> Result<ClientConfig, ClientError> {
    let unusable = |error: Box<dyn Error + Send + Sync>| {
        wrong(format!("{}: a certificate in it cannot be used", path.display()), Some(error))
    };
    let named = certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &named {
        roots.add(certificate.clone()).map_err(|error| unusable(Box::new(error)))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let web_pki =
        WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build();
    let web_pki = web_pki.map_err(|error| unusable(Box::new(error)))?;
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(Box::new(error)))?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NamedServerVerifier { web_pki, named }));
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(Box::new(error)))
        }
    }
}

/// Reads the certificates of a PEM file; there must be at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let text = read_file(path)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| no_certificate(path))
}

fn no_certificate(path: &Path) -> ClientError {
    wrong(format!("{}: it holds no certificate in PEM", path.display()), None)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn read_file(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path)
        .map_err(|error| wrong(format!("cannot read {}", path.display()), Some(Box::new(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_by_its_address() {
        for (text, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://r", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_redirect_is_named_without_its_query() {
        let asked = Url::parse("http://r:18080/nifi-registry-api").unwrap();
        let to = |text: &str| destination(&HeaderValue::from_str(text).unwrap(), &asked);
        assert_eq!(
            to("https://u:hunter2@sso.example/login?next=secret#x").as_deref(),
            Some("https://sso.example/login")
        );
        assert_eq!(to("/login").as_deref(), Some("http://r:18080/login"));
    }
}
