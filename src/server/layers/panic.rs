//! The response to a request whose task panicked. Panics on the request's thread are caught where
//! the thread starts.

use std::any::Any;

use axum::response::Response;

use super::super::answer::refuse;
use super::super::refusal::{BUG, Refusal, RefusalKind};

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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use hyper::Request;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    /// Responds to a request whose handler panics.
    fn respond(to_panic: fn(Box<dyn Any + Send>) -> Response) -> Response {
        let panicking = || async {
            if true {
                std::panic::panic_any("hunter2");
            }
        };
        let routes =
            Router::new().route("/", get(panicking)).layer(CatchPanicLayer::custom(to_panic));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(routes.oneshot(Request::new(Body::empty()))).unwrap()
    }

    #[test]
    fn a_panic_is_answered_in_the_protocol_of_its_request() {
        let http = respond(http_response);
        assert!(http.status() == 500 && http.headers()["sync.error"] == BUG);
        let grpc = respond(grpc_response);
        assert!(grpc.status() == 200 && grpc.headers()["grpc-status"] == "13");
    }
}
