//! Durations on the command line.

use std::time::Duration;

use crate::policy::{DURATION_EXPECTED, duration_ms};

/// Parses `1500ms`, `30s`, `5m`, `2h`, `90d`, or a number of seconds.
///
/// # Errors
///
/// A message with the expected form.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_ms(text).map(Duration::from_millis).ok_or_else(|| DURATION_EXPECTED.to_owned())
}
