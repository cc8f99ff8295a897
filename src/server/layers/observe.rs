//! The span of a request, which every event that belongs to it carries, and its line in the log.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::HeaderValue;
use tonic::Status;
use tracing::Instrument;
use tracing::Span;

use super::super::answer::ERROR;
use super::super::facts::RequestFacts;
use super::super::grpc_status::{code_name, outcome};
use super::super::route_names::Protocol;
use super::super::tracked::AnswerDeadline;
use super::LayerState;
use super::identity::{REQUEST_ID, request_id, trace_id};
use crate::trace_context::{TRACE_PARENT, continue_trace};

/// Gives a request its id and its span, and logs one line when its response has ended.
pub(super) async fn observe(
    State(state): State<LayerState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let trace = trace_id(request.headers());
    // An error's level, so that no filter takes the id away from a warning.
    let span = tracing::error_span!("request", request = id.as_str(), trace = trace.as_deref());
    if let Some(parent) = request.headers().get(TRACE_PARENT).and_then(|it| it.to_str().ok()) {
        continue_trace(&span, parent);
    }
    let facts = RequestFacts::default();
    request.extensions_mut().insert(facts.clone());
    let mut line = RequestLine {
        span: span.clone(),
        protocol: state.protocol,
        method: request.method().clone(),
        route: state.protocol.template(&request),
        started: Instant::now(),
        facts,
        status: Cow::Borrowed("none"),
        error: None,
        deadline: None,
        is_sent: false,
    };
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    line.begin(&response);
    response.map(|body| Body::new(LoggedBody { body, line }))
}

/// The line of a request in the log. It is written when this is dropped, however the request ends.
struct RequestLine {
    span: Span,
    protocol: Protocol,
    method: Method,
    route: String,
    started: Instant,
    facts: RequestFacts,
    status: Cow<'static, str>,
    error: Option<String>,
    deadline: Option<tokio::time::Instant>,
    /// True if the whole response was handed to the connection.
    is_sent: bool,
}

impl RequestLine {
    /// Notes the head of the response.
    fn begin(&mut self, response: &Response) {
        self.deadline = response.extensions().get::<AnswerDeadline>().map(|deadline| deadline.0);
        match self.protocol {
            Protocol::Http => {
                self.status = response.status().as_str().to_owned().into();
                let error = response.headers().get(ERROR);
                self.error = error.and_then(|value| value.to_str().ok()).map(str::to_owned);
            }
            Protocol::Grpc => {
                self.status = outcome(response);
                self.note_status(Status::from_header_map(response.headers()));
            }
        }
        // The body of a response to HEAD is never read.
        self.is_sent = self.method == Method::HEAD || response.body().is_end_stream();
    }

    /// Notes the status of a gRPC call, which may come at its end.
    fn note_status(&mut self, status: Option<Status>) {
        if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
            self.status = code_name(status.code());
            self.error = Some(status.message().to_owned());
        }
    }

    /// Logs that the client did not get its whole response.
    fn warn_of_lost_response(&self) {
        let now = tokio::time::Instant::now();
        match self.deadline {
            Some(deadline) if deadline <= now => {
                tracing::warn!(error = "the response was cut off at its deadline", "slow client");
            }
            Some(_) => {
                tracing::warn!(error = "the response was not read to its end", "client gone");
            }
            None => tracing::warn!(error = "there was no response yet", "client gone"),
        }
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let _in_span = self.span.enter();
        if !self.is_sent {
            self.warn_of_lost_response();
        }
        let known = self.facts.known();
        let counts = known.counts.as_ref();
        tracing::info!(
            protocol = self.protocol.name(),
            method = self.method.as_str(),
            route = self.route.as_str(),
            status = self.status.as_ref(),
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            client = known.client.as_deref(),
            bucket = known.bucket.as_deref(),
            flow = known.flow.as_deref(),
            version = known.version,
            source = known.source.as_deref(),
            outcome = known.outcome,
            flowfiles = known.flowfiles,
            received = counts.map(|counts| counts.received),
            put = counts.map(|counts| counts.put),
            deleted = counts.map(|counts| counts.deleted),
            unchanged = counts.map(|counts| counts.unchanged),
            rejected = counts.map(|counts| counts.rejected),
            conflicts = counts.map(|counts| counts.conflicts),
            parked = counts.map(|counts| counts.parked),
            error = self.error.as_deref(),
            "request ended"
        );
    }
}

/// A response's body that notes its end.
struct LoggedBody {
    body: Body,
    line: RequestLine,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.line.is_sent = true,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.line.note_status(Status::from_header_map(trailers));
                    self.line.is_sent = true;
                }
                self.line.is_sent |= self.body.is_end_stream();
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
