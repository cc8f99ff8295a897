//! What a call without an answer means: whether it may have been carried out, and what to do about it.

use std::error::Error as _;

use crate::store::{StoreError, StoreErrorKind};

/// A call without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether the server may have got the request.
    pub(super) sent: bool,
    pub(super) error: StoreError,
}

/// A failure before anything was sent.
pub(super) fn unsent(error: StoreError) -> Failure {
    Failure { sent: false, error }
}

/// Classifies what the HTTP client says.
pub(super) fn failure(error: reqwest::Error, method: &str, path: &str) -> Failure {
    let error = error.without_url();
    let (timeout, connect) = (error.is_timeout(), error.is_connect());
    let mut cause = error.to_string();
    let mut kind = StoreErrorKind::Transient;
    let mut below = error.source();
    while let Some(error) = below {
        cause = error.to_string();
        kind = tls_kind(error).unwrap_or(kind);
        below = error.source();
    }
    if timeout {
        cause = if connect { "no connection in time".to_owned() } else { "no answer in time".to_owned() };
    }
    let message = format!("{cause}: {method} {path}");
    Failure { sent: !connect, error: StoreError { kind, message, source: Some(Box::new(error)) } }
}

/// What a failure of TLS means; `None` for any other error, and for one that may go away.
fn tls_kind(error: &(dyn std::error::Error + 'static)) -> Option<StoreErrorKind> {
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        // Errors of TLS come wrapped, more than once; source() would pass over what is wrapped.
        return tls_kind(error.get_ref()?);
    }
    let error = error.downcast_ref::<rustls::Error>()?;
    match error {
        rustls::Error::InvalidCertificate(_) => Some(StoreErrorKind::Configuration),
        rustls::Error::AlertReceived(_) => Some(StoreErrorKind::Denied),
        rustls::Error::InvalidMessage(_) => Some(StoreErrorKind::Configuration),
        _ => None,
    }
}
