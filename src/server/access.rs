//! Authentication: the client that sent a request, and the names by which it may call the server.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::client::{Caller, Clients};
use super::cors::Origins;
use super::host::HostNames;
use super::refusal::{Refusal, RefusalKind};
use super::slots::Asker;

/// The rules that decide which clients and pages may use the server.
#[derive(Debug, Default)]
pub struct Access {
    /// The clients file, if there is one.
    pub clients: Option<Clients>,
    /// True if TLS has verified every client that has a certificate.
    pub has_client_ca: bool,
    /// The origins whose pages may use the server.
    pub origins: Origins,
}

/// The properties of a connection's other end.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// The client's certificate (DER), verified by TLS.
    pub(super) certificate: Option<Vec<u8>>,
    /// The client's address; for IPv6, its network.
    pub(super) address: Option<IpAddr>,
    /// True if the connection is above the limit and may only ask for the server's health.
    pub(super) is_reserved: bool,
}

impl Peer {
    /// Returns the other end of the connection that a request came on.
    pub(super) fn of<B>(request: &Request<B>) -> Arc<Self> {
        request.extensions().get::<Arc<Self>>().cloned().unwrap_or_default()
    }
}

impl Access {
    /// True if every request must be authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.clients.is_some() || self.has_client_ca
    }

    /// Returns the client that sent a request.
    pub(super) fn caller(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller, Refusal> {
        let unknown = |what: &str| Err(Refusal::new(RefusalKind::Unauthenticated, what));
        let Some(clients) = &self.clients else {
            // TLS has already decided.
            return Ok(None);
        };
        if let Some(value) = headers.get(AUTHORIZATION) {
            let Some(token) = bearer(value) else {
                return unknown("the authorization is no bearer token");
            };
            return match clients.by_token(token) {
                Some(client) => Ok(Some(Arc::clone(client))),
                None => unknown("the bearer token is not known"),
            };
        }
        let Some(certificate) = &peer.certificate else {
            return unknown("say who you are: with a bearer token, or with a client certificate");
        };
        match clients.by_certificate(certificate) {
            Some(client) => Ok(Some(Arc::clone(client))),
            None => {
                Err(Refusal::forbidden("the client certificate is in no entry of the clients file"))
            }
        }
    }

    /// True if a request may see details of the machine: it comes from a client in the clients
    /// file, or its connection has a verified certificate.
    pub(super) fn has_proved(&self, headers: &HeaderMap, peer: &Peer) -> bool {
        self.is_authenticated() && self.caller(headers, peer).is_ok()
    }

    /// Refuses a request for a foreign host if there is no authentication.
    ///
    /// Then the loopback interface is the only protection, and a page whose name resolves to it
    /// would get through. Its browser sends the page's host, not ours.
    pub(super) fn check_host(&self, hosts: &HostNames) -> Result<(), Refusal> {
        if self.is_authenticated() || hosts.are_local() {
            return Ok(());
        }
        Err(Refusal::forbidden(
            "this server has no authentication and answers to localhost only: its address was \
             called by another name",
        ))
    }
}

/// Returns the asker that the caller's requests are counted for.
pub(super) fn asker(caller: &Caller, peer: &Peer) -> Asker {
    caller
        .as_ref()
        .map_or(Asker::Address(peer.address), |client| Asker::Client(client.name().to_owned()))
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}
