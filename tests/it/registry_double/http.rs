//! HTTP/1.1 as the servers' Jetty speaks it, as far as clients can tell.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

/// Bytes of request line and headers that are accepted.
pub(crate) const MAX_HEAD_BYTES: usize = 16_384;
/// An answer longer than this is sent in chunks, without a length, as large answers of the real servers are.
const CHUNKED_FROM_BYTES: usize = 32 * 1024;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, still percent-encoded.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header's first value; bytes beyond ASCII count as ISO 8859-1.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header("Cookie")?.split(';');
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|it| it.1)
    }
}

/// What reading a request's head came to.
pub(crate) enum Head {
    Request(Request),
    TooLong(Request),
    Closed,
}

/// Reads request line and headers.
pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Head> {
    let mut bytes = 0;
    let mut lines: Vec<String> = Vec::new();
    let mut too_long = false;
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(Head::Closed);
        }
        bytes += line.len();
        too_long |= bytes > MAX_HEAD_BYTES;
        let line: String = line.iter().map(|byte| char::from(*byte)).collect();
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let headers = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let request = Request { method, target, headers, body: Vec::new() };
    Ok(if too_long { Head::TooLong(request) } else { Head::Request(request) })
}

/// Reads the body that the headers announce.
pub(crate) fn read_body(request: &mut Request, from: &mut impl BufRead) -> io::Result<()> {
    if request
        .header("Transfer-Encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size = line.trim().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            from.take(size).read_to_end(&mut request.body)?;
            from.read_line(&mut String::new())?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    let length = body_length(request);
    request.body.reserve_exact(length);
    from.take(length as u64).read_to_end(&mut request.body)?;
    if request.body.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// The announced length in bytes; 0 for a body in chunks.
pub(crate) fn body_length(request: &Request) -> usize {
    request.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// An answer; its body is in pieces, so that stored contents are sent without a copy.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<Arc<Vec<u8>>>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type", content_type.as_bytes().to_vec())];
        Self { status, headers, body: vec![Arc::new(body)] }
    }

    pub(crate) fn body_len(&self) -> usize {
        self.body.iter().map(|piece| piece.len()).sum()
    }

    /// Sends the answer; stops in the middle of the body if `cut`.
    pub(crate) fn send(
        &self,
        to: &mut impl Write,
        without_body: bool,
        cut: bool,
    ) -> io::Result<()> {
        let length = self.body_len();
        let chunked = length > CHUNKED_FROM_BYTES && !without_body;
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        if chunked {
            head.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        } else {
            head.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        }
        if !chunked && !without_body {
            // One write for small answers, so that no delayed acknowledgement slows a test down.
            head.extend(self.body.iter().flat_map(|piece| piece.iter()));
            let end = if cut { head.len() - length.div_ceil(2) } else { head.len() };
            to.write_all(&head[..end])?;
            return to.flush();
        }
        to.write_all(&head)?;
        let mut left = if without_body { 0 } else { length / if cut { 2 } else { 1 } };
        for piece in &self.body {
            let part = &piece[..piece.len().min(left)];
            left -= part.len();
            if !part.is_empty() {
                to.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                to.write_all(part)?;
                to.write_all(b"\r\n")?;
            }
        }
        if chunked && !cut {
            to.write_all(b"0\r\n\r\n")?;
        }
        to.flush()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        431 => "Request Header Fields Too Large",
        500 => "Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

/// Decodes `%XX`; what is no escape stays.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// Encodes what may not stand in a path segment, as the servers do in their links.
pub(crate) fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
