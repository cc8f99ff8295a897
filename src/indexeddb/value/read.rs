//! Readers of canonical text: ends and kinds of values, and values without error stacks.
//!
//! Every function accepts any bytes. For text that is not canonical it returns `None` or an
//! arbitrary result, and never panics.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

use super::tag::ValueTag;
use crate::indexeddb::number::special_value;
use crate::indexeddb::text;

/// Returns the end of the string whose opening quote is at `at`.
pub(crate) fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Returns the end of the value that begins at `at`.
pub(crate) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let (mut at, mut depth) = (at, 0_usize);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        b',' | b':' | b'}' | b']' => None,
        _ => {
            let rest = &text[at..];
            Some(at + rest.iter().position(|byte| b",:}]".contains(byte)).unwrap_or(rest.len()))
        }
    }
}

/// Iterates over the items of a JSON array. An item that is `None` means that the text is not an
/// array.
pub(crate) struct Items<'a> {
    text: &'a [u8],
    at: usize,
}

/// Returns an iterator over the items of a JSON array.
pub(crate) fn each_item(text: &[u8]) -> Items<'_> {
    Items { text, at: 0 }
}

impl<'a> Iterator for Items<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        const DONE: usize = usize::MAX;
        if self.at == DONE {
            return None;
        }
        let open = if self.at == 0 { b'[' } else { b',' };
        let here = self.text.get(self.at).copied();
        let closed = here == Some(b']') && self.at > 0 && self.at + 1 == self.text.len();
        if closed || self.text == b"[]" {
            self.at = DONE;
            return None;
        }
        let start = self.at + 1;
        let end = if here == Some(open) { value_end(self.text, start) } else { None };
        self.at = end.unwrap_or(DONE);
        Some(end.and_then(|end| self.text.get(start..end)))
    }
}

/// Returns the items of a JSON array.
pub fn items(text: &[u8]) -> Option<Vec<&[u8]>> {
    if text.first() == Some(&b'[') { each_item(text).collect() } else { None }
}

/// A member's name, without quotes, and its value.
pub type NameValue<'a> = (&'a [u8], &'a [u8]);

/// Iterates over the members of a JSON object, tagged or not. An item that is `None` means that the
/// text is not an object.
#[derive(Clone)]
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// Returns an iterator over the members of a JSON object, tagged or not.
pub(crate) fn each_member(text: &[u8]) -> Members<'_> {
    Members { text, at: 0 }
}

impl<'a> Members<'a> {
    fn read(&mut self) -> Option<NameValue<'a>> {
        let name_start = self.at + 1;
        let name_end = string_end(self.text, name_start)?;
        let end = value_end(self.text, name_end + 1)?;
        self.at = end;
        Some((&self.text[name_start + 1..name_end - 1], &self.text[name_end + 1..end]))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Option<NameValue<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let open = if self.at == 0 { b'{' } else { b',' };
        let here = *self.text.get(self.at)?;
        if (here == b'}' && self.at + 1 == self.text.len()) || self.text == b"{}" {
            return None;
        }
        let found = if here == open && self.text.get(self.at + 1) == Some(&b'"') {
            self.read()
        } else {
            None
        };
        if found.is_none() {
            self.at = self.text.len();
        }
        Some(found)
    }
}

/// Returns the members of a JSON object, tagged or not.
pub fn all_members(text: &[u8]) -> Option<Vec<NameValue<'_>>> {
    if text.first() == Some(&b'{') { each_member(text).collect() } else { None }
}

/// Returns the tag of a tagged value, and its content; `None` for any other text.
pub fn tagged(text: &[u8]) -> Option<(ValueTag, &[u8])> {
    let (name, content) = tagged_member(text)?;
    Some((ValueTag::from_name(name)?, content))
}

/// True if a text is written as a tagged value, even if it is not known which.
pub(crate) fn is_tagged(text: &[u8]) -> bool {
    tagged_member(text).is_some()
}

/// Returns the position of the content of the tagged value at `at`, and its tag.
pub(crate) fn tag_at(text: &[u8], at: usize) -> Option<(ValueTag, usize)> {
    if !text.get(at..)?.starts_with(b"{\"~") {
        return None;
    }
    let end = string_end(text, at + 1)?;
    Some((ValueTag::from_name(&text[at + 2..end - 1])?, end + 1))
}

/// Returns the name of a tag, with its `~`, and its content.
fn tagged_member(text: &[u8]) -> Option<NameValue<'_>> {
    let name = text.strip_prefix(b"{\"~")?;
    let end = memchr::memchr(b'"', name)? + 3;
    if text.get(3) == Some(&b'~') || text.get(end + 1) != Some(&b':') || text.len() < end + 3 {
        return None;
    }
    Some((&text[2..end], &text[end + 2..text.len() - 1]))
}

/// Returns the double of a canonical number, also of one that JSON lacks; `None` for other values.
pub(crate) fn number_of(canonical: &[u8]) -> Option<f64> {
    match tagged(canonical) {
        Some((ValueTag::Number, content)) => special_number(content),
        Some(_) => None,
        None => std::str::from_utf8(canonical).ok()?.parse().ok(),
    }
}

/// Returns the number that the content of a `~number` represents.
pub(crate) fn special_number(content: &[u8]) -> Option<f64> {
    let word = content.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    special_value(std::str::from_utf8(word).ok()?)
}

/// Returns the milliseconds of a valid Date as text; `None` for other values.
pub(crate) fn date_text(canonical: &[u8]) -> Option<&[u8]> {
    match tagged(canonical)? {
        (ValueTag::Date, ms) if ms != b"null" => Some(ms),
        _ => None,
    }
}

/// Returns the text that a canonical string represents, given the text between its quotes, or
/// `None` if it contains a lone surrogate.
pub(crate) fn unescaped(inside: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', inside).is_none() {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    let mut text = String::with_capacity(inside.len());
    for unit in char::decode_utf16(text::units(inside)) {
        text.push(unit.ok()?);
    }
    Some(Cow::Owned(text))
}

/// Returns the members of a plain object in canonical order: names without quotes but with escapes
/// and the `~` escape, and canonical values. Returns `None` for anything else, including an object
/// that contains references, whose members depend on each other.
pub fn members(canonical: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if is_tagged(canonical) || has_references(canonical) {
        return None;
    }
    all_members(canonical)
}

/// True if a canonical value contains shared or cyclic references.
pub fn has_references(canonical: &[u8]) -> bool {
    ValueTag::Ref.occurs_in(canonical)
}

/// Returns the kind of value in a canonical text, for messages: `undefined`, `null`, `boolean`,
/// `number`, `bigint`, `string`, `date`, `regexp`, `boxed`, `object`, `array`, `map`, `set`,
/// `buffer`, `view`, `binary`, `error`, `blob`, `file`, `dom`, `opaque` or `reference`. A shared
/// value has the kind of the value in it.
pub fn kind(canonical: &[u8]) -> &'static str {
    match canonical.first() {
        Some(b'"') => "string",
        Some(b'-' | b'0'..=b'9') => "number",
        Some(b't' | b'f') => "boolean",
        Some(b'[') => "array",
        Some(b'{') => match tagged(canonical) {
            Some((ValueTag::Undefined, _)) => "undefined",
            Some((ValueTag::Number, _)) => "number",
            Some((ValueTag::BigInt, _)) => "bigint",
            Some((ValueTag::Date, _)) => "date",
            Some((ValueTag::Utf16, _)) => "string",
            Some((ValueTag::RegExp, _)) => "regexp",
            Some((ValueTag::Boxed, _)) => "boxed",
            Some((ValueTag::Array, _)) => "array",
            Some((ValueTag::Map, _)) => "map",
            Some((ValueTag::Set, _)) => "set",
            Some((ValueTag::Buffer, _)) => "buffer",
            Some((ValueTag::View, _)) => "view",
            Some((ValueTag::Binary, _)) => "binary",
            Some((ValueTag::Error, _)) => "error",
            Some((ValueTag::Blob, blob)) => {
                let named =
                    |member: Option<NameValue<'_>>| member.is_some_and(|(name, _)| name == b"name");
                if each_member(blob).any(named) { "file" } else { "blob" }
            }
            Some((ValueTag::Dom, _)) => "dom",
            Some((ValueTag::Opaque, _)) => "opaque",
            Some((ValueTag::Ref, _)) => "reference",
            Some((ValueTag::Id, content)) => match memchr::memchr(b',', content) {
                // The content is never itself an `~id`.
                Some(comma) if !ValueTag::Id.begins(&content[comma + 1..]) => {
                    kind(&content[comma + 1..content.len().saturating_sub(1).max(comma + 1)])
                }
                _ => "object",
            },
            Some((ValueTag::Entries, _)) | None => "object",
        },
        _ => "null",
    }
}

/// Returns the canonical text without error stacks, or `None` if it has none. Stacks differ between
/// engines and are not part of equality and digests.
pub fn without_stacks(canonical: &[u8]) -> Option<Vec<u8>> {
    const ERROR: &[u8] = ValueTag::Error.opening();
    // This runs for every value, and most values are short; building the searcher each time would
    // cost more than the search.
    static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(ERROR));
    // Inside a string the quotes would be escaped, so these can only be the tag and a member name.
    FINDER.find(canonical)?;
    memmem::find(canonical, b",\"stack\":")?;
    let mut out = Vec::with_capacity(canonical.len());
    // For every open bracket, true if it is the content of an `~error`.
    let mut open: Vec<bool> = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(&byte) = canonical.get(at) {
        match byte {
            b'"' => {
                at = string_end(canonical, at).unwrap_or(canonical.len());
                continue;
            }
            b'{' | b'[' => open.push(canonical[..at].ends_with(ERROR)),
            b'}' | b']' => drop(open.pop()),
            b',' if open.last() == Some(&true) && canonical[at..].starts_with(b",\"stack\":") => {
                out.extend_from_slice(&canonical[copied..at]);
                at = value_end(canonical, at + 9).unwrap_or(canonical.len());
                copied = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&canonical[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_plain_objects_only() {
        assert_eq!(members(b"{}"), Some(vec![]));
        let text = br#"{"a\"":[1,{"b":"}"}],"~~x":null}"#;
        assert_eq!(
            members(text),
            Some(vec![(&br#"a\""#[..], &br#"[1,{"b":"}"}]"#[..]), (b"~~x", b"null")])
        );
        for other in [
            &br#"{"~date":1}"#[..],
            b"[]",
            b"1",
            b"\"{}\"",
            b"",
            b"{",
            b"{\"a\"",
            b"{\"a\":",
            b"{\"a\":1,}",
        ] {
            assert_eq!(members(other), None, "{}", String::from_utf8_lossy(other));
        }
        assert_eq!(members(br#"{"a":{"~id":[1,{}]},"b":{"~ref":1}}"#), None);
    }

    #[test]
    fn kinds() {
        for (text, expected) in [
            ("null", "null"),
            ("-1", "number"),
            (r#"{"~number":"NaN"}"#, "number"),
            (r#"{"~~date":1}"#, "object"),
            ("{}", "object"),
            (r#"{"~entries":[[{"~utf16":"ANg="},1]]}"#, "object"),
            (r#"{"~id":[1,{"~map":[]}]}"#, "map"),
            (r#"{"~blob":{"blake3":"","name":"a","size":0,"type":""}}"#, "file"),
            (r#"{"~utf16":"ANg="}"#, "string"),
        ] {
            assert_eq!(kind(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn items_and_text() {
        assert_eq!(items(b"[]"), Some(vec![]));
        assert_eq!(items(br#"[1,"]",[2,{}]]"#), Some(vec![&b"1"[..], b"\"]\"", b"[2,{}]"]));
        for other in [&b""[..], b"1", b"{}", b"[", b"[1", b"[1,", b"[,]", b"[1]]", b"]"] {
            assert_eq!(items(other), None, "{}", String::from_utf8_lossy(other));
        }
        assert_eq!(unescaped(br#"a\"\\\u00e4\ud83d\ude00"#).as_deref(), Some("a\"\\ä😀"));
        assert_eq!(unescaped(br"\ud83d"), None);
    }

    #[test]
    fn stacks_and_nothing_else_are_left_out() {
        let text = br#"[{"stack":"s"},{"~error":{"cause":{"~error":{"name":"E","stack":"\"}"}},"name":"E","stack":{"~utf16":"ANg="}}}]"#;
        let expected =
            br#"[{"stack":"s"},{"~error":{"cause":{"~error":{"name":"E"}},"name":"E"}}]"#;
        assert_eq!(without_stacks(text).as_deref(), Some(&expected[..]));
        assert_eq!(without_stacks(expected), None);
        assert_eq!(without_stacks(br#"{"a":1,"stack":{"~error":{"name":"E"}}}"#), None);
        let cause = br#"{"~error":{"cause":{"a":1,"stack":2},"name":"E"}}"#;
        assert_eq!(without_stacks(cause), None);
    }
}
