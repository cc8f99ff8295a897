//! Authentication, and the ticket of a request that works with the store.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::super::access::Peer;
use super::super::facts::RequestFacts;
use super::super::grpc_timeout::timeout;
use super::super::host::HostNames;
use super::super::refusal::{BUG, Refusal, RefusalKind};
use super::super::route_names::Protocol;
use super::super::ticket::Ticket;
use super::LayerState;

/// The message for a connection above the limit that asks for more than the server's health.
const CROWDED: &str = "too many connections are open: try again";

/// The requirements of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Needs {
    /// A known client.
    Credential,
    /// A known client, and a slot once the request is ready for work.
    Slot,
}

/// Refuses a request of an unknown client. A request that needs a slot gets a [`Ticket`], with
/// which its handler waits for the slot.
pub(in crate::server) async fn admit(
    State((state, needs)): State<(LayerState, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&state, needs, &request) {
        Err(refusal) => state.turn_away(&refusal, request),
        Ok(ticket) => {
            if let Some(ticket) = ticket {
                request.extensions_mut().insert(ticket);
            }
            next.run(request).await
        }
    }
}

/// Checks everything that does not need the body; `None` for a route that takes no slot.
pub(in crate::server) fn check(
    state: &LayerState,
    needs: Needs,
    request: &Request,
) -> Result<Option<Ticket>, Refusal> {
    let (server, peer) = (&state.server, Peer::of(request));
    if peer.is_reserved {
        return Err(Refusal::unavailable(CROWDED));
    }
    let bug = || Refusal::new(RefusalKind::Internal, BUG);
    server.access.check_host(request.extensions().get::<HostNames>().ok_or_else(bug)?)?;
    let caller = server.access.caller(request.headers(), &peer)?;
    let facts = request.extensions().get::<RequestFacts>().cloned().unwrap_or_default();
    if let Some(client) = &caller {
        facts.client(client.name());
    }
    if needs == Needs::Credential {
        return Ok(None);
    }
    let limit = match state.protocol {
        Protocol::Http => None,
        Protocol::Grpc => timeout(request.headers()),
    };
    server.ticket(caller, request, limit, facts).map(Some)
}
