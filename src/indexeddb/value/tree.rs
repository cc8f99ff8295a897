//! JSON as a tree whose members keep their order and whose strings and numbers are kept as written.
//!
//! For readers of other formats, and for their writers, which walk canonical text. Strings are not
//! checked here; they are checked when a value that contains them is made canonical.

use super::MAX_DEPTH;
use super::read::string_end;
use super::write::write_string;
use crate::indexeddb::number;

/// The most values in a tree, including members' values. It limits the memory that one text can
/// use.
pub const MAX_VALUES: usize = 4 * 1024 * 1024;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(&'a [u8]),
    /// The text between a string's quotes.
    String(&'a [u8]),
    /// An array.
    List(Vec<Tree<'a>>),
    /// An object: for each member, the text between the quotes of its name, and its value. Names
    /// may occur twice.
    Object(Vec<(&'a [u8], Tree<'a>)>),
}

/// The reason why a text has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The text is not JSON.
    Syntax,
    /// The text nests too deep.
    Depth,
    /// The text has more than [`MAX_VALUES`] values.
    TooMany,
}

impl<'a> Tree<'a> {
    /// Reads one JSON text whose brackets nest at most [`MAX_DEPTH`] deep.
    ///
    /// # Errors
    ///
    /// See [`TreeError`].
    pub fn read(text: &'a [u8]) -> Result<Self, TreeError> {
        Self::read_within(text, MAX_DEPTH)
    }

    /// Reads one JSON text that nests at most `depth` deep, because other programs' forms of a
    /// value nest deeper than ours.
    ///
    /// # Errors
    ///
    /// See [`TreeError`].
    pub fn read_within(text: &'a [u8], depth: usize) -> Result<Self, TreeError> {
        let mut reader = TreeReader { text, at: 0, left: MAX_VALUES, max_depth: depth };
        reader.space();
        let tree = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(tree) } else { Err(TreeError::Syntax) }
    }

    /// Returns the member with this name, which must not need an escape; the first one if there are
    /// several.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    /// Returns the members, if it is an object.
    pub fn members(&self) -> Option<&[(&'a [u8], Self)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// Returns the items, if it is an array.
    pub fn items(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// Returns the text of a string without lone surrogates.
    pub fn text(&self) -> Option<String> {
        let Self::String(raw) = self else { return None };
        String::from_utf16(&unescape(raw)?).ok()
    }

    /// Returns a whole number from 0 to 2^53 − 1.
    pub fn whole(&self) -> Option<u64> {
        if let Self::Number(raw) = self { number::whole(raw) } else { None }
    }

    /// Returns a double.
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(raw) = self {
            std::str::from_utf8(raw).ok()?.parse().ok()
        } else {
            None
        }
    }

    /// Returns the tag of a tagged value in canonical text, with its `~`, and its content.
    pub(super) fn tagged(&self) -> Option<(&'a [u8], &Self)> {
        match self.members()? {
            [(name, content)] if name.first() == Some(&b'~') && name.get(1) != Some(&b'~') => {
                Some((name, content))
            }
            _ => None,
        }
    }
}

/// Returns the code units of a JSON string, given the text between its quotes, including lone
/// surrogates; `None` if the text is not valid.
pub fn unescape(raw: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while !rest.is_empty() {
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        units.extend(std::str::from_utf8(&rest[..plain]).ok()?.encode_utf16());
        let Some(escape) = rest.get(plain + 1..) else { break };
        let (unit, length) = match *escape.first()? {
            byte @ (b'"' | b'\\' | b'/') => (u16::from(byte), 1),
            b'b' => (8, 1),
            b'f' => (12, 1),
            b'n' => (10, 1),
            b'r' => (13, 1),
            b't' => (9, 1),
            b'u' => {
                let digits =
                    escape.get(1..5).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
                (u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, 5)
            }
            _ => return None,
        };
        units.push(unit);
        rest = escape.get(length..)?;
    }
    Some(units)
}

/// Appends these code units as the text between the quotes of a JSON string: ASCII only, with lone
/// surrogates as escapes.
pub fn escape(units: impl IntoIterator<Item = u16>, out: &mut Vec<u8>) {
    units.into_iter().for_each(|unit| crate::indexeddb::text::write_unit(unit, out));
}

struct TreeReader<'a> {
    text: &'a [u8],
    at: usize,
    left: usize,
    max_depth: usize,
}

impl<'a> TreeReader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes the byte, if it is next, and the white space after it.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.space();
        }
        found
    }

    fn word(&mut self, word: &[u8], tree: Tree<'a>) -> Result<Tree<'a>, TreeError> {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += word.len();
        if found { Ok(tree) } else { Err(TreeError::Syntax) }
    }

    fn string(&mut self) -> Result<&'a [u8], TreeError> {
        if self.peek() != Some(b'"') {
            return Err(TreeError::Syntax);
        }
        let start = self.at + 1;
        self.at = string_end(self.text, self.at).ok_or(TreeError::Syntax)?;
        self.text.get(start..self.at - 1).ok_or(TreeError::Syntax)
    }

    fn value(&mut self, depth: usize) -> Result<Tree<'a>, TreeError> {
        self.left = self.left.checked_sub(1).ok_or(TreeError::TooMany)?;
        match self.peek() {
            Some(b'{' | b'[') if depth >= self.max_depth => Err(TreeError::Depth),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Tree::String),
            Some(b't') => self.word(b"true", Tree::Bool(true)),
            Some(b'f') => self.word(b"false", Tree::Bool(false)),
            Some(b'n') => self.word(b"null", Tree::Null),
            Some(_) => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let length = number::scan(rest).ok_or(TreeError::Syntax)?.length;
                self.at += length;
                Ok(Tree::Number(&rest[..length]))
            }
            None => Err(TreeError::Syntax),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree<'a>, TreeError> {
        let mut items = Vec::new();
        self.take(b'[');
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Tree::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Tree::List(items));
            }
            if !self.take(b',') {
                return Err(TreeError::Syntax);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Tree<'a>, TreeError> {
        let mut members = Vec::new();
        self.take(b'{');
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Tree::Object(members));
        }
        loop {
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(TreeError::Syntax);
            }
            members.push((name, self.value(depth)?));
            self.space();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Tree::Object(members));
            }
            if !self.take(b',') {
                return Err(TreeError::Syntax);
            }
        }
    }
}

/// Appends plain JSON data in our form: member names that begin with `~` get one more in front.
/// Everything else is copied.
pub fn write_plain(tree: &Tree<'_>, out: &mut Vec<u8>) {
    match tree {
        Tree::Null => out.extend_from_slice(b"null"),
        Tree::Bool(true) => out.extend_from_slice(b"true"),
        Tree::Bool(false) => out.extend_from_slice(b"false"),
        Tree::Number(raw) => out.extend_from_slice(raw),
        Tree::String(raw) => write_string(raw, out),
        Tree::List(items) => write_list(items, out, write_plain),
        Tree::Object(members) => {
            write_object(members.iter().map(|(name, value)| (*name, value)), out, |value, out| {
                write_plain(value, out);
            });
        }
    }
}

/// Appends an array.
pub fn write_list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// Appends an object of data: names that begin with `~` get one more in front.
pub fn write_object<'n, T>(
    members: impl IntoIterator<Item = (&'n [u8], T)>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_name(name, out);
        write(value, out);
    }
    out.push(b'}');
}

/// Appends a member's name and its colon. A name that begins with `~`, even as an escape, gets one
/// more in front.
pub fn write_name(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let escaped = raw.first() == Some(&b'\\')
        && unescape(raw).is_some_and(|units| units.first() == Some(&u16::from(b'~')));
    if raw.first() == Some(&b'~') || escaped {
        out.push(b'~');
    }
    out.extend_from_slice(raw);
    out.extend_from_slice(b"\":");
}

/// Returns a name of canonical text without the `~` escape.
pub fn own_name(canonical: &[u8]) -> &[u8] {
    if canonical.starts_with(b"~~") { &canonical[1..] } else { canonical }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_and_text_are_kept() {
        let text = br#" { "b" : [1.50, "x\n", null] , "a":{"a":true},"a":false} "#;
        let tree = Tree::read(text).unwrap();
        let Tree::Object(members) = &tree else { panic!() };
        assert_eq!(members.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [b"b", b"a", b"a"]);
        assert_eq!(tree.get("b").unwrap().items().unwrap()[0], Tree::Number(b"1.50"));
        assert_eq!(tree.get("b").unwrap().items().unwrap()[1].text().as_deref(), Some("x\n"));
        let mut out = Vec::new();
        write_plain(&Tree::read(br#"{"~a":1,"\u007eb":[{}],"c~":"~"}"#).unwrap(), &mut out);
        assert_eq!(out, br#"{"~~a":1,"~\u007eb":[{}],"c~":"~"}"#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "[",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "nul",
            "01",
            "\"",
            "\"\\",
            "[1}",
            "1 2",
            "-",
        ] {
            assert_eq!(Tree::read(text.as_bytes()), Err(TreeError::Syntax), "{text}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Tree::read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(Tree::read(nested(MAX_DEPTH + 1).as_bytes()), Err(TreeError::Depth));
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert_eq!(Tree::read(many.as_bytes()), Err(TreeError::TooMany));
    }

    #[test]
    fn escapes_are_read_as_units() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\ud800"#).unwrap()[9..], [0xe9, 0xd800]);
        assert_eq!(unescape("é😀".as_bytes()).unwrap(), [0xe9, 0xd83d, 0xde00]);
        for bad in [&b"\\"[..], b"\\x", b"\\u12", b"\\u12g4", b"\xff", b"\\u+123"] {
            assert_eq!(unescape(bad), None);
        }
    }

    proptest! {
        #[test]
        fn units_survive(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let mut raw = Vec::new();
            escape(units.iter().copied(), &mut raw);
            prop_assert_eq!(unescape(&raw), Some(units));
        }

        #[test]
        fn takes_any_bytes(text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 n-u\xff".to_vec()), 0..40)) {
            if let Ok(tree) = Tree::read(&text) {
                let mut out = Vec::new();
                write_plain(&tree, &mut out);
                prop_assert!(Tree::read(&out).is_ok());
            }
        }
    }
}
