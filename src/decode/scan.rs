//! Finds the members of an object without parsing their values: brackets and strings are followed,
//! many bytes at a time.
//!
//! The members are not checked, and a slice may not be JSON at all; its user must parse it in full.

use super::framing::Span;

/// The greatest depth of brackets in a line's value.
pub const MAX_DEPTH: usize = 1024;

/// The reason why an object's members cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// The text is not an object, or breaks off.
    Syntax,
    /// Brackets nest deeper than [`MAX_DEPTH`].
    Depth,
}

/// One member, as positions in the scanned bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScannedMember {
    /// The name, without quotes but with its escapes.
    pub(crate) name: Span,
    /// The value, with quotes or brackets, without surrounding white space.
    pub(crate) value: Span,
}

/// Iterates over an object's members, in their order.
pub(crate) struct ScannedMembers<'a> {
    bytes: &'a [u8],
    place: usize,
    state: ScanState,
}

#[derive(PartialEq, Eq)]
enum ScanState {
    First,
    Next,
    Done,
}

impl<'a> ScannedMembers<'a> {
    /// Begins an object that may be surrounded by white space.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, ScanError> {
        let place = skip_space(bytes, 0);
        match bytes.get(place) {
            Some(b'{') => Ok(Self { bytes, place: place + 1, state: ScanState::First }),
            _ => Err(ScanError::Syntax),
        }
    }

    /// Returns the next member, or `None` after the object's end, where only white space may
    /// follow.
    pub(crate) fn next(&mut self) -> Result<Option<ScannedMember>, ScanError> {
        let bytes = self.bytes;
        let mut place = skip_space(bytes, self.place);
        match (bytes.get(place), &self.state) {
            (_, ScanState::Done) => return Ok(None),
            (Some(b'}'), _) => {
                self.state = ScanState::Done;
                let rest = skip_space(bytes, place + 1);
                return if rest == bytes.len() { Ok(None) } else { Err(ScanError::Syntax) };
            }
            (Some(b','), ScanState::Next) => place = skip_space(bytes, place + 1),
            (_, ScanState::First) => {}
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
        self.state = ScanState::Next;
        Ok(Some(ScannedMember { name, value }))
    }
}

/// True if a byte is white space inside a line.
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

/// Returns the position of the closing quote of a string; `place` is the position after its opening
/// quote.
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

/// Returns the position after the value that begins at `place`.
fn value_end(bytes: &[u8], mut place: usize) -> Result<usize, ScanError> {
    match bytes.get(place) {
        Some(b'"') => Ok(string_end(bytes, place + 1)? + 1),
        Some(b'{' | b'[') => brackets_end(bytes, place),
        _ => {
            let start = place;
            while !matches!(
                bytes.get(place),
                None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
            ) {
                place += 1;
            }
            if place > start { Ok(place) } else { Err(ScanError::Syntax) }
        }
    }
}

/// Returns the position after the brackets that open at `place`.
fn brackets_end(bytes: &[u8], place: usize) -> Result<usize, ScanError> {
    let rest = bytes.get(place..).unwrap_or_default();
    let end = BracketScan::new(MAX_DEPTH).end(rest)?;
    end.map(|end| place + end).ok_or(ScanError::Syntax)
}

/// Follows the brackets of one value whose text grows, 64 bytes at a time, with one bit for each
/// byte and almost no branches. Both kinds of brackets are counted alike.
pub(crate) struct BracketScan {
    /// The position up to which brackets were followed.
    place: usize,
    depth: usize,
    max_depth: usize,
    strings: Strings,
}

impl BracketScan {
    /// Begins after the first bracket of a value.
    pub(crate) fn new(max_depth: usize) -> Self {
        Self { place: 1, depth: 1, max_depth, strings: Strings::default() }
    }

    /// Returns the position after the value, if its end is in `text`: the text of the previous
    /// call, and more.
    pub(crate) fn end(&mut self, text: &[u8]) -> Result<Option<usize>, ScanError> {
        loop {
            let rest = text.get(self.place..).unwrap_or_default();
            let Some(block) = rest.first_chunk::<64>() else {
                let mut block = [b' '; 64];
                block[..rest.len()].copy_from_slice(rest);
                // The bytes after these are not known yet, so the result of this step is discarded.
                let (mut strings, mut depth) = (self.strings, self.depth);
                let end = block_end(&block, &mut strings, &mut depth, self.max_depth)?;
                return Ok(end.map(|end| self.place + end));
            };
            match block_end(block, &mut self.strings, &mut self.depth, self.max_depth)? {
                Some(end) => return Ok(Some(self.place + end)),
                None => self.place += 64,
            }
        }
    }

    /// Forgets the first `count` bytes of the text, which are not passed again.
    pub(crate) fn forget(&mut self, count: usize) {
        self.place -= count;
    }

    /// Returns the number of bytes that need not be passed again.
    pub(crate) fn followed(&self) -> usize {
        self.place
    }
}

/// Follows brackets through a block; returns the position after the one that brings `depth` to 0,
/// if any.
fn block_end(
    block: &[u8; 64],
    strings: &mut Strings,
    depth: &mut usize,
    max_depth: usize,
) -> Result<Option<usize>, ScanError> {
    // `[` and `{`, and `]` and `}`, differ in only this bit.
    let folded = block.map(|byte| byte | 0x20);
    let (mut opens, mut closes) = (bits(&folded, b'{'), bits(&folded, b'}'));
    let outside = !strings.follow(bits(block, b'"'), bits(block, b'\\'));
    opens &= outside;
    closes &= outside;
    let (up, down) = (opens.count_ones() as usize, closes.count_ones() as usize);
    if down < *depth && *depth + up <= max_depth {
        *depth = *depth + up - down;
        return Ok(None);
    }
    let mut brackets = opens | closes;
    while brackets != 0 {
        let place = brackets.trailing_zeros();
        if closes & (1 << place) != 0 {
            *depth -= 1;
            if *depth == 0 {
                return Ok(Some(place as usize + 1));
            }
        } else if *depth == max_depth {
            return Err(ScanError::Depth);
        } else {
            *depth += 1;
        }
        brackets &= brackets - 1;
    }
    Ok(None)
}

/// Returns a bit for each byte that equals `byte`, the lowest for the first byte. Written so that
/// compilers compare 16 bytes at once.
#[inline(always)]
fn bits(block: &[u8; 64], byte: u8) -> u64 {
    let ones = block.map(|found| u8::from(found == byte));
    let (words, _) = ones.as_chunks::<8>();
    let mut bits = 0;
    for (index, word) in words.iter().enumerate() {
        // This moves bit 8·i to bit 56 + i; no two products meet, so nothing carries.
        bits |=
            (u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * index);
    }
    bits
}

/// The state of strings that one block passes to the next.
#[derive(Clone, Copy, Default)]
struct Strings {
    /// All ones if a string is open.
    open: u64,
    /// True if the last byte was a backslash that escapes the next byte.
    escape: bool,
}

impl Strings {
    /// Returns a bit for each byte of the block that is in a string, including the opening quote
    /// but not the closing one.
    fn follow(&mut self, mut quotes: u64, slashes: u64) -> u64 {
        if slashes != 0 || self.escape {
            quotes &= !self.escaped(slashes);
        }
        // The running sum of quotes, modulo 2.
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.open;
        self.open = 0u64.wrapping_sub(inside >> 63);
        inside
    }

    /// Returns a bit for each byte that a backslash escapes.
    fn escaped(&mut self, mut slashes: u64) -> u64 {
        let mut escaped = u64::from(self.escape);
        self.escape = false;
        slashes &= !escaped;
        while slashes != 0 {
            let slash = slashes & slashes.wrapping_neg();
            let next = slash << 1;
            self.escape = next == 0;
            escaped |= next;
            slashes &= !(slash | next);
        }
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Found<'a> = Vec<(&'a [u8], &'a [u8])>;

    fn members(text: &[u8]) -> Result<Found<'_>, ScanError> {
        let mut scan = ScannedMembers::of(text)?;
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
            // A bracket of the wrong kind inside a value is left to the parser; here, only the
            // object's end is found.
            assert!(members(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn blocks_of_64_join_wherever_they_fall() {
        for pad in 0..200 {
            let pad = "x".repeat(pad);
            for inner in [r#""]}\\""#, r#""\\\"]""#, r#""\\\\\\",{"]":[]}"#, r#"[[["\"[{"]]]"#] {
                let value = format!("[\"{pad}\",{inner},{{}}]");
                let text = format!("{{\"a\":{value},\"b\":1}}");
                let expected: [(&[u8], &[u8]); 2] = [(b"a", value.as_bytes()), (b"b", b"1")];
                assert_eq!(members(text.as_bytes()), Ok(expected.to_vec()), "{text}");
            }
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
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(text, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
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
