//! Sends exported spans to an OpenTelemetry collector, with the same trust in certificates as every
//! other call.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Url;
use reqwest::blocking::Client;

use super::{CertificateFiles, ClientError, client, wrong};

/// Limit on the bytes of a response that are read: it says how many spans were rejected.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// A client of one collector.
#[derive(Debug)]
pub struct OtlpClient {
    client: Client,
    timeout: Duration,
}

impl OtlpClient {
    /// Creates the client for a collector; reads the certificates. `timeout` limits each call.
    ///
    /// # Errors
    ///
    /// The address is no URL, or a certificate cannot be read.
    pub fn new(
        endpoint: &str,
        files: &CertificateFiles,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let url = Url::parse(endpoint)
            .map_err(|_| wrong("the address of the collector is no URL".to_owned(), None))?;
        Ok(Self { client: client(&url, files, timeout)?, timeout })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = self.client.request(head.method, head.uri.to_string());
        let request = request.headers(head.headers).body(body).timeout(self.timeout);
        let response = request.send().map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let mut body = Vec::new();
        response.take(MAX_ANSWER_BYTES).read_to_end(&mut body)?;
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = status;
        Ok(answer)
    }
}

impl HttpClient for OtlpClient {
    /// Sends a request, and blocks meanwhile: the exporter has a thread for itself.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.send(request) })
    }
}
