//! Warnings that a flood of connections could cause many times a second: the log gets one of them
//! every few seconds, with the number of those that it did not get.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two warnings of one kind.
const PAUSE: Duration = Duration::from_secs(5);

/// One kind of warning.
#[derive(Debug, Default)]
pub(super) struct RepeatedWarning(Mutex<LastWarning>);

#[derive(Debug, Default)]
struct LastWarning {
    at: Option<Instant>,
    suppressed: u64,
}

impl RepeatedWarning {
    /// Calls `write` with the number of warnings since the last one that was written, unless that
    /// was written a moment ago.
    pub(super) fn warn(&self, write: impl FnOnce(u64)) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < PAUSE) {
            last.suppressed += 1;
            return;
        }
        last.at = Some(Instant::now());
        write(std::mem::take(&mut last.suppressed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line() {
        let (warning, mut written) = (RepeatedWarning::default(), Vec::new());
        for _ in 0..1_000 {
            warning.warn(|suppressed| written.push(suppressed));
        }
        assert_eq!(written, [0]);
        warning.0.lock().unwrap().at = None;
        warning.warn(|suppressed| written.push(suppressed));
        assert_eq!(written, [0, 999]);
    }
}
