//! Decimals of databases as Kafka Connect encodes them: unscaled bytes and a scale.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::indexeddb::number;
use crate::indexeddb::value::tree::Tree;

/// The most unscaled bytes of a decimal: enough for any database's numbers except PostgreSQL's
/// longest.
const MAX_BYTES: usize = 1024;

/// The greatest scale of a decimal, positive or negative.
const MAX_SCALE: i64 = 4096;

/// Returns the digits of `{"scale":…,"value":…}`, Debezium's form of a decimal whose scale varies from row to row.
pub(super) fn of_struct(column: &Tree<'_>) -> Option<String> {
    let [(first, one), (second, two)] = column.members()? else { return None };
    let (scale, value) = match (*first, *second) {
        (b"scale", b"value") => (one, two),
        (b"value", b"scale") => (two, one),
        _ => return None,
    };
    let Tree::Number(scale) = scale else { return None };
    of_bytes(value, std::str::from_utf8(scale).ok()?.parse().ok()?)
}

/// Returns the digits of base64 of unscaled bytes (big-endian, two's complement).
pub(super) fn of_bytes(column: &Tree<'_>, scale: i64) -> Option<String> {
    let Tree::String(raw) = column else { return None };
    let bytes = STANDARD.decode(raw).ok()?;
    if bytes.is_empty() || bytes.len() > MAX_BYTES || scale.abs() > MAX_SCALE {
        return None;
    }
    let negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
    let mut digits = digits(&bytes, negative);
    match usize::try_from(scale) {
        Ok(places) => {
            if digits.len() <= places {
                digits.insert_str(0, &"0".repeat(places + 1 - digits.len()));
            }
            if places > 0 {
                digits.insert(digits.len() - places, '.');
            }
        }
        Err(_) if digits != "0" => digits.push_str(&"0".repeat(scale.unsigned_abs() as usize)),
        Err(_) => {}
    }
    Some(if negative { format!("-{digits}") } else { digits })
}

/// Returns the decimal digits of an integer's absolute value.
fn digits(bytes: &[u8], negative: bool) -> String {
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
        if carry {
            magnitude.insert(0, 1);
        }
    }
    // Groups of nine digits, lowest first.
    let mut groups: Vec<u32> = vec![0];
    for byte in magnitude {
        let mut carry = u64::from(byte);
        for group in &mut groups {
            let value = u64::from(*group) * 256 + carry;
            *group = (value % 1_000_000_000) as u32;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry as u32);
        }
    }
    let mut text = groups.pop().unwrap_or(0).to_string();
    groups.iter().rev().for_each(|group| text.push_str(&format!("{group:09}")));
    text
}

/// Returns the digits without a fraction of only zeros, if the rest is an integer.
pub(super) fn integer(digits: &str) -> Option<&str> {
    match digits.split_once('.') {
        None => Some(digits),
        Some((whole, zeros)) => zeros.bytes().all(|digit| digit == b'0').then_some(whole),
    }
}

/// True if a double can represent the number in this text, by the rules of the canonical form.
pub(super) fn fits(literal: &[u8]) -> bool {
    number::scan(literal).is_some_and(|scanned| {
        scanned.length == literal.len() && number::parse(literal, scanned.integer).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unscaled_bytes_are_read_as_java_writes_them() {
        for (text, scale, expected) in [
            ("AQ==", 0, "1"),
            ("AQI=", 0, "258"),
            ("/w==", 0, "-1"),
            ("gA==", 0, "-128"),
            ("gAA=", 2, "-327.68"),
            ("AIA=", 0, "128"),
            ("AA==", 2, "0.00"),
            ("BQ==", 3, "0.005"),
            ("BQ==", -3, "5000"),
            ("AA==", -3, "0"),
        ] {
            let quoted = format!("\"{text}\"");
            let tree = Tree::read(quoted.as_bytes()).unwrap();
            assert_eq!(of_bytes(&tree, scale).unwrap(), expected, "{text}");
        }
        let bytes: Vec<u8> = (0..15).map(|byte| byte * 17 + 1).collect();
        let number = bytes.iter().fold(0_u128, |sum, &byte| (sum << 8) | u128::from(byte));
        let quoted = format!("\"{}\"", STANDARD.encode(&bytes));
        assert_eq!(
            of_bytes(&Tree::read(quoted.as_bytes()).unwrap(), 0).unwrap(),
            number.to_string()
        );
        for text in [r#"{"scale":0,"value":"AQ=="}"#, r#"{"value":"AQ==","scale":0}"#] {
            assert_eq!(of_struct(&Tree::read(text.as_bytes()).unwrap()).as_deref(), Some("1"));
        }
        for text in
            [r#"{"scale":0}"#, r#"{"scale":"0","value":"AQ=="}"#, r#"{"scale":0,"value":1}"#, "1"]
        {
            assert_eq!(of_struct(&Tree::read(text.as_bytes()).unwrap()), None, "{text}");
        }
        assert_eq!((integer("5"), integer("5.00"), integer("5.10")), (Some("5"), Some("5"), None));
        assert!(
            fits(b"1.5") && fits(b"9007199254740992") && !fits(b"9007199254740993") && !fits(b"1x")
        );
    }
}
