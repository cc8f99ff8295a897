//! Finds the members of an object without reading their values: brackets and strings are followed, eight bytes a step.
//!
//! What is found is not checked: a slice may be no JSON at all. Whoever takes it must read it in full.

use super::framing::Span;

/// Brackets may nest this deep in a line's value.
pub const MAX_DEPTH: usize = 1024;

/// Why an object's members cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// Not an object, or broken off.
    Syntax,
    /// Deeper than [`MAX_DEPTH`].
    Depth,
}

/// One member; places are in the scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name, without quotes, escapes as they are.
    pub(crate) name: Span,
    /// The value, with quotes or brackets, without white space around.
    pub(crate) value: Span,
}

/// Walks an object's members, in their order.
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    place: usize,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    First,
    Next,
    Done,
}

impl<'a> Members<'a> {
    /// Begins with an object that may have white space around it.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, ScanError> {
        let place = skip_space(bytes, 0);
        match bytes.get(place) {
            Some(b'{') => Ok(Self { bytes, place: place + 1, state: State::First }),
            _ => Err(ScanError::Syntax),
        }
    }

    /// The next member, or `None` after the object's end, behind which only white space may stand.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ScanError> {
        let bytes = self.bytes;
        let mut place = skip_space(bytes, self.place);
        match (bytes.get(place), &self.state) {
            (_, State::Done) => return Ok(None),
            (Some(b'}'), _) => {
                self.state = State::Done;
                let rest = skip_space(bytes, place + 1);
                return if rest == bytes.len() { Ok(None) } else { Err(ScanError::Syntax) };
            }
            (Some(b','), State::Next) => place = skip_space(bytes, place + 1),
            (_, State::First) => {}
            _ => return Err(ScanError::Syntax),
        }
        if bytes.get(place) != Some(&b'"') {
            return Err(ScanError::Syntax);
        }
        let name = Span { start: place + 1, end: string_end(bytes, place + 1)? };
        place = skip_space(bytes, name.end + 1);
        if bytes.get(place) != Some(&b':') {
            return Err(ScanError::Syntax);
        }
        let start = skip_space(bytes, place + 1);
        let value = Span { start, end: value_end(bytes, start)? };
        self.place = value.end;
        self.state = State::Next;
        Ok(Some(Member { name, value }))
    }
}

/// Whether a byte is white space inside a line.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn skip_space(bytes: &[u8], mut place: usize) -> usize {
    while bytes.get(place).copied().is_some_and(is_space) {
        place += 1;
    }
    place
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of bytes that equal `byte`; bits above the lowest one set may be wrong.
const fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (LOW * byte as u64);
    zero.wrapping_sub(LOW) & !zero & HIGH
}

fn word(bytes: &[u8], place: usize) -> Option<u64> {
    bytes.get(place..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The place of the quote that ends the string which begins at `place`, behind its first quote.
fn string_end(bytes: &[u8], mut place: usize) -> Result<usize, ScanError> {
    loop {
        let step = match word(bytes, place) {
            Some(word) => match equal(word, b'"') | equal(word, b'\\') {
                0 => {
                    place += 8;
                    continue;
                }
                found => found.trailing_zeros() as usize / 8,
            },
            None => 0,
        };
        place += step;
        match bytes.get(place) {
            None => return Err(ScanError::Syntax),
            Some(b'"') => return Ok(place),
            Some(b'\\') => place += 2,
            Some(_) => place += 1,
        }
    }
}

/// The place behind the value that begins at `place`.
fn value_end(bytes: &[u8], mut place: usize) -> Result<usize, ScanError> {
    match bytes.get(place) {
        Some(b'"') => Ok(string_end(bytes, place + 1)? + 1),
        Some(b'{' | b'[') => brackets_end(bytes, place),
        _ => {
            let start = place;
            while !matches!(bytes.get(place), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')) {
                place += 1;
            }
            if place > start { Ok(place) } else { Err(ScanError::Syntax) }
        }
    }
}

fn brackets_end(bytes: &[u8], mut place: usize) -> Result<usize, ScanError> {
    let mut depth = 0usize;
    loop {
        if let Some(word) = word(bytes, place) {
            // `[` and `{`, `]` and `}` differ in this bit alone.
            let folded = word | (LOW * 0x20);
            let found = equal(word, b'"') | equal(folded, b'{') | equal(folded, b'}');
            if found == 0 {
                place += 8;
                continue;
            }
            place += found.trailing_zeros() as usize / 8;
        }
        match bytes.get(place) {
            None => return Err(ScanError::Syntax),
            Some(b'"') => place = string_end(bytes, place + 1)?,
            Some(b'{' | b'[') if depth == MAX_DEPTH => return Err(ScanError::Depth),
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') if depth == 1 => return Ok(place + 1),
            Some(b'}' | b']') => depth -= 1,
            Some(_) => {}
        }
        place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(text: &[u8]) -> Result<Vec<(&[u8], &[u8])>, ScanError> {
        let mut scan = Members::of(text)?;
        let mut found = Vec::new();
        while let Some(member) = scan.next()? {
            found.push((member.name.of(text), member.value.of(text)));
        }
        Ok(found)
    }

    #[test]
    fn finds_members_whatever_stands_in_them() {
        let text = br#" { "a" : {"}":["]\"\\",{}]} ,"b\"":"x\\", "c":-1.5e3 ,"d":[[],[{"e":null}]],"":true} "#;
        let found: [(&[u8], &[u8]); 5] = [
            (b"a", br#"{"}":["]\"\\",{}]}"#),
            (br#"b\""#, br#""x\\""#),
            (b"c", b"-1.5e3"),
            (b"d", br#"[[],[{"e":null}]]"#),
            (b"", b"true"),
        ];
        assert_eq!(members(text), Ok(found.to_vec()));
        assert_eq!(members(b"{}"), Ok(vec![]));
    }

    #[test]
    fn broken_objects_are_refused() {
        let broken = [
            "",
            "[]",
            "1",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1}x",
            "{\"a\":1 2}",
            "{\"a\":\"\\\"}",
            "{\"a\":[}",
            "{a:1}",
            "{\"a\":1]",
            "{\"a\":{\"b\":1}",
            "{\"a\":1}{",
        ];
        for text in broken {
            // A bracket of the wrong kind inside a value is the reader's to find; the object's own end is found here.
            assert!(members(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_has_a_limit_and_takes_no_stack() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(members(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(members(nested(MAX_DEPTH + 1).as_bytes()), Err(ScanError::Depth));
        assert_eq!(members(nested(5_000_000).as_bytes()), Err(ScanError::Depth));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let text = "[\\PC\"\\\\\u{0}{}\\[\\],:]{0,12}";
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(text, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_reader(map in prop::collection::btree_map("[a-z\"\\\\é]{0,10}", json(), 0..6), pretty: bool) {
            let value = serde_json::json!(map);
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            let mut read = serde_json::Map::new();
            for (name, value) in members(&text).unwrap() {
                let name = [b"\"", name, b"\""].concat();
                read.insert(serde_json::from_slice(&name).unwrap(), serde_json::from_slice(value).unwrap());
            }
            prop_assert_eq!(serde_json::Value::Object(read), value);
        }

        #[test]
        fn takes_any_bytes(text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 \0\xff".to_vec()), 0..64)) {
            if let Ok(found) = members(&text) {
                prop_assert!(found.iter().all(|(_, value)| !value.is_empty()));
            }
        }
    }
}
