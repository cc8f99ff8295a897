//! The parts of an HTTP request: its route, and the attributes of a FlowFile in headers and query.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};

use super::access::Named;
use super::answer::{FLOWFILE_V3, Refusal};
use crate::flowfile::{Attributes, names};
use crate::snapshot::SourceId;

/// The operation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Checks that the process is running.
    Live,
    /// Checks that the store responds and that the server is not being stopped.
    Ready,
    /// Returns the metrics.
    Metrics,
    /// Applies a batch.
    Sync(Named),
    /// Returns a source's checkpoint; `None`: the checkpoints of all sources.
    Sources(Named, Option<SourceId>),
    /// Lists versions.
    Versions(Named),
    /// Restores a version.
    Version(Named, String),
    /// Shows a record of a version.
    Records(Named, String),
}

impl Route {
    /// Parses a path.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let not_found = || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; doc/reference/http.md lists the routes",
            )
        };
        let segments: Option<Vec<_>> =
            path.strip_prefix('/').unwrap_or(path).split('/').map(decoded).collect();
        let segments = segments
            .ok_or_else(|| Refusal::bad_request("the path is not percent-encoded UTF-8"))?;
        let words: Vec<_> = segments.iter().map(String::as_str).collect();
        let named = |bucket: &str, flow: &str| Named {
            bucket: Some(bucket.to_owned()),
            flow: Some(flow.to_owned()),
        };
        Ok(match words.as_slice() {
            ["healthz"] => Self::Live,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["v1", "sync"] => Self::Sync(Named::default()),
            ["v1", "flows", bucket, flow, "sync"] => Self::Sync(named(bucket, flow)),
            ["v1", "flows", bucket, flow, "sources"] => Self::Sources(named(bucket, flow), None),
            ["v1", "flows", bucket, flow, "sources", id] => {
                let id = id
                    .parse()
                    .map_err(|error| Refusal::bad_request(format!("the source is {error}")))?;
                Self::Sources(named(bucket, flow), Some(id))
            }
            ["v1", "flows", bucket, flow, "versions"] => Self::Versions(named(bucket, flow)),
            ["v1", "flows", bucket, flow, "versions", at] => {
                Self::Version(named(bucket, flow), (*at).to_owned())
            }
            ["v1", "flows", bucket, flow, "versions", at, "records"] => {
                Self::Records(named(bucket, flow), (*at).to_owned())
            }
            _ => return Err(not_found()),
        })
    }

    /// Returns the route's name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Live => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Sync(_) => "/v1/sync",
            Self::Sources(..) => "/v1/flows/sources",
            Self::Versions(_) => "/v1/flows/versions",
            Self::Version(..) => "/v1/flows/versions/version",
            Self::Records(..) => "/v1/flows/versions/records",
        }
    }

    /// Returns the route's methods, in the format of `Allow`.
    pub(super) fn allowed(&self) -> &'static str {
        if matches!(self, Self::Sync(_)) { "POST" } else { "GET, HEAD" }
    }
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        out.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// The parameters of a query, each at most once.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let pair = decoded(name).zip(decoded(&value.replace('+', " ")));
            let (name, value) =
                pair.ok_or_else(|| Refusal::bad_request("the query is not percent-encoded UTF-8"))?;
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::bad_request(format!("the query names {name} twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Removes and returns a parameter; an empty one counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(place).1).filter(|value| !value.is_empty())
    }

    /// Removes a switch and returns true if it is on.
    pub(super) fn take_switch(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::bad_request(format!("{name} is true or false"))),
        }
    }

    /// Refuses parameters that are left: a misspelt one must not go unnoticed.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::bad_request(format!(
                "the query's parameter {name:?} means nothing here"
            ))),
        }
    }
}

fn is_attribute(name: &str) -> bool {
    names::READ.contains(&name)
}

/// Returns the attributes in headers and query; the query wins over a header.
pub(super) fn attributes(headers: &HeaderMap, query: &mut Query) -> Result<Attributes, Refusal> {
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        if names::is_misspelt(name.as_str()) {
            return Err(Refusal::bad_request(format!(
                "the header {name} means nothing here: is it misspelt?"
            )));
        }
        if is_attribute(name.as_str()) {
            let text = std::str::from_utf8(value.as_bytes());
            let text =
                text.map_err(|_| Refusal::bad_request(format!("the header {name} is not UTF-8")))?;
            if attributes.get(name.as_str()).is_some_and(|other| other != text) {
                return Err(Refusal::bad_request(format!(
                    "the header {name} comes twice, and not the same"
                )));
            }
            attributes.set(name.as_str(), text);
        }
    }
    let (own, rest) =
        std::mem::take(&mut query.0).into_iter().partition(|(name, _)| is_attribute(name));
    query.0 = rest;
    for (name, value) in own {
        attributes.set(name, value);
    }
    Ok(attributes)
}

/// Returns true if `content-type` declares a package; `None` if the first bytes of the body decide.
pub(super) fn content(headers: &HeaderMap) -> Result<Option<bool>, Refusal> {
    let unsupported = |what: String| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    for (name, known) in [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")] {
        for value in headers.get_all(&name) {
            let mut all = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            if all
                .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(known.as_bytes()))
            {
                return Err(unsupported(format!(
                    "{name} {value:?} is not read: send the content as it is"
                )));
            }
        }
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let media = text.split(';').next().unwrap_or_default().trim();
    match media {
        FLOWFILE_V3 => Ok(Some(true)),
        // `curl -d` sends this type by default, and has removed the line ends.
        "application/x-www-form-urlencoded" => Err(unsupported(
            "a form is not read: send NDJSON with content-type application/x-ndjson".to_owned(),
        )),
        _ if media.starts_with("multipart/") => {
            Err(unsupported("multipart is not read: send the content as the body".to_owned()))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let named = Named { bucket: Some("b".into()), flow: Some("a%2Fb".into()) };
        assert_eq!(Route::parse("/v1/flows/b/a%252Fb/sync").unwrap(), Route::Sync(named.clone()));
        assert_eq!(
            Route::parse("/v1/flows/b/a%252Fb/versions/3").unwrap(),
            Route::Version(named, "3".into())
        );
        for (path, status) in [
            ("", 404),
            ("/", 404),
            ("/v1/sync/", 404),
            ("/v2/sync", 404),
            ("/v1/flows/b/f/sources/a%20b", 400),
            ("/v1/flows/%f/f/sync", 400),
            ("/v1/flows/%ff/f/sync", 400),
        ] {
            assert_eq!(Route::parse(path).unwrap_err().status, status, "{path}");
        }
    }

    #[test]
    fn headers_and_query_give_attributes() {
        let header =
            |name: &'static str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
        let headers: HeaderMap = [
            header("indexeddb.object.store", "data"),
            header("indexeddb.source", "a"),
            header("idempotency-key", "1"),
            header("x-other", "x"),
        ]
        .into_iter()
        .collect();
        let mut query = Query::parse(Some("indexeddb.source=b%20c&pull=true")).unwrap();
        let attributes = attributes(&headers, &mut query).unwrap();
        let pairs: Vec<_> =
            attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("idempotency-key", "1"),
                ("indexeddb.object.store", "data"),
                ("indexeddb.source", "b c")
            ]
        );
        assert!(query.take_switch("pull").unwrap());
        query.finish().unwrap();
        assert!(Query::parse(Some("a=1&a=1")).is_err() && Query::parse(Some("a=%")).is_err());
        assert!(Query::parse(Some("pul=true")).unwrap().finish().is_err());
        let wrong: HeaderMap = [header("indexeddb.databse", "shop")].into_iter().collect();
        let refused = super::attributes(&wrong, &mut Query::default()).unwrap_err();
        assert!(
            refused.status == 400 && refused.message.contains("indexeddb.databse"),
            "{refused:?}"
        );
        let mut misspelt =
            Query::parse(Some("indexeddb.databse=shop&indexeddb.database=shop")).unwrap();
        assert_eq!(super::attributes(&HeaderMap::new(), &mut misspelt).unwrap().len(), 1);
        assert!(misspelt.finish().unwrap_err().message.contains("\"indexeddb.databse\""));
    }

    #[test]
    fn what_a_body_may_be() {
        let of =
            |media: &str| content(&[(CONTENT_TYPE, media.parse().unwrap())].into_iter().collect());
        assert_eq!(of("application/FlowFile-v3; x=y").unwrap(), Some(true));
        assert_eq!(of("text/plain").unwrap(), None);
        for media in ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"] {
            assert_eq!(of(media).unwrap_err().status, 415);
        }
        let coded = |name: hyper::header::HeaderName, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
            content(&headers).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(coded(CONTENT_ENCODING, &["identity", "Identity, identity"]), Ok(None));
        assert_eq!(coded(TRANSFER_ENCODING, &["chunked"]), Ok(None));
        for values in
            [&["gzip"][..], &["identity", "gzip"], &["identity, gzip"], &["gzip, identity"]]
        {
            assert_eq!(coded(CONTENT_ENCODING, values), Err(415), "{values:?}");
        }
        assert_eq!(coded(TRANSFER_ENCODING, &["gzip, chunked"]), Err(415));
    }
}
