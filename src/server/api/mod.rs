//! The operations of the server, one module each, without a transport.
//!
//! An operation is made when the head of a request is known, which checks its arguments and the
//! rights of its caller. It runs once the request has a slot, on a thread that may block. HTTP and
//! gRPC turn requests into operations, and results into responses.

pub(super) mod records;
pub(super) mod sources;
pub(super) mod sync;
pub(super) mod target;
pub(super) mod versions;

use super::refusal::Refusal;
use crate::failure::Failure;
use crate::history::HistoryError;

/// Returns a failed read as a refusal; a missing flow or version is not found.
pub(super) fn refused(error: HistoryError) -> Refusal {
    match error {
        HistoryError::NoFlow { .. } | HistoryError::NoVersion { .. } => {
            Refusal::not_found(error.to_string())
        }
        error => Failure::new(error.exit_status(), error.to_string()).into(),
    }
}
