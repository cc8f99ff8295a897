//! TLS: the server's certificate, and the authorities that are trusted to identify clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::certificate_trust::NamedClientVerifier;
use crate::config::ConfigError;

/// The files of TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate and its chain (PEM).
    pub certificate: PathBuf,
    /// The certificate's key (PEM).
    pub key: PathBuf,
    /// The authorities of clients (PEM); `None`: clients have no certificates.
    pub client_ca: Option<PathBuf>,
    /// True if a client without a certificate may connect, because it may have a token.
    pub is_certificate_optional: bool,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is wrong; the message names the flag and the file.
    pub fn open(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new(error.to_string()))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let wrong = |error: &dyn std::fmt::Display| about("--client-ca", path, error);
                let mut roots = RootCertStore::empty();
                let named = certificates("--client-ca", path)?;
                for certificate in named.clone() {
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = if self.is_certificate_optional {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                let web_pki = verifier.build().map_err(|error| wrong(&error))?;
                builder.with_client_cert_verifier(Arc::new(NamedClientVerifier { web_pki, named }))
            }
        };
        let chain = certificates("--tls-cert", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| about("--tls-key", &self.key, &error))?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| about("--tls-cert", &self.certificate, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(about(flag, path, &"it holds no certificate")),
        all => all.map_err(|error| about(flag, path, &error)),
    }
}

fn about(flag: &str, path: &Path, what: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new(format!("{flag} {}: {what}", path.display()))
}
