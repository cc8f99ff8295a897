//! Walks one JSON document in a stream without keeping it. The outer brackets are followed, and
//! requested values are copied, up to a limit. Copied text is only located, not checked; its user
//! must parse it in full.

use std::io::Read;

use serde_json::Value;

use super::error::DecodeError;
use super::framing::Lines;
use super::header::MAX_HEADER_BYTES;
use super::mark::Mark;
use super::scan::is_space;
use crate::indexeddb::value::{Canonicalizer, Options, tree};

/// The greatest length of a member name of the document, in bytes.
const MAX_NAME_BYTES: usize = 64 * 1024;

/// True if the next item or member of a container is its first.
pub(crate) type First = bool;

/// Walks a document that fills the rest of a stream.
pub(crate) struct DocumentWalk<'a, R>(pub(crate) &'a mut Lines<R>);

impl<R: Read> DocumentWalk<'_, R> {
    /// Returns the next byte that is not white space; an error at the end of the document.
    pub(crate) fn peek(&mut self) -> Result<u8, DecodeError> {
        self.peek_or_end()?.ok_or_else(|| self.cut())
    }

    /// Returns the next byte that is not white space, if there is one.
    pub(crate) fn peek_or_end(&mut self) -> Result<Option<u8>, DecodeError> {
        loop {
            let text = self.0.available();
            let spaces = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
            let found = text.get(spaces).copied();
            self.0.pass(spaces);
            if found.is_some() || !self.0.more()? {
                return Ok(found);
            }
        }
    }

    /// Returns the position of the next byte.
    pub(crate) fn mark(&self) -> Mark {
        Mark { line: self.0.number() + 1, offset: self.0.offset() }
    }

    fn cut(&self) -> DecodeError {
        DecodeError::Truncated { line: self.0.number() + 1, what: "the document has no end" }
    }

    /// Returns an error for an invalid document at the current position.
    pub(crate) fn framing(&self, what: impl Into<String>) -> DecodeError {
        let Mark { line, offset } = self.mark();
        DecodeError::Framing { line, offset, what: what.into() }
    }

    /// Takes one required byte.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek()? != byte {
            return Err(self.framing(format!(
                "the document is broken here: `{}` is missing",
                char::from(byte)
            )));
        }
        self.0.pass(1);
        Ok(())
    }

    /// Opens an array or an object of the document; `what` is its name in messages.
    pub(crate) fn open(&mut self, bracket: u8, what: &str) -> Result<First, DecodeError> {
        if self.peek()? != bracket {
            let kind = if bracket == b'[' { "an array" } else { "an object" };
            return Err(self.framing(format!("{what} must be {kind}")));
        }
        self.0.pass(1);
        Ok(true)
    }

    /// Moves to the next item of an array; returns `false` after its end.
    pub(crate) fn item(&mut self, first: &mut First) -> Result<bool, DecodeError> {
        self.next_in(first, b']')
    }

    /// Moves past the name and colon of an object's next member; returns `None` after its end.
    pub(crate) fn member(&mut self, first: &mut First) -> Result<Option<String>, DecodeError> {
        if !self.next_in(first, b'}')? {
            return Ok(None);
        }
        if self.peek()? != b'"' {
            return Err(self.framing("the document is broken here: a member's name is missing"));
        }
        let mut name = Vec::new();
        let whole = self.copy(&mut name, MAX_NAME_BYTES)?;
        let units = name.get(1..name.len().max(2) - 1).and_then(tree::unescape).filter(|_| whole);
        let name = units.map(|units| String::from_utf16_lossy(&units));
        let name =
            name.ok_or_else(|| self.framing("a member's name is too long, or no JSON string"))?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    fn next_in(&mut self, first: &mut First, close: u8) -> Result<bool, DecodeError> {
        let closes = self.peek()? == close;
        if closes {
            self.0.pass(1);
            return Ok(false);
        }
        if !std::mem::replace(first, false) {
            self.expect(b',')?;
            if self.peek()? == close {
                return Err(self.framing("the document is broken here: nothing follows a comma"));
            }
        }
        Ok(true)
    }

    /// Copies one value. Returns `false` if it is longer than `limit` and was skipped.
    pub(crate) fn copy(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool, DecodeError> {
        out.clear();
        self.peek()?;
        let mut walk = ValueWalk::default();
        let mut whole = true;
        loop {
            let text = self.0.available();
            let end = walk.end(text);
            let length = end.unwrap_or(text.len());
            if whole && out.len() + length <= limit {
                out.extend_from_slice(&text[..length]);
            } else {
                (whole, *out) = (false, Vec::new());
            }
            self.0.pass(length);
            if end.is_some() {
                break;
            }
            if !self.0.more()? {
                if walk.depth == 0 && !walk.string {
                    break;
                }
                return Err(self.cut());
            }
        }
        if walk.length == 0 {
            return Err(self.framing("the document is broken here: a value is missing"));
        }
        Ok(whole)
    }

    /// Skips one value.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        self.copy(&mut Vec::new(), 0).map(|_| ())
    }

    /// Reads a small value of the document; strings with lone surrogates are in our form.
    pub(crate) fn value(&mut self, what: &str) -> Result<Value, DecodeError> {
        let (mark, mut raw, mut canonical) = (self.mark(), Vec::new(), Vec::new());
        let mut read = || {
            if !self.copy(&mut raw, MAX_HEADER_BYTES)? {
                return Ok(None);
            }
            let plain = Options { plain: true, big_integers: false };
            let value = Canonicalizer::new(plain).value(&raw, &mut canonical).ok();
            Ok::<_, DecodeError>(value.and_then(|()| serde_json::from_slice(&canonical).ok()))
        };
        let framing = || DecodeError::Framing {
            line: mark.line,
            offset: mark.offset,
            what: format!("{what} is no JSON, or longer than 1 MiB"),
        };
        read()?.ok_or_else(framing)
    }

    /// Reads a string of the document.
    pub(crate) fn text(&mut self, what: &str) -> Result<String, DecodeError> {
        match self.value(what)? {
            Value::String(text) => Ok(text),
            _ => Err(self.framing(format!("{what} must be a string"))),
        }
    }

    /// Checks that only white space follows.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        match self.peek_or_end()? {
            None => Ok(()),
            Some(_) => Err(self.framing("something follows the end of the document")),
        }
    }
}

/// Finds the end of a value that arrives in pieces.
#[derive(Default)]
struct ValueWalk {
    depth: usize,
    string: bool,
    escaped: bool,
    length: usize,
}

impl ValueWalk {
    /// Returns the position after the value's end, if it is in this piece.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if self.string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                at += memchr::memchr2(b'"', b'\\', &text[at..]).unwrap_or(text.len() - at);
                match text.get(at) {
                    Some(b'\\') => self.escaped = true,
                    Some(_) => self.string = false,
                    None => break,
                }
                at += 1;
                if !self.string && self.depth == 0 {
                    self.length += at;
                    return Some(at);
                }
                continue;
            }
            // At depth 0, the value ends before the first byte that cannot continue it.
            match byte {
                b'"' if self.depth == 0 && self.length + at > 0 => return self.stop(at),
                b'"' => self.string = true,
                b'{' | b'[' if self.depth == 0 && self.length + at > 0 => return self.stop(at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return self.stop(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return self.stop(at + 1);
                    }
                }
                b',' | b':' if self.depth == 0 => return self.stop(at),
                byte if self.depth == 0 && is_space(byte) => return self.stop(at),
                _ => {}
            }
            at += 1;
        }
        self.length += text.len();
        None
    }

    fn stop(&mut self, at: usize) -> Option<usize> {
        self.length += at;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn walk(reader: impl Read) -> Result<Vec<(String, String)>, DecodeError> {
        let mut lines = Lines::new(reader, 64);
        let mut pull = DocumentWalk(&mut lines);
        let mut first = pull.open(b'{', "it")?;
        let mut all = Vec::new();
        while let Some(name) = pull.member(&mut first)? {
            let mut value = Vec::new();
            let whole = pull.copy(&mut value, 20)?;
            all.push((
                name,
                if whole {
                    String::from_utf8_lossy(&value).into_owned()
                } else {
                    "too long".to_owned()
                },
            ));
        }
        pull.finish()?;
        Ok(all)
    }

    #[test]
    fn values_are_found_whatever_is_in_them() {
        let text = "{ \"a\" : [1,\"]\\\"\",{}] ,\n\"b\\n\":-1.5,\"c\":{\"x\":[[]]},\"d\":\"123456789012345678901\",\"e\":\"\\\\\"}\n ";
        let expected = [
            ("a", "[1,\"]\\\"\",{}]"),
            ("b\n", "-1.5"),
            ("c", "{\"x\":[[]]}"),
            ("d", "too long"),
            ("e", "\"\\\\\""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(walk(text.as_bytes()).unwrap(), expected);
        assert_eq!(walk(Slow(text.as_bytes())).unwrap(), expected);
        assert!(walk(&b"{}"[..]).unwrap().is_empty());
    }

    #[test]
    fn what_is_cut_or_broken_is_told_apart() {
        let whole = br#"{"a":[1,"x"],"b":2}"#;
        for end in 0..whole.len() {
            let error = walk(&whole[..end]).unwrap_err();
            assert!(matches!(error, DecodeError::Truncated { .. }), "{end}: {error}");
        }
        for text in [
            "[]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1}x",
            "{\"a\":1 2}",
            "{a:1}",
            "{\"a\":1\"b\"}",
            "{\"a\":\"b\"[]}",
        ] {
            assert!(matches!(walk(text.as_bytes()), Err(DecodeError::Framing { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_decide_nothing(text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 \n\xff".to_vec()), 0..48)) {
            let text = [b"{\"a\":", &text[..]].concat();
            let (whole, slow) = (walk(&text[..]), walk(Slow(&text)));
            prop_assert_eq!(format!("{whole:?}"), format!("{slow:?}"));
        }
    }
}
