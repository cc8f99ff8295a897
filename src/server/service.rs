//! The state that all requests share, and what a request needs before it may work: a ticket and a
//! slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::ORIGIN;
use hyper::{Request, Response};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::{Access, Peer, asker};
use super::answer::{Reply, refuse};
use super::body::Body;
use super::client::Caller;
use super::facts::RequestFacts;
use super::grpc_status::status;
use super::limits::Limits;
use super::metrics::Metrics;
use super::ready::Readiness;
use super::refusal::{BUG, LATE, Refusal, RefusalKind};
use super::slots::{Busy, MAX_WAITING, Slots, most_of_one};
use super::threads;
use super::ticket::Ticket;
use super::tracked::AnswerDeadline;
use crate::memory::MemoryBudget;
use crate::pipeline::IntakeOptions;
use crate::store::SnapshotStore;
use crate::store::cached::CachedStore;

/// Extra time for the last piece of a response after the request's deadline.
pub(super) const LAST_PIECE: Duration = Duration::from_secs(2);

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
            Ok(Err(_)) => refuse(&Refusal::new(RefusalKind::Internal, BUG)),
            Err(_) => refuse(&Refusal::unavailable(LATE)),
        };
        response.extensions_mut().insert(AnswerDeadline((ticket.deadline + LAST_PIECE).into()));
        response
    }

    fn busy(&self, busy: Busy) -> Refusal {
        let (slots, waiting) = (self.limits.max_requests, most_of_one(MAX_WAITING));
        let own = most_of_one(slots);
        Refusal::unavailable(match busy {
            Busy::Full => format!(
                "{slots} requests are under way, as many as may be, and {MAX_WAITING} wait, or \
                 {waiting} of one client: try again"
            ),
            Busy::Late => format!(
                "{slots} requests are under way, as many as may be, or {own} of one client, until \
                 the deadline: try again"
            ),
            Busy::Draining => "the server is being stopped: try again".to_owned(),
        })
    }

    /// Makes the ticket of a request that may take `limit`, if it sets a limit itself.
    pub(super) fn ticket<B>(
        &self,
        caller: Caller,
        request: &Request<B>,
        limit: Option<Duration>,
        facts: RequestFacts,
    ) -> Result<Ticket, Refusal> {
        if self.slots.is_draining() {
            return Err(self.busy(Busy::Draining));
        }
        let limit = limit.map_or(self.limits.deadline, |limit| limit.min(self.limits.deadline));
        Ok(Ticket {
            asker: asker(&caller, &Peer::of(request)),
            caller,
            is_page: request.headers().contains_key(ORIGIN),
            deadline: Instant::now() + limit,
            slot: None,
            memory: self.memory.claim(),
            facts,
        })
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
                    Busy::Full | Busy::Draining => status(&refusal),
                }
            })?;
        Ok(Ticket { slot: Some(slot), ..ticket })
    }
}
