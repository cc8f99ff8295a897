//! Calls to the REST API of one NiFi.

use std::error::Error as _;
use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use serde_json::Value;

use super::error::{NifiError, NifiErrorKind};
use crate::http_client::{
    CallLog, CertificateFiles, ClientError, TlsFault, TlsFaultKind, client, destination,
    is_loopback,
};
use crate::secret::Secret;

/// Limit on the bytes of a response.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Limit on the characters of NiFi's text in a message.
const SHOWN_CHARS: usize = 400;

/// Credentials for NiFi, in addition to a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// No credentials: a NiFi without access control, or a client certificate.
    #[default]
    None,
    /// A bearer token.
    Token(Secret),
    /// User name and password, exchanged for a token.
    Login {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Settings of the connection to NiFi.
#[derive(Clone, Debug)]
pub struct NifiOptions {
    /// `http(s)://host:port`, with or without `/nifi` or `/nifi-api`.
    pub url: String,
    /// The trusted certificates and the client's own.
    pub files: CertificateFiles,
    /// The credentials.
    pub identity: Identity,
    /// Time limit for one call.
    pub call_timeout: Duration,
}

/// A client of one NiFi's REST API.
#[derive(Debug)]
pub struct Nifi {
    client: Client,
    base: Url,
    token: Option<Secret>,
    call_timeout: Duration,
    has_client_certificate: bool,
}

impl Nifi {
    /// Checks the options, and logs in if they contain a user and password.
    ///
    /// # Errors
    ///
    /// An option is wrong, the credentials are not accepted, or there is no connection.
    pub fn open(options: &NifiOptions) -> Result<Self, NifiError> {
        let base = base_url(&options.url)?;
        if options.identity != Identity::None && base.scheme() != "https" && !is_loopback(&base) {
            return Err(NifiError::refused(
                "credentials are sent over https only: --nifi is plain http",
            ));
        }
        let client =
            client(&base, &options.files, Duration::from_secs(10)).map_err(client_error)?;
        let has_client_certificate = options.files.client_cert.is_some();
        let call_timeout = options.call_timeout;
        let mut nifi = Self { client, base, token: None, call_timeout, has_client_certificate };
        nifi.token = match &options.identity {
            Identity::None => None,
            Identity::Token(token) => Some(token.clone()),
            Identity::Login { user, password } => Some(nifi.log_in(user, password)?),
        };
        if nifi.token.as_ref().is_some_and(|token| !token.is_sendable()) {
            return Err(NifiError::new(NifiErrorKind::Denied, "the token is empty or no token"));
        }
        Ok(nifi)
    }

    /// Returns the address without `/nifi-api`, for messages.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches("/nifi-api")
    }

    /// Returns true if NiFi is on this machine, by its address.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    fn log_in(&self, user: &str, password: &Secret) -> Result<Secret, NifiError> {
        let mut form =
            Url::parse("form:").map_err(|error| NifiError::refused(error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("username", user)
            .append_pair("password", password.expose());
        let form = form.query().unwrap_or_default().to_owned();
        let request = self.client.post(self.url("/access/token")).header(ACCEPT, "*/*");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let body =
            self.send(request, "POST", "/access/token").map_err(|error| match error.kind {
                NifiErrorKind::Refused => NifiError { kind: NifiErrorKind::Denied, ..error },
                _ => error,
            })?;
        Ok(Secret::new(&String::from_utf8_lossy(&body)))
    }

    /// Sends a GET request.
    ///
    /// # Errors
    ///
    /// The response is not a success.
    pub fn get(&self, path: &str) -> Result<Value, NifiError> {
        self.call(Method::GET, path, None)
    }

    /// Sends a request with a JSON body.
    ///
    /// # Errors
    ///
    /// The response is not a success.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, NifiError> {
        let name = method.as_str().to_owned();
        let mut request =
            self.client.request(method, self.url(path)).header(ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let answer = self.send(request, &name, path)?;
        self.json(&answer, &name, path)
    }

    /// Uploads a definition into a group.
    ///
    /// # Errors
    ///
    /// The response is not a success.
    pub fn upload(
        &self,
        parent: &str,
        fields: &[(&str, &str)],
        file: &[u8],
    ) -> Result<Value, NifiError> {
        let path = format!("/process-groups/{parent}/process-groups/upload");
        let (kind, body) = super::multipart::form(fields, "definition.json", file);
        let request = self.client.post(self.url(&path)).header(ACCEPT, "application/json");
        let answer = self.send(request.header(CONTENT_TYPE, kind).body(body), "POST", &path)?;
        self.json(&answer, "POST", &path)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn json(&self, body: &[u8], method: &str, path: &str) -> Result<Value, NifiError> {
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body).map_err(|_| {
            let message = format!("the answer is not JSON: {method} {}", self.url(path));
            NifiError::refused(message).hint("is that the address of a NiFi?")
        })
    }

    fn send(
        &self,
        request: RequestBuilder,
        method: &str,
        path: &str,
    ) -> Result<Vec<u8>, NifiError> {
        let place = format!("{method} {}", self.url(path));
        let mut request = request.timeout(self.call_timeout);
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value
                .map_err(|_| NifiError::new(NifiErrorKind::Denied, "the token is no token"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let log = CallLog::start("nifi", method, path);
        let has_client_certificate = self.has_client_certificate;
        let response = request.send().map_err(|error| {
            let error = unreachable(&error.without_url(), &place, has_client_certificate);
            log.failed(&error);
            error
        })?;
        let status = response.status().as_u16();
        let location =
            response.headers().get(LOCATION).and_then(|value| destination(value, &self.base));
        let mut body = Vec::new();
        let read = response.take(MAX_ANSWER_BYTES).read_to_end(&mut body);
        read.map_err(|_| {
            let message = format!("the answer was cut off: {place}");
            let error = NifiError::new(NifiErrorKind::Transient, message);
            log.failed(&error);
            error
        })?;
        log.answered(status, body.len());
        if (200..300).contains(&status) {
            Ok(body)
        } else {
            Err(refusal(status, &body, &place, location.as_deref()))
        }
    }
}

/// Returns the base URL: `http(s)://host[:port]/…/nifi-api`.
fn base_url(text: &str) -> Result<Url, NifiError> {
    let wrong = || {
        NifiError::refused(
            "--nifi is not the address of a NiFi (http://HOST:PORT or https://HOST:PORT)",
        )
    };
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NifiError::refused(
            "--nifi must not hold credentials: give --user and --password-file, or --token-file",
        ));
    }
    let path =
        url.path().trim_end_matches('/').trim_end_matches("/nifi-api").trim_end_matches("/nifi");
    let path = format!("{path}/nifi-api");
    url.set_path(&path);
    Ok(url)
}

/// Converts an error, including its cause: an unusable certificate has one.
fn client_error(error: ClientError) -> NifiError {
    let cause = error.source.as_ref().map_or(String::new(), |source| format!(": {source}"));
    NifiError::refused(format!("{error}{cause}"))
}

fn unreachable(error: &reqwest::Error, place: &str, has_client_certificate: bool) -> NifiError {
    let mut cause = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        cause = error.to_string();
        below = error.source();
    }
    if error.is_timeout() {
        cause = "no answer in time".to_owned();
    }
    let (kind, hint) = match TlsFault::find(error, has_client_certificate) {
        None => (NifiErrorKind::Transient, "is NiFi running, and is that its address?"),
        Some(TlsFault { kind: TlsFaultKind::Setting, hint }) => (NifiErrorKind::Refused, hint),
        Some(TlsFault { kind: TlsFaultKind::Denied, hint }) => (NifiErrorKind::Denied, hint),
    };
    NifiError::new(kind, format!("{cause}: {place}")).hint(hint)
}

/// Returns the error for a status that is not a success.
fn refusal(status: u16, body: &[u8], place: &str, location: Option<&str>) -> NifiError {
    let redirected =
        location.map_or("redirected".to_owned(), |location| format!("redirected to {location}"));
    let (kind, cause) = match status {
        401 => (NifiErrorKind::Denied, "credentials are missing or not accepted"),
        403 => (NifiErrorKind::Denied, "not allowed"),
        404 => (NifiErrorKind::Refused, "not found"),
        409 => (NifiErrorKind::Refused, "NiFi refused"),
        300..=399 => (NifiErrorKind::Refused, redirected.as_str()),
        408 | 429 | 500..=599 => (NifiErrorKind::Transient, "NiFi failed"),
        _ => (NifiErrorKind::Refused, "NiFi refused"),
    };
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let shown: String = if text.starts_with('<') {
        String::new()
    } else {
        text.chars().map(plain).take(SHOWN_CHARS).collect()
    };
    let error =
        NifiError::new(kind, format!("{cause}: {place}: {status} {shown}").trim_end().to_owned());
    match status {
        300..=399 => error.hint("give the address of NiFi itself"),
        401 => error.hint("give --token-file, --user with --password-file, or a client certificate"),
        403 => error.hint(
            "the user needs to view and modify the parent group, its controller services and parameter contexts; \
                           in 1.x also the policy for restricted components (execute code)",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_nifi() {
        let base =
            |text: &str| base_url(text).map(|url| url.to_string()).map_err(|error| error.kind);
        for text in
            ["http://n:8080", "http://n:8080/", "http://n:8080/nifi/", "http://n:8080/nifi-api"]
        {
            assert_eq!(base(text), Ok("http://n:8080/nifi-api".to_owned()), "{text}");
        }
        assert_eq!(base("https://p/a/nifi"), Ok("https://p/a/nifi-api".to_owned()));
        for text in ["", "n:8080", "ftp://n", "http://u:p@n", "http://n/?x", "http://n/#x"] {
            assert_eq!(base(text), Err(NifiErrorKind::Refused), "{text}");
        }
        assert!(!base_url("http://u:hunter2@n").unwrap_err().message.contains("hunter2"));
    }

    #[test]
    fn credentials_do_not_go_over_plain_http() {
        let options = NifiOptions {
            url: "http://nifi.example:8080".into(),
            files: CertificateFiles::default(),
            identity: Identity::Token(Secret::new("abc")),
            call_timeout: Duration::from_secs(1),
        };
        let error = Nifi::open(&options).unwrap_err();
        assert!(error.message.contains("https only") && error.kind == NifiErrorKind::Refused);
    }

    #[test]
    fn texts_of_a_server_are_bounded_and_plain() {
        let error =
            refusal(409, format!("a\u{1b}\n{}", "x".repeat(9_000)).as_bytes(), "GET /x", None);
        assert!(
            error.message.len() < 500 && !error.message.contains('\u{1b}'),
            "{}",
            error.message
        );
        assert_eq!(refusal(500, b"<html>", "GET /x", None).message, "NiFi failed: GET /x: 500");
    }
}
