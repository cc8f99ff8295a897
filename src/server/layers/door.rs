//! The checks of every request: the name by which it calls the server, and the origin of its page.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::super::cors;
use super::super::host::HostNames;
use super::super::refusal::Refusal;
use super::super::request::is_decodable;
use super::super::route_names::{OTHER, Protocol};
use super::{LayerState, RouteLabel};

/// Refuses a request whose host cannot be read, or whose page is a stranger. Answers preflights.
pub(super) async fn check(
    State(state): State<LayerState>,
    mut request: Request,
    next: Next,
) -> Response {
    // A page cannot send a gRPC content type without a preflight, and a preflight does not allow
    // it; but its origin is checked all the same.
    let origin = state.server.access.origins.check(request.headers());
    let refused = |refusal: &Refusal, request| {
        let mut response = state.turn_away(refusal, request);
        response.extensions_mut().insert(RouteLabel(OTHER));
        response
    };
    let mut response = match (HostNames::of(&request), &origin) {
        (Err(refusal), _) => refused(&refusal, request),
        (_, Err(refusal)) => refused(refusal, request),
        (Ok(_), Ok(_)) if state.protocol == Protocol::Http && cors::is_preflight(&request) => {
            let mut response = cors::preflight(&request);
            response.extensions_mut().insert(RouteLabel("preflight"));
            response
        }
        // The router would take a wrong `%` for a text.
        _ if state.protocol == Protocol::Http && !is_decodable(request.uri().path()) => {
            refused(&Refusal::bad_request("the path is not percent-encoded UTF-8"), request)
        }
        (Ok(hosts), Ok(_)) => {
            request.extensions_mut().insert(hosts);
            next.run(request).await
        }
    };
    if let (Protocol::Http, Ok(Some(origin))) = (state.protocol, origin) {
        cors::allow(origin, &mut response);
    }
    response
}
