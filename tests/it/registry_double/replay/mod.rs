//! Sends a recording's requests again, to a double or a real Registry, and says where the answers differ.
//!
//! `tests/fixtures/registry/README.md` explains the recordings. How an answer is framed is not compared.

mod client;
mod names;

#[allow(unused_imports, reason = "not every test binary names it")]
pub(crate) use client::Reply;
pub(crate) use client::{Sent, send};

use names::Names;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The headers that a recording holds, less those that only frame the answer.
const HEADERS: &[&str] = &[
    "Allow",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Type",
    "ETag",
    "Location",
    "Set-Cookie",
    "WWW-Authenticate",
];
/// What a difference shows of a value, in characters.
const SHOWN_CHARS: usize = 300;

/// An exchange whose answer is not the recorded one.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) scenario: String,
    /// The exchange's number in the scenario, from 1.
    pub(crate) number: usize,
    /// Request line and, a line each, where which value is another.
    pub(crate) text: String,
}

/// Where the recordings are.
pub(crate) fn recording_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry").join(name)
}

/// Reads a recording.
pub(crate) fn load(name: &str) -> Map<String, Value> {
    let path = recording_path(name);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match serde_json::from_slice(&text) {
        Ok(Value::Object(recording)) => recording,
        Ok(_) => panic!("{}: not an object", path.display()),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Replays every scenario against the API at `base`; returns what differs and how many exchanges there were.
pub(crate) fn replay(base: &str, recording: &Map<String, Value>) -> (Vec<Difference>, usize) {
    let (mut differences, mut count) = (Vec::new(), 0);
    for (scenario, exchanges) in recording {
        let mut names = Names::new(base);
        for (index, exchange) in exchanges.as_array().into_iter().flatten().enumerate() {
            count += 1;
            let request = &exchange["request"];
            let expected = without_framing(&exchange["response"]);
            let found = answer_to(base, request, &mut names);
            let mut lines = Vec::new();
            compare(&names::ordered(&expected), &names::ordered(&found), "", &mut lines);
            if !lines.is_empty() {
                let line = format!("{} {}", text_of(&request["method"]), text_of(&request["path"]));
                let text = format!("{line}\n    {}", lines.join("\n    "));
                differences.push(Difference {
                    scenario: scenario.clone(),
                    number: index + 1,
                    text,
                });
            }
        }
    }
    (differences, count)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn without_framing(response: &Value) -> Value {
    let mut response = response.clone();
    if let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut) {
        headers.retain(|name, _| HEADERS.contains(&name.as_str()));
    }
    response
}

/// Sends one request, and brings the answer into the form of a recording.
fn answer_to(base: &str, request: &Value, names: &mut Names) -> Value {
    let reply = match send(base, &expanded(request, names)) {
        Ok(reply) => reply,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let mut headers = Map::new();
    for name in HEADERS {
        if let Some(value) = reply.header(name) {
            headers.insert((*name).to_owned(), Value::String(names.named(value)));
        }
    }
    let is_json = reply
        .header("Content-Type")
        .is_some_and(|kind| kind.split(';').next().unwrap_or(kind).ends_with("json"));
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    // A lone surrogate is no JSON to this parser: such an answer is compared as text, as it was recorded.
    let mut body: Option<Value> = if is_json { text.parse().ok() } else { None };
    if let (Some(Value::Object(body)), Some(save)) =
        (&body, request.get("save").and_then(Value::as_object))
    {
        for (name, field) in save {
            if let Some(value) = body.get(text_of(field)).and_then(Value::as_str) {
                names.set(name, value);
            }
        }
    }
    if let (Some(Value::Array(items)), Some(only)) =
        (&mut body, request.get("only").and_then(Value::as_str))
    {
        let only = names.expand_text(only);
        items.retain(|item| item.to_string().contains(&only));
    }
    let mut answer = json!({ "status": reply.status, "headers": headers });
    match body.filter(|_| request.get("exact").is_none()) {
        Some(body) => answer["body"] = names.normal(&body),
        None if text.is_empty() => {}
        None => answer["text"] = Value::String(names.named(&names::without_times(&text))),
    }
    answer
}

/// The request with placeholders filled in; bodies are compact JSON with sorted keys, for error texts name columns.
fn expanded(request: &Value, names: &mut Names) -> Sent {
    let mut headers = Vec::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let value = names.expand(value);
        headers.push((name.clone(), text_of(&value).to_owned()));
    }
    let body = if let Some(text) = request.get("text").and_then(Value::as_str) {
        Some(names.expand_text(text).into_bytes())
    } else if let Some(body) = request.get("body") {
        Some(names.expand(body).to_string().into_bytes())
    } else {
        request.get("gzip").map(|body| gzip(names.expand(body).to_string().as_bytes()))
    };
    Sent {
        method: text_of(&request["method"]).to_owned(),
        path: names.expand_text(text_of(&request["path"])),
        headers,
        body,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes what is written")
}

/// Adds a line for each place where two values differ.
fn compare(expected: &Value, found: &Value, place: &str, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => compare(old, new, &inner, lines),
                    (old, new) => lines.push(format!("{inner}: {} -> {}", shown(old), shown(new))),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(old, new, &format!("{place}[{index}]"), lines);
            }
        }
        _ if expected == found => {}
        _ => lines.push(format!("{place}: {} -> {}", shown(Some(expected)), shown(Some(found)))),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(
        || "nothing".to_owned(),
        |value| value.to_string().chars().take(SHOWN_CHARS).collect(),
    )
}
