//! Numbers: doubles from canonical text, and integers compared with doubles.

use std::cmp::Ordering;

/// Returns the double of a canonical JSON number.
pub(super) fn read(text: &[u8]) -> Option<f64> {
    // Most numbers are small integers, whose digits are the value.
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() <= 15 && digits.iter().all(u8::is_ascii_digit) && !digits.is_empty() {
        let int = digits.iter().fold(0_i64, |int, digit| int * 10 + i64::from(digit - b'0'));
        return Some(if digits.len() < text.len() { -(int as f64) } else { int as f64 });
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|double: &f64| double.is_finite())
}

/// Compares an integer with a double, exactly; returns `None` for NaN.
pub(super) fn compare(int: i64, double: f64) -> Option<Ordering> {
    /// 2^63: the smallest double greater than all integers.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    Some(if double >= ABOVE {
        Ordering::Less
    } else if double < -ABOVE {
        Ordering::Greater
    } else {
        let whole = double.trunc();
        int.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_doubles() {
        use Ordering::{Equal, Greater, Less};
        for (int, double, expected) in [
            (1, 1.0, Some(Equal)),
            (1, 1.5, Some(Less)),
            (-1, -1.5, Some(Greater)),
            (i64::MAX, 9_223_372_036_854_775_808.0, Some(Less)),
            (i64::MIN, -9_223_372_036_854_775_808.0, Some(Equal)),
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Some(Greater)),
            (0, f64::NEG_INFINITY, Some(Greater)),
            (0, -0.0, Some(Equal)),
            (0, f64::NAN, None),
        ] {
            assert_eq!(compare(int, double), expected, "{int} {double}");
        }
        for (text, expected) in [
            ("0", Some(0.0)),
            ("-12", Some(-12.0)),
            ("1e+21", Some(1e21)),
            ("0.1", Some(0.1)),
            ("-", None),
            ("nan", None),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(read(b"295147905179352830000"), Some(295147905179352825856.0));
    }
}
