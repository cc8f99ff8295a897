//! Metrics: counts each request when its response begins.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::super::grpc_status::outcome;
use super::super::route_names::Protocol;
use super::{LayerState, RouteLabel};

/// Counts a request.
pub(super) async fn count(
    State(state): State<LayerState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let label = state.protocol.label(&request);
    let response = next.run(request).await;
    let label = response.extensions().get::<RouteLabel>().map_or(label, |label| label.0);
    let status = match state.protocol {
        Protocol::Http => Cow::Owned(response.status().as_str().to_owned()),
        Protocol::Grpc => outcome(&response),
    };
    state.server.metrics.request(state.protocol.name(), label, status, started.elapsed());
    response
}
