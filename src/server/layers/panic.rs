//! The response to a request whose task panicked. Panics on the request's thread are caught where
//! the thread starts.

use std::any::Any;

use axum::response::Response;

use super::super::answer::refuse;
use super::super::refusal::{Refusal, RefusalKind};
use super::super::service::BUG;

/// Responds over HTTP. The panic's message may contain data, so it is not repeated.
pub(super) fn http_response(_panic: Box<dyn Any + Send>) -> Response {
    tracing::warn!(thread = "serve", "panic caught");
    refuse(&Refusal::new(RefusalKind::Internal, BUG))
}

/// Responds over gRPC.
pub(super) fn grpc_response(_panic: Box<dyn Any + Send>) -> Response {
    tracing::warn!(thread = "serve", "panic caught");
    tonic::Status::internal(BUG).into_http()
}
