//! HTTP: the routes, and the requests and responses of each operation.
//!
//! [changes.md]: crate::decode
//! [clients.md]: crate::server::client
//! [flowfiles.md]: crate::flowfile
//! [grpc.md]: crate::server::grpc
//! [limits.md]: crate::limits
//! [logging.md]: crate::cli
//! [rules.md#what-a-source-receives]: crate::merge#what-a-source-receives
//!
#![doc = include_str!("../../doc/reference/http.md")]

use std::io::{self, Write};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use hyper::StatusCode;
use hyper::body::Body as _;

use super::access::Peer;
use super::answer::{ERROR, FLOWFILE_V3, NDJSON, answer, http_status, refuse, set_header};
use super::api::records::ShowOperation;
use super::api::refused;
use super::api::sources::SourcesOperation;
use super::api::sync::{SyncOperation, SyncOutcome};
use super::api::versions::{LogOperation, RestoreOperation};
use super::body::{BodyLimits, reader};
use super::layers::{LayerState, Needs, admit};
use super::metered::MeteredStore;
use super::metrics::CONTENT_TYPE as METRICS;
use super::named::Named;
use super::refusal::{Refusal, RefusalKind};
use super::reply::{Reply, reply};
use super::request::{Query, attributes, content};
use super::route_names::{
    FLOW_SYNC, Protocol, RECORDS, SOURCE, SOURCES, SYNC, VERSION, VERSIONS, http_label,
};
use super::state::Server;
use super::ticket::Ticket;
use crate::history::{At, RestoreFormat, RestoreOptions};
use crate::pipeline::NewEpoch;
use crate::snapshot::SourceId;
use crate::store::SnapshotStore;

/// Makes the routes.
pub(super) fn routes(server: &Arc<Server>) -> Router {
    let state = LayerState { server: Arc::clone(server), protocol: Protocol::Http };
    // A layer of each route, so that an unknown path or a wrong method needs no credential.
    let needs = |needs: Needs, route: MethodRouter<LayerState>| {
        route.route_layer(from_fn_with_state((state.clone(), needs), admit))
    };
    let work = |route| needs(Needs::Slot, route);
    Router::new()
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", needs(Needs::Credential, get(metrics)))
        .route(SYNC, work(post(sync_anywhere)))
        .route(FLOW_SYNC, work(post(sync_into_flow)))
        .route(SOURCES, work(get(all_sources)))
        .route(SOURCE, work(get(one_source)))
        .route(VERSIONS, work(get(versions)))
        .route(VERSION, work(get(version)))
        .route(RECORDS, work(get(record)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

/// The bucket and flow in a path.
type FlowPath = (String, String);

fn named((bucket, flow): FlowPath) -> Named {
    Named { bucket: Some(bucket), flow: Some(flow) }
}

async fn unknown_path(State(state): State<LayerState>, request: Request) -> Response {
    let what = "there is nothing at this path; doc/reference/http.md lists the routes";
    state.turn_away(&Refusal::not_found(what), request)
}

async fn wrong_method(State(state): State<LayerState>, request: Request) -> Response {
    let is_sync = Protocol::Http.label(&request) == http_label(SYNC);
    let allowed = if is_sync { "POST" } else { "GET, HEAD" };
    let what = format!("this path takes {allowed} only");
    let mut response = state.turn_away(&Refusal::new(RefusalKind::WrongMethod, what), request);
    set_header(&mut response, "allow", allowed);
    response
}

async fn live() -> Response {
    answer(StatusCode::OK, NDJSON, "{\"live\":true}\n")
}

async fn ready(State(LayerState { server, .. }): State<LayerState>, request: Request) -> Response {
    match server.check_ready().await {
        Ok(()) => answer(StatusCode::OK, NDJSON, "{\"ready\":true}\n"),
        Err(unready) => {
            let has_proved = server.access.has_proved(request.headers(), &Peer::of(&request));
            refuse(&Refusal::unavailable(unready.message_for(has_proved)))
        }
    }
}

async fn metrics(State(LayerState { server, .. }): State<LayerState>) -> Response {
    let (claimed, cache) = (server.memory.claimed(), server.store.counts());
    answer(StatusCode::OK, METRICS, server.metrics.to_page(&server.slots, claimed, &cache))
}

async fn sync_anywhere(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    request: Request,
) -> Response {
    sync(state, ticket, Named::default(), request).await
}

async fn sync_into_flow(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path(flow): Path<FlowPath>,
    request: Request,
) -> Response {
    sync(state, ticket, named(flow), request).await
}

async fn sync(state: LayerState, ticket: Ticket, named: Named, request: Request) -> Response {
    let server = Arc::clone(&state.server);
    let prepared = prepare_sync(&server, &ticket, named, &request);
    // Nothing of the body is read before the request has a slot.
    let admitted = match prepared {
        Ok(operation) => server.admit(ticket).await.map(|ticket| (operation, ticket)),
        Err(refusal) => Err(refusal),
    };
    let (operation, ticket) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return state.turn_away(&refusal, request),
    };
    let limits = BodyLimits {
        max_bytes: server.limits.max_body_bytes,
        idle: server.limits.idle,
        deadline: ticket.deadline.into(),
    };
    let received = &server.metrics.received_bytes;
    let mut body = reader(request.into_body(), limits, received, ticket.memory.clone());
    let (worker, facts) = (Arc::clone(&server), ticket.facts.clone());
    let work = move |reply: Reply| {
        let result = operation.run(&*worker.store, &mut body, &worker.metrics);
        match body.check(result) {
            Ok(outcome) => {
                outcome.note(&facts);
                send(reply, outcome);
            }
            Err(refusal) => reply.send(refuse(&refusal)),
        }
    };
    reply(&server, &ticket, work).await
}

/// Checks everything that can be checked before the body is read.
fn prepare_sync(
    server: &Server,
    ticket: &Ticket,
    named: Named,
    request: &Request,
) -> Result<SyncOperation, Refusal> {
    let is_package = content(request.headers())?;
    let mut query = Query::parse(request.uri().query())?;
    let attributes = attributes(request.headers(), &mut query)?;
    let pull = query.take_switch("pull")?;
    let confirm = query.take("confirm");
    let new_epoch = match query.take("new-epoch").as_deref() {
        None => None,
        Some("keep") => Some(NewEpoch::Keep),
        // `mirror` would delete records that are missing from the batch; only someone who sees the
        // whole store may decide that.
        Some(_) => {
            return Err(Refusal::bad_request("new-epoch is keep; mirror is for nifi-idb sync"));
        }
    };
    query.finish()?;
    let max_bytes = server.limits.max_body_bytes;
    if request.body().size_hint().lower() > max_bytes {
        let what = format!("the body has more than {max_bytes} bytes (--max-body-bytes)");
        return Err(Refusal::new(RefusalKind::TooLarge, what));
    }
    let mut operation = SyncOperation::new(ticket, named, attributes, pull, &server.intake)?;
    operation.is_package = is_package;
    operation.options.sync.confirm = confirm;
    operation.options.sync.new_epoch = new_epoch;
    Ok(operation)
}

/// Sends a report: its attributes as headers, its lines or packages as the body.
fn send(reply: Reply, mut outcome: SyncOutcome) {
    let is_package = matches!(outcome, SyncOutcome::Package(_));
    let media = if is_package { FLOWFILE_V3 } else { NDJSON };
    let status = outcome.refusal_kind().map_or(StatusCode::OK, http_status);
    // A package reports most failures in its parts.
    let mut head = answer(status, media, "");
    // The type of the body is already in `content-type`.
    for (name, value) in outcome.attributes().iter().filter(|(name, _)| *name != "mime.type") {
        set_header(&mut head, name, value);
    }
    if let Some(failure) = outcome.failure().filter(|_| is_package) {
        set_header(&mut head, ERROR, &failure.message);
    }
    reply.send_written(head, |out| {
        let broken = |error: io::Error| Refusal::unavailable(format!("report: {error}"));
        outcome.write(out).map_err(broken)
    });
}

async fn all_sources(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path(flow): Path<FlowPath>,
    request: Request,
) -> Response {
    sources(state, ticket, named(flow), None, request).await
}

async fn one_source(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path((bucket, flow, id)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    sources(state, ticket, named((bucket, flow)), Some(id), request).await
}

async fn sources(
    state: LayerState,
    ticket: Ticket,
    named: Named,
    id: Option<String>,
    request: Request,
) -> Response {
    let server = Arc::clone(&state.server);
    let prepare = |ticket: &Ticket, _: &mut Query| {
        let source = id.map(|id| id.parse::<SourceId>()).transpose();
        let source =
            source.map_err(|error| Refusal::bad_request(format!("the source is {error}")))?;
        let operation = SourcesOperation::new(&ticket.caller, named, source, &server.intake)?;
        ticket.facts.flow(operation.flow());
        Ok(move |store: &dyn SnapshotStore, out: &mut dyn Write| {
            operation.run(store)?.iter().try_for_each(|found| line(out, &found.to_json()))
        })
    };
    read(state, ticket, request, prepare).await
}

async fn versions(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path(flow): Path<FlowPath>,
    request: Request,
) -> Response {
    let server = Arc::clone(&state.server);
    let prepare = |ticket: &Ticket, query: &mut Query| {
        let limit = query.take("limit").map(|text| text.parse::<usize>()).transpose();
        let limit = limit.map_err(|_| Refusal::bad_request("limit is a number"))?;
        let operation = LogOperation::new(&ticket.caller, named(flow), limit, &server.intake)?;
        ticket.facts.flow(operation.flow());
        Ok(move |store: &dyn SnapshotStore, out: &mut dyn Write| {
            operation.run(store)?.iter().try_for_each(|entry| line(out, &entry.to_json()))
        })
    };
    read(state, ticket, request, prepare).await
}

async fn version(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path((bucket, flow, at)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let server = Arc::clone(&state.server);
    let prepare = |ticket: &Ticket, query: &mut Query| {
        let options = RestoreOptions {
            format: match query.take("format").as_deref() {
                None | Some("changes") => RestoreFormat::Changes,
                Some("records") => RestoreFormat::Records,
                Some(_) => return Err(Refusal::bad_request("format is changes or records")),
            },
            object_store: query.take("object.store").map(|name| name.as_str().into()),
        };
        let (named, at) = (named((bucket, flow)), read_version(&at)?);
        let operation = RestoreOperation::new(&ticket.caller, named, at, options, &server.intake)?;
        let facts = ticket.facts.clone();
        facts.flow(operation.flow());
        Ok(move |store: &dyn SnapshotStore, out: &mut dyn Write| {
            operation.run(store, out, |version| facts.version(version))
        })
    };
    read(state, ticket, request, prepare).await
}

async fn record(
    State(state): State<LayerState>,
    Extension(ticket): Extension<Ticket>,
    Path((bucket, flow, at)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let server = Arc::clone(&state.server);
    let prepare = |ticket: &Ticket, query: &mut Query| {
        let missing = || Refusal::bad_request("name the record: ?object.store=NAME&key=JSON");
        let (object_store, key) =
            query.take("object.store").zip(query.take("key")).ok_or_else(missing)?;
        let (named, at) = (named((bucket, flow)), read_version(&at)?);
        let record = Some((object_store, key.as_str()));
        let operation = ShowOperation::new(&ticket.caller, named, at, record, &server.intake)?;
        let facts = ticket.facts.clone();
        facts.flow(operation.flow());
        Ok(move |store: &dyn SnapshotStore, out: &mut dyn Write| {
            line(out, &operation.run(store, |version| facts.version(version))?)
        })
    };
    read(state, ticket, request, prepare).await
}

/// Responds to a request that reads: `prepare` checks it, and what that returns writes the body on
/// a thread. A request with a wrong parameter is refused before it waits for a slot.
async fn read<W>(
    state: LayerState,
    ticket: Ticket,
    request: Request,
    prepare: impl FnOnce(&Ticket, &mut Query) -> Result<W, Refusal>,
) -> Response
where
    W: FnOnce(&dyn SnapshotStore, &mut dyn Write) -> Result<(), Refusal> + Send + 'static,
{
    let server = &state.server;
    let prepared = Query::parse(request.uri().query()).and_then(|mut query| {
        let work = prepare(&ticket, &mut query)?;
        query.finish().map(|()| work)
    });
    let admitted = match prepared {
        Ok(work) => server.admit(ticket).await.map(|ticket| (work, ticket)),
        Err(refusal) => Err(refusal),
    };
    let (write, ticket) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return state.turn_away(&refusal, request),
    };
    let (worker, memory) = (Arc::clone(server), ticket.memory.clone());
    let work = move |reply: Reply| {
        let store = MeteredStore::new(&*worker.store, memory);
        reply.send_written(answer(StatusCode::OK, NDJSON, ""), |out| write(&store, out));
    };
    reply(server, &ticket, work).await
}

fn read_version(text: &str) -> Result<At, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request("the version is a number from 1, or latest"))
}

fn line(out: &mut dyn Write, text: &str) -> Result<(), Refusal> {
    writeln!(out, "{text}").map_err(|error| refused(error.into()))
}
