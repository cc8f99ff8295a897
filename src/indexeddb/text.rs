//! The canonical form of text: printable ASCII only, and nothing that NiFi would evaluate.
//!
//! Strings are written as in RFC 8785, except that `$`, `#` and everything outside U+0020–U+007E is
//! `\uXXXX` in lower-case hexadecimal, even characters that RFC 8785 would write as `\n` or `\t`.
//! Only `\"` and `\\` keep their short form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::value::ValueTag;
use super::value::write::write_tagged_string;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `\uXXXX`.
pub fn write_escape(unit: u16, out: &mut Vec<u8>) {
    let digit = |shift: u16| HEX[usize::from((unit >> shift) & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Appends one code unit as it is written in a canonical string.
pub fn write_unit(unit: u16, out: &mut Vec<u8>) {
    match unit {
        0x22 | 0x5c => out.extend_from_slice(&[b'\\', unit as u8]),
        0x23 | 0x24 => write_escape(unit, out),
        0x20..=0x7e => out.push(unit as u8),
        _ => write_escape(unit, out),
    }
}

/// Appends the canonical form of a string: quoted, or `{"~utf16":…}` if it contains a lone
/// surrogate.
pub fn write_units(units: &[u16], out: &mut Vec<u8>) {
    if has_lone_surrogate(units) {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        write_tagged_string(ValueTag::Utf16, STANDARD.encode(bytes).as_bytes(), out);
        return;
    }
    out.push(b'"');
    for &unit in units {
        write_unit(unit, out);
    }
    out.push(b'"');
}

/// Returns the code units of the text between the quotes of a canonical string, including lone
/// surrogates.
pub(crate) fn units(inside: &[u8]) -> Units<'_> {
    Units { rest: inside }
}

/// Iterates over code units. Text that is not canonical yields arbitrary units, but ends.
pub(crate) struct Units<'a> {
    rest: &'a [u8],
}

impl Iterator for Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if byte != b'\\' {
            return Some(u16::from(byte));
        }
        let (&kind, after) = rest.split_first()?;
        if kind != b'u' {
            self.rest = after;
            return Some(u16::from(kind));
        }
        let (digits, after) = after.split_first_chunk::<4>()?;
        self.rest = after;
        digits
            .iter()
            .try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)? as u16))
    }
}

/// Appends the canonical form of Unicode text.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for unit in text.encode_utf16() {
        write_unit(unit, out);
    }
    out.push(b'"');
}

/// Returns the canonical form of Unicode text.
pub fn canonical_text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// True if the units contain a lone surrogate.
pub fn has_lone_surrogate(units: &[u16]) -> bool {
    char::decode_utf16(units.iter().copied()).any(|unit| unit.is_err())
}

/// Decodes base64 of UTF-16LE; returns `None` if it is invalid.
pub fn units_from_base64(data: &str) -> Option<Vec<u16>> {
    let bytes = STANDARD.decode(data).ok()?;
    let units = bytes.chunks_exact(2);
    units
        .remainder()
        .is_empty()
        .then(|| units.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// Returns UTF-8, with each lone surrogate as three bytes (WTF-8).
pub fn wtf8(units: &[u16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                let low = |shift: u16| 0x80 | ((unit >> shift) & 0x3f) as u8;
                out.extend_from_slice(&[0xe0 | (unit >> 12) as u8, low(6), low(0)]);
            }
        }
    }
    out
}
