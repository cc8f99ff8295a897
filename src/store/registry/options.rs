//! Connection options of a Registry, checked before anything is sent.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::Client;

use super::auth::Credentials;
use crate::http_client::{self, CertificateFiles};
use crate::store::{StoreError, StoreErrorKind};

/// Connection options of a Registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// `http(s)://host:port`, with or without `/nifi-registry-api`.
    pub url: String,
    /// PEM file of the certificate authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate chain.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub client_key_file: Option<PathBuf>,
    /// Token, or user and password.
    pub credentials: Credentials,
    /// Time limit for one connection attempt.
    pub connect_timeout: Duration,
    /// Time limit for one call, from its start to the last byte of the answer.
    pub call_timeout: Duration,
    /// Point in time at which all calls must be finished.
    pub deadline: Option<Instant>,
    /// The number of retries of a read, or of a call that was not sent.
    pub retries: u32,
}

impl RegistryOptions {
    /// The Registry at `url`, without credentials: 10 s to connect, 120 s per call, 4 retries, no
    /// deadline.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            credentials: Credentials::None,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(120),
            deadline: None,
            retries: 4,
        }
    }

    /// Makes the HTTP client; reads the certificates.
    pub(super) fn client(&self, base: &Url) -> Result<Client, StoreError> {
        let files = CertificateFiles {
            ca: self.ca_file.clone(),
            client_cert: self.client_cert_file.clone(),
            client_key: self.client_key_file.clone(),
        };
        http_client::client(base, &files, self.connect_timeout)
            .map_err(|error| StoreError { source: error.source, ..misconfigured(&error.message) })
    }
}

/// `http(s)://host[:port]/…/nifi-registry-api`.
pub(super) fn base_url(text: &str) -> Result<Url, StoreError> {
    let error =
        || misconfigured("not the URL of a NiFi Registry (http://host:port or https://host:port)");
    let mut url = Url::parse(text.trim()).map_err(|_| error())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(error());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(misconfigured(
            "the Registry's URL holds credentials: give them in the environment or a file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error());
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/nifi-registry-api");
    // People copy the address of the user interface.
    let path = format!("{}/nifi-registry-api", path.trim_end_matches("/nifi-registry"));
    url.set_path(&path);
    Ok(url)
}

pub(super) fn misconfigured(message: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_a_registry() {
        let base =
            |text: &str| base_url(text).map(|url| url.to_string()).map_err(|error| error.kind);
        let expected = Ok("http://r:18080/nifi-registry-api".to_owned());
        for text in [
            "http://r:18080",
            "http://r:18080/",
            "http://r:18080/nifi-registry-api/",
            "http://r:18080/nifi-registry",
        ] {
            assert_eq!(base(text), expected, "{text}");
        }
        assert_eq!(base("https://p/a"), Ok("https://p/a/nifi-registry-api".to_owned()));
        for text in ["", "r:18080", "ftp://r", "http://u:p@r", "http://r?x", "http://r#x"] {
            assert_eq!(base(text), Err(StoreErrorKind::Configuration), "{text}");
        }
        assert!(!base_url("http://u:hunter2@r").unwrap_err().message.contains("hunter2"));
    }
}
