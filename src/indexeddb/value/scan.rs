//! Strings: turns input text into the text between the quotes of a canonical string, eight bytes at
//! a time.

use super::error::ValueErrorReason as Reason;
use super::pass::Pass;
use crate::indexeddb::text;

/// The properties of a scanned string.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// True if its canonical form contains a backslash.
    pub(super) escaped: bool,
    /// True if part of it was rewritten.
    pub(super) rewritten: bool,
    /// True if it contains a lone surrogate.
    pub(super) lone: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Sets the high bit of every byte that is not copied unchanged: all except U+0020–U+007E without
/// `"`, `#`, `$` and `\`. No carry crosses a byte, so every bit is exact.
#[inline]
fn special(word: u64) -> u64 {
    let low = word & !HIGH;
    let at_least = |limit: u8| low + u64::from(0x80 - limit) * ONES;
    let control = !at_least(0x20);
    let quote_hash_dollar = at_least(0x22) & !at_least(0x25);
    let backslash = !((low ^ (u64::from(b'\\') * ONES)) + 0x7f * ONES);
    let delete = at_least(0x7f);
    (word | control | quote_hash_dollar | backslash | delete) & HIGH
}

/// Returns the length of the run of bytes that are copied unchanged.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let found = special(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest
        .iter()
        .position(|&byte| {
            !matches!(byte, 0x20..=0x7e) || matches!(byte, b'"' | b'#' | b'$' | b'\\')
        })
        .unwrap_or(rest.len())
}

impl Pass<'_> {
    /// Scans from the opening quote to the position after the closing quote. The text may still be
    /// pending, unless it was rewritten.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Flags, Reason> {
        let mut flags = Flags::default();
        self.pos += 1;
        loop {
            self.pos += plain_run(&self.input[self.pos..]);
            match self.input.get(self.pos) {
                Some(b'"') => {
                    self.pos += 1;
                    if flags.rewritten {
                        self.flush();
                    }
                    return Ok(flags);
                }
                None => return Err(Reason::Syntax),
                Some(&byte) => self.special(byte, &mut flags)?,
            }
        }
    }

    /// Scans one character, or run of characters, that is not copied unchanged.
    fn special(&mut self, byte: u8, flags: &mut Flags) -> Result<(), Reason> {
        match byte {
            0..0x20 => return Err(Reason::Syntax),
            b'\\' => return self.escape(flags),
            0x80.. => {
                self.flush();
                self.non_ascii()?;
            }
            _ => {
                self.flush();
                text::write_escape(u16::from(byte), self.out);
                self.pos += 1;
            }
        }
        self.copied = self.pos;
        flags.escaped = true;
        flags.rewritten = true;
        Ok(())
    }

    fn escape(&mut self, flags: &mut Flags) -> Result<(), Reason> {
        let unit = match self.input.get(self.pos + 1) {
            Some(b'"' | b'\\') => {
                self.pos += 2;
                flags.escaped = true;
                return Ok(());
            }
            Some(b'/') => u16::from(b'/'),
            Some(b'b') => 8,
            Some(b't') => 9,
            Some(b'n') => 10,
            Some(b'f') => 12,
            Some(b'r') => 13,
            Some(b'u') => return self.unicode_escape(flags),
            _ => return Err(Reason::Syntax),
        };
        self.flush();
        text::write_unit(unit, self.out);
        self.pos += 2;
        self.copied = self.pos;
        flags.escaped = true;
        flags.rewritten = true;
        Ok(())
    }

    fn unicode_escape(&mut self, flags: &mut Flags) -> Result<(), Reason> {
        let (unit, verbatim) = hex_unit(self.input, self.pos).ok_or(Reason::Syntax)?;
        flags.escaped = true;
        if verbatim {
            self.pos += 6;
        } else {
            self.flush();
            text::write_unit(unit, self.out);
            self.pos += 6;
            self.copied = self.pos;
            flags.rewritten = true;
        }
        match unit {
            0xdc00..0xe000 => flags.lone = true,
            0xd800..0xdc00 => match hex_unit(self.input, self.pos) {
                Some((low @ 0xdc00..0xe000, verbatim)) => {
                    if !verbatim {
                        self.flush();
                        text::write_escape(low, self.out);
                        self.copied = self.pos + 6;
                        flags.rewritten = true;
                    }
                    self.pos += 6;
                }
                _ => flags.lone = true,
            },
            _ => {}
        }
        Ok(())
    }

    /// Scans a run of characters above U+007F; the caller marks it as copied.
    fn non_ascii(&mut self) -> Result<(), Reason> {
        loop {
            let rest = &self.input[self.pos..];
            let tail = |index: usize| match rest.get(index) {
                Some(&byte @ 0x80..=0xbf) => Ok(u32::from(byte & 0x3f)),
                _ => Err(Reason::InvalidUtf8),
            };
            match rest.first() {
                Some(&byte @ 0xc2..=0xdf) => {
                    text::write_escape((u32::from(byte & 0x1f) << 6 | tail(1)?) as u16, self.out);
                    self.pos += 2;
                }
                Some(&byte @ 0xe0..=0xef) => {
                    let unit = u32::from(byte & 0x0f) << 12 | tail(1)? << 6 | tail(2)?;
                    if unit < 0x800 || (0xd800..0xe000).contains(&unit) {
                        return Err(Reason::InvalidUtf8);
                    }
                    text::write_escape(unit as u16, self.out);
                    self.pos += 3;
                }
                Some(&byte @ 0xf0..=0xf4) => {
                    let scalar =
                        u32::from(byte & 0x07) << 18 | tail(1)? << 12 | tail(2)? << 6 | tail(3)?;
                    let above = match scalar {
                        0x1_0000..=0x10_ffff => scalar - 0x1_0000,
                        _ => return Err(Reason::InvalidUtf8),
                    };
                    text::write_escape(0xd800 | (above >> 10) as u16, self.out);
                    text::write_escape(0xdc00 | (above & 0x3ff) as u16, self.out);
                    self.pos += 4;
                }
                Some(0x80..) => return Err(Reason::InvalidUtf8),
                _ => return Ok(()),
            }
        }
    }
}

/// Reads `\uXXXX` at `at`; returns the unit, and true if its spelling is canonical.
fn hex_unit(bytes: &[u8], at: usize) -> Option<(u16, bool)> {
    let escape: &[u8; 6] = bytes.get(at..)?.first_chunk()?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    let mut unit = 0;
    let mut lower = true;
    for &digit in &escape[2..] {
        lower &= !digit.is_ascii_uppercase();
        unit = unit << 4 | char::from(digit).to_digit(16)? as u16;
    }
    let escaped = !matches!(unit, 0x20..=0x7e) || matches!(unit, 0x23 | 0x24);
    Some((unit, lower && escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_classified_alike_by_word_and_by_byte() {
        for byte in 0..=255u8 {
            let expected = !(0x20..=0x7e).contains(&byte) || b"\"#$\\".contains(&byte);
            for at in 0..8 {
                for filler in [b'a', 0x7e, 0x20, 0x25, 0x21, b']', b'['] {
                    let mut word = [filler; 8];
                    word[at] = byte;
                    let mut expected_bits = [0; 8];
                    expected_bits[at] = if expected { 0x80 } else { 0 };
                    assert_eq!(
                        special(u64::from_le_bytes(word)).to_le_bytes(),
                        expected_bits,
                        "{byte:02x} at {at}"
                    );
                    assert_eq!(plain_run(&word), if expected { at } else { 8 });
                    assert_eq!(plain_run(&word[at..=at]), usize::from(!expected));
                }
            }
        }
    }
}
