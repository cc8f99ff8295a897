//! The response of a thread over HTTP. A small body is sent whole, a large one in pieces while the
//! thread writes it.

use std::io::{self, Write};
use std::time::Duration;

use hyper::Response;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::answer::refuse;
use super::body::{Body, PieceWriter, StreamSender, stream, whole};
use super::refusal::{BUG, LATE, Refusal, RefusalKind};
use super::state::Server;
use super::threads;
use super::ticket::Ticket;
use super::tracked::{AnswerDeadline, LAST_PIECE};

/// The sender of a thread's response: first the head, then the body.
pub(super) struct Reply {
    handle: Handle,
    idle: Duration,
    deadline: Instant,
    head: Option<oneshot::Sender<Response<Body>>>,
}

impl Reply {
    /// Makes a sender. The client may stop reading for at most `idle`, and must have read
    /// everything by `deadline`.
    pub(super) fn new(
        handle: Handle,
        idle: Duration,
        deadline: Instant,
        head: oneshot::Sender<Response<Body>>,
    ) -> Self {
        Self { handle, idle, deadline, head: Some(head) }
    }

    /// Sends a complete response. A client that has disconnected is ignored.
    pub(super) fn send(mut self, response: Response<Body>) {
        if let Some(head) = self.head.take() {
            let _ = head.send(response);
        }
    }

    /// Sends the output of `write` with the status and headers of `response`. A failure of `write`
    /// replaces the response if nothing was sent yet; later it cuts the body off.
    pub(super) fn send_written(
        mut self,
        response: Response<Body>,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Refusal>,
    ) {
        let (parts, _) = response.into_parts();
        let mut parts = Some(parts);
        let mut sender: Option<StreamSender> = None;
        let (head, handle, idle, deadline) =
            (&mut self.head, &self.handle, self.idle, self.deadline);
        let mut writer = PieceWriter::new(|bytes| {
            if let (Some(head), Some(parts)) = (head.take(), parts.take()) {
                let (sending, body) = stream(idle, deadline);
                sender = Some(sending);
                head.send(Response::from_parts(parts, body))
                    .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            }
            sender.as_ref().map_or(Ok(()), |sender| sender.send(handle, bytes))
        });
        let written = write(&mut writer);
        let rest = writer.into_rest();
        match (written, sender) {
            (Err(_), Some(_)) => {}
            // The client may have stopped reading.
            (Ok(()), Some(sender)) => {
                drop(sender.send(handle, rest.into()).and_then(|()| sender.end(handle)))
            }
            (written, None) => {
                let parts = parts.take();
                let response = match (written, parts) {
                    (Ok(()), Some(parts)) => Response::from_parts(parts, whole(rest)),
                    (Err(refusal), _) => refuse(&refusal),
                    (Ok(()), None) => return,
                };
                self.send(response);
            }
        }
    }
}

/// Runs `work` on a new thread, and returns its response. If the request's deadline passes first,
/// the response reports that, and the thread goes on to its end. A panic of `work` ends only this
/// request.
pub(super) async fn reply(
    server: &Server,
    ticket: &Ticket,
    work: impl FnOnce(Reply) + Send + 'static,
) -> Response<Body> {
    let (head, answered) = oneshot::channel();
    let reply = Reply::new(Handle::current(), server.limits.idle, ticket.deadline.into(), head);
    let slot = ticket.slot.clone();
    let started = threads::start("request", move || {
        work(reply);
        drop(slot);
    });
    if let Err(failure) = started {
        return refuse(&failure.into());
    }
    let mut response = match timeout_at(ticket.deadline.into(), answered).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => refuse(&Refusal::new(RefusalKind::Internal, BUG)),
        Err(_) => refuse(&Refusal::unavailable(LATE)),
    };
    response.extensions_mut().insert(AnswerDeadline((ticket.deadline + LAST_PIECE).into()));
    response
}
