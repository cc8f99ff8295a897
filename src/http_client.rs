//! The HTTP client of everything that speaks to a server: no redirects, no proxy for loopback, rustls with ring.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;

/// Idle connections are dropped after this long, before NiFi and Registry drop them (30 s) without notice.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// PEM files: whom to trust, and who we are.
#[derive(Clone, Debug, Default)]
pub struct CertificateFiles {
    /// The certificate authorities to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate and its chain.
    pub client_cert: Option<PathBuf>,
    /// The client certificate's key.
    pub client_key: Option<PathBuf>,
}

/// No client can be made: a wrong setting. Names files, holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    /// What is wrong.
    pub message: String,
    /// What lies below it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Makes the client for a server; reads the certificates.
///
/// # Errors
///
/// A file that cannot be read or holds no certificate.
pub fn client(server: &Url, files: &CertificateFiles, connect_timeout: Duration) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(concat!("nifi-idb/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true);
    if is_loopback(server) {
        builder = builder.no_proxy();
    }
    // Fails if the program has chosen a provider already, which then is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(path) = &files.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(&read_file(path)?).map_err(|_| no_pem(path))?;
        if certificates.is_empty() {
            return Err(no_pem(path));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(certificate), Some(key)) = (&files.client_cert, &files.client_key) {
        let pem = [read_file(certificate)?, b"\n".to_vec(), read_file(key)?].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|_| no_pem(certificate))?);
    }
    let built = builder.build();
    built.map_err(|error| wrong("no HTTP client can be made".to_owned(), Some(Box::new(error.without_url()))))
}

/// Whether the server is on this machine, by its address.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn wrong(message: String, source: Option<Box<dyn Error + Send + Sync>>) -> ClientError {
    ClientError { message, source }
}

fn no_pem(path: &Path) -> ClientError {
    wrong(format!("no PEM certificate (or no key for it): {}", path.display()), None)
}

fn read_file(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|error| wrong(format!("cannot read {}", path.display()), Some(Box::new(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_by_its_address() {
        for (text, expected) in
            [("http://127.0.0.1:1", true), ("http://[::1]", true), ("http://localhost", true), ("http://r", false)]
        {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }
}
