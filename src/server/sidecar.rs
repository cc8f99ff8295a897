//! The gRPC service `Sidecar`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::api::records::ShowOperation;
use super::api::sources::SourcesOperation;
use super::api::sync::{SyncOperation, SyncOutcome};
use super::api::versions::{LogOperation, RestoreOperation};
use super::body::{BodyLimits, PieceWriter, reader};
use super::grpc_call::{Messages, admit, run, stream, ticket};
use super::grpc_status::status;
use super::metered::MeteredStore;
use super::named::Named;
use super::proto::sidecar::restore_request::Format;
use super::proto::sidecar::sync_reply::Part as ReplyPart;
use super::proto::sidecar::sync_request::Part;
use super::proto::sidecar::{
    Flow, LogReply, LogRequest, RestoreReply, RestoreRequest, ShowReply, ShowRequest, Source,
    SourcesReply, SourcesRequest, SyncReply, SyncRequest, SyncResult, SyncStart, Version,
    sidecar_server,
};
use super::refusal::{LATE, Refusal};
use super::state::Server;
use super::ticket::Ticket;
use crate::history::{At, RestoreFormat, RestoreOptions};
use crate::snapshot::FlowVersion;
use crate::store::SnapshotStore;

/// The service.
pub(super) struct Sidecar(pub(super) Arc<Server>);

#[tonic::async_trait]
impl sidecar_server::Sidecar for Sidecar {
    type SyncStream = Messages<SyncReply>;
    type RestoreStream = Messages<RestoreReply>;

    async fn sync(
        &self,
        request: Request<Streaming<SyncRequest>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let ticket = ticket(&request)?;
        let mut messages = request.into_inner();
        // The first message is read before a slot is taken, so that a silent client holds none.
        let start = tokio::time::timeout_at(ticket.deadline.into(), messages.message()).await;
        let start = start.map_err(|_| Status::deadline_exceeded(LATE))??;
        let Some(Part::Start(SyncStart { flow, attributes, pull })) =
            start.and_then(|message| message.part)
        else {
            return Err(Status::invalid_argument("the first message is start"));
        };
        let attributes = attributes.into_iter().collect();
        let server = Arc::clone(&self.0);
        let operation = SyncOperation::new(&ticket, named(flow), attributes, pull, &server.intake);
        let operation = operation.map_err(|refusal| status(&refusal))?;
        let ticket = admit(&server, ticket).await?;
        let limits = &server.limits;
        let limits = BodyLimits {
            max_bytes: limits.max_body_bytes,
            idle: limits.idle,
            deadline: ticket.deadline.into(),
        };
        let mut body = reader(
            Contents(messages),
            limits,
            &server.metrics.received_bytes,
            ticket.memory.clone(),
        );
        let (worker, facts) = (Arc::clone(&server), ticket.facts.clone());
        stream(&server, &ticket, move |out| {
            let worked = operation.run(&*worker.store, &mut body, &worker.metrics);
            let mut done = body.check(worked)?;
            done.note(&facts);
            let mut pieces = PieceWriter::new(|bytes| {
                out.send(SyncReply { part: Some(ReplyPart::Report(bytes)) })
            });
            done.write(&mut pieces).and_then(|()| pieces.finish()).map_err(broken)?;
            out.send(SyncReply { part: Some(ReplyPart::Result(result(&done))) }).map_err(broken)
        })
    }

    async fn sources(
        &self,
        request: Request<SourcesRequest>,
    ) -> Result<Response<SourcesReply>, Status> {
        let ticket = admit(&self.0, ticket(&request)?).await?;
        let SourcesRequest { flow, source } = request.into_inner();
        let source = Some(source)
            .filter(|source| !source.is_empty())
            .map(|source| source.parse())
            .transpose();
        let source =
            source.map_err(|error| Status::invalid_argument(format!("source is {error}")))?;
        let operation = SourcesOperation::new(&ticket.caller, named(flow), source, &self.0.intake);
        let operation = operation.map_err(|refusal| status(&refusal))?;
        ticket.facts.flow(operation.flow());
        let found = self.read(&ticket, move |store| operation.run(store)).await?;
        let sources = found.into_iter().map(|found| Source {
            source: found.source.to_string(),
            epoch: found.epoch,
            checkpoint: found.checkpoint,
            version: found.version.map(FlowVersion::get),
        });
        Ok(Response::new(SourcesReply { sources: sources.collect() }))
    }

    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogReply>, Status> {
        let ticket = admit(&self.0, ticket(&request)?).await?;
        let LogRequest { flow, limit } = request.into_inner();
        let limit = Some(limit as usize).filter(|limit| *limit > 0);
        let operation = LogOperation::new(&ticket.caller, named(flow), limit, &self.0.intake);
        let operation = operation.map_err(|refusal| status(&refusal))?;
        ticket.facts.flow(operation.flow());
        let entries = self.read(&ticket, move |store| operation.run(store)).await?;
        let versions = entries.into_iter().map(|entry| Version {
            version: entry.version.get(),
            timestamp: entry.timestamp_ms,
            author: entry.author,
            summary: entry.summary,
            root: entry.root.map(|root| root.to_string()).unwrap_or_default(),
            state: entry.state.map(|state| state.to_string()).unwrap_or_default(),
        });
        Ok(Response::new(LogReply { versions: versions.collect() }))
    }

    async fn show(&self, request: Request<ShowRequest>) -> Result<Response<ShowReply>, Status> {
        let ticket = admit(&self.0, ticket(&request)?).await?;
        let ShowRequest { flow, version, object_store, key } = request.into_inner();
        let (named, at) = (named(flow), at(version)?);
        let is_manifest = key.is_empty() && object_store.is_empty();
        let record = (!is_manifest).then_some((object_store, key.as_str()));
        let operation = ShowOperation::new(&ticket.caller, named, at, record, &self.0.intake);
        let operation = operation.map_err(|refusal| status(&refusal))?;
        let facts = ticket.facts.clone();
        facts.flow(operation.flow());
        let show =
            move |store: &dyn SnapshotStore| operation.run(store, |version| facts.version(version));
        let text = self.read(&ticket, show).await?;
        Ok(Response::new(ShowReply { text }))
    }

    async fn restore(
        &self,
        request: Request<RestoreRequest>,
    ) -> Result<Response<Self::RestoreStream>, Status> {
        let ticket = admit(&self.0, ticket(&request)?).await?;
        let message = request.into_inner();
        let format = match message.format() {
            Format::Changes => RestoreFormat::Changes,
            Format::Records => RestoreFormat::Records,
        };
        let RestoreRequest { flow, version, object_store, .. } = message;
        let (named, at) = (named(flow), at(version)?);
        let options =
            RestoreOptions { format, object_store: object_store.as_deref().map(Into::into) };
        let operation = RestoreOperation::new(&ticket.caller, named, at, options, &self.0.intake);
        let operation = operation.map_err(|refusal| status(&refusal))?;
        let facts = ticket.facts.clone();
        facts.flow(operation.flow());
        let (worker, memory) = (Arc::clone(&self.0.store), ticket.memory.clone());
        stream(&self.0, &ticket, move |out| {
            let store = MeteredStore::new(&*worker, memory);
            let mut pieces = PieceWriter::new(|content| out.send(RestoreReply { content }));
            operation.run(&store, &mut pieces, |version| facts.version(version))?;
            pieces.finish().map_err(broken)
        })
    }
}

impl Sidecar {
    /// Runs an operation that reads, on a thread.
    async fn read<T: Send + 'static>(
        &self,
        ticket: &Ticket,
        operation: impl FnOnce(&dyn SnapshotStore) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Status> {
        let (worker, memory) = (Arc::clone(&self.0.store), ticket.memory.clone());
        let work = move || operation(&MeteredStore::new(&*worker, memory));
        run(ticket, work).await?.map_err(|refusal| status(&refusal))
    }
}

fn named(flow: Option<Flow>) -> Named {
    let Flow { bucket, flow } = flow.unwrap_or_default();
    let some = |name: String| Some(name).filter(|name| !name.is_empty());
    Named { bucket: some(bucket), flow: some(flow) }
}

fn at(version: u32) -> Result<At, Status> {
    if version == 0 {
        return Ok(At::Latest);
    }
    let version = FlowVersion::new(version.into());
    version
        .map(At::Version)
        .ok_or_else(|| Status::invalid_argument("the version is a number from 1, or 0"))
}

fn broken(error: io::Error) -> Refusal {
    Refusal::unavailable(format!("report: {error}"))
}

fn result(done: &SyncOutcome) -> SyncResult {
    SyncResult {
        status: u32::from(done.status() as u8),
        error: done.failure().map(|failure| failure.message).unwrap_or_default(),
        attributes: done.attributes().into_iter().collect(),
        summary: done.summary(),
    }
}

/// A body made of the contents of a stream of messages.
struct Contents(Streaming<SyncRequest>);

impl HttpBody for Contents {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.0).poll_next(context).map(|message| {
            message.map(|message| match message?.part {
                Some(Part::Content(bytes)) => Ok(Frame::data(bytes)),
                _ => Err(Status::invalid_argument("after start there is content only")),
            })
        })
    }
}
