//! The ticket of a request: its caller, its time, and its share of the server.

use std::time::Instant;

use super::client::Caller;
use super::facts::RequestFacts;
use super::slots::{Asker, Slot};
use crate::memory::MemoryClaim;

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
    /// The facts for the request's line in the log.
    pub(super) facts: RequestFacts,
}
