//! The limits of one server process: requests, time, sizes, and shutdown.

use std::time::Duration;

/// Default limit of a request's body, in bytes.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;

/// Default limit of a gRPC message, in bytes. NiFi sends a FlowFile as one message, which is held
/// in memory as a whole.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Default limit of requests that are processed at once.
pub const DEFAULT_MAX_REQUESTS: usize = 16;

/// Default limit of the memory that all requests may claim together, in bytes.
pub const DEFAULT_MAX_MEMORY: u64 = 512 * 1024 * 1024;

/// Most bytes that a request claims for sorting and writing its content, whatever its size.
pub(super) const CONTENT_MEMORY: u64 = 24 * 1024 * 1024;

/// Default limit of a request's time.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(600);

/// Default limit of the time for which a body may stall.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);

/// Default limit of the time that a stop waits for requests that are under way.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Limits of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub max_body_bytes: u64,
    /// Most bytes of a gRPC message.
    pub max_message_bytes: usize,
    /// Most requests that are processed at once.
    pub max_requests: usize,
    /// Most bytes of memory that all requests may claim together.
    pub max_memory: u64,
    /// Longest time that a request may take.
    pub deadline: Duration,
    /// Longest time that a body may stall, in either direction.
    pub idle: Duration,
    /// Longest time that a stop waits for requests that are under way.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_requests: DEFAULT_MAX_REQUESTS,
            max_memory: DEFAULT_MAX_MEMORY,
            deadline: DEFAULT_DEADLINE,
            idle: DEFAULT_IDLE,
            drain: DEFAULT_DRAIN,
        }
    }
}
