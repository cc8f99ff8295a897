//! The protocols of the one port. The content type of a request decides between HTTP and gRPC.

use std::sync::Arc;

use axum::Router;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response};
use tonic_health::server::HealthReporter;
use tower::ServiceExt;

use super::access::Peer;
use super::body::Body;
use super::grpc;
use super::http;
use super::layers::stack;
use super::route_names::Protocol;
use super::state::Server;

/// The routes of both protocols, in their layers.
#[derive(Clone)]
pub(super) struct Protocols {
    http: Router,
    grpc: Router,
}

impl Protocols {
    /// Makes the routes, each in its layers.
    pub(super) fn new(
        server: &Arc<Server>,
        health: HealthReporter,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let grpc = grpc::routes(server, health)?;
        Ok(Self {
            http: stack(http::routes(server), server, Protocol::Http),
            grpc: stack(grpc, server, Protocol::Grpc),
        })
    }

    /// Responds to a request that came from `peer`.
    pub(super) async fn respond(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Response<Body> {
        let is_grpc = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let routes = if is_grpc { &self.grpc } else { &self.http };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}
