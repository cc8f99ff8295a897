//! JSON as Java sees it: strings may hold lone surrogates, and maps keep their order.

use std::fmt;

/// A Java string as WTF-8: UTF-8, save that a surrogate without its partner takes three bytes of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    /// Takes over bytes that are already WTF-8.
    pub(crate) fn from_wtf8(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What Java's `length()` says: UTF-16 code units.
    pub(crate) fn utf16_len(&self) -> usize {
        self.0
            .iter()
            .map(|byte| usize::from(byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0))
            .sum()
    }

    /// The characters; each lone surrogate is U+FFFD.
    pub(crate) fn to_lossy(&self) -> String {
        let mut out = String::new();
        let mut rest = self.0.as_slice();
        while let Some(found) = next_lone_surrogate(rest) {
            out.push_str(&String::from_utf8_lossy(&rest[..found]));
            out.push('\u{FFFD}');
            rest = &rest[found + 3..];
        }
        out.push_str(&String::from_utf8_lossy(rest));
        out
    }

    /// Each lone surrogate replaced by `?`, as a character column of 0.8.0's database does.
    pub(crate) fn without_lone_surrogates(&self) -> Text {
        let mut out = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        while let Some(found) = next_lone_surrogate(rest) {
            out.extend_from_slice(&rest[..found]);
            out.push(b'?');
            rest = &rest[found + 3..];
        }
        out.extend_from_slice(rest);
        Text(out)
    }

    /// True if there is nothing but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.to_lossy().trim().is_empty()
    }

    /// Java's `hashCode()`, which decides the order of a `HashSet`.
    pub(crate) fn java_hash(&self) -> i32 {
        self.to_lossy()
            .encode_utf16()
            .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_lossy())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

/// Where the first lone surrogate starts: ED followed by A0 to BF, which UTF-8 forbids.
fn next_lone_surrogate(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xED, bytes).find(|&at| bytes.get(at + 1).is_some_and(|next| *next >= 0xA0))
}

/// A JSON value. Objects keep the order of their members, and nothing looks for repeats.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text),
    Array(Vec<Json>),
    Object(Vec<(Text, Json)>),
}

impl Json {
    /// An object of the members that have a value, in alphabetical order, as the servers write their own classes.
    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        let mut members: Vec<_> = members
            .into_iter()
            .filter(|(_, value)| *value != Json::Null)
            .map(|(name, value)| (Text::from(name), value))
            .collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        Json::Object(members)
    }

    pub(crate) fn text(text: &str) -> Json {
        Json::Text(Text::from(text))
    }

    pub(crate) fn optional(text: Option<&Text>) -> Json {
        text.map_or(Json::Null, |text| Json::Text(text.clone()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().find(|(key, _)| key.as_bytes() == name.as_bytes()).map(|it| &it.1)
            }
            _ => None,
        }
    }

    pub(crate) fn get_text(&self, name: &str) -> Option<&Text> {
        match self.get(name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn get_int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Json::Int(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Writes compact JSON as Jackson does: ASCII controls and characters beyond U+FFFF as capital escapes, all else raw.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Json::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Json::Double(value) => out.extend_from_slice(format!("{value:?}").as_bytes()),
            Json::Text(text) => write_text(text, out),
            Json::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_text(text: &Text, out: &mut Vec<u8>) {
    if let Some(plain) = std::str::from_utf8(&text.0).ok().filter(|plain| written_alike(plain)) {
        // The library is compiled for speed even in tests, which send hundreds of megabytes through here.
        out.extend_from_slice(serde_json::Value::String(plain.to_owned()).to_string().as_bytes());
        return;
    }
    out.push(b'"');
    let mut rest = text.0.as_slice();
    while let Some(&byte) = rest.first() {
        let length = if byte >= 0xF0
            || next_lone_surrogate(&rest[..rest.len().min(2)]).is_some_and(|at| at == 0)
        {
            write_surrogates(rest, out)
        } else {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x09 => out.extend_from_slice(b"\\t"),
                0x0A => out.extend_from_slice(b"\\n"),
                0x0C => out.extend_from_slice(b"\\f"),
                0x0D => out.extend_from_slice(b"\\r"),
                0..0x20 => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
                _ => out.push(byte),
            }
            1
        };
        rest = &rest[length..];
    }
    out.push(b'"');
}

/// True for text that `serde_json` writes as Jackson does: ASCII, without controls whose escape has a letter in it.
fn written_alike(text: &str) -> bool {
    const LETTERED: [[u8; 3]; 3] = [[0x0B, 0x0E, 0x0F], [0x1A, 0x1B, 0x1C], [0x1D, 0x1E, 0x1F]];
    let lettered =
        |[one, two, three]: [u8; 3]| memchr::memchr3(one, two, three, text.as_bytes()).is_some();
    text.is_ascii() && !LETTERED.into_iter().any(lettered)
}

/// Writes the character beyond U+FFFF or the lone surrogate that `bytes` starts with; returns its length.
fn write_surrogates(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let length = if bytes[0] >= 0xF0 { 4 } else { 3 };
    let lead = u32::from(bytes[0]) & if length == 4 { 0x07 } else { 0x0F };
    let code = bytes[1..length].iter().fold(lead, |code, byte| code << 6 | u32::from(byte & 0x3F));
    if let Some(astral) = code.checked_sub(0x1_0000) {
        let (high, low) = (0xD800 + (astral >> 10), 0xDC00 + (astral & 0x3FF));
        out.extend_from_slice(format!("\\u{high:04X}\\u{low:04X}").as_bytes());
    } else {
        out.extend_from_slice(format!("\\u{code:04X}").as_bytes());
    }
    length
}
