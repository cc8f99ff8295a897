//! Times for people, without a calendar library.

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970 as RFC 3339 in UTC: `2023-11-14T22:13:20.123Z`. Years beyond 9999, which RFC 3339 has not,
/// are written with all their digits.
pub(super) fn rfc_3339(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are taken to begin in March,
/// so that the leap day is the last; 400 years are 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", <https://howardhinnant.github.io/date_algorithms.html>).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
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
        // No number of milliseconds is too large.
        assert!(rfc_3339(i64::MAX).ends_with('Z') && rfc_3339(i64::MIN).starts_with('-'));
    }

    #[test]
    fn days_follow_each_other_through_four_hundred_years() {
        let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=146_097 {
            assert_eq!(civil_from_days(days), (year, month, day));
            let length = match month {
                2 => 28 + i64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, month) = if day < length { (day + 1, month) } else { (1, month + 1) };
            (month, year) = if month <= 12 { (month, year) } else { (1, year + 1) };
        }
    }
}
