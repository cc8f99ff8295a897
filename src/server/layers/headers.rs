//! The headers of every HTTP response, and the time for which it may be open.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::Version;
use hyper::header::{CACHE_CONTROL, CONNECTION, HeaderValue, VARY};

use super::super::access::Peer;
use super::super::route_names::Protocol;
use super::super::tracked::AnswerDeadline;
use super::LayerState;

/// Time limit for reading a response that needed no slot.
const BRIEF: Duration = Duration::from_secs(30);

/// Adds the headers.
pub(super) async fn add(State(state): State<LayerState>, request: Request, next: Next) -> Response {
    if state.protocol == Protocol::Grpc {
        return next.run(request).await;
    }
    let has_close_header = request.version() < Version::HTTP_2;
    let is_reserved = Peer::of(&request).is_reserved;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if has_close_header && (state.server.slots.is_draining() || is_reserved) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if response.extensions().get::<AnswerDeadline>().is_none() {
        response.extensions_mut().insert(AnswerDeadline((Instant::now() + BRIEF).into()));
    }
    response
}
