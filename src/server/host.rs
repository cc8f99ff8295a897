//! The name by which a request calls this server: `Host`, or `:authority` of HTTP/2.
//!
//! Addresses are parsed as addresses. A name that only starts like one is a name, and a page that
//! was loaded from it is a stranger.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::header::HOST;
use hyper::{Request, Version};

use super::refusal::Refusal;

/// A host as a request names it, without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostName {
    /// An address.
    Address(IpAddr),
    /// Any other name.
    Name(String),
}

/// All names by which one request calls this server: `Host`, and the authority of its target, if
/// any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostNames(Vec<HostName>);

impl HostNames {
    /// Reads the names of a request.
    ///
    /// HTTP/1.1 requires exactly one `Host`, HTTP/2 an authority. HTTP/1.0 may have none: no
    /// browser speaks it.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let wrong = |what: &str| {
            Refusal::bad_request(format!("{what}: send one Host header with the server's name"))
        };
        let mut headers = request.headers().get_all(HOST).iter();
        let host = headers.next().map(|host| host.as_bytes());
        if headers.next().is_some() {
            return Err(wrong("the request has more than one Host"));
        }
        let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let required = if request.version() >= Version::HTTP_2 { host.or(authority) } else { host };
        if required.is_none() && request.version() >= Version::HTTP_11 {
            return Err(wrong("the request has no Host"));
        }
        let named: Vec<&[u8]> = authority.into_iter().chain(host).collect();
        let names = named.iter().map(|text| parse(text)).collect::<Option<Vec<_>>>();
        let names = names.ok_or_else(|| wrong("the Host of the request cannot be read"))?;
        if request.version() >= Version::HTTP_2 && names.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(wrong("the request has a Host and another :authority"));
        }
        Ok(Self(names))
    }

    /// True if every name is a loopback address or `localhost`.
    pub(super) fn are_local(&self) -> bool {
        self.0.iter().all(|name| match name {
            HostName::Address(address) => address.to_canonical().is_loopback(),
            HostName::Name(name) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        })
    }
}

/// Parses `HOST` or `HOST:PORT`; names become lower case. `None` for anything that is not a host,
/// including one with user information.
fn parse(text: &[u8]) -> Option<HostName> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port).then_some(HostName::Address(address.into()));
    }
    let (name, port) = text.find(':').map_or((text, ""), |colon| text.split_at(colon));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) || !is_port(port) {
        return None;
    }
    Some(match name.parse::<Ipv4Addr>() {
        Ok(address) => HostName::Address(address.into()),
        Err(_) => HostName::Name(name.to_ascii_lowercase()),
    })
}

/// True for the empty text, and for a colon with or without a port.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some("") => true,
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::RefusalKind;
    use super::*;

    fn of(version: Version, target: &str, hosts: &[&[u8]]) -> Result<bool, RefusalKind> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let names = HostNames::of(&request.body(()).unwrap());
        names.map(|names| names.are_local()).map_err(|refusal| refusal.kind)
    }

    #[test]
    fn only_addresses_and_localhost_are_local() {
        let with = |host: &str| of(Version::HTTP_11, "/", &[host.as_bytes()]);
        for local in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "localhost:8765",
            "localhost:",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.9.8.7",
            "[::1]",
            "[::1]:8765",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(with(local), Ok(true), "{local}");
        }
        for strange in [
            "evil.example",
            "127.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.1.",
            "localhost.evil.example",
            "localhost..",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:10.0.0.1]",
            "127.1",
            "127.0.0.01",
            "2130706433",
            "127.0.0.256",
            "a.localhost",
            "127.0.0.1%00",
        ] {
            assert_eq!(with(strange), Ok(false), "{strange}");
        }
        for unreadable in [
            "",
            ":1",
            "a{b}.evil.example:8765",
            "a\"b.evil.example",
            "a`b",
            "a b",
            "user@localhost",
            "localhost:x",
            "localhost:70000",
            "localhost:+1",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[::1]x",
            "[fe80::1%25lo]",
            "a/b",
            "a\\b",
            "localhost,evil.example:1:2",
        ] {
            assert_eq!(with(unreadable), Err(RefusalKind::BadRequest), "{unreadable}");
        }
        assert_eq!(of(Version::HTTP_11, "/", &[b"\xff"]), Err(RefusalKind::BadRequest));
    }

    #[test]
    fn every_version_of_http_names_its_host() {
        assert_eq!(of(Version::HTTP_10, "/", &[]), Ok(true));
        assert_eq!(of(Version::HTTP_10, "/", &[b"evil.example"]), Ok(false));
        assert_eq!(of(Version::HTTP_11, "/", &[]), Err(RefusalKind::BadRequest));
        assert_eq!(
            of(Version::HTTP_11, "/", &[b"localhost", b"localhost"]),
            Err(RefusalKind::BadRequest)
        );
        // An absolute target appears in addition to `Host`: both count.
        assert_eq!(of(Version::HTTP_11, "http://localhost/", &[]), Err(RefusalKind::BadRequest));
        assert_eq!(of(Version::HTTP_11, "http://evil.example/", &[b"localhost"]), Ok(false));
        assert_eq!(of(Version::HTTP_11, "http://localhost/", &[b"evil.example"]), Ok(false));
        assert_eq!(of(Version::HTTP_2, "http://localhost:1/", &[]), Ok(true));
        assert_eq!(of(Version::HTTP_2, "http://127.evil.example/", &[]), Ok(false));
        assert_eq!(of(Version::HTTP_2, "/", &[b"localhost"]), Ok(true));
        assert_eq!(of(Version::HTTP_2, "/", &[]), Err(RefusalKind::BadRequest));
        assert_eq!(of(Version::HTTP_2, "http://localhost/", &[b"localhost"]), Ok(true));
        assert_eq!(
            of(Version::HTTP_2, "http://localhost/", &[b"evil.example"]),
            Err(RefusalKind::BadRequest)
        );
    }
}
