//! Classifies calls without a response: whether they may have been carried out, and what to do
//! about it.

use std::error::Error as _;

use crate::http_client::{TlsFault, TlsFaultKind};
use crate::store::{StoreError, StoreErrorKind};

/// A call without a response.
#[derive(Debug)]
pub(super) struct CallFailure {
    /// True if the server may have received the request.
    pub(super) sent: bool,
    pub(super) error: StoreError,
}

/// A failure before anything was sent.
pub(super) fn unsent(error: StoreError) -> CallFailure {
    CallFailure { sent: false, error }
}

/// Classifies an error of the HTTP client for `call`, a method and an address.
pub(super) fn failure(
    error: reqwest::Error,
    call: &str,
    has_client_certificate: bool,
) -> CallFailure {
    let error = error.without_url();
    let (timeout, connect) = (error.is_timeout(), error.is_connect());
    let mut cause = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        cause = error.to_string();
        below = error.source();
    }
    if timeout {
        cause = if connect {
            "no connection in time".to_owned()
        } else {
            "no answer in time".to_owned()
        };
    }
    let (kind, hint) = match TlsFault::find(&error, has_client_certificate) {
        None => (StoreErrorKind::Transient, String::new()),
        Some(fault) => {
            let kind = match fault.kind {
                TlsFaultKind::Setting => StoreErrorKind::Configuration,
                TlsFaultKind::Denied => StoreErrorKind::Denied,
            };
            (kind, format!("; {}", fault.hint))
        }
    };
    let message = format!("{cause}: {call}{hint}");
    CallFailure {
        sent: !connect,
        error: StoreError { kind, message, source: Some(Box::new(error)) },
    }
}
