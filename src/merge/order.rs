//! The order of values.

use std::cmp::Ordering;

use super::number::big;
use crate::indexeddb::value::{number_of, sortable_key_of};

/// Compares canonical values in IndexedDB's order of keys (number < Date < string < binary <
/// array), with BigInts as numbers. Returns `None` if a value has no place in this order: an
/// object, a boolean, NaN, a BigInt of more than 38 digits.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Option<Ordering> {
    match (big(a), big(b)) {
        (Some(a), Some(b)) => return Some(a.cmp(&b)),
        (Some(a), None) => return against_number(a, b),
        (None, Some(b)) => return against_number(b, a).map(Ordering::reverse),
        (None, None) => {}
    }
    Some(key(a)?.cmp(&key(b)?))
}

/// Compares elements of a set: valid keys first, in their order, then by canonical text. Equal only
/// if the texts are.
pub(super) fn canonical_order(a: &[u8], b: &[u8]) -> Ordering {
    let keys = match (key(a), key(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    keys.then_with(|| a.cmp(b))
}

fn key(canonical: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    sortable_key_of(canonical, &mut out).ok().map(|()| out)
}

fn against_number(big: i128, other: &[u8]) -> Option<Ordering> {
    let number = number_of(other).filter(|number| !number.is_nan())?;
    if number.abs() >= 1e38 {
        return Some(if number > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = number.floor();
    let order = big.cmp(&(whole as i128));
    Some(if order.is_eq() && number > whole { Ordering::Less } else { order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_order() {
        let ascending = [
            r#"{"~number":"-Infinity"}"#,
            r#"{"~bigint":"-10"}"#,
            "-1",
            "0",
            "2.5",
            r#"{"~bigint":"3"}"#,
            "10",
            "1e+40",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a.as_bytes(), b.as_bytes()), Some(i.cmp(&j)), "{a} {b}");
            }
        }
        assert_eq!(compare(b"9", b"10"), Some(Ordering::Less));
        assert_eq!(compare(br#"{"~date":9}"#, br#"{"~date":10}"#), Some(Ordering::Less));
        assert_eq!(compare(br#""2026-01-09""#, br#""2026-01-10""#), Some(Ordering::Less));
        for other in [&b"{}"[..], b"true", b"null", br#"{"~number":"NaN"}"#, br#"{"~date":null}"#] {
            assert_eq!(compare(other, b"1"), None);
        }
    }
}
