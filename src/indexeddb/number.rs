//! Numbers: ECMAScript's `Number::toString`, which RFC 8785 requires, and the range and precision
//! of doubles.

use crate::indexeddb::value::write::write_special_number;

/// The greatest number of significant digits of a literal with a fraction or an exponent that is
/// not exactly a double.
///
/// A double needs at most 17 digits to be distinguished from its neighbours, so every double that a
/// program prints is within the limit. More digits claim a precision that a double does not have.
pub const MAX_SIGNIFICANT_DIGITS: usize = 17;

/// The greatest integer up to which a double represents all integers.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The number of significant digits up to which a decimal is the shortest text for its double.
const EXACT_DIGITS: usize = 15;

/// The digits after the point in the longest exact decimal form of a double, in scientific
/// notation.
const LONGEST_FRACTION: usize = 766;

/// The reason why a JSON number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// A double cannot represent it.
    Precision,
    /// The magnitude is too great, or too small although it is not zero.
    Range,
}

/// The number at the start of scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// The length in bytes.
    pub(crate) length: usize,
    /// True if it has neither fraction nor exponent.
    pub(crate) integer: bool,
    /// True if it is in canonical form.
    pub(crate) canonical: bool,
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

/// Scans one number by JSON's grammar and ignores whatever follows it. Returns `None` if there is
/// none.
pub(crate) fn scan(bytes: &[u8]) -> Option<Literal> {
    let minus = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(bytes.get(minus..)?);
    let zero = bytes.get(minus) == Some(&b'0');
    if whole == 0 || (zero && whole > 1) {
        return None;
    }
    let mut at = minus + whole;
    match bytes.get(at) {
        Some(b'.' | b'e' | b'E') => {}
        _ => {
            let canonical = whole <= EXACT_DIGITS && !(zero && minus == 1);
            return Some(Literal { length: at, integer: true, canonical });
        }
    }
    let mut canonical = false;
    if bytes.get(at) == Some(&b'.') {
        let tail = bytes.get(at + 1..)?;
        let fraction = digits(tail);
        if fraction == 0 {
            return None;
        }
        let ends_in_zero = tail[fraction - 1] == b'0';
        // ECMAScript uses exponents below 1e-6.
        let zeros = if zero { tail.iter().take_while(|&&byte| byte == b'0').count() } else { 0 };
        canonical = !ends_in_zero && zeros < 6 && whole + fraction <= EXACT_DIGITS;
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        canonical = false;
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = digits(bytes.get(at..)?);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(Literal { length: at, integer: false, canonical })
}

/// Reads a whole number from 0 to 2^53−1.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number <= MAX_SAFE_INTEGER).then_some(number)
}

/// Returns the double that a scanned literal represents.
///
/// An integer must be exactly a double, or the very text that ECMAScript writes for its double
/// (2^68 is written `295147905179352830000`, which is canonical and must stay so). Any other number
/// may have [`MAX_SIGNIFICANT_DIGITS`], or more if it is exactly a double. A literal is never
/// replaced by infinity, or by zero unless it is zero.
pub(crate) fn parse(literal: &[u8], integer: bool) -> Result<f64, NumberError> {
    // A scanned literal is ASCII that `f64` can parse.
    let text = std::str::from_utf8(literal).map_err(|_| NumberError::Range)?;
    let value: f64 = text.parse().map_err(|_| NumberError::Range)?;
    let significant = significant(literal);
    if value.is_infinite() || (value == 0.0 && !significant.is_empty()) {
        return Err(NumberError::Range);
    }
    let free = if integer {
        literal.len() <= EXACT_DIGITS
    } else {
        significant.len() <= MAX_SIGNIFICANT_DIGITS
    };
    if free || is_exact(&significant, literal, value) {
        return Ok(value);
    }
    if integer && ryu_js::Buffer::new().format_finite(value).as_bytes() == literal {
        return Ok(value);
    }
    Err(NumberError::Precision)
}

/// Returns the digits before the exponent, without zeros at either end.
fn significant(literal: &[u8]) -> Vec<u8> {
    let mantissa = literal.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let all: Vec<u8> = mantissa
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .skip_while(|&digit| digit == b'0')
        .collect();
    let end = all.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    all[..end].to_vec()
}

/// Returns the power of ten of the first significant digit.
fn magnitude(literal: &[u8]) -> i64 {
    let mut parts = literal.split(|byte| matches!(byte, b'e' | b'E'));
    let mantissa = parts.next().unwrap_or_default();
    let exponent =
        parts.next().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0_i64);
    let mut halves = mantissa.split(|&byte| byte == b'.');
    let mut whole = halves.next().unwrap_or_default();
    whole = whole.strip_prefix(b"-").unwrap_or(whole);
    let own = if whole == b"0" {
        let zeros =
            halves.next().unwrap_or_default().iter().take_while(|&&digit| digit == b'0').count();
        -1 - zeros as i64
    } else {
        whole.len() as i64 - 1
    };
    own.saturating_add(exponent)
}

/// True if the digits equal the exact decimal form of the double, which is finite.
fn is_exact(significant: &[u8], literal: &[u8], value: f64) -> bool {
    let exact = format!("{:.LONGEST_FRACTION$e}", value.abs());
    let Some((mantissa, exponent)) = exact.split_once('e') else { return false };
    let digits = mantissa.bytes().filter(|&byte| byte != b'.');
    let length = mantissa.trim_end_matches(['0', '.']).bytes().filter(|&byte| byte != b'.').count();
    exponent.parse() == Ok(magnitude(literal))
        && digits.take(length).eq(significant.iter().copied())
}

/// Appends the canonical form: a JSON number, or `{"~number":…}` for −0, NaN and the infinities.
pub fn write_canonical(value: f64, out: &mut Vec<u8>) {
    // Most numbers are small integers, whose digits do not need the search for the shortest form.
    if value.fract() == 0.0 && value.abs() < 1e15 && !(value == 0.0 && value.is_sign_negative()) {
        let _ = std::io::Write::write_fmt(out, format_args!("{}", value as i64));
        return;
    }
    match special_word(value) {
        Some(word) => write_special_number(word, out),
        None => out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes()),
    }
}

/// Returns the word for a number that JSON cannot represent.
pub(crate) fn special_word(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ if value == 0.0 && value.is_sign_negative() => Some("-0"),
        _ => None,
    }
}

/// Returns the number that one of the words of [`special_word`] represents.
pub(crate) fn special_value(word: &str) -> Option<f64> {
    Some(match word {
        "-0" => -0.0,
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(literal: &str) -> Result<f64, NumberError> {
        let scanned = scan(literal.as_bytes()).unwrap();
        assert_eq!(scanned.length, literal.len(), "{literal}");
        parse(literal.as_bytes(), scanned.integer)
    }

    #[test]
    fn grammar() {
        for bad in
            ["", "-", "01", "-01", "+1", ".5", "1.", "1.e5", "1e", "1e+", "NaN", "-Infinity", "- 1"]
        {
            assert_eq!(scan(bad.as_bytes()), None, "{bad}");
        }
        for (text, length) in [("0]", 1), ("-12,", 3), ("1.5e+10}", 7), ("1e5.", 3), ("0x1", 1)] {
            assert_eq!(scan(text.as_bytes()).map(|literal| literal.length), Some(length), "{text}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(read("9007199254740992"), Ok(9007199254740992.0));
        assert_eq!(read("9007199254740993"), Err(NumberError::Precision));
        assert_eq!(read("-9007199254740993"), Err(NumberError::Precision));
        assert_eq!(read("9007199254740994"), Ok(9007199254740994.0));
        assert_eq!(read("10000000000000000000000"), Ok(1e22));
        assert_eq!(read("100000000000000000000000"), Err(NumberError::Precision));
        assert_eq!(
            read("295147905179352830000"),
            Ok(295147905179352825856.0),
            "as ECMAScript writes 2^68"
        );
        assert_eq!(read("295147905179352830001"), Err(NumberError::Precision));
        assert_eq!(read(&format!("{:.0}", f64::MAX)), Ok(f64::MAX));
        assert_eq!(read(&format!("1{}", "0".repeat(400))), Err(NumberError::Range));
    }

    #[test]
    fn decimals_have_17_digits_or_are_exact() {
        assert_eq!(read("0.12345678901234568"), Ok(0.12345678901234568));
        assert_eq!(read("0.123456789012345678"), Err(NumberError::Precision));
        assert_eq!(read("0.1000000000000000055511151231257827021181583404541015625"), Ok(0.1));
        assert_eq!(
            read("0.1000000000000000055511151231257827021181583404541015626"),
            Err(NumberError::Precision)
        );
        assert_eq!(read("1.00000000000000000000000000"), Ok(1.0));
        assert_eq!(read("123456789012345678901234567890e-400"), Err(NumberError::Range));
        assert_eq!(read("0e999999999999999999999"), Ok(0.0));
        assert_eq!(read("1e400"), Err(NumberError::Range));
        assert_eq!(read("5e-324"), Ok(5e-324));
        assert_eq!(read("1e-400"), Err(NumberError::Range));
        let smallest = format!("{:.1074}", 5e-324_f64);
        assert_eq!(read(&smallest), Ok(5e-324));
    }

    /// The samples of RFC 8785, appendix B.
    #[test]
    fn rfc_8785_samples() {
        for (bits, expected) in [
            (0x0000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ] {
            let mut out = Vec::new();
            write_canonical(f64::from_bits(bits), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest! {
        /// A literal that the scan calls canonical is the text that ECMAScript writes.
        #[test]
        fn copied_literals_are_what_ecmascript_writes(literal in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?") {
            let scanned = scan(literal.as_bytes()).unwrap();
            if scanned.canonical {
                let mut out = Vec::new();
                write_canonical(literal.parse().unwrap(), &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), literal);
            }
        }

        #[test]
        fn doubles_survive(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let mut out = Vec::new();
            write_canonical(value, &mut out);
            if out[0] != b'{' {
                let scanned = scan(&out).unwrap();
                prop_assert_eq!(parse(&out, scanned.integer), Ok(value));
            }
        }
    }
}
