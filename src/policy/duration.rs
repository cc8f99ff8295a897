//! Durations as text, in policy files and on the command line.

/// The description of a duration in messages.
pub const DURATION_EXPECTED: &str = "expected a number with ms, s, m, h or d, such as 500ms or 30s";

/// Parses `1500ms`, `30s`, `5m`, `2h`, `90d`, or a number of seconds, and returns milliseconds.
/// Returns `None` if the text has another form, or the duration is too large.
pub fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// Returns the shortest text that [`duration_ms`] parses as this duration.
pub(crate) fn duration_text(milliseconds: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units
        .into_iter()
        .find(|(scale, _)| milliseconds > 0 && milliseconds.is_multiple_of(*scale));
    match whole {
        Some((scale, unit)) => format!("{}{unit}", milliseconds / scale),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let texts = ["500ms", "30", "30s", "5m", "2h", "90d", "0"];
        let values = [500, 30_000, 30_000, 300_000, 7_200_000, 7_776_000_000, 0];
        assert_eq!(texts.map(duration_ms), values.map(Some));
        for wrong in
            ["", "s", "-1s", "1.5s", "1w", "1 s", "99999999999999999999s", "9999999999999999999h"]
        {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
        for value in values {
            assert_eq!(duration_ms(&duration_text(value)), Some(value));
        }
    }
}
