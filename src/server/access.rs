//! Authentication and the target of a request. Bucket, flow and source come from the credential and
//! the configuration; a request that names anything else is refused.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::answer::Refusal;
use super::client::{Client, Clients, Right};
use super::cors::Origins;
use super::host::HostNames;
use super::slots::Asker;
use crate::pipeline::{Admission, IntakeOptions};
use crate::snapshot::FlowName;

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

/// The client that sent a request; `None`: there is no clients file, so callers have no name.
pub(super) type Caller = Option<Arc<Client>>;

/// The bucket and flow that a request names, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) bucket: Option<String>,
    pub(super) flow: Option<String>,
}

impl Access {
    /// True if every request must be authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.clients.is_some() || self.has_client_ca
    }

    /// Returns the client that sent a request.
    pub(super) fn caller(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller, Refusal> {
        let unknown = |what: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, what));
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
            "this server has no authentication and answers to localhost only: its address was called by another name",
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

/// Returns the bucket, and the flow if it is known before the content is read.
pub(super) fn target(
    caller: &Caller,
    right: Right,
    named: Named,
    defaults: &IntakeOptions,
) -> Result<(String, Option<String>), Refusal> {
    let Named { mut bucket, flow } = named;
    // A path may contain the database's name, but the rights below are checked against flow names.
    let mut flow = flow.map(flow_or_database);
    if let Some(client) = caller {
        client.check_right(right)?;
        let own = client.bucket().unwrap_or(&defaults.bucket);
        if bucket.as_ref().is_some_and(|bucket| bucket != own) {
            return Err(Refusal::forbidden(format!(
                "client {:?} may use bucket {own} only",
                client.name()
            )));
        }
        bucket = Some(own.to_owned());
        let own = client.flow().or(defaults.flow.as_deref());
        flow = flow.or_else(|| own.map(str::to_owned));
        if let Some(flow) = &flow {
            client.check_flow(flow, defaults.flow.as_deref())?;
        }
    }
    let bucket = bucket.unwrap_or_else(|| defaults.bucket.clone());
    let flow = flow.or_else(|| defaults.flow.clone());
    FlowName::new(&bucket, "any")
        .map_err(|error| Refusal::bad_request(format!("bucket is {error}")))?;
    Ok((bucket, flow))
}

/// Returns the flow that a name refers to: a flow's own name, or a database's.
pub(super) fn flow_or_database(name: String) -> String {
    FlowName::of_name("any", &name).map_or(name, |flow| flow.flow().to_owned())
}

/// Returns the flow that a request reads.
pub(super) fn readable(
    caller: &Caller,
    right: Right,
    named: Named,
    defaults: &IntakeOptions,
) -> Result<FlowName, Refusal> {
    let (bucket, flow) = target(caller, right, named, defaults)?;
    let flow = flow.ok_or_else(|| Refusal::bad_request("name a flow"))?;
    FlowName::of_name(&bucket, &flow)
        .map_err(|error| Refusal::bad_request(format!("bucket is {error}")))
}

/// Returns the check of a batch's flow and source, which are known only after the batch was read.
pub(super) fn admission(caller: &Caller, default_flow: Option<&str>) -> Option<Admission> {
    let (client, default_flow) = (Arc::clone(caller.as_ref()?), default_flow.map(str::to_owned));
    Some(Admission::new(move |flow, source| {
        let checked = client
            .check_source(source)
            .and_then(|()| client.check_flow(flow.flow(), default_flow.as_deref()));
        checked.map_err(|refusal| refusal.message)
    }))
}
