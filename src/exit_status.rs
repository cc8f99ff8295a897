//! Exit status: a public table. A NiFi flow routes on it; a number never changes its meaning.
#![doc = include_str!("EXIT_STATUS.md")]

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Committed or unchanged; rejects and parked conflicts are in the report.
    Done = 0,
    /// A bug.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Done, but with rejects or parked conflicts, where `--fail-on` asked for it.
    Review = 3,
    /// Unreachable, lost every race, deadline, a gap in the sequence: try again.
    Transient = 4,
    /// Input truncated, idle, framing broken, no input at all, or every line rejected; nothing written.
    Input = 5,
    /// A person is asked: would delete too much, the source's history changed, or the policy says so; nothing written.
    Guard = 6,
    /// The store refuses for good: damaged, diverged, orphaned version number, too large.
    Refused = 7,
    /// Authentication or authorisation.
    Denied = 8,
    /// Interrupted by SIGINT; nothing half-written.
    Interrupted = 130,
    /// Terminated by SIGTERM; nothing half-written.
    Terminated = 143,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}
