//! HTTP responses: status, headers and body. Small bodies are sent whole, large ones in pieces from
//! the thread that writes them.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::body::{Body, PieceWriter, StreamSender, stream, whole};
use super::refusal::{Refusal, RefusalKind};
use crate::flowfile::names;
use crate::snapshot::manifest::canonical_json;

/// The media type of NDJSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The media type of FlowFile packages.
pub(super) const FLOWFILE_V3: &str = "application/flowfile-v3";

/// The header with the reason for a refusal; named like the attribute.
pub(super) const ERROR: &str = names::ERROR;

/// Returns the HTTP status of a refusal. InvokeHTTP retries 5xx only, so only failures that may go
/// away by themselves, and bugs, map to 5xx; for the same reason there is no 408 and no 429.
pub(super) fn http_status(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::BadRequest => StatusCode::BAD_REQUEST,
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        RefusalKind::Question => StatusCode::CONFLICT,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::UnsupportedContent => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::StoreRefuses => StatusCode::FAILED_DEPENDENCY,
        RefusalKind::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Makes a response whose body is complete.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Makes the response for a refusal: one line, with the message repeated as a header.
pub(super) fn refuse(refusal: &Refusal) -> Response<Body> {
    let line = canonical_json(&json!({"message": refusal.message, "type": "error"}));
    let mut response = answer(http_status(refusal.kind), NDJSON, line + "\n");
    if let Some(value) = header_value(&refusal.message) {
        response.headers_mut().insert(HeaderName::from_static(ERROR), value);
    }
    response
}

/// Returns a text as a header's value if it is printable ASCII.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    HeaderValue::from_str(text).ok().filter(|_| printable)
}

/// Sets a header if the value is valid in one.
pub(super) fn set_header(response: &mut Response<Body>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).ok();
    if let (Some(name), Some(value)) = (name, header_value(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// The sender of a thread's response: first the head, then the body.
pub(super) struct Reply {
    handle: Handle,
    idle: Duration,
    deadline: Instant,
    head: Option<oneshot::Sender<Response<Body>>>,
}

impl Reply {
    /// Makes a sender. The client may stop reading for at most `idle`, and must have read
    /// everything by `deadline`.
    pub(super) fn new(
        handle: Handle,
        idle: Duration,
        deadline: Instant,
        head: oneshot::Sender<Response<Body>>,
    ) -> Self {
        Self { handle, idle, deadline, head: Some(head) }
    }

    /// Sends a complete response. A client that has disconnected is ignored.
    pub(super) fn send(mut self, response: Response<Body>) {
        if let Some(head) = self.head.take() {
            let _ = head.send(response);
        }
    }

    /// Sends the output of `write` with the status and headers of `response`. A failure of `write`
    /// replaces the response if nothing was sent yet; later it cuts the body off.
    pub(super) fn send_written(
        mut self,
        response: Response<Body>,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Refusal>,
    ) {
        let (parts, _) = response.into_parts();
        let mut parts = Some(parts);
        let mut sender: Option<StreamSender> = None;
        let (head, handle, idle, deadline) =
            (&mut self.head, &self.handle, self.idle, self.deadline);
        let mut writer = PieceWriter::new(|bytes| {
            if let (Some(head), Some(parts)) = (head.take(), parts.take()) {
                let (sending, body) = stream(idle, deadline);
                sender = Some(sending);
                head.send(Response::from_parts(parts, body))
                    .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            }
            sender.as_ref().map_or(Ok(()), |sender| sender.send(handle, bytes))
        });
        let written = write(&mut writer);
        let rest = writer.into_rest();
        match (written, sender) {
            (Err(_), Some(_)) => {}
            // The client may have stopped reading.
            (Ok(()), Some(sender)) => {
                drop(sender.send(handle, rest.into()).and_then(|()| sender.end(handle)))
            }
            (written, None) => {
                let parts = parts.take();
                let response = match (written, parts) {
                    (Ok(()), Some(parts)) => Response::from_parts(parts, whole(rest)),
                    (Err(refusal), _) => refuse(&refusal),
                    (Ok(()), None) => return,
                };
                self.send(response);
            }
        }
    }
}
