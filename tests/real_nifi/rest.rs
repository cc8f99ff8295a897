//! JSON over HTTP on loopback, by no proxy.

use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::Value;

/// How long an answer may take: an import of many chunks takes its time.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A client for everything on loopback.
pub(crate) fn client() -> Client {
    // Fails if one is chosen already, which then is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap()
}

/// One server's API.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// Without a slash at the end.
    base: String,
    client: Client,
}

impl Rest {
    pub(crate) fn new(base: String) -> Self {
        Self { base, client: client() }
    }

    /// The URL that paths are added to, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends; an error is a connection that failed.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("Content-Type", content_type).body(body);
        }
        request.send()
    }

    /// The JSON of a good answer, else status and text.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let what = format!("{method} {path}");
        let body = body.map(|body| body.to_string().into_bytes());
        let response = self
            .send(method, path, "application/json", body)
            .map_err(|error| format!("{what}: {error}"))?;
        json(&what, response)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).unwrap()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body)).unwrap()
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Value {
        self.call(Method::PUT, path, Some(body)).unwrap()
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Value {
        self.call(Method::DELETE, path, None).unwrap()
    }

    /// The body as it is; empty also where NiFi cannot give the content of an empty FlowFile.
    #[track_caller]
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let response = self.send(Method::GET, path, "", None).unwrap();
        let status = response.status();
        let body = response.bytes().unwrap().to_vec();
        if status.as_u16() == 409 && String::from_utf8_lossy(&body).contains("Size is not set") {
            return Vec::new();
        }
        assert!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// A file in a form, as a browser uploads it.
    #[track_caller]
    pub(crate) fn upload(&self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Value {
        const BOUNDARY: &str = "nifi-idb-boundary-5f0c";
        let mut body = Vec::new();
        for (name, value) in fields {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(head.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"flow.json\"\r\nContent-Type: \
             application/json\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        json(path, self.send(Method::POST, path, &content_type, Some(body)).unwrap()).unwrap()
    }
}

fn json(what: &str, response: Response) -> Result<Value, String> {
    let status = response.status();
    let text = response.text().map_err(|error| format!("{what}: {error}"))?;
    if !status.is_success() {
        return Err(format!("{what}: {status}: {text}"));
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| format!("{what}: {error}: {text}"))
}
