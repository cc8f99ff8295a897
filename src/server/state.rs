//! The state that all requests share. It gives a request its ticket and its slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::header::ORIGIN;

use super::access::{Access, Peer, asker};
use super::client::Caller;
use super::facts::RequestFacts;
use super::limits::Limits;
use super::metrics::Metrics;
use super::ready::{Readiness, Unready};
use super::refusal::Refusal;
use super::slots::{Busy, MAX_WAITING, Slots, most_of_one};
use super::ticket::Ticket;
use crate::memory::MemoryBudget;
use crate::pipeline::IntakeOptions;
use crate::store::SnapshotStore;
use crate::store::cached::CachedStore;

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
    /// Succeeds if requests would be accepted and could be served; otherwise returns the reason.
    pub(super) async fn check_ready(&self) -> Result<(), Unready> {
        if self.slots.is_draining() {
            return Err(Unready::plain("the server is being stopped"));
        }
        let folder = self.intake.normalize.temp_folder.clone().unwrap_or_else(std::env::temp_dir);
        self.readiness.check(&self.store, folder).await
    }

    /// Returns the refusal of a request that got no slot.
    pub(super) fn busy(&self, busy: Busy) -> Refusal {
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
}
