//! Durations on the command line.

use std::time::Duration;

/// Reads `1500ms`, `30s`, `5m`, `2h`, or a number of seconds.
///
/// # Errors
///
/// Says what is expected.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let milliseconds = number.parse::<u64>().ok().filter(|_| scale > 0).and_then(|number| number.checked_mul(scale));
    let expected = || "expected a number with ms, s, m or h, such as 500ms or 30s".to_owned();
    milliseconds.map(Duration::from_millis).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let read = |text| duration(text).ok().map(|duration| duration.as_millis());
        assert_eq!(
            ["500ms", "30", "30s", "5m", "2h", "0"].map(read),
            [500, 30_000, 30_000, 300_000, 7_200_000, 0].map(Some)
        );
        for wrong in ["", "s", "-1s", "1.5s", "1d", "1 s", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
