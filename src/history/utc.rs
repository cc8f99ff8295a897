//! Formatting of times for people, without a calendar library.

use crate::indexeddb::iso_date::civil_from_days;

const DAY_MS: i64 = 86_400_000;

/// Formats milliseconds since 1970 as RFC 3339 in UTC: `2023-11-14T22:13:20.123Z`. Years beyond
/// 9999, which RFC 3339 does not allow, are written with all digits.
pub fn rfc_3339(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc_3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc_3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc_3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc_3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(rfc_3339(-62_135_596_800_000), "0001-01-01T00:00:00.000Z");
        assert_eq!(rfc_3339(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        // Every number of milliseconds can be formatted.
        assert!(rfc_3339(i64::MAX).ends_with('Z') && rfc_3339(i64::MIN).starts_with('-'));
    }
}
