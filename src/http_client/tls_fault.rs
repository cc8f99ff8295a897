//! Explanations of TLS failures: the cause, and the step that fixes it.

use std::error::Error;

use rustls::{AlertDescription, CertificateError};

/// The kind of a TLS failure, by who can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFaultKind {
    /// A setting on this side or at the server is wrong; a retry changes nothing.
    Setting,
    /// The server does not accept the client's identity.
    Denied,
}

/// A TLS failure that no retry can fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// The kind of failure.
    pub kind: TlsFaultKind,
    /// The next step. It names settings, not flags, because the CLI and the server have different
    /// ones.
    pub hint: &'static str,
}

impl TlsFault {
    /// Finds a TLS failure in a chain of errors; `None` if there is none, or if it may be
    /// temporary.
    ///
    /// `has_client_certificate`: true if the client offered a certificate.
    pub fn find(error: &(dyn Error + 'static), has_client_certificate: bool) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) =
                rustls_error(error).and_then(|it| Self::of(it, has_client_certificate))
            {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }

    fn of(error: &rustls::Error, has_client_certificate: bool) -> Option<Self> {
        use rustls::Error as Tls;
        let setting = |hint| Some(Self { kind: TlsFaultKind::Setting, hint });
        match error {
            Tls::InvalidCertificate(cause) => setting(certificate_hint(cause)),
            Tls::InvalidMessage(_) => setting(
                "the server does not speak TLS there: is the address http://, or another port?",
            ),
            Tls::PeerIncompatible(_) | Tls::AlertReceived(AlertDescription::ProtocolVersion) => {
                setting(
                    "the server offers no TLS 1.2 or 1.3 that fits: update it, or allow TLS 1.2 \
                     there",
                )
            }
            Tls::AlertReceived(AlertDescription::UnrecognisedName) => setting(
                "the server knows no host of that name: use a name that its certificate has",
            ),
            Tls::AlertReceived(alert) => Some(Self {
                kind: TlsFaultKind::Denied,
                hint: alert_hint(*alert, has_client_certificate),
            }),
            _ => None,
        }
    }
}

/// Returns the next step after this side refused the server's certificate.
fn certificate_hint(cause: &CertificateError) -> &'static str {
    match cause {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or the clock here is wrong: renew the \
             certificate"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is the clock right, here and where it was \
             made?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for other names: use one of those in the address"
        }
        CertificateError::UnknownIssuer | CertificateError::Other(_) => {
            "give a CA file with the authority that signed the server's certificate, or with that \
             certificate itself"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not made for servers (extended key usage): make another"
        }
        CertificateError::Revoked => {
            "the server's certificate was revoked: the server needs a new one"
        }
        _ => {
            "the server's certificate cannot be used: make another, with SHA-256 and the host's \
             name"
        }
    }
}

/// Returns the next step after the server refused the client.
fn alert_hint(alert: AlertDescription, has_client_certificate: bool) -> &'static str {
    if !has_client_certificate {
        return match alert {
            AlertDescription::HandshakeFailure => {
                "the server probably asks for a client certificate: give one, with its key"
            }
            _ => "the server asks for a client certificate: give one, with its key",
        };
    }
    match alert {
        AlertDescription::UnknownCA => {
            "the server does not trust the authority that signed the client certificate: add it to \
             the server's truststore"
        }
        AlertDescription::CertificateExpired => "the client certificate has expired: renew it",
        AlertDescription::CertificateRevoked => "the client certificate was revoked: get another",
        _ => {
            "the server does not accept the client certificate: is its authority in the server's \
             truststore?"
        }
    }
}

/// Returns the TLS error that `error` is or wraps. I/O errors may wrap TLS errors more than once,
/// and `source` skips the wrapped error.
fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => rustls_error(error.get_ref()?),
        None => error.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(error: rustls::Error, has_client_certificate: bool) -> &'static str {
        let wrapped = std::io::Error::other(std::io::Error::other(error));
        TlsFault::find(&wrapped, has_client_certificate).map_or("none", |fault| fault.hint)
    }

    #[test]
    fn each_failure_has_its_own_hint() {
        let certificate = |cause| hint(rustls::Error::InvalidCertificate(cause), false);
        assert!(certificate(CertificateError::Expired).contains("has expired"));
        assert!(certificate(CertificateError::NotValidYet).contains("clock"));
        assert!(certificate(CertificateError::NotValidForName).contains("other names"));
        assert!(certificate(CertificateError::UnknownIssuer).contains("CA file"));
        let alert = |alert, has| hint(rustls::Error::AlertReceived(alert), has);
        assert!(
            alert(AlertDescription::CertificateRequired, false)
                .starts_with("the server asks for a client")
        );
        assert!(
            alert(AlertDescription::BadCertificate, false)
                .starts_with("the server asks for a client")
        );
        assert!(alert(AlertDescription::UnknownCA, true).contains("truststore"));
        assert!(alert(AlertDescription::CertificateExpired, true).contains("has expired"));
        assert!(alert(AlertDescription::ProtocolVersion, false).contains("TLS 1.2"));
    }

    #[test]
    fn what_may_go_away_is_no_fault() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(TlsFault::find(&reset, false), None);
        assert_eq!(hint(rustls::Error::General("x".to_owned()), false), "none");
    }
}
