//! The public table of exit statuses. NiFi flows route on them, so the meaning of a number never
//! changes.
//!
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [flowfiles.md]: crate::flowfile
//! [rules.md#the-guard]: crate::merge#the-guard
//!
#![doc = include_str!("../doc/reference/exit-status.md")]

use std::process::ExitCode;

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[repr(u8)]
pub enum ExitStatus {
    /// Committed or unchanged; rejects and parked conflicts are in the report.
    Done = 0,
    /// A bug.
    Internal = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Done, but with rejects or parked conflicts that `--fail-on` asked about.
    Review = 3,
    /// The store is unreachable, every race was lost, the deadline passed, or the sequence has a
    /// gap: try again.
    Transient = 4,
    /// The input was truncated, idle, empty or wrongly framed, or every line was rejected; nothing
    /// written.
    Input = 5,
    /// A person must confirm: the batch would delete too much, the source's history changed, or the
    /// policy asks for it; nothing written.
    Guard = 6,
    /// The store refuses permanently: damaged, diverged, orphaned version number, too large.
    Refused = 7,
    /// Authentication or authorization failed.
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

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::ExitStatus;

    #[test]
    fn the_page_has_every_status() {
        let page = include_str!("../doc/reference/exit-status.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        let listed: Vec<u8> =
            rows.flat_map(|codes| codes.split(", ")).filter_map(|code| code.parse().ok()).collect();
        let all = ExitStatus::VARIANTS.iter().map(|status| *status as u8);
        assert_eq!(listed, all.collect::<Vec<_>>());
    }
}
