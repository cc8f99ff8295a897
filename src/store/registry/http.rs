//! Makes one HTTP call after another to one Registry: connections, time limits, retries, and the
//! meaning of a status.

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};

use super::auth::Credentials;
use super::failure::{CallFailure, failure, unsent};
use super::options::{RegistryOptions, base_url, misconfigured};
use crate::http_client::{CallLog, destination, is_loopback};
use crate::secret::Secret;
use crate::store::{StoreError, StoreErrorKind};

/// Limit on the bytes of a request body: a larger one can exhaust the memory of a Registry with the
/// usual heap.
pub const MAX_POST_BYTES: usize = 16 << 20;

/// Limit on the bytes of a response that is read: a version echoed with all its escapes stays well
/// below.
pub const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// A connection that carried a body above this many bytes is not used again after a failure:
/// Registry may have responded before it had read everything.
const BIG_BODY_BYTES: usize = 1 << 20;

/// Pause before the first retry; doubled for each one after it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between retries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Length limit of the part of a server's error text that a message contains, in characters.
const SHOWN_CHARS: usize = 200;

/// A response: status and body, and the details for an error message.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Method and address of the call.
    pub(super) call: String,
    /// Target address of a redirect, without its query.
    pub(super) location: Option<String>,
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

    /// True if the outcome of a write is open: a lost race, an orphaned number, or a heap that was
    /// too small.
    pub(super) fn is_open(&self) -> bool {
        self.status == 409 || self.status >= 500
    }

    /// The error for a status other than success.
    pub(super) fn refusal(&self) -> StoreError {
        let (kind, cause) = match self.status {
            401 => (StoreErrorKind::Denied, "credentials are missing or not accepted".to_owned()),
            403 | 407 => (StoreErrorKind::Denied, "not allowed".to_owned()),
            404 => (StoreErrorKind::Configuration, "not found".to_owned()),
            300..=399 => (StoreErrorKind::Configuration, redirected(self.location.as_deref())),
            408 | 429 | 500..=599 => (StoreErrorKind::Transient, "the Registry failed".to_owned()),
            _ => (StoreErrorKind::Refused, "the Registry refused".to_owned()),
        };
        StoreError::new(kind, format!("{cause}: {}: {}{}", self.call, self.status, self.text()))
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
            return Err(misconfigured(
                "a client certificate needs both its file and its key's file",
            ));
        }
        Ok(Self { options, base, client: Mutex::new(None), bearer: Mutex::new(None) })
    }

    /// `scheme://host[:port]`; part of stored versions.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The address without `/nifi-registry-api`, for messages.
    pub(super) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches("/nifi-registry-api")
    }

    /// Method and full address of a call, for messages.
    pub(super) fn place(&self, method: &str, path: &str) -> String {
        format!("{method} {}{path}", self.base)
    }

    /// Reads, and retries after failures that may go away. Returns the body, or `None` for 404.
    pub(super) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut repetition = 0;
        loop {
            let error = match self.call("GET", path, None) {
                Ok(answer) if answer.is_success() => return Ok(Some(answer.body)),
                Ok(answer) if answer.status == 404 => return Ok(None),
                Ok(answer) => answer.refusal(),
                Err(failure) => failure.error,
            };
            if error.kind != StoreErrorKind::Transient || repetition >= self.options.retries {
                return Err(error);
            }
            self.pause(repetition, error)?;
            repetition += 1;
        }
    }

    /// Writes. Retries only while the request surely was not sent; any status except 401 and 403
    /// counts as a response.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Answer, CallFailure> {
        if body.len() > MAX_POST_BYTES {
            let message = format!(
                "{} bytes are more than the {MAX_POST_BYTES} that are sent: {}",
                body.len(),
                self.place("POST", path)
            );
            return Err(unsent(StoreError::new(StoreErrorKind::Refused, message)));
        }
        let mut repetition = 0;
        loop {
            let failure = match self.call("POST", path, Some(body)) {
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    return Err(unsent(answer.refusal()));
                }
                Ok(answer) => {
                    if !answer.is_success() {
                        self.forget_connections(body);
                    }
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.forget_connections(body);
            if failure.sent
                || failure.error.kind != StoreErrorKind::Transient
                || repetition >= self.options.retries
            {
                return Err(failure);
            }
            self.pause(repetition, failure.error).map_err(unsent)?;
            repetition += 1;
        }
    }

    /// Waits before retry number `repetition` (from 0), or returns `error` if the deadline does not
    /// allow it.
    pub(super) fn pause(&self, repetition: u32, error: StoreError) -> Result<(), StoreError> {
        let longest = FIRST_PAUSE.saturating_mul(1 << repetition.min(10)).min(LONGEST_PAUSE);
        self.wait(longest.mul_f64(fastrand::f64()), error)
    }

    /// Waits, or returns `error` if the deadline does not allow it.
    pub(super) fn wait(&self, pause: Duration, error: StoreError) -> Result<(), StoreError> {
        match self.options.deadline {
            Some(deadline) if Instant::now() + pause >= deadline => Err(error),
            _ => {
                let pause_ms = pause.as_millis() as u64;
                tracing::warn!(pause_ms, %error, "call repeated");
                std::thread::sleep(pause);
                Ok(())
            }
        }
    }

    fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Answer, CallFailure> {
        let answer = self.send(method, path, body)?;
        if answer.status == 401 && matches!(self.options.credentials, Credentials::Login { .. }) {
            // The token has expired, or the Registry's key has changed.
            *lock(&self.bearer) = None;
            return self.send(method, path, body);
        }
        Ok(answer)
    }

    fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Answer, CallFailure> {
        let client = self.client().map_err(unsent)?;
        let url = format!("{}{path}", self.base);
        let mut request = match body {
            Some(body) => {
                client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_vec())
            }
            None => client.get(url),
        };
        request = request.header(ACCEPT, "application/json");
        if let Some(token) = self.token(&client).map_err(unsent)? {
            request = request.header(AUTHORIZATION, bearer(&token).map_err(unsent)?);
        }
        self.exchange(request, method, path)
    }

    fn exchange(
        &self,
        request: RequestBuilder,
        method: &str,
        path: &str,
    ) -> Result<Answer, CallFailure> {
        let log = CallLog::start("registry", method, path);
        let result = self.answer(request, self.place(method, path));
        match &result {
            Ok(answer) => log.answered(answer.status, answer.body.len()),
            Err(failure) => log.failed(&failure.error),
        }
        result
    }

    fn answer(&self, request: RequestBuilder, call: String) -> Result<Answer, CallFailure> {
        let end = self.end_of_call(&call).map_err(unsent)?;
        let left = end.saturating_duration_since(Instant::now());
        let has_client_certificate = self.options.client_cert_file.is_some();
        let response = request
            .timeout(left)
            .send()
            .map_err(|error| failure(error, &call, has_client_certificate))?;
        let status = response.status().as_u16();
        let location =
            response.headers().get(LOCATION).and_then(|value| destination(value, &self.base));
        let body = read_body(response, end).map_err(|(kind, cause)| {
            let error = StoreError::new(kind, format!("{cause}: {call}"));
            CallFailure { sent: true, error }
        })?;
        Ok(Answer { status, body, call, location })
    }

    fn end_of_call(&self, call: &str) -> Result<Instant, StoreError> {
        let now = Instant::now();
        let end = now + self.options.call_timeout;
        match self.options.deadline {
            Some(deadline) if deadline <= now => Err(StoreError::new(
                StoreErrorKind::Transient,
                format!("the deadline is reached: {call}"),
            )),
            Some(deadline) => Ok(end.min(deadline)),
            None => Ok(end),
        }
    }

    /// The token to send, if any; logs in first if the token must be requested.
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
        let request =
            client.post(format!("{}{PATH}", self.base)).basic_auth(user, Some(password.expose()));
        let answer = self
            .exchange(request.header(ACCEPT, "*/*"), "POST", PATH)
            .map_err(|failure| failure.error)?;
        if !answer.is_success() {
            let mut error = answer.refusal();
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
        let built = self.options.client(&self.base)?;
        *client = Some(built.clone());
        Ok(built)
    }

    fn forget_connections(&self, body: &[u8]) {
        if body.len() > BIG_BODY_BYTES {
            *lock(&self.client) = None;
        }
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, StoreError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let mut value = value.map_err(|_| {
        StoreError::new(StoreErrorKind::Denied, "the Registry's login gave no token")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn read_body(mut response: Response, end: Instant) -> Result<Vec<u8>, (StoreErrorKind, String)> {
    let mut body = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let cut = |_| (StoreErrorKind::Transient, "the answer was cut off".to_owned());
        let count = response.read(&mut buffer).map_err(cut)?;
        if count == 0 {
            return Ok(body);
        }
        body.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if body.len() as u64 > MAX_ANSWER_BYTES {
            let message = format!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
            return Err((StoreErrorKind::Damaged, message));
        }
        if Instant::now() > end {
            return Err((StoreErrorKind::Transient, "the answer took too long".to_owned()));
        }
    }
}

fn redirected(location: Option<&str>) -> String {
    match location {
        Some(location) => {
            format!("redirected to {location}: give the address of the Registry itself")
        }
        None => "redirected: give the address of the Registry itself".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_are_bounded_and_plain() {
        let shown = |status, body: &[u8]| {
            let call = "POST http://r/x".to_owned();
            Answer { status, body: body.to_vec(), call, location: None }.refusal().message
        };
        let long = format!("bad\u{1b}[31m\n{}", "x".repeat(100_000));
        let message = shown(400, long.as_bytes());
        assert!(
            message.len() < 300 && !message.contains('\u{1b}') && !message.contains('\n'),
            "{message}"
        );
        assert_eq!(shown(500, b"<html>x"), "the Registry failed: POST http://r/x: 500");
        assert_eq!(shown(409, b"taken"), "the Registry refused: POST http://r/x: 409 taken");
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
        assert_eq!(
            error.message,
            "the deadline is reached: GET http://127.0.0.1:9/nifi-registry-api/x"
        );
    }
}
