//! Keys from canonical values: IndexedDB's "convert a value to a key".

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::path::shared;
use super::tag::ValueTag;
use super::{read, tags};
use crate::indexeddb::key::{
    Key, KeyError, MAX_KEY_BYTES, MAX_KEY_DEPTH, MAX_LIST_KEY_DEPTH, TYPE_ARRAY, TYPE_STRING,
    write_sortable_number, write_sortable_unit,
};
use crate::indexeddb::number::{self, special_value};
use crate::indexeddb::text;

/// Appends the sortable form of the key that a canonical value (or canonical key) represents. After
/// an error `out` is unchanged.
///
/// These values are keys: numbers (not NaN; −0 is 0), valid Dates, strings, `~binary`, ArrayBuffers
/// and views (the bytes that they show), and arrays of these. An array must not have holes or
/// contain itself; its named members are ignored. An `~id` counts as the value in it, and a `~ref`
/// as the value that the text defines for it.
pub fn sortable_key_of(canonical: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
    sortable_key_within(canonical, canonical, out)
}

/// Works like [`sortable_key_of`] on a part of the canonical value `whole`, which defines the
/// values of `~ref` in the part.
pub(crate) fn sortable_key_within(
    part: &[u8],
    whole: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    KeyWriter::new(whole, MAX_KEY_BYTES, out).whole(|writer| writer.write(part, MAX_KEY_DEPTH))
}

/// Appends the sortable form of the array key that consists of these parts of the canonical value
/// `whole`.
pub(crate) fn sortable_array_within<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    whole: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    KeyWriter::new(whole, MAX_KEY_BYTES, out).whole(|writer| writer.array(parts, MAX_KEY_DEPTH))
}

/// Works like [`sortable_key_of`] on a key in a list of a version. Keys of system lists may nest
/// deeper and be longer than keys of records.
pub(crate) fn list_key_of(canonical: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
    KeyWriter::new(canonical, usize::MAX, out)
        .whole(|writer| writer.write(canonical, MAX_LIST_KEY_DEPTH))
}

/// Writes one key.
struct KeyWriter<'a, 'o> {
    /// The value that defines the values of references.
    whole: &'a [u8],
    /// The start of the value of each `~id`, by its number; filled when the first reference is met.
    definitions: Option<HashMap<&'a [u8], usize>>,
    /// Numbers of the shared values that are being written. If one is met again, it contains
    /// itself.
    open: Vec<&'a [u8]>,
    most: usize,
    start: usize,
    out: &'o mut Vec<u8>,
}

impl<'a, 'o> KeyWriter<'a, 'o> {
    fn new(whole: &'a [u8], most: usize, out: &'o mut Vec<u8>) -> Self {
        Self { whole, definitions: None, open: Vec::new(), most, start: out.len(), out }
    }

    /// Writes the key and checks its length. After a failure, removes everything written.
    fn whole(
        mut self,
        write: impl FnOnce(&mut Self) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let result = write(&mut self).and_then(|()| self.check_length());
        if result.is_err() {
            self.out.truncate(self.start);
        }
        result
    }

    fn check_length(&self) -> Result<(), KeyError> {
        if self.out.len() - self.start > self.most { Err(KeyError::Length) } else { Ok(()) }
    }

    /// Writes a key; `depth` is the number of arrays that may be open.
    fn write(&mut self, text: &'a [u8], depth: usize) -> Result<(), KeyError> {
        match text.first() {
            Some(b'-' | b'0'..=b'9') => {
                write_sortable_number(number(text)?, self.out);
                Ok(())
            }
            Some(b'"') => {
                string(text[1..].strip_suffix(b"\"").ok_or(KeyError::Invalid)?, self.out);
                Ok(())
            }
            Some(b'[') => {
                self.array(read::items(text).ok_or(KeyError::Invalid)?.into_iter(), depth)
            }
            Some(b'{') => {
                let (tag, content) = read::tagged(text).ok_or(KeyError::Invalid)?;
                self.tagged(tag, content, depth)
            }
            _ => Err(KeyError::Invalid),
        }
    }

    fn array(
        &mut self,
        items: impl Iterator<Item = &'a [u8]>,
        depth: usize,
    ) -> Result<(), KeyError> {
        let depth = depth.checked_sub(1).ok_or(KeyError::Depth)?;
        self.out.push(TYPE_ARRAY);
        for item in items {
            self.write(item, depth)?;
        }
        self.out.push(0);
        Ok(())
    }

    fn tagged(&mut self, tag: ValueTag, content: &'a [u8], depth: usize) -> Result<(), KeyError> {
        let key = match tag {
            ValueTag::Number => {
                let word = quoted(content).ok_or(KeyError::Invalid)?;
                let number = special_value(word).filter(|number| !number.is_nan());
                // Turns negative zero into zero.
                Key::Number(number.ok_or(KeyError::Invalid)? + 0.0)
            }
            ValueTag::Date => Key::Date(
                number(content).ok().filter(|ms| ms.is_finite()).ok_or(KeyError::Invalid)?,
            ),
            ValueTag::Utf16 => {
                let units =
                    quoted(content).and_then(text::units_from_base64).ok_or(KeyError::Invalid)?;
                Key::String(crate::indexeddb::dom_string::DomString::from_units(units))
            }
            ValueTag::Binary => Key::Binary(decode(content).ok_or(KeyError::Invalid)?),
            ValueTag::Buffer => Key::Binary(buffer_bytes(content).ok_or(KeyError::Invalid)?),
            ValueTag::View => Key::Binary(self.view_bytes(content).ok_or(KeyError::Invalid)?),
            ValueTag::Id => {
                let number =
                    content.get(1..).and_then(|rest| rest.split(|byte| *byte == b',').next());
                let (number, value) = number.zip(shared(content)).ok_or(KeyError::Invalid)?;
                return self.shared(number, value, depth);
            }
            ValueTag::Ref => {
                // A value that is defined once may be referred to often.
                self.check_length()?;
                let value = self.definition(content).ok_or(KeyError::Invalid)?;
                return self.shared(content, value, depth);
            }
            ValueTag::Array => {
                let items = dense_items(content).ok_or(KeyError::Invalid)?;
                return self.array(items.into_iter(), depth);
            }
            ValueTag::Undefined
            | ValueTag::BigInt
            | ValueTag::Entries
            | ValueTag::RegExp
            | ValueTag::Boxed
            | ValueTag::Map
            | ValueTag::Set
            | ValueTag::Error
            | ValueTag::Blob
            | ValueTag::Dom
            | ValueTag::Opaque => return Err(KeyError::Invalid),
        };
        key.write_sortable(self.out);
        Ok(())
    }

    fn shared(&mut self, number: &'a [u8], value: &'a [u8], depth: usize) -> Result<(), KeyError> {
        let reference = [ValueTag::Id, ValueTag::Ref].iter().any(|tag| tag.begins(value));
        if self.open.contains(&number) || reference {
            return Err(KeyError::Invalid);
        }
        self.open.push(number);
        let result = self.write(value, depth);
        self.open.pop();
        result
    }

    /// Returns the value that a reference with this number refers to.
    fn definition(&mut self, number: &[u8]) -> Option<&'a [u8]> {
        const ID: &[u8] = ValueTag::Id.opening();
        let whole = self.whole;
        let definitions = self.definitions.get_or_insert_with(|| {
            // Inside a string the quotes would be escaped, so these can only be tags.
            let starts = memmem::find_iter(whole, ID).map(|at| at + ID.len() + 1);
            let numbered = |start: usize| {
                let comma = memchr::memchr(b',', whole.get(start..)?)?;
                Some((&whole[start..start + comma], start + comma + 1))
            };
            starts.filter_map(numbered).collect()
        });
        let start = *definitions.get(number)?;
        whole.get(start..read::value_end(whole, start)?)
    }

    fn view_bytes(&mut self, content: &'a [u8]) -> Option<Vec<u8>> {
        let buffer = match read::tagged(find(content, b"buffer")?)? {
            (ValueTag::Id, buffer) => shared(buffer)?,
            (ValueTag::Ref, number) => self.definition(number)?,
            _ => find(content, b"buffer")?,
        };
        match read::tagged(buffer)? {
            (ValueTag::Buffer, buffer) => view_bytes(content, &buffer_bytes(buffer)?),
            _ => None,
        }
    }
}

fn number(text: &[u8]) -> Result<f64, KeyError> {
    if text.len() <= 15 && text.iter().all(u8::is_ascii_digit) {
        return Ok(
            text.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64
        );
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(KeyError::Invalid)
}

/// Appends the sortable form of a string, given as the text between the quotes of a canonical
/// string.
fn string(inside: &[u8], out: &mut Vec<u8>) {
    out.push(TYPE_STRING);
    if inside.contains(&b'\\') {
        text::units(inside).for_each(|unit| write_sortable_unit(unit, out));
    } else {
        // The text is printable ASCII.
        out.extend(inside.iter().map(|byte| (byte & 0x7f) + 1));
    }
    out.push(0);
}

fn quoted(content: &[u8]) -> Option<&str> {
    std::str::from_utf8(content.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
}

fn decode(content: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(quoted(content)?).ok()
}

fn find<'a>(object: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    read::all_members(object)?
        .into_iter()
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

fn buffer_bytes(content: &[u8]) -> Option<Vec<u8>> {
    decode(find(content, b"data")?)
}

/// Returns the bytes of a buffer that a view shows.
fn view_bytes(content: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let offset = usize::try_from(number::whole(find(content, b"offset")?)?).ok()?;
    let end = match find(content, b"length") {
        Some(length) => {
            let size = tags::element_bytes(find(content, b"type")?)?;
            offset.checked_add(usize::try_from(number::whole(length)?.checked_mul(size)?).ok()?)?
        }
        None => {
            let size = usize::try_from(tags::element_bytes(find(content, b"type")?)?).ok()?;
            bytes.len() - bytes.len().checked_sub(offset)? % size
        }
    };
    bytes.get(offset..end).map(<[u8]>::to_vec)
}

/// Returns the items of an `~array` without holes.
fn dense_items(content: &[u8]) -> Option<Vec<&[u8]>> {
    let length = number::whole(find(content, b"length")?)?;
    let items = read::items(find(content, b"items")?)?;
    if items.len() as u64 != length {
        return None;
    }
    // The indexes are distinct and less than the length.
    let value = |item| match read::items(item)?[..] {
        [_, value] => Some(value),
        _ => None,
    };
    items.into_iter().map(value).collect()
}
