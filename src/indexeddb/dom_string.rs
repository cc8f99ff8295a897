//! `DOMString`: any sequence of UTF-16 code units, including lone surrogates.

use std::fmt;

use super::text;
use super::value::ValueTag;

/// The message for JSON that is not the name of an object store.
pub(crate) const NOT_A_STORE_NAME: &str =
    "store must be a name: a string, or {\"~utf16\":…} if it holds a lone surrogate";

/// A name or string key of IndexedDB. Ordered by code unit, as IndexedDB orders strings.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomString(Box<[u16]>);

impl DomString {
    /// Wraps code units.
    pub fn from_units(units: impl Into<Box<[u16]>>) -> Self {
        Self(units.into())
    }

    /// Returns the code units.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Returns the string as Unicode text, or `None` if it contains a lone surrogate.
    pub fn to_text(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }

    /// Appends the canonical JSON form: a string, or `{"~utf16":…}` if it contains a lone
    /// surrogate.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        text::write_units(&self.0, out);
    }

    /// Returns the canonical JSON form.
    pub fn to_canonical(&self) -> String {
        let mut out = Vec::with_capacity(self.0.len() + 2);
        self.write_canonical(&mut out);
        // The canonical form is always ASCII.
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Reads the canonical JSON form, or any JSON with the same meaning.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::String(text) => Some(text.as_str().into()),
            serde_json::Value::Object(members) if members.len() == 1 => {
                let data = members.get(ValueTag::Utf16.name())?.as_str()?;
                text::units_from_base64(data).map(Self::from_units)
            }
            _ => None,
        }
    }

    /// Returns a value for a FlowFile attribute: the name itself if it is printable ASCII, or else
    /// the result of [`Self::to_file_name`].
    pub fn to_attribute(&self) -> String {
        let plain = |text: &String| {
            !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        self.to_text().filter(plain).unwrap_or_else(|| self.to_file_name())
    }

    /// Returns a name for a file, flow or bucket.
    ///
    /// Every byte of the UTF-8 form outside `A-Z a-z 0-9 . _ -` is percent-encoded, and so is a
    /// leading dot. A lone surrogate is encoded as its three bytes in WTF-8. A result of more than
    /// 200 bytes is cut to its first 160 bytes, followed by `-` and 32 hexadecimal digits of its
    /// BLAKE3 digest.
    pub fn to_file_name(&self) -> String {
        let mut name = String::new();
        for (index, byte) in text::wtf8(&self.0).into_iter().enumerate() {
            let plain = byte.is_ascii_alphanumeric()
                || byte == b'_'
                || byte == b'-'
                || (byte == b'.' && index > 0);
            if plain {
                name.push(char::from(byte));
            } else {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
        if name.is_empty() {
            // The empty name is valid in IndexedDB; no other name results in `%` alone.
            return "%".to_owned();
        }
        if name.len() > FILE_NAME_BYTES {
            let digest = blake3::hash(name.as_bytes()).to_hex();
            name.truncate(FILE_NAME_BYTES - 40);
            name.push('-');
            name.push_str(&digest.as_str()[..32]);
        }
        name
    }
}

/// The greatest length of a name for a file, flow or bucket, in bytes.
pub const FILE_NAME_BYTES: usize = 200;

impl From<&str> for DomString {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

/// Displays the text, with each lone surrogate as U+FFFD.
impl fmt::Display for DomString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.0))
    }
}

impl fmt::Debug for DomString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_and_distinct() {
        let name = |text: &str| DomString::from(text).to_file_name();
        assert_eq!(name("data"), "data");
        assert_eq!(name(""), "%");
        assert_eq!(name(".."), "%2E.");
        assert_eq!(name("a/b~c"), "a%2Fb%7Ec");
        assert_eq!(name("é"), "%C3%A9");
        assert_eq!(DomString::from_units([0xd800]).to_file_name(), "%ED%A0%80");
        let (a, b) = (name(&"x".repeat(300)), name(&"x".repeat(301)));
        assert!(a.len() <= FILE_NAME_BYTES && a != b, "{a} {b}");
    }

    #[test]
    fn order_is_by_code_unit() {
        assert!(DomString::from("\u{ffff}") > DomString::from("\u{1f600}"));
    }

    #[test]
    fn lone_surrogates_survive_json() {
        let name = DomString::from_units([0x61, 0xd800]);
        assert_eq!(name.to_canonical(), r#"{"~utf16":"YQAA2A=="}"#);
        let read = serde_json::from_str(&name.to_canonical()).unwrap();
        assert_eq!(DomString::from_json(&read), Some(name));
    }
}
