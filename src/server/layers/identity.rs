//! The identity of a request in the log: its own id, and the trace that it belongs to.
//!
//! tower-http's layer for request ids keeps whatever a client sends; here an id that could spoil a
//! line of the log is replaced.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::trace_context::TRACE_PARENT;

/// The header with the id of a request, in both directions.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Most bytes of a request id that a client sends.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Returns the id that the client sent if it has 1 to [`MAX_REQUEST_ID_BYTES`] printable ASCII
/// characters and no space, otherwise a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    headers.get(REQUEST_ID).and_then(sent_id).map_or_else(new_id, str::to_owned)
}

fn sent_id(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    (!text.is_empty() && text.len() <= MAX_REQUEST_ID_BYTES && is_printable).then_some(text)
}

fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Returns the trace id of the header `traceparent`: version, trace id, parent id and flags, of
/// which later versions may have more.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACE_PARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_digit))
    };
    let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let is_valid = version != "ff" && !is_zero(trace) && !is_zero(parent);
    let is_whole = version != "00" || parts.next().is_none();
    (is_valid && is_whole).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
        let name = HeaderName::from_static(name);
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn an_id_is_kept_if_it_is_short_and_printable() {
        let long = "x".repeat(MAX_REQUEST_ID_BYTES);
        for kept in ["a", "NiFi/7:{\"x\"}", &long] {
            assert_eq!(request_id(&headers("x-request-id", kept.as_bytes())), kept);
        }
        let longer = long.clone() + "x";
        for replaced in ["", "a b", "a\tb", "\u{e9}", &longer] {
            let id = request_id(&headers("x-request-id", replaced.as_bytes()));
            assert!(id.len() == 32 && id != replaced, "{replaced}: {id}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn a_trace_is_taken_from_a_valid_header_only() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let of = |text: &str| trace_id(&headers("traceparent", text.as_bytes()));
        assert_eq!(of(&format!("00-{trace}-{parent}-01")).as_deref(), Some(trace));
        assert_eq!(of(&format!("01-{trace}-{parent}-01-more")).as_deref(), Some(trace));
        let upper = trace.to_uppercase();
        for wrong in [
            String::new(),
            trace.to_owned(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{upper}-{parent}-01"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{parent}-01", &trace[1..]),
        ] {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
    }
}
