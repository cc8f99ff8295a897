//! The work of a gRPC call on a thread: its ticket and slot, and its one reply or its stream of
//! messages.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::body::send_blocking;
use super::grpc_status::status;
use super::refusal::{BUG, LATE, Refusal};
use super::slots::Busy;
use super::state::Server;
use super::threads;
use super::ticket::Ticket;

/// Most messages that may wait for the other side.
const MESSAGES: usize = 4;

/// The messages of a call's response.
pub(super) type Messages<T> = ReceiverStream<Result<T, Status>>;

/// Returns the ticket that the server made before it called the service.
pub(super) fn ticket<T>(request: &Request<T>) -> Result<Ticket, Status> {
    let ticket = request.extensions().get::<Ticket>().cloned();
    ticket.ok_or_else(|| Status::internal(BUG))
}

/// Like [`Server::admit`], for a gRPC call whose message has arrived.
pub(super) async fn admit(server: &Server, ticket: Ticket) -> Result<Ticket, Status> {
    let slot = server.slots.take(&ticket.asker, ticket.deadline.into()).await.map_err(|busy| {
        let refusal = server.busy(busy);
        match busy {
            Busy::Late => Status::deadline_exceeded(refusal.message),
            Busy::Full | Busy::Draining => status(&refusal),
        }
    })?;
    Ok(Ticket { slot: Some(slot), ..ticket })
}

/// The writing end of a stream of messages.
pub(super) struct Out<T> {
    handle: Handle,
    sender: mpsc::Sender<Result<T, Status>>,
    idle: Duration,
    deadline: Instant,
}

impl<T> Out<T> {
    /// Sends a message; waits while too many are on their way.
    pub(super) fn send(&self, message: T) -> io::Result<()> {
        send_blocking(&self.handle, &self.sender, Ok(message), self.idle, self.deadline)
    }
}

/// Runs `work` on a new thread, and waits for it at most until the request's deadline.
pub(super) async fn run<T: Send + 'static>(
    ticket: &Ticket,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let slot = ticket.slot.clone();
    let (ended, working) = oneshot::channel();
    let started = threads::start("call", move || {
        let result = work();
        drop(slot);
        // The waiting task may have given up.
        let _ = ended.send(result);
    });
    started.map_err(|failure| status(&failure.into()))?;
    match timeout_at(ticket.deadline.into(), working).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Err(Status::internal(BUG)),
        Err(_) => Err(Status::deadline_exceeded(LATE)),
    }
}

/// Runs `work` on a new thread; the messages that it sends are the response.
pub(super) fn stream<T: Send + 'static>(
    server: &Server,
    ticket: &Ticket,
    work: impl FnOnce(&Out<T>) -> Result<(), Refusal> + Send + 'static,
) -> Result<Response<Messages<T>>, Status> {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let (ended, end) = oneshot::channel::<()>();
    let deadline = ticket.deadline.into();
    let out = Out {
        handle: Handle::current(),
        sender: sender.clone(),
        idle: server.limits.idle,
        deadline,
    };
    let slot = ticket.slot.clone();
    let started = threads::start("stream", move || {
        if let Err(refusal) = work(&out) {
            // The client may have disconnected.
            let _ = send_blocking(
                &out.handle,
                &out.sender,
                Err(status(&refusal)),
                out.idle,
                out.deadline,
            );
        }
        // The waiting task may have given up.
        let _ = ended.send(());
        drop(slot);
    });
    started.map_err(|failure| status(&failure.into()))?;
    // A thread that panics or is late sends no error, so this task ends the stream with one.
    tokio::spawn(async move {
        let status = match timeout_at(deadline, end).await {
            Ok(Ok(())) => return,
            Ok(Err(_)) => Status::internal(BUG),
            Err(_) => Status::deadline_exceeded(LATE),
        };
        let _ = sender.send(Err(status)).await;
    });
    Ok(Response::new(ReceiverStream::new(receiver)))
}
