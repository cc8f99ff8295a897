//! HTTP responses that are complete: status, headers and body.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::{Body, whole};
use super::refusal::{Refusal, RefusalKind};
use crate::flowfile::names;
use crate::report_line::ReportLine;

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
    let line = ReportLine::Error { message: &refusal.message, status: None }.to_json();
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
