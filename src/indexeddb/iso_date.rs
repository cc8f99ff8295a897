//! Dates in the format of ECMAScript's `toISOString`: `2023-11-14T22:13:20.123Z`,
//! `-000001-01-01T00:00:00.000Z`.

const DAY_MS: i64 = 86_400_000;

/// The greatest distance of a Date or a clock from 1970, in milliseconds: ECMAScript's limit.
pub const MAX_DATE_MS: i64 = 8_640_000_000_000_000;

/// Formats a time, given in milliseconds since 1970. Years outside 0 to 9999 have a sign and six
/// digits.
pub fn write(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Parses exactly the texts that [`write()`] produces for times that a Date can represent.
pub fn read(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let length = if rest.len() == text.len() { 4 } else { 6 };
    let number = |from: usize, to: usize| {
        let digits =
            rest.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<i64>().ok()
    };
    let (year, at) = (sign * number(0, length)?, length);
    let (month, day) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
    let (hour, minute) = (number(at + 7, at + 9)?, number(at + 10, at + 12)?);
    let (second, ms) = (number(at + 13, at + 15)?, number(at + 16, at + 19)?);
    let days = days_from_civil(year, month, day);
    let time = days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms;
    // This checks separators, ranges and spelling all at once.
    ((-MAX_DATE_MS..=MAX_DATE_MS).contains(&time) && write(time) == text).then_some(time)
}

/// Returns year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// The calculation starts each year in March, so that the leap day comes last; 400 years have
/// 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// <https://howardhinnant.github.io/date_algorithms.html>).
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
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

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (MAX_DATE_MS, "+275760-09-13T00:00:00.000Z"),
            (-MAX_DATE_MS, "-271821-04-20T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(write(ms), text);
            assert_eq!(read(text), Some(ms));
        }
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00Z",
            "1970-02-30T00:00:00.000Z",
            "1970-01-01T24:00:00.000Z",
            "1970/01/01T00:00:00.000Z",
            "+001970-01-01T00:00:00.000Z",
            "-000000-01-01T00:00:00.000Z",
            "+275760-09-13T00:00:00.001Z",
            "1970-01-01T00:00:00.000Z ",
            "é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_each_other_through_four_hundred_years() {
        let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=146_097 {
            assert_eq!(civil_from_days(days), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            let length = match month {
                2 => 28 + i64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, month) = if day < length { (day + 1, month) } else { (1, month + 1) };
            (month, year) = if month <= 12 { (month, year) } else { (1, year + 1) };
        }
    }

    proptest! {
        #[test]
        fn times_survive(ms in -MAX_DATE_MS..=MAX_DATE_MS) {
            prop_assert_eq!(read(&write(ms)), Some(ms));
        }
    }
}
