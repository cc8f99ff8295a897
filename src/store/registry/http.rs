//! One HTTP call after another to one Registry: connections, time limits, repetition, and what a status means.

use std::error::Error as _;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use super::auth::{Credentials, Secret};
use crate::store::{StoreError, StoreErrorKind};

/// Largest body that is ever sent, in bytes: a larger one can take a Registry with the usual heap down.
pub const MAX_POST_BYTES: usize = 16 << 20;

/// Largest answer that is read, in bytes: a version echoed with all its escapes stays well below.
pub const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// A connection that carried a body above this many bytes is not used again after a failure: Registry may have
/// answered before it had read everything.
const BIG_BODY_BYTES: usize = 1 << 20;

/// Idle connections are dropped after this long, before Registry drops them (30 s) without notice.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Pause before the first repetition; doubled for each one after it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between repetitions.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// At most this many characters of an error text of a server go into a message.
const SHOWN_CHARS: usize = 200;

/// How to reach a Registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// `http(s)://host:port`, with or without `/nifi-registry-api`.
    pub url: String,
    /// PEM file of the certificate authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate chain.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub client_key_file: Option<PathBuf>,
    /// Token, or user and password.
    pub credentials: Credentials,
    /// Time limit for one connection attempt.
    pub connect_timeout: Duration,
    /// Time limit for one call, from its start to the last byte of the answer.
    pub call_timeout: Duration,
    /// When everything must be over.
    pub deadline: Option<Instant>,
    /// How often a read, or a call that was not sent, is repeated.
    pub retries: u32,
}

impl RegistryOptions {
    /// The Registry at `url`, without credentials: 10 s to connect, 120 s a call, 4 repetitions, no deadline.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            credentials: Credentials::None,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(120),
            deadline: None,
            retries: 4,
        }
    }
}

/// An answer: status and body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A call without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether the server may have got the request.
    pub(super) sent: bool,
    pub(super) error: StoreError,
}

/// A Registry's REST API.
#[derive(Debug)]
pub(super) struct Http {
    options: RegistryOptions,
    base: Url,
    client: Mutex<Option<Client>>,
    bearer: Mutex<Option<Secret>>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the outcome of a write is open: a race that was lost, an orphaned number, a heap that was too small.
    pub(super) fn is_open(&self) -> bool {
        self.status == 409 || self.status >= 500
    }

    /// What a status that is no success means.
    pub(super) fn refusal(&self, method: &str, path: &str) -> StoreError {
        let (kind, cause) = match self.status {
            401 => (StoreErrorKind::Denied, "credentials are missing or not accepted"),
            403 | 407 => (StoreErrorKind::Denied, "not allowed"),
            404 => (StoreErrorKind::Configuration, "not found"),
            300..=399 => (StoreErrorKind::Configuration, "redirected: give the URL that it leads to"),
            408 | 429 | 500..=599 => (StoreErrorKind::Transient, "the Registry failed"),
            _ => (StoreErrorKind::Refused, "the Registry refused"),
        };
        let status = self.status;
        StoreError::new(kind, format!("{cause}: {method} {path}: {status}{}", self.text()))
    }

    /// The text of an error, safe to show: one line, bounded, no control characters, no HTML.
    fn text(&self) -> String {
        let start = self.body.get(..self.body.len().min(8 * SHOWN_CHARS)).unwrap_or_default();
        let text = String::from_utf8_lossy(start);
        let text = text.trim();
        if text.is_empty() || text.starts_with('<') || text.starts_with('{') {
            return String::new();
        }
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        format!(" {}", text.chars().map(plain).take(SHOWN_CHARS).collect::<String>())
    }
}

impl Http {
    /// Checks the options. Nothing is read, connected or started before the first call.
    pub(super) fn open(options: RegistryOptions) -> Result<Self, StoreError> {
        let base = base_url(&options.url)?;
        options.credentials.check(base.scheme() == "https", is_loopback(&base))?;
        if options.client_cert_file.is_some() != options.client_key_file.is_some() {
            return Err(misconfigured("a client certificate needs both its file and its key's file"));
        }
        Ok(Self { options, base, client: Mutex::new(None), bearer: Mutex::new(None) })
    }

    /// `scheme://host[:port]`.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Reads. Repeats after failures that may go away. Gives the body, or `None` for 404.
    pub(super) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut repetition = 0;
        loop {
            let error = match self.call("GET", path, None) {
                Ok(answer) if answer.is_success() => return Ok(Some(answer.body)),
                Ok(answer) if answer.status == 404 => return Ok(None),
                Ok(answer) => answer.refusal("GET", path),
                Err(failure) => failure.error,
            };
            if error.kind != StoreErrorKind::Transient || repetition >= self.options.retries {
                return Err(error);
            }
            self.pause(repetition, error)?;
            repetition += 1;
        }
    }

    /// Writes. Repeats only while the request surely was not sent; any status is an answer but 401 and 403.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Answer, Failure> {
        if body.len() > MAX_POST_BYTES {
            let message = format!("{} bytes are more than the {MAX_POST_BYTES} that are sent: POST {path}", body.len());
            return Err(unsent(StoreError::new(StoreErrorKind::Refused, message)));
        }
        let mut repetition = 0;
        loop {
            let failure = match self.call("POST", path, Some(body)) {
                Ok(answer) if matches!(answer.status, 401 | 403) => return Err(unsent(answer.refusal("POST", path))),
                Ok(answer) => {
                    if !answer.is_success() {
                        self.forget_connections(body);
                    }
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.forget_connections(body);
            if failure.sent || failure.error.kind != StoreErrorKind::Transient || repetition >= self.options.retries {
                return Err(failure);
            }
            self.pause(repetition, failure.error).map_err(unsent)?;
            repetition += 1;
        }
    }

    /// Waits before repetition number `repetition` (from 0), or gives `error` back if the deadline does not allow it.
    pub(super) fn pause(&self, repetition: u32, error: StoreError) -> Result<(), StoreError> {
        let longest = FIRST_PAUSE.saturating_mul(1 << repetition.min(10)).min(LONGEST_PAUSE);
        let pause = longest.mul_f64(jitter());
        match self.options.deadline {
            Some(deadline) if Instant::now() + pause >= deadline => Err(error),
            _ => {
                std::thread::sleep(pause);
                Ok(())
            }
        }
    }

    fn call(&self, method: &'static str, path: &str, body: Option<&[u8]>) -> Result<Answer, Failure> {
        let answer = self.send(method, path, body)?;
        if answer.status == 401 && matches!(self.options.credentials, Credentials::Login { .. }) {
            // The token has expired, or the Registry's key has changed.
            *lock(&self.bearer) = None;
            return self.send(method, path, body);
        }
        Ok(answer)
    }

    fn send(&self, method: &'static str, path: &str, body: Option<&[u8]>) -> Result<Answer, Failure> {
        let client = self.client().map_err(unsent)?;
        let url = format!("{}{path}", self.base);
        let mut request = match body {
            Some(body) => client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_vec()),
            None => client.get(url),
        };
        request = request.header(ACCEPT, "application/json");
        if let Some(token) = self.token(&client).map_err(unsent)? {
            request = request.header(AUTHORIZATION, bearer(&token).map_err(unsent)?);
        }
        self.exchange(request, method, path)
    }

    fn exchange(&self, request: RequestBuilder, method: &str, path: &str) -> Result<Answer, Failure> {
        let end = self.end_of_call(method, path).map_err(unsent)?;
        let left = end.saturating_duration_since(Instant::now());
        let response = request.timeout(left).send().map_err(|error| failure(error, method, path))?;
        let status = response.status().as_u16();
        let cut = |error| Failure { sent: true, error };
        let body = read_body(response, end).map_err(|cause| cut(transient(&cause, method, path)))?;
        Ok(Answer { status, body })
    }

    fn end_of_call(&self, method: &str, path: &str) -> Result<Instant, StoreError> {
        let now = Instant::now();
        let end = now + self.options.call_timeout;
        match self.options.deadline {
            Some(deadline) if deadline <= now => Err(transient("the deadline is reached", method, path)),
            Some(deadline) => Ok(end.min(deadline)),
            None => Ok(end),
        }
    }

    /// The token to send, if any; logs in first if that is how it is got.
    fn token(&self, client: &Client) -> Result<Option<Secret>, StoreError> {
        let (user, password) = match &self.options.credentials {
            Credentials::None => return Ok(None),
            Credentials::Token(token) => return Ok(Some(token.clone())),
            Credentials::Login { user, password } => (user, password),
        };
        let mut kept = lock(&self.bearer);
        if let Some(token) = &*kept {
            return Ok(Some(token.clone()));
        }
        const PATH: &str = "/access/token/login";
        let request = client.post(format!("{}{PATH}", self.base)).basic_auth(user, Some(password.expose()));
        let answer = self.exchange(request.header(ACCEPT, "*/*"), "POST", PATH).map_err(|failure| failure.error)?;
        if !answer.is_success() {
            let mut error = answer.refusal("POST", PATH);
            if error.kind != StoreErrorKind::Transient {
                error.kind = StoreErrorKind::Denied;
            }
            return Err(error);
        }
        let token = Secret::new(&String::from_utf8_lossy(&answer.body));
        *kept = Some(token.clone());
        Ok(Some(token))
    }

    fn client(&self) -> Result<Client, StoreError> {
        let mut client = lock(&self.client);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let built = self.build()?;
        *client = Some(built.clone());
        Ok(built)
    }

    fn build(&self) -> Result<Client, StoreError> {
        let mut builder = Client::builder()
            .user_agent(concat!("nifi-idb/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true);
        if is_loopback(&self.base) {
            builder = builder.no_proxy();
        }
        // Fails if the program has chosen a provider already, which then is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if let Some(path) = &self.options.ca_file {
            let certificates = reqwest::Certificate::from_pem_bundle(&read_file(path)?).map_err(|_| no_pem(path))?;
            if certificates.is_empty() {
                return Err(no_pem(path));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let (Some(certificate), Some(key)) = (&self.options.client_cert_file, &self.options.client_key_file) {
            let pem = [read_file(certificate)?, b"\n".to_vec(), read_file(key)?].concat();
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|_| no_pem(certificate))?);
        }
        builder.build().map_err(|error| misconfigured("no HTTP client can be made").because(error.without_url()))
    }

    fn forget_connections(&self, body: &[u8]) {
        if body.len() > BIG_BODY_BYTES {
            *lock(&self.client) = None;
        }
    }
}

/// `http(s)://host[:port]/…/nifi-registry-api`.
fn base_url(text: &str) -> Result<Url, StoreError> {
    let error = || misconfigured("not the URL of a NiFi Registry (http://host:port or https://host:port)");
    let mut url = Url::parse(text.trim()).map_err(|_| error())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(error());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(misconfigured("the Registry's URL holds credentials: give them in the environment or a file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error());
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/nifi-registry-api");
    // People copy the address of the user interface.
    let path = format!("{}/nifi-registry-api", path.trim_end_matches("/nifi-registry"));
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(token: &Secret) -> Result<HeaderValue, StoreError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let mut value = value.map_err(|_| StoreError::new(StoreErrorKind::Denied, "the Registry's login gave no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read_body(mut response: Response, end: Instant) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = response.read(&mut buffer).map_err(|_| "the answer was cut off".to_owned())?;
        if count == 0 {
            return Ok(body);
        }
        body.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if body.len() as u64 > MAX_ANSWER_BYTES {
            return Err(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes"));
        }
        if Instant::now() > end {
            return Err("the answer took too long".to_owned());
        }
    }
}

fn failure(error: reqwest::Error, method: &str, path: &str) -> Failure {
    let error = error.without_url();
    let (timeout, connect) = (error.is_timeout(), error.is_connect());
    let mut cause = error.to_string();
    let mut kind = StoreErrorKind::Transient;
    let mut below = error.source();
    while let Some(error) = below {
        cause = error.to_string();
        kind = tls_kind(error).unwrap_or(kind);
        below = error.source();
    }
    if timeout {
        cause = if connect { "no connection in time".to_owned() } else { "no answer in time".to_owned() };
    }
    let message = format!("{cause}: {method} {path}");
    Failure { sent: !connect, error: StoreError { kind, message, source: Some(Box::new(error)) } }
}

/// What a failure of TLS means; `None` for any other error, and for one that may go away.
fn tls_kind(error: &(dyn std::error::Error + 'static)) -> Option<StoreErrorKind> {
    let error = match error.downcast_ref::<rustls::Error>() {
        Some(error) => error,
        None => error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?,
    };
    match error {
        rustls::Error::InvalidCertificate(_) => Some(StoreErrorKind::Configuration),
        rustls::Error::AlertReceived(_) => Some(StoreErrorKind::Denied),
        rustls::Error::InvalidMessage(_) => Some(StoreErrorKind::Configuration),
        _ => None,
    }
}

fn transient(cause: &str, method: &str, path: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Transient, format!("{cause}: {method} {path}"))
}

fn unsent(error: StoreError) -> Failure {
    Failure { sent: false, error }
}

fn misconfigured(message: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Configuration, message)
}

fn no_pem(path: &std::path::Path) -> StoreError {
    misconfigured(&format!("no PEM certificate (or no key for it): {}", path.display()))
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| misconfigured(&format!("cannot read {}", path.display())).because(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 0 to 1, different from process to process and from call to call. It decides how long to wait and nothing else.
#[expect(clippy::disallowed_methods, reason = "a seed for pauses; no result depends on it")]
fn jitter() -> f64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = format!("{} {:?} {}", std::process::id(), std::thread::current().id(), time.as_nanos());
    let [byte, other, ..] = *blake3::hash(seed.as_bytes()).as_bytes();
    f64::from(u16::from_le_bytes([byte, other])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_a_registry() {
        let base = |text: &str| base_url(text).map(|url| url.to_string()).map_err(|error| error.kind);
        let expected = Ok("http://r:18080/nifi-registry-api".to_owned());
        for text in
            ["http://r:18080", "http://r:18080/", "http://r:18080/nifi-registry-api/", "http://r:18080/nifi-registry"]
        {
            assert_eq!(base(text), expected, "{text}");
        }
        assert_eq!(base("https://p/a"), Ok("https://p/a/nifi-registry-api".to_owned()));
        for text in ["", "r:18080", "ftp://r", "http://u:p@r", "http://r?x", "http://r#x"] {
            assert_eq!(base(text), Err(StoreErrorKind::Configuration), "{text}");
        }
        assert!(!base_url("http://u:hunter2@r").unwrap_err().message.contains("hunter2"));
        for (text, expected) in
            [("http://127.0.0.1:1", true), ("http://[::1]", true), ("http://localhost", true), ("http://r", false)]
        {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn error_texts_are_bounded_and_plain() {
        let shown = |status, body: &[u8]| Answer { status, body: body.to_vec() }.refusal("POST", "/x").message;
        let long = format!("bad\u{1b}[31m\n{}", "x".repeat(100_000));
        let message = shown(400, long.as_bytes());
        assert!(message.len() < 300 && !message.contains('\u{1b}') && !message.contains('\n'), "{message}");
        assert_eq!(shown(500, b"<html>x"), "the Registry failed: POST /x: 500");
        assert_eq!(shown(409, b"taken"), "the Registry refused: POST /x: 409 taken");
    }

    #[test]
    fn nothing_too_large_is_sent_and_the_deadline_holds() {
        let mut options = RegistryOptions::new("http://127.0.0.1:9");
        options.retries = 0;
        let http = Http::open(options.clone()).unwrap();
        let failure = http.post("/x", &vec![b' '; MAX_POST_BYTES + 1]).unwrap_err();
        assert!(!failure.sent && failure.error.kind == StoreErrorKind::Refused, "{failure:?}");
        let failure = http.post("/x", b"{}").unwrap_err();
        assert!(!failure.sent && failure.error.kind == StoreErrorKind::Transient, "{failure:?}");
        options.deadline = Some(Instant::now());
        let error = Http::open(options).unwrap().get("/x").unwrap_err();
        assert_eq!(error.message, "the deadline is reached: GET /x");
    }

    #[test]
    fn jitter_stays_in_range() {
        assert!((0..1000).map(|_| jitter()).all(|value| (0.0..=1.0).contains(&value)));
    }
}
