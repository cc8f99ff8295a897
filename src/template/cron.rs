//! Scheduling of processors: periods, and CRON expressions that NiFi 1.x (Quartz) and 2.x (Spring)
//! read alike.

/// The names of the fields, for messages.
const NAMES: [&str; 6] = ["seconds", "minutes", "hours", "day of month", "month", "day of week"];

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

const UNITS: [&str; 16] = [
    "ns", "nano", "nanos", "ms", "milli", "millis", "s", "sec", "secs", "second", "seconds", "min",
    "mins", "hr", "hrs", "day",
];

/// Checks that NiFi 1.x and 2.x accept the expression and read it alike.
///
/// # Errors
///
/// A message with the wrong field and the accepted values.
pub(super) fn cron(text: &str) -> Result<(), String> {
    let wrong = |why: &str| format!("CRON expression {text:?}: {why}");
    let fields: Vec<_> = text.split_whitespace().collect();
    let [seconds, minutes, hours, day, month, weekday] = fields.as_slice() else {
        return Err(wrong("six fields, without a year: 2.x knows no year"));
    };
    let ranges = [(seconds, 0, 59), (minutes, 0, 59), (hours, 0, 23)];
    for ((field, low, high), name) in ranges.into_iter().zip(NAMES) {
        numbers(field, low, high, &[]).map_err(|why| wrong(&format!("{name}: {why}")))?;
    }
    match (*day, *weekday) {
        ("?", "?") => return Err(wrong("only one of the two day fields may be ?")),
        (_, "?") => {
            if *day != "L" {
                numbers(day, 1, 31, &[]).map_err(|why| wrong(&format!("{}: {why}", NAMES[3])))?;
            }
        }
        ("?", _) => days(weekday).map_err(|why| wrong(&format!("{}: {why}", NAMES[5])))?,
        _ => return Err(wrong("one of the two day fields must be ?: 1.x refuses it otherwise")),
    }
    numbers(month, 1, 12, &MONTHS).map_err(|why| wrong(&format!("{}: {why}", NAMES[4])))
}

/// Checks lists, ranges and steps of numbers or names.
fn numbers(field: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let value = |text: &str| {
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        let known = names.contains(&text);
        if known || number.is_some() {
            Ok(())
        } else {
            Err(format!("{text:?} is not {low} to {high}"))
        }
    };
    for item in field.split(',') {
        let (range, step) =
            item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        if step.is_some_and(|step| {
            step.parse::<u32>().is_ok_and(|step| step == 0) || step.parse::<u32>().is_err()
        }) {
            return Err(format!("{item:?} has no step"));
        }
        match range.split_once('-') {
            _ if range == "*" => {}
            Some((first, last)) => value(first).and_then(|()| value(last))?,
            None => value(range)?,
        }
    }
    Ok(())
}

/// Checks days, which must be names: numbers count from Sunday = 1 in 1.x and from Sunday = 0 in
/// 2.x.
fn days(field: &str) -> Result<(), String> {
    let day = |text: &str| {
        let known = DAYS.contains(&text);
        known
            .then_some(())
            .ok_or_else(|| format!("{text:?}: names only (MON); numbers are other days in 2.x"))
    };
    for item in field.split(',') {
        match item.split_once('-') {
            _ if item == "*" => {}
            Some((first, last)) => day(first).and_then(|()| day(last))?,
            None => day(item)?,
        }
    }
    Ok(())
}

/// Checks a period such as `5 min`.
///
/// # Errors
///
/// A message with the expected form.
pub(super) fn period(text: &str) -> Result<(), String> {
    if text.starts_with("#{") {
        return Ok(());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let known = UNITS.iter().any(|known| unit == *known || unit.strip_suffix('s') == Some(known))
        || unit.starts_with("hour");
    if number.is_empty() || !(known || unit.starts_with("minute")) {
        return Err(format!("schedulingPeriod {text:?} is no period such as 5 min"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_subset() {
        for good in [
            "0 0 3 ? * MON-FRI",
            "0 0 3 * * ?",
            "0 0 3 1 * ?",
            "0 0/15 * ? * *",
            "0 0 3 L * ?",
            "0/5 * * ? * SUN-SAT",
            "0 0,30 8-18 ? JAN-MAR MON,WED",
        ] {
            assert_eq!(cron(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("0 0 3 * * MON-FRI", "must be ?"),
            ("0 0 3 * * *", "must be ?"),
            ("0 0 3 ? * MON-FRI 2030", "without a year"),
            ("0 0 3 ? * 2-6", "names only"),
            ("0 0 3 ? * ?", "only one"),
            ("0 0 24 ? * *", "hours"),
            ("0 0/0 3 ? * *", "no step"),
            ("0 0 3 32 * ?", "day of month"),
            ("0 0 3 ? 13 *", "month"),
            ("", "six fields"),
            ("5 min", "six fields"),
        ] {
            assert!(cron(bad).is_err_and(|message| message.contains(why)), "{bad}");
        }
        for good in ["0 sec", "5 min", "15 mins", "1 day", "2 hours", "100 ms", "#{p}"] {
            assert_eq!(period(good), Ok(()), "{good}");
        }
        for bad in ["", "5", "min", "5 parsecs", "0 0 3 ? * *"] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }
}
