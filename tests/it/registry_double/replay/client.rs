//! One HTTP/1.1 exchange over a connection of its own, with nothing hidden.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A request to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// Below the API's base.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Sent in chunks if the headers say so, else with its length.
    pub(crate) body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// All values of a header; bytes beyond ASCII count as ISO 8859-1.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Sends a request to the API at `base` (`http://host:port/path`) and reads the answer.
pub(crate) fn send(base: &str, request: &Sent) -> io::Result<Reply> {
    let (host, root) = base
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or(io::ErrorKind::InvalidInput)?;
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut head =
        format!("{} /{root}{} HTTP/1.1\r\nHost: {host}\r\n", request.method, request.path);
    let chunked = request.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = request.body.as_ref().filter(|_| !chunked) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    // The server may refuse before all is sent; its answer may be there all the same.
    let _ = write(&stream, &head, request.body.as_deref(), chunked);
    read(&mut BufReader::new(&stream), request.method == "HEAD")
}

fn write(mut stream: &TcpStream, head: &str, body: Option<&[u8]>, chunked: bool) -> io::Result<()> {
    let head: Vec<u8> = head.chars().map(|found| u8::try_from(found).unwrap_or(b'?')).collect();
    stream.write_all(&head)?;
    match body {
        Some(body) if chunked => {
            write!(stream, "{:x}\r\n", body.len())?;
            stream.write_all(body)?;
            stream.write_all(b"\r\n0\r\n\r\n")
        }
        Some(body) => stream.write_all(body),
        None => Ok(()),
    }
}

fn read(from: &mut impl BufRead, without_body: bool) -> io::Result<Reply> {
    let status = loop {
        let line = header_line(from)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        if status != 100 {
            break status;
        }
        header_line(from)?;
    };
    let mut headers = Vec::new();
    loop {
        let line = header_line(from)?;
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    if without_body {
        return Ok(reply);
    }
    if reply.header("Transfer-Encoding").is_some() {
        loop {
            let size = u64::from_str_radix(&header_line(from)?, 16).map_err(io::Error::other)?;
            exactly(from, size, &mut reply.body)?;
            header_line(from)?;
            if size == 0 {
                return Ok(reply);
            }
        }
    }
    match reply.header("Content-Length").and_then(|length| length.parse().ok()) {
        Some(length) => exactly(from, length, &mut reply.body)?,
        None => drop(from.read_to_end(&mut reply.body)?),
    }
    Ok(reply)
}

fn exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let found = from.take(length).read_to_end(into)?;
    if found as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn header_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line: String = line.iter().map(|byte| char::from(*byte)).collect();
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
