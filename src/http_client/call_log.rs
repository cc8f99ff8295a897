//! Log events of calls to servers. They contain neither queries nor headers nor bodies, because
//! those may be secret.

use std::fmt::Display;
use std::time::Instant;

use tracing::Span;

/// A call to a server, from its start to its answer.
#[derive(Debug)]
pub struct CallLog {
    span: Span,
    start: Instant,
}

impl CallLog {
    /// Starts a call. `server` is the kind of server, `path` the address below its base.
    pub fn start(server: &'static str, method: &str, path: &str) -> Self {
        let route = path.split(['?', '#']).next().unwrap_or_default();
        let span = tracing::error_span!("call", server, method, route);
        Self { span, start: Instant::now() }
    }

    /// Logs a response with its status and the length of its body.
    pub fn answered(&self, status: u16, bytes: usize) {
        let _call = self.span.enter();
        let ms = self.start.elapsed().as_millis() as u64;
        tracing::debug!(status, bytes, ms, "call answered");
    }

    /// Logs that there was no response, or only a part of it.
    pub fn failed(&self, error: &dyn Display) {
        let _call = self.span.enter();
        let ms = self.start.elapsed().as_millis() as u64;
        tracing::warn!(%error, ms, "call failed");
    }
}
