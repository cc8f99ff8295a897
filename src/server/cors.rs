//! CORS: the headers that a browser needs before it lets a page use the server.
//!
//! Not tower-http's layer: it answers every `OPTIONS`, also where no browser asks, and it only hides
//! the response from a foreign page. Here such a page is refused before its request does anything.

use std::sync::LazyLock;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use hyper::{Method, Request, Response, StatusCode};

use super::body::{Body, whole};
use super::refusal::Refusal;
use crate::config::ConfigError;
use crate::flowfile::names;

/// The headers that a page may send in addition to those that every page may send: the attributes
/// that are read, except the time of receipt, which the server sets.
static ALLOWED: LazyLock<HeaderValue> = LazyLock::new(|| {
    let attributes = names::READ.into_iter().filter(|name| *name != names::RECEIVED_AT);
    list(
        ["authorization", "content-type", "traceparent", "x-request-id"]
            .into_iter()
            .chain(attributes),
    )
});

/// The headers of a response that a page may read: the attributes that are written.
static EXPOSED: LazyLock<HeaderValue> =
    LazyLock::new(|| list(["retry-after", "x-request-id"].into_iter().chain(names::WRITTEN)));

fn list<'n>(names: impl Iterator<Item = &'n str>) -> HeaderValue {
    HeaderValue::try_from(names.collect::<Vec<_>>().join(", "))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The time for which a browser may cache a preflight response, in seconds.
const MAX_AGE: &str = "600";

/// The origins whose pages may use the server.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Reads the values of `--allow-origin`.
    ///
    /// # Errors
    ///
    /// A value is not an origin; the message names it. `*` is not accepted, because it would admit
    /// every page.
    pub fn new(origins: &[String]) -> Result<Self, ConfigError> {
        let wrong = |text: &str| {
            ConfigError::new(format!(
                "--allow-origin {text:?} is no origin: give scheme, host and port as a browser \
                 sends them, such as \
                 https://shop.example"
            ))
        };
        let origin = |text: &String| {
            let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let legal = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
            };
            let host = host.filter(|host| !host.is_empty() && host.bytes().all(legal));
            host.and_then(|_| HeaderValue::from_str(text).ok()).ok_or_else(|| wrong(text))
        };
        origins.iter().map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the origin of a request, if it has one.
    ///
    /// # Errors
    ///
    /// The origin is not in the list. CORS alone would only hide the response: a page can send a
    /// batch without a preflight.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(None) };
        if self.0.contains(origin) {
            return Ok(Some(origin.clone()));
        }
        Err(Refusal::forbidden(
            "pages of this origin may not speak to this server (--allow-origin)",
        ))
    }
}

/// True if the request is a preflight: the browser asks what a page may do.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Makes the response to a preflight.
pub(super) fn preflight<B>(request: &Request<B>) -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED.clone());
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    // Chromium asks before a public page connects to a private address.
    const ASKED: &str = "access-control-request-private-network";
    if request.headers().contains_key(ASKED) {
        let name = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}

/// Lets a page of `origin` read a response.
pub(super) fn allow(origin: HeaderValue, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_whole_and_named() {
        for right in ["https://shop.example", "http://localhost:3000", "http://[::1]:1"] {
            let origins = Origins::new(&[right.to_owned()]).unwrap();
            let headers = |value: &str| {
                HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(value).unwrap())])
            };
            assert!(origins.check(&headers(right)).unwrap().is_some());
            assert!(origins.check(&headers("null")).is_err());
            assert!(origins.check(&HeaderMap::new()).unwrap().is_none());
        }
        for wrong in [
            "*",
            "",
            "null",
            "shop.example",
            "https://",
            "https://Shop.example",
            "https://shop.example/",
        ] {
            assert!(Origins::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
