//! Sums of numbers in decimal arithmetic, so that 0.1 + 0.2 is 0.3.

use std::sync::LazyLock;

use crate::indexeddb::number::write_canonical;
use crate::indexeddb::value::write::write_big_int;
use crate::indexeddb::value::{ValueTag, tagged};

/// A number as in its canonical text: `digits` · 10^`exponent`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Returns `head + incoming − base` of canonical numbers, or of canonical BigInts. Returns `None`
/// if their types differ, if the result is too large, or if it is an integer that no double
/// represents: a counter must not silently lose a step at 2^53.
///
/// The sum is exact in decimals and rounded once, to the nearest double. So the order of additions
/// makes no difference as long as 17 digits are not needed.
pub(super) fn delta(base: &[u8], head: &[u8], incoming: &[u8]) -> Option<Vec<u8>> {
    if let (Some(base), Some(head), Some(incoming)) = (big(base), big(head), big(incoming)) {
        let sum = head.checked_add(incoming.checked_sub(base)?)?;
        return Some(big_text(sum));
    }
    let [base, head, incoming] = [base, head, incoming].map(decimal);
    let (base, head, incoming) = (base?, head?, incoming?);
    let exponent = base.exponent.min(head.exponent).min(incoming.exponent);
    let scaled = |number: Decimal| scale(number, exponent);
    let exact = || scaled(head)?.checked_add(scaled(incoming)?)?.checked_sub(scaled(base)?);
    let exact = exact();
    let sum = match exact {
        Some(digits) => value_of(Decimal { digits, exponent })?,
        // The exponents are too far apart for exact decimals.
        None => value_of(head)? + (value_of(incoming)? - value_of(base)?),
    };
    if !sum.is_finite() {
        return None;
    }
    let mut out = Vec::new();
    // Turns negative zero into zero.
    write_canonical(sum + 0.0, &mut out);
    let rounded = |digits| {
        decimal(&out).is_none_or(|sum| shortest(sum) != shortest(Decimal { digits, exponent }))
    };
    match exact {
        Some(digits) if exponent >= 0 && rounded(digits) => None,
        _ => Some(out),
    }
}

/// Removes trailing zeros.
fn shortest(mut number: Decimal) -> (i128, i32) {
    while number.digits != 0 && number.digits % 10 == 0 {
        number = Decimal { digits: number.digits / 10, exponent: number.exponent + 1 };
    }
    (number.digits, if number.digits == 0 { 0 } else { number.exponent })
}

fn scale(number: Decimal, exponent: i32) -> Option<i128> {
    let shift = u32::try_from(number.exponent - exponent).ok()?;
    number.digits.checked_mul(10_i128.checked_pow(shift)?)
}

fn value_of(number: Decimal) -> Option<f64> {
    format!("{}e{}", number.digits, number.exponent).parse().ok()
}

/// Parses a BigInt of up to 38 digits.
pub(super) fn big(canonical: &[u8]) -> Option<i128> {
    let (ValueTag::BigInt, content) = tagged(canonical)? else { return None };
    let digits = content.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn big_text(number: i128) -> Vec<u8> {
    let mut out = Vec::new();
    write_big_int(number, &mut out);
    out
}

/// Returns zero in the type of `like`.
pub(super) fn zero(like: &[u8]) -> &'static [u8] {
    static BIG_ZERO: LazyLock<Vec<u8>> = LazyLock::new(|| big_text(0));
    if big(like).is_some() { &BIG_ZERO } else { b"0" }
}

fn decimal(canonical: &[u8]) -> Option<Decimal> {
    let text = match tagged(canonical) {
        Some((ValueTag::Number, b"\"-0\"")) => "0",
        _ => std::str::from_utf8(canonical).ok()?,
    };
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some(Decimal { digits, exponent: exponent - i32::try_from(fraction.len()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        for (base, head, incoming, expected) in [
            ("10", "8", "7", Some("5")),
            ("0.3", "0.1", "0.2", Some("0")),
            ("0", "0.1", "0.2", Some("0.3")),
            ("19.99", "29.98", "21.99", Some("31.98")),
            ("1e+21", "1e+21", "1", Some("1")),
            ("1e-7", "3e-7", "2e-7", Some("4e-7")),
            ("0", "1e+300", "1e-300", Some("1e+300")),
            ("0", "1.7e+308", "1.7e+308", None),
            ("-5", r#"{"~number":"-0"}"#, "-10", Some("-5")),
            ("9007199254740990", "9007199254740991", "9007199254740991", Some("9007199254740992")),
            ("9007199254740989", "9007199254740991", "9007199254740991", None),
            ("1e+300", "3e+300", "1e+300", Some("3e+300")),
            (
                r#"{"~bigint":"5"}"#,
                r#"{"~bigint":"-7"}"#,
                r#"{"~bigint":"90071992547409930"}"#,
                Some(r#"{"~bigint":"90071992547409918"}"#),
            ),
            (r#"{"~bigint":"5"}"#, "1", "2", None),
            (r#"{"~number":"NaN"}"#, "1", "2", None),
            ("\"1\"", "1", "2", None),
            ("{}", "1", "2", None),
        ] {
            let sum = delta(base.as_bytes(), head.as_bytes(), incoming.as_bytes());
            assert_eq!(
                sum.map(|sum| String::from_utf8(sum).unwrap()).as_deref(),
                expected,
                "{base} {head} {incoming}"
            );
        }
    }

    #[test]
    fn any_order_gives_the_same_sum() {
        let add = |value: &str, change: &str| {
            String::from_utf8(delta(b"100.1", value.as_bytes(), change.as_bytes()).unwrap())
                .unwrap()
        };
        let changes = ["100.2", "99.97", "100.1001"];
        let forward = changes.iter().fold("100.1".to_owned(), |value, change| add(&value, change));
        let backward =
            changes.iter().rev().fold("100.1".to_owned(), |value, change| add(&value, change));
        assert_eq!((forward.as_str(), backward.as_str()), ("100.0701", "100.0701"));
    }
}
