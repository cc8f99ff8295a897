//! The layers around the routes of HTTP and gRPC: one stack for both.
//!
//! Written by hand, because no layer of tower or tower-http does it:
//!
//! - the limit of requests at once: slots are shared fairly between clients ([`super::slots`]);
//! - the deadline: it also covers the body of the request and of the response
//!   ([`super::body`], [`super::tracked`]);
//! - the limit of a body: a refused body is read to its end, and the refusal names the flag;
//! - CORS: a page of a foreign origin is refused, not only hidden ([`super::cors`]);
//! - the request id: an invalid one is replaced ([`identity`]).

mod admit;
mod count;
mod door;
mod headers;
mod identity;
mod observe;
mod panic;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use hyper::header::{EXPECT, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub(super) use self::admit::{Needs, admit, check};
use super::answer::refuse;
use super::body::discard;
use super::grpc_status::status;
use super::refusal::{Refusal, RefusalKind};
use super::route_names::Protocol;
use super::state::Server;

/// The name in metrics of a request that never reached its route.
#[derive(Clone, Copy)]
struct RouteLabel(&'static str);

/// The state of every layer.
#[derive(Clone)]
pub(super) struct LayerState {
    pub(super) server: Arc<Server>,
    pub(super) protocol: Protocol,
}

impl LayerState {
    /// Refuses a request before its body is read. The body is read and discarded in the background,
    /// so that a client that sends everything before it reads sees the response; a client that
    /// waits for `100 Continue` sends nothing.
    pub(super) fn turn_away(&self, refusal: &Refusal, request: Request) -> Response {
        if !request.headers().contains_key(EXPECT) {
            let limits = &self.server.limits;
            tokio::spawn(discard(request.into_body(), limits.max_body_bytes, limits.idle));
        }
        match self.protocol {
            Protocol::Http => with_hint(refuse(refusal), refusal.kind),
            Protocol::Grpc => status(refusal).into_http(),
        }
    }
}

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// Adds the header that tells a client what it may do next.
fn with_hint(mut response: Response, kind: RefusalKind) -> Response {
    let (name, value) = match kind {
        RefusalKind::Unauthenticated => (WWW_AUTHENTICATE, "Bearer"),
        RefusalKind::Unavailable => (RETRY_AFTER, RETRY_AFTER_SECONDS),
        _ => return response,
    };
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// Wraps the routes of a protocol in all layers. A request passes them from top to bottom, its
/// response from bottom to top.
pub(super) fn stack(routes: Router, server: &Arc<Server>, protocol: Protocol) -> Router {
    let state = LayerState { server: Arc::clone(server), protocol };
    let panicked = match protocol {
        Protocol::Http => panic::http_response,
        Protocol::Grpc => panic::grpc_response,
    };
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), observe::observe))
            .layer(from_fn_with_state(state.clone(), count::count))
            .layer(from_fn_with_state(state.clone(), headers::add))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn_with_state(state, door::check)),
    )
}
