//! Follows one JSON object that spans lines, strictly enough to distinguish a pretty-printed value
//! from a line that broke off: brackets must match, and commas and colons must be in the right
//! places. Scalars are not checked.

use super::growing::{GrowingScan, RECORD_SEPARATOR, Seen};
use super::scan::{MAX_DEPTH, is_space};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A member's name, or the object's end.
    Name,
    Colon,
    Value,
    /// A value, or the array's end.
    Item,
    /// A comma, or the container's end.
    Comma,
}

/// Follows an object whose text grows.
pub(crate) struct StructureScan {
    place: usize,
    /// True for each open object, false for each open array.
    open: Vec<bool>,
    expect: Expect,
    string: bool,
    escaped: bool,
    scalar: bool,
}

impl Default for StructureScan {
    /// Begins before the object's first byte.
    fn default() -> Self {
        Self {
            place: 0,
            open: Vec::new(),
            expect: Expect::Value,
            string: false,
            escaped: false,
            scalar: false,
        }
    }
}

impl GrowingScan for StructureScan {
    fn see(&mut self, text: &[u8]) -> Seen {
        while let Some(&byte) = text.get(self.place) {
            if self.string {
                match byte {
                    _ if std::mem::take(&mut self.escaped) => {}
                    b'\\' => self.escaped = true,
                    b'"' => self.string = false,
                    b'\n' | RECORD_SEPARATOR => return Seen::Stop(self.place),
                    _ => {}
                }
                self.place += 1;
                continue;
            }
            let structural =
                matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | RECORD_SEPARATOR);
            if self.scalar && !structural && !is_space(byte) {
                self.place += 1;
                continue;
            }
            self.scalar = false;
            if !is_space(byte) && !self.take(byte) {
                return Seen::Stop(self.place);
            }
            self.place += 1;
            if self.open.is_empty() && !is_space(byte) {
                return Seen::End(self.place);
            }
        }
        Seen::Open
    }

    fn followed(&self) -> usize {
        self.place
    }

    fn forget(&mut self, count: usize) {
        self.place -= count;
    }
}

impl StructureScan {
    /// Takes one byte outside strings; returns false if it is not allowed there.
    fn take(&mut self, byte: u8) -> bool {
        match (byte, self.expect) {
            (b'{' | b'[', Expect::Value | Expect::Item) if self.open.len() < MAX_DEPTH => {
                self.open.push(byte == b'{');
                self.expect = if byte == b'{' { Expect::Name } else { Expect::Item };
            }
            (b'}', Expect::Name | Expect::Comma) | (b']', Expect::Item | Expect::Comma) => {
                if self.open.pop() != Some(byte == b'}') {
                    return false;
                }
                self.expect = Expect::Comma;
            }
            (b',', Expect::Comma) => {
                self.expect =
                    if self.open.last() == Some(&true) { Expect::Name } else { Expect::Item };
            }
            (b':', Expect::Colon) => self.expect = Expect::Value,
            (b'"', Expect::Name) => (self.string, self.expect) = (true, Expect::Colon),
            (b'"', Expect::Value | Expect::Item) => {
                (self.string, self.expect) = (true, Expect::Comma)
            }
            (b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | RECORD_SEPARATOR, _) => return false,
            (_, Expect::Value | Expect::Item) => (self.scalar, self.expect) = (true, Expect::Comma),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_where_its_bracket_closes() {
        for text in [
            "{}",
            "{\n \"a\" : [1, NaN,\n {\"b\\\"}\":\"]\"}, ],\n}",
            "{\"a\":\n-1.5e3\n}",
            "{\"a\":[\n[]\n,{}]}",
        ] {
            for rest in ["", "\n{}", "x"] {
                let whole = format!("{text}{rest}");
                assert_eq!(
                    StructureScan::default().see(whole.as_bytes()),
                    Seen::End(text.len()),
                    "{whole}"
                );
            }
            let mut scan = StructureScan::default();
            for end in 1..text.len() {
                assert_eq!(scan.see(&text.as_bytes()[..end]), Seen::Open, "{text} {end}");
            }
            assert_eq!(scan.see(text.as_bytes()), Seen::End(text.len()));
        }
    }

    #[test]
    fn a_line_that_broke_off_is_found_at_the_next() {
        for (text, fault) in [
            ("{\"a\":1\n{\"a\":2}", 7),
            ("{\"a\":1,\n{\"a\":2}", 8),
            ("{\"a\n", 3),
            ("{\"a\":[1}", 7),
            ("{\"a\":1]", 6),
            ("{\"a\" 1}", 5),
            ("{a:1}", 1),
            ("{\"a\":1\n\u{1e}{}", 7),
            ("{\"a\":{\"b\":1 \"c\"}}", 12),
        ] {
            assert_eq!(StructureScan::default().see(text.as_bytes()), Seen::Stop(fault), "{text}");
        }
    }
}
