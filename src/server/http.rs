//! HTTP requests that need a slot.
//!
//! [changes.md]: crate::decode
//! [clients.md]: crate::server::client
//! [flowfiles.md]: crate::flowfile
//! [grpc.md]: crate::server::grpc
//! [rules.md#what-a-source-receives]: crate::merge#what-a-source-receives
//!
#![doc = include_str!("../../doc/reference/http.md")]

use std::io::Write;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response, StatusCode};

use super::access::{Named, readable};
use super::answer::{FLOWFILE_V3, NDJSON, Refusal, Reply, answer, refuse};
use super::body::{Body, BodyLimits, reader};
use super::client::Right;
use super::metered::MeteredStore;
use super::request::{Query, Route, attributes, content};
use super::service::{Server, Ticket, set_header, turned_away};
use super::work::{Done, Job, read_key};
use crate::failure::Failure;
use crate::history::{self, At, HistoryError, RestoreFormat, RestoreOptions};
use crate::pipeline::NewEpoch;
use crate::snapshot::{FlowName, SourceId};
use crate::store::SnapshotStore;

/// Responds to a request that needs a slot.
pub(super) async fn handle(
    server: &Arc<Server>,
    ticket: Ticket,
    route: Route,
    request: Request<Incoming>,
) -> Response<Body> {
    let named = match route {
        Route::Sync(named) => named,
        route => {
            let read = read(server, ticket, route, request.uri().query()).await;
            return read.unwrap_or_else(|refusal| turned_away(server, &refusal, request));
        }
    };
    match prepare(server, &ticket, named, &request) {
        Ok(job) => match server.admit(ticket).await {
            Ok(ticket) => sync(server, &ticket, job, request).await,
            Err(refusal) => turned_away(server, &refusal, request),
        },
        Err(refusal) => turned_away(server, &refusal, request),
    }
}

/// Checks everything that can be checked before the body is read.
fn prepare(
    server: &Server,
    ticket: &Ticket,
    named: Named,
    request: &Request<Incoming>,
) -> Result<Job, Refusal> {
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
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
    }
    let mut job = Job::new(&server.intake, ticket, named, attributes, pull)?;
    job.is_package = is_package;
    (job.options.sync.confirm, job.options.sync.new_epoch) = (confirm, new_epoch);
    Ok(job)
}

async fn sync(
    server: &Arc<Server>,
    ticket: &Ticket,
    job: Job,
    request: Request<Incoming>,
) -> Response<Body> {
    let limits = BodyLimits {
        max_bytes: server.limits.max_body_bytes,
        idle: server.limits.idle,
        deadline: ticket.deadline.into(),
    };
    let body =
        reader(request.into_body(), limits, &server.metrics.received_bytes, ticket.memory.clone());
    let worker = Arc::clone(server);
    let work = move |reply: Reply| match job.run(&*worker.store, body, &worker.metrics) {
        Ok(done) => send(reply, done),
        Err(refusal) => reply.send(refuse(&refusal)),
    };
    server.reply(ticket, work).await
}

/// Sends a report: its attributes as headers, its lines or packages as the body.
fn send(reply: Reply, mut done: Done) {
    let media = if matches!(done, Done::Package(_)) { FLOWFILE_V3 } else { NDJSON };
    let mut head = answer(done.http_status(), media, "");
    // The type of the body is already in `content-type`.
    for (name, value) in done.attributes().iter().filter(|(name, _)| *name != "mime.type") {
        set_header(&mut head, name, value);
    }
    if let (Done::Package(_), Some(failure)) = (&done, done.failure()) {
        set_header(&mut head, super::answer::ERROR, &failure.message);
    }
    reply.send_written(head, |out| {
        let broken = |error: std::io::Error| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("report: {error}"))
        };
        done.write(out).map_err(broken)
    });
}

async fn read(
    server: &Arc<Server>,
    ticket: Ticket,
    route: Route,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let mut query = Query::parse(query)?;
    let flow = |named, right| readable(&ticket.caller, right, named, &server.intake);
    type Work = Box<dyn FnOnce(&dyn SnapshotStore, &mut dyn Write) -> Result<(), Refusal> + Send>;
    let work: Work = match route {
        Route::Sources(named, Some(source)) => {
            let flow = own_source(server, &ticket, named, &source)?;
            Box::new(move |store, out| sources(store, &flow, Some(&source), out))
        }
        Route::Sources(named, None) => {
            let flow = flow(named, Right::Read)?;
            Box::new(move |store, out| sources(store, &flow, None, out))
        }
        Route::Versions(named) => {
            let flow = flow(named, Right::Read)?;
            let limit = query.take("limit").map(|text| text.parse::<usize>()).transpose();
            let limit = limit.map_err(|_| Refusal::bad_request("limit is a number"))?;
            Box::new(move |store, out| versions(store, &flow, limit.unwrap_or(usize::MAX), out))
        }
        Route::Version(named, at) => {
            let (flow, at) = (flow(named, Right::Read)?, version(&at)?);
            let options = RestoreOptions {
                format: match query.take("format").as_deref() {
                    None | Some("changes") => RestoreFormat::Changes,
                    Some("records") => RestoreFormat::Records,
                    Some(_) => return Err(Refusal::bad_request("format is changes or records")),
                },
                object_store: query.take("object.store").map(|name| name.as_str().into()),
            };
            Box::new(move |store, out| restore(store, &flow, at, &options, out))
        }
        Route::Records(named, at) => {
            let (flow, at) = (flow(named, Right::Read)?, version(&at)?);
            let missing = || Refusal::bad_request("name the record: ?object.store=NAME&key=JSON");
            let (name, key) =
                query.take("object.store").zip(query.take("key")).ok_or_else(missing)?;
            let key = read_key(&key)?;
            Box::new(move |store, out| {
                let found = open(store, &flow, at)?;
                let shown = history::show_record(store, &flow, &found, &name.as_str().into(), &key);
                let none =
                    || Refusal::new(StatusCode::NOT_FOUND, "there is no record with this key");
                line(out, &shown.map_err(refused)?.ok_or_else(none)?.line)
            })
        }
        Route::Live | Route::Ready | Route::Metrics | Route::Sync(_) => {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing to read"));
        }
    };
    // A request with a wrong parameter is refused before it waits for a slot.
    query.finish()?;
    let ticket = server.admit(ticket).await?;
    let worker = Arc::clone(server);
    let head = answer(StatusCode::OK, NDJSON, "");
    let memory = ticket.memory.clone();
    let work = move |reply: Reply| {
        let store = MeteredStore::new(&*worker.store, memory);
        reply.send_written(head, |out| work(&store, out));
    };
    Ok(server.reply(&ticket, work).await)
}

/// Returns the flow whose checkpoint is requested. A client that may only write may still read the
/// checkpoints of the sources that it may name.
pub(super) fn own_source(
    server: &Server,
    ticket: &Ticket,
    named: Named,
    source: &SourceId,
) -> Result<FlowName, Refusal> {
    let Some(client) = &ticket.caller else {
        return readable(&None, Right::Read, named, &server.intake);
    };
    if client.check_right(Right::Read).is_ok() {
        return readable(&ticket.caller, Right::Read, named, &server.intake);
    }
    client.check_source(Some(source))?;
    readable(&ticket.caller, Right::Sync, named, &server.intake)
}

fn version(text: &str) -> Result<At, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request("the version is a number from 1, or latest"))
}

/// Returns a failed read as a refusal; a missing flow or version is 404.
pub(super) fn refused(error: HistoryError) -> Refusal {
    match error {
        HistoryError::NoFlow { .. } | HistoryError::NoVersion { .. } => {
            Refusal::new(StatusCode::NOT_FOUND, error.to_string())
        }
        error => Failure::new(error.exit_status(), error.to_string()).into(),
    }
}

fn open(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    at: At,
) -> Result<crate::store::StoredVersion, Refusal> {
    history::open_version(store, flow, at).map_err(refused)
}

fn line(out: &mut dyn Write, text: &str) -> Result<(), Refusal> {
    writeln!(out, "{text}").map_err(|error| refused(error.into()))
}

fn sources(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    source: Option<&SourceId>,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let found = history::sources(store, flow, source).map_err(refused)?;
    found.iter().try_for_each(|found| line(out, &found.to_json()))
}

fn versions(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    limit: usize,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let entries = history::log(store, flow, limit).map_err(refused)?;
    entries.iter().try_for_each(|entry| line(out, &entry.to_json()))
}

fn restore(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    at: At,
    options: &RestoreOptions,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let found = open(store, flow, at)?;
    history::restore(store, flow, &found, options, out).map(|_| ()).map_err(refused)
}
