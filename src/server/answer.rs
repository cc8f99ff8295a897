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
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::names;
use crate::snapshot::manifest::canonical_json;

/// The media type of NDJSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The media type of FlowFile packages.
pub(super) const FLOWFILE_V3: &str = "application/flowfile-v3";

/// The header with the reason for a refusal; named like the attribute.
pub(super) const ERROR: &str = names::ERROR;

/// A failure as a response, before anything else was sent.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The reason, for people and logs; without data.
    pub(super) message: String,
    /// The equivalent exit status.
    pub(super) exit: ExitStatus,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let exit = if status == StatusCode::SERVICE_UNAVAILABLE {
            ExitStatus::Transient
        } else {
            ExitStatus::Usage
        };
        Self { status, message: message.into(), exit }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = if failure.is_no_room {
            StatusCode::INSUFFICIENT_STORAGE
        } else {
            http_status(failure.status)
        };
        Self { exit: failure.status, ..Self::new(status, failure.message) }
    }
}

/// Returns the HTTP status of an exit status. InvokeHTTP retries 5xx only, so only failures that
/// may go away by themselves, and bugs, map to 5xx.
pub(super) fn http_status(status: ExitStatus) -> StatusCode {
    match status {
        ExitStatus::Done | ExitStatus::Review => StatusCode::OK,
        ExitStatus::Usage => StatusCode::BAD_REQUEST,
        ExitStatus::Transient | ExitStatus::Interrupted | ExitStatus::Terminated => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ExitStatus::Input => StatusCode::UNPROCESSABLE_ENTITY,
        ExitStatus::Guard => StatusCode::CONFLICT,
        ExitStatus::Refused | ExitStatus::Denied => StatusCode::FAILED_DEPENDENCY,
        ExitStatus::Internal => StatusCode::INTERNAL_SERVER_ERROR,
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
    let mut response = answer(refusal.status, NDJSON, line + "\n");
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
