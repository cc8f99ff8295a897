//! The parts of an HTTP request: its query, and the attributes of a FlowFile in headers and query.

use std::borrow::Cow;

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use percent_encoding::percent_decode_str;

use super::answer::FLOWFILE_V3;
use super::refusal::{Refusal, RefusalKind};
use crate::flowfile::{Attributes, names};

/// True if a text is percent-encoded UTF-8.
pub(super) fn is_decodable(text: &str) -> bool {
    decoded(text).is_some()
}

/// Decodes percent-encoding; `None` if the result is not UTF-8, or if two hexadecimal digits do not
/// follow each `%`.
fn decoded(text: &str) -> Option<String> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    // percent-encoding keeps a `%` that encodes nothing; a client that sends one made a mistake.
    if !escapes.all(|(at, _)| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2))) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// The parameters of a query, each at most once.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query. By hand, because `form_urlencoded` replaces what is not UTF-8.
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
    let unsupported = |what: String| Refusal::new(RefusalKind::UnsupportedContent, what);
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
    fn percent_encoding_is_strict() {
        assert_eq!(decoded("a%2Fb%20%c3%A9+").as_deref(), Some("a/b \u{e9}+"));
        for wrong in ["%", "%f", "a%2", "%zz", "%ff", "%+1", "%%20"] {
            assert!(!is_decodable(wrong), "{wrong}");
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
            refused.kind == RefusalKind::BadRequest
                && refused.message.contains("indexeddb.databse"),
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
            assert_eq!(of(media).unwrap_err().kind, RefusalKind::UnsupportedContent);
        }
        let coded = |name: hyper::header::HeaderName, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
            content(&headers).map_err(|refusal| refusal.kind)
        };
        assert_eq!(coded(CONTENT_ENCODING, &["identity", "Identity, identity"]), Ok(None));
        assert_eq!(coded(TRANSFER_ENCODING, &["chunked"]), Ok(None));
        for values in
            [&["gzip"][..], &["identity", "gzip"], &["identity, gzip"], &["gzip, identity"]]
        {
            assert_eq!(
                coded(CONTENT_ENCODING, values),
                Err(RefusalKind::UnsupportedContent),
                "{values:?}"
            );
        }
        assert_eq!(
            coded(TRANSFER_ENCODING, &["gzip, chunked"]),
            Err(RefusalKind::UnsupportedContent)
        );
    }
}
