//! Converts TOML values to canonical values of IndexedDB.

use toml::de::{DeInteger, DeValue};
use toml::value::{Datetime, Offset};

use super::fault::Fault;
use super::reader::{Reader, Value};
use super::string::inside;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::number::special_word;
use crate::indexeddb::value::write::{write_date, write_special_number};
use crate::indexeddb::value::{Canonicalizer, Options, ValueTag};

impl<'a> Reader<'a> {
    /// Returns the canonical form of a TOML value. Tags are supported: `{ "~bigint" = "5" }`.
    pub(super) fn canonical(&mut self, value: &Value<'a>) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let before = self.faults.len();
        self.json(value, &mut text);
        if self.faults.len() > before {
            return None;
        }
        match canonical(&text) {
            Ok(canonical) => Some(canonical),
            Err((what, _)) => {
                self.fault(Fault::new(
                    value.span(),
                    format!("this is no value of IndexedDB: {what}"),
                ));
                None
            }
        }
    }

    /// Returns the canonical form of a value that is given as text.
    pub(super) fn canonical_text(&mut self, value: &Value<'a>, what: &str) -> Option<Vec<u8>> {
        let text = self.string(value, what)?;
        match canonical(text.as_bytes()) {
            Ok(canonical) => Some(canonical),
            Err((reason, offset)) => {
                let place = inside(self.text, &value.span(), offset, offset + 1);
                let fault = Fault::new(place, format!("{what} is no value of IndexedDB: {reason}"));
                self.fault(fault.help(r#"write one value as JSON, such as '{"id": 1}'"#));
                None
            }
        }
    }

    fn json(&mut self, value: &Value<'a>, out: &mut Vec<u8>) {
        match value.get_ref() {
            DeValue::String(text) => push_string(text, out),
            DeValue::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
            DeValue::Integer(number) => match integer(number) {
                Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
                None => {
                    let help = format!(
                        "write it as a BigInt: {{ \"{}\" = \"{}\" }}",
                        ValueTag::BigInt.name(),
                        number.as_str()
                    );
                    let message = "a number of JavaScript does not hold this integer";
                    self.fault(Fault::new(value.span(), message).help(help));
                }
            },
            DeValue::Float(number) => {
                let (text, read) = (number.as_str(), number.as_str().parse::<f64>());
                // An explicit infinity is intended; a number that only rounds to one is not.
                match read.ok().filter(|read| !read.is_infinite() || text.ends_with("inf")) {
                    Some(number) => push_float(number, out),
                    None => self.fault(Fault::new(
                        value.span(),
                        "a number of JavaScript does not hold this",
                    )),
                }
            }
            DeValue::Datetime(date) => match date_ms(date) {
                Some(ms) => write_date(Some(ms), out),
                None => {
                    let help = "a Date is a moment: write date, time and offset, such as 2026-01-31T09:00:00Z";
                    self.fault(Fault::new(value.span(), "this is no moment in time").help(help));
                }
            },
            DeValue::Array(items) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    self.json(item, out);
                }
                out.push(b']');
            }
            DeValue::Table(members) => {
                out.push(b'{');
                for (number, (name, member)) in members.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    push_string(name.get_ref(), out);
                    out.push(b':');
                    self.json(member, out);
                }
                out.push(b'}');
            }
        }
    }

    /// Reads a clock: milliseconds since 1970, or a date and time.
    pub(super) fn clock(&mut self, value: &Value<'a>, what: &str) -> Option<i64> {
        let read = match value.get_ref() {
            DeValue::Integer(number) => integer(number),
            DeValue::Datetime(date) => date_ms(date),
            _ => None,
        };
        let read = read.filter(|ms| (0..=MAX_DATE_MS).contains(ms));
        if read.is_none() {
            let help =
                "write milliseconds since 1970, or a date and time such as 2026-01-31T09:00:00Z";
            self.fault(Fault::new(value.span(), format!("{what} is no clock")).help(help));
        }
        read
    }
}

/// Returns the canonical form of a value, or the fault and its byte position.
fn canonical(text: &[u8]) -> Result<Vec<u8>, (String, usize)> {
    let mut out = Vec::new();
    let read = Canonicalizer::new(Options::default()).value(text, &mut out);
    read.map_err(|error| (error.reason.to_string(), error.offset))?;
    Ok(out)
}

/// Returns an integer that a double can represent.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
    (number.unsigned_abs() <= 1 << 53).then_some(number)
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

fn push_float(number: f64, out: &mut Vec<u8>) {
    match special_word(number) {
        Some(word) => write_special_number(word, out),
        None => out.extend_from_slice(serde_json::Value::from(number).to_string().as_bytes()),
    }
}

/// Returns milliseconds since 1970; `None` if the date or the time is incomplete.
fn date_ms(date: &Datetime) -> Option<i64> {
    let (day, time) = (date.date?, date.time?);
    let offset = match date.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = i64::from(time.hour) * 3_600
        + i64::from(time.minute) * 60
        + i64::from(time.second.unwrap_or(0));
    let millis = i64::from(time.nanosecond.unwrap_or(0) / 1_000_000);
    let days = days_since_1970(i64::from(day.year), i64::from(day.month), i64::from(day.day));
    Some((days * 86_400 + seconds - offset * 60) * 1_000 + millis)
}

/// Returns the days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so
/// that the leap day is last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn read(toml: &str) -> Result<String, String> {
        let text = format!("v = {toml}");
        let table = DeTable::parse(&text).map_err(|error| error.to_string())?;
        let mut reader = Reader { text: &text, faults: Vec::new(), notes: Vec::new() };
        let value = reader.canonical(table.get_ref().get("v").unwrap());
        match reader.faults.first() {
            None => Ok(String::from_utf8(value.unwrap()).unwrap()),
            Some(fault) => Err(fault.message.clone()),
        }
    }

    #[test]
    fn toml_values_are_values_of_indexeddb() {
        for (toml, canonical) in [
            ("1", "1"),
            ("0x10", "16"),
            ("-1_000", "-1000"),
            ("1.50", "1.5"),
            ("1e400", ""),
            ("-0.0", r#"{"~number":"-0"}"#),
            ("nan", r#"{"~number":"NaN"}"#),
            ("-inf", r#"{"~number":"-Infinity"}"#),
            ("true", "true"),
            ("\"é\"", r#""\u00e9""#),
            ("1970-01-01T00:00:01.5Z", r#"{"~date":1500}"#),
            ("2026-02-28T23:30:00-01:30", r#"{"~date":1772326800000}"#),
            ("2000-02-29T00:00:00Z", r#"{"~date":951782400000}"#),
            ("[1, { b = 2, a = [] }]", r#"[1,{"a":[],"b":2}]"#),
            (r#"{ "~bigint" = "5" }"#, r#"{"~bigint":"5"}"#),
        ] {
            let read = read(toml);
            assert!(
                read.as_deref() == Ok(canonical) || (canonical.is_empty() && read.is_err()),
                "{toml}: {read:?}"
            );
        }
        for wrong in ["9007199254740993", "2026-01-01", "12:00:00", r#"{ "~nix" = 1 }"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
