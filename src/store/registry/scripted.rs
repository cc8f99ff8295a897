//! A server for tests that sends scripted responses, one after another, and records the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The reaction to one request.
#[derive(Clone, Debug)]
pub(super) enum ScriptedReply {
    /// Responds with this status and body.
    Say(u16, String),
    /// Responds with 200 and the request's own body, with one text replaced by another.
    Echo(&'static str, &'static str),
    /// Closes the connection without a response.
    Cut,
}

/// One request: method and path, the `Authorization` header, the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) call: String,
    pub(super) authorization: String,
    pub(super) body: String,
}

pub(super) struct Scripted {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

pub(super) fn say(status: u16, body: impl Into<String>) -> ScriptedReply {
    ScriptedReply::Say(status, body.into())
}

impl Scripted {
    /// Starts the server. After the last reply, connections are refused.
    pub(super) fn start(replies: Vec<ScriptedReply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&asked);
        std::thread::spawn(move || {
            for reply in replies {
                let Ok((stream, _)) = listener.accept() else { return };
                let request = read(&stream);
                let body = request.body.clone();
                keep.lock().unwrap().push(request);
                answer(stream, reply, body);
            }
        });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// Method and path of each request so far.
    pub(super) fn calls(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.call).collect()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (Request::default(), 0);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => request.authorization = value.trim().to_owned(),
                _ => {}
            }
        } else if let Some((call, _)) = line.split_once(" HTTP/") {
            request.call = call.replace("/nifi-registry-api", "");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    request
}

fn answer(mut stream: TcpStream, reply: ScriptedReply, asked: String) {
    let (status, body) = match reply {
        ScriptedReply::Say(status, body) => (status, body),
        ScriptedReply::Echo(old, new) => (200, asked.replace(old, new)),
        ScriptedReply::Cut => return,
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
}
