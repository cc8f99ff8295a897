//! A response's body that reports its end, and does not stay open for longer than its request may
//! take.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Body;
use super::connections::ActiveRequest;

/// Extra time for the last piece of a response after the request's deadline.
pub(super) const LAST_PIECE: Duration = Duration::from_secs(2);

/// The time until which a response may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerDeadline(pub(super) Instant);

/// The trailer of a gRPC response that was open for too long: UNAVAILABLE, so that its caller tries
/// again.
const GRPC_STATUS: (&str, &str) = ("grpc-status", "14");

struct Tracked {
    body: Body,
    _active: ActiveRequest,
    deadline: Option<Pin<Box<Sleep>>>,
    is_grpc: bool,
    is_over: bool,
}

/// Ties a response to its request: the request is under way until the response was sent or
/// abandoned.
pub(super) fn tracked(response: Response<Body>, active: ActiveRequest) -> Response<Body> {
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_grpc =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let deadline = response.extensions().get::<AnswerDeadline>().map(|deadline| deadline.0);
    if let Some(deadline) = deadline {
        active.ends_by(deadline);
    }
    let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
    response
        .map(|body| Body::new(Tracked { body, _active: active, deadline, is_grpc, is_over: false }))
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let late = this
            .deadline
            .as_mut()
            .is_some_and(|deadline| deadline.as_mut().poll(context).is_ready());
        if !late {
            return Poll::Pending;
        }
        this.is_over = true;
        if this.is_grpc {
            let status = HeaderMap::from_iter([(
                hyper::header::HeaderName::from_static(GRPC_STATUS.0),
                HeaderValue::from_static(GRPC_STATUS.1),
            )]);
            return Poll::Ready(Some(Ok(Frame::trailers(status))));
        }
        Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
