//! Log events of calls to servers. They contain neither queries nor headers nor bodies, because
//! those may be secret.

use std::fmt::Display;
use std::time::Instant;

/// A call to a server, from its start to its answer.
#[derive(Debug)]
pub struct CallLog<'a> {
    server: &'static str,
    method: &'a str,
    route: &'a str,
    start: Instant,
}

impl<'a> CallLog<'a> {
    /// Starts a call. `server` is the kind of server, `path` the part of its address below the base.
    pub fn start(server: &'static str, method: &'a str, path: &'a str) -> Self {
        let route = path.split(['?', '#']).next().unwrap_or_default();
        Self { server, method, route, start: Instant::now() }
    }

    /// Logs a response with its status and the length of its body.
    pub fn answered(&self, status: u16, bytes: usize) {
        let Self { server, method, route, start } = self;
        let ms = start.elapsed().as_millis() as u64;
        tracing::debug!(server, method, route, status, bytes, ms, "call answered");
    }

    /// Logs that there was no response, or only a part of it.
    pub fn failed(&self, error: &dyn Display) {
        let Self { server, method, route, start } = self;
        let ms = start.elapsed().as_millis() as u64;
        tracing::warn!(server, method, route, %error, ms, "call failed");
    }
}
