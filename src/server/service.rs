//! One request: its caller, its slot, and the protocol that serves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, ORIGIN,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::{Access, Caller, Peer, asker};
use super::answer::{NDJSON, Refusal, Reply, answer, header_value, refuse};
use super::body::{Body, discard, whole};
use super::call_body::{CallBody, CallLimits};
use super::cors;
use super::grpc::Grpc;
use super::host::HostNames;
use super::http;
use super::limits::Limits;
use super::metrics::{CONTENT_TYPE as METRICS, Metrics};
use super::ready::Readiness;
use super::request::Route;
use super::slots::{Asker, Busy, MAX_WAITING, Slot, Slots, most_of_one};
use super::threads;
use super::tracked::AnswerDeadline;
use crate::memory::{MemoryBudget, MemoryClaim};
use crate::pipeline::IntakeOptions;
use crate::store::SnapshotStore;
use crate::store::cached::CachedStore;

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// Time limit for reading a response that needed no slot.
const BRIEF: Duration = Duration::from_secs(30);

/// Extra time for the last piece of a response after the request's deadline.
const LAST_PIECE: Duration = Duration::from_secs(2);

/// The state that all requests share.
pub(super) struct Server {
    pub(super) store: Arc<CachedStore<Box<dyn SnapshotStore>>>,
    pub(super) intake: IntakeOptions,
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) slots: Slots,
    pub(super) memory: Arc<MemoryBudget>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
}

/// The properties of a request that are known before its body is read.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) caller: Caller,
    /// The asker whose share of the slots it uses.
    pub(super) asker: Asker,
    /// True if a page in a browser sent it.
    pub(super) is_page: bool,
    pub(super) deadline: Instant,
    /// The slot, held by the thread that works for the request; `None`: not requested yet.
    pub(super) slot: Option<Slot>,
    /// The memory that the request has claimed.
    pub(super) memory: MemoryClaim,
}

impl Server {
    /// Runs `work` on a new thread, and returns its response. If the request's deadline passes
    /// first, the response reports that, and the thread goes on to its end. A panic of `work` ends
    /// only this request.
    pub(super) async fn reply(
        &self,
        ticket: &Ticket,
        work: impl FnOnce(Reply) + Send + 'static,
    ) -> Response<Body> {
        let (head, answered) = oneshot::channel();
        let reply = Reply::new(Handle::current(), self.limits.idle, ticket.deadline.into(), head);
        let slot = ticket.slot.clone();
        let started = threads::start("request", move || {
            work(reply);
            drop(slot);
        });
        if let Err(failure) = started {
            return refuse(&failure.into());
        }
        let answered =
            timeout(ticket.deadline.saturating_duration_since(Instant::now()), answered).await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => refuse(&Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, BUG)),
            Err(_) => refuse(&Refusal::new(StatusCode::SERVICE_UNAVAILABLE, LATE)),
        };
        response.extensions_mut().insert(AnswerDeadline((ticket.deadline + LAST_PIECE).into()));
        response
    }

    fn busy(&self, busy: Busy) -> Refusal {
        let (slots, waiting) = (self.limits.max_requests, most_of_one(MAX_WAITING));
        let own = most_of_one(slots);
        let what = match busy {
            Busy::Full => format!(
                "{slots} requests are under way, as many as may be, and {MAX_WAITING} wait, or {waiting} of one client: \
                 try again"
            ),
            Busy::Late => format!(
                "{slots} requests are under way, as many as may be, or {own} of one client, until the deadline: try again"
            ),
            Busy::Draining => "the server is being stopped: try again".to_owned(),
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what)
    }

    fn ticket(
        &self,
        caller: Caller,
        peer: &Peer,
        is_page: bool,
        limit: Option<Duration>,
    ) -> Result<Ticket, Refusal> {
        if self.slots.is_draining() {
            return Err(self.busy(Busy::Draining));
        }
        let limit = limit.map_or(self.limits.deadline, |limit| limit.min(self.limits.deadline));
        let (deadline, memory) = (Instant::now() + limit, self.memory.claim());
        Ok(Ticket { asker: asker(&caller, peer), caller, is_page, deadline, slot: None, memory })
    }

    /// Waits for a slot, at most until the request's deadline.
    pub(super) async fn admit(&self, ticket: Ticket) -> Result<Ticket, Refusal> {
        let slot = self
            .slots
            .take(&ticket.asker, ticket.deadline.into())
            .await
            .map_err(|busy| self.busy(busy))?;
        Ok(Ticket { slot: Some(slot), ..ticket })
    }

    /// Like [`Self::admit`], for a gRPC call whose message has arrived.
    pub(super) async fn admit_call(&self, ticket: Ticket) -> Result<Ticket, tonic::Status> {
        let slot =
            self.slots.take(&ticket.asker, ticket.deadline.into()).await.map_err(|busy| {
                let refusal = self.busy(busy);
                match busy {
                    Busy::Late => tonic::Status::deadline_exceeded(refusal.message),
                    Busy::Full | Busy::Draining => super::grpc::status(&refusal),
                }
            })?;
        Ok(Ticket { slot: Some(slot), ..ticket })
    }
}

/// The message if a request's deadline passed before its response was ready.
pub(super) const LATE: &str = "the deadline passed; the batch may be written all the same: sent again with its sequence or delivery id it changes nothing";

/// The message if a thread ended in the middle of a request.
pub(super) const BUG: &str = "internal error: a bug in nifi-idb";

/// The message for a connection above the limit that asks for more than the server's health.
const CROWDED: &str = "too many connections are open: try again";

/// Responds to one request.
pub(super) async fn serve(
    server: Arc<Server>,
    grpc: Grpc,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Body> {
    let start = Instant::now();
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return serve_grpc(&server, grpc, &peer, request, start).await;
    }
    let (version, is_head) = (request.version(), request.method() == Method::HEAD);
    let origin = server.access.origins.check(request.headers());
    let (name, mut response) = match (HostNames::of(&request), &origin) {
        (Err(refusal), _) => ("other", turned_away(&server, &refusal, request)),
        (_, Err(refusal)) => ("other", turned_away(&server, refusal, request)),
        (Ok(hosts), Ok(_)) => serve_http(&server, &peer, &hosts, request).await,
    };
    if let Ok(Some(origin)) = origin {
        cors::allow(origin, &mut response);
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    let is_closing = server.slots.is_draining() || peer.is_reserved;
    if is_closing && version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if response.extensions().get::<AnswerDeadline>().is_none() {
        response.extensions_mut().insert(AnswerDeadline((Instant::now() + BRIEF).into()));
    }
    let status = response.status().as_str().to_owned();
    server.metrics.request("http", name, status.into(), start.elapsed());
    if is_head { without_body(response) } else { response }
}

/// Makes the response to HEAD: the response to GET without its body.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    use hyper::body::Body as _;
    if let Some(bytes) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
    response.map(|_| whole(""))
}

async fn serve_http(
    server: &Arc<Server>,
    peer: &Peer,
    hosts: &HostNames,
    request: Request<Incoming>,
) -> (&'static str, Response<Body>) {
    if cors::is_preflight(&request) {
        return ("preflight", cors::preflight(&request));
    }
    let route = match Route::parse(request.uri().path()) {
        Ok(route) => route,
        Err(refusal) => return ("other", turned_away(server, &refusal, request)),
    };
    let (name, allowed) = (route.name(), route.allowed());
    let mut response = match admitted(server, peer, hosts, &route, &request) {
        Err(refusal) => turned_away(server, &refusal, request),
        Ok(None) => {
            open_route(server, &route, server.access.has_proved(request.headers(), peer)).await
        }
        Ok(Some(ticket)) => http::handle(server, ticket, route, request).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    (name, response)
}

/// Checks everything that does not need the body; `None` for a route that takes no slot.
fn admitted(
    server: &Server,
    peer: &Peer,
    hosts: &HostNames,
    route: &Route,
    request: &Request<Incoming>,
) -> Result<Option<Ticket>, Refusal> {
    if !route.allowed().split(", ").any(|method| request.method() == method) {
        let what = format!("this path takes {} only", route.allowed());
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, what));
    }
    if matches!(route, Route::Live | Route::Ready) {
        return Ok(None);
    }
    if peer.is_reserved {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, CROWDED));
    }
    server.access.check_host(hosts)?;
    let caller = server.access.caller(request.headers(), peer)?;
    if matches!(route, Route::Metrics) {
        return Ok(None);
    }
    server.ticket(caller, peer, request.headers().contains_key(ORIGIN), None).map(Some)
}

async fn open_route(server: &Arc<Server>, route: &Route, has_proved: bool) -> Response<Body> {
    match route {
        Route::Metrics => {
            let text = server.metrics.to_page(
                &server.slots,
                server.memory.claimed(),
                &server.store.counts(),
            );
            answer(StatusCode::OK, METRICS, text)
        }
        Route::Ready => match server.readiness.check(server).await {
            Ok(()) => answer(StatusCode::OK, NDJSON, "{\"ready\":true}\n"),
            Err(unready) => refuse(&Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                unready.message_for(has_proved),
            )),
        },
        _ => answer(StatusCode::OK, NDJSON, "{\"live\":true}\n"),
    }
}

/// Refuses a request before its body is read. The body is read and discarded in the background, so
/// that a client that sends everything before it reads sees the response; a client that waits for
/// `100 Continue` sends nothing.
pub(super) fn turned_away(
    server: &Server,
    refusal: &Refusal,
    request: Request<Incoming>,
) -> Response<Body> {
    if !request.headers().contains_key(EXPECT) {
        tokio::spawn(discard(
            request.into_body(),
            server.limits.max_body_bytes,
            server.limits.idle,
        ));
    }
    let mut response = refuse(refusal);
    let header = match refusal.status {
        StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
        StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, RETRY_AFTER_SECONDS)),
        _ => None,
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn serve_grpc(
    server: &Arc<Server>,
    grpc: Grpc,
    peer: &Peer,
    mut request: Request<Incoming>,
    start: Instant,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let name = Grpc::name(&path);
    let mut deadline = Instant::now() + server.limits.deadline;
    let mut response = match grpc_ticket(server, peer, &path, &request) {
        Err(status) => {
            // As with HTTP, a client that sends everything before it reads must not see a reset.
            tokio::spawn(discard(
                request.into_body(),
                server.limits.max_body_bytes,
                server.limits.idle,
            ));
            status.into_http()
        }
        Ok(ticket) => {
            let mut memory = server.memory.claim();
            if let Some(ticket) = ticket {
                (deadline, memory) = (ticket.deadline, ticket.memory.clone());
                request.extensions_mut().insert(ticket);
            }
            let limits = CallLimits {
                max_message_bytes: server.limits.max_message_bytes,
                idle: server.limits.idle,
                deadline: deadline.into(),
                memory,
            };
            grpc.call(&path, request.map(|body| Body::new(CallBody::new(body, limits)))).await
        }
    };
    response.extensions_mut().insert(AnswerDeadline((deadline + LAST_PIECE).into()));
    let status = Grpc::outcome(&response);
    server.metrics.request("grpc", name, status, start.elapsed());
    response
}

fn grpc_ticket(
    server: &Server,
    peer: &Peer,
    path: &str,
    request: &Request<Incoming>,
) -> Result<Option<Ticket>, tonic::Status> {
    let status = |refusal: Refusal| super::grpc::status(&refusal);
    let hosts = HostNames::of(request).map_err(status)?;
    // A page cannot send this content type without a preflight, and a preflight does not allow it.
    server.access.origins.check(request.headers()).map_err(status)?;
    if Grpc::is_health(path) {
        return Ok(None);
    }
    if peer.is_reserved {
        return Err(tonic::Status::unavailable(CROWDED));
    }
    server.access.check_host(&hosts).map_err(status)?;
    let caller = server.access.caller(request.headers(), peer).map_err(status)?;
    if !Grpc::is_work(path) {
        return Ok(None);
    }
    let limit = request
        .headers()
        .get("grpc-timeout")
        .and_then(|value| super::grpc::timeout(value.to_str().ok()?));
    let is_page = request.headers().contains_key(ORIGIN);
    server.ticket(caller, peer, is_page, limit).map(Some).map_err(status)
}

/// Sets a header if the value is valid in one.
pub(super) fn set_header(response: &mut Response<Body>, name: &str, value: &str) {
    let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).ok();
    if let (Some(name), Some(value)) = (name, header_value(value)) {
        response.headers_mut().insert(name, value);
    }
}
