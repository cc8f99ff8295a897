//! What goes out over HTTP: a status, headers, a body; small ones whole, large ones in pieces from the thread that makes
//! them.

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

/// NDJSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// FlowFile packages.
pub(super) const FLOWFILE_V3: &str = "application/flowfile-v3";

/// The header that says why something is not done; as the attribute of that name.
pub(super) const ERROR: &str = names::ERROR;

/// A failure as an answer, before anything else was sent.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status.
    pub(super) status: StatusCode,
    /// Why, for people and logs; without data.
    pub(super) message: String,
    /// The exit status that it stands for.
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

/// The HTTP status of an exit status. InvokeHTTP retries 5xx only, so nothing but what may go away by itself has one.
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

/// An answer that is there already.
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

/// The answer to what is not done: one line, and its message as a header too.
pub(super) fn refuse(refusal: &Refusal) -> Response<Body> {
    let line = canonical_json(&json!({"message": refusal.message, "type": "error"}));
    let mut response = answer(refusal.status, NDJSON, line + "\n");
    if let Some(value) = header_value(&refusal.message) {
        response.headers_mut().insert(HeaderName::from_static(ERROR), value);
    }
    response
}

/// A text as a header's value, if it is printable ASCII.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    HeaderValue::from_str(text).ok().filter(|_| printable)
}

/// What a thread answers with: first the head, then the body.
pub(super) struct Reply {
    handle: Handle,
    idle: Duration,
    deadline: Instant,
    head: Option<oneshot::Sender<Response<Body>>>,
}

impl Reply {
    /// A reader may stand still for `idle`, and has to have read all by `deadline`.
    pub(super) fn new(
        handle: Handle,
        idle: Duration,
        deadline: Instant,
        head: oneshot::Sender<Response<Body>>,
    ) -> Self {
        Self { handle, idle, deadline, head: Some(head) }
    }

    /// Sends an answer that is there already. Whoever asked may be gone: nothing is to be done about it.
    pub(super) fn send(mut self, response: Response<Body>) {
        if let Some(head) = self.head.take() {
            let _ = head.send(response);
        }
    }

    /// Sends what `write` writes, with the status and headers of `response`. As long as nothing was sent, a failure of
    /// `write` gives another answer; later it cuts the body off.
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
            // It may have stopped listening.
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
