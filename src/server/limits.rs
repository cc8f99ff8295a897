//! What one process takes on: requests, time, sizes, and the end of it all.

use std::time::Duration;

/// A request's body may have this many bytes unless an option says otherwise.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;

/// A gRPC message may have this many bytes unless an option says otherwise: NiFi sends a FlowFile as one message, which is
/// in memory as a whole.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// So many requests are worked on at once unless an option says otherwise.
pub const DEFAULT_MAX_REQUESTS: usize = 16;

/// All requests together may claim this many bytes of memory unless an option says otherwise.
pub const DEFAULT_MAX_MEMORY: u64 = 512 * 1024 * 1024;

/// A request claims at most this for sorting and writing its content, whatever its size.
pub(super) const CONTENT_MEMORY: u64 = 24 * 1024 * 1024;

/// A request may take this long unless an option says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(600);

/// A body may stand still for this long unless an option says otherwise.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);

/// A stop waits this long for what is under way unless an option says otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Limits of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub max_body_bytes: u64,
    /// Most bytes of a gRPC message.
    pub max_message_bytes: usize,
    /// Most requests that are worked on at once.
    pub max_requests: usize,
    /// Most bytes of memory that all requests may claim together.
    pub max_memory: u64,
    /// How long a request may take.
    pub deadline: Duration,
    /// How long a body may stand still, coming or going.
    pub idle: Duration,
    /// How long a stop waits for what is under way.
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
