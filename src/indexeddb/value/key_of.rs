//! Keys straight from canonical values: what IndexedDB calls "convert a value to a key".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::path::shared;
use super::{read, scan, tags};
use crate::indexeddb::key::{
    Key, KeyError, MAX_KEY_BYTES, MAX_KEY_DEPTH, MAX_LIST_KEY_DEPTH, TYPE_ARRAY, TYPE_STRING, write_sortable_number,
    write_sortable_unit,
};
use crate::indexeddb::text;

/// Appends the sortable form of the key that a canonical value, or a canonical key, is. After an error `out` is as it
/// was.
///
/// Numbers (not NaN; −0 is 0), Dates (not invalid ones), strings, `~binary`, ArrayBuffers and views (the bytes they
/// show), and arrays of these are keys; an array must have no hole, its named members do not count. An `~id` counts as
/// the value it holds; a `~ref` is no key, for what it names is not in this text ([`at_path`](super::at_path) follows it).
pub fn sortable_key_of(canonical: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
    written(canonical, MAX_KEY_DEPTH, MAX_KEY_BYTES, out)
}

/// As [`sortable_key_of`], for a key of a list of a version: a system list's may nest deeper and be longer than a record's.
pub(crate) fn list_key_of(canonical: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
    written(canonical, MAX_LIST_KEY_DEPTH, usize::MAX, out)
}

fn written(canonical: &[u8], depth: usize, most: usize, out: &mut Vec<u8>) -> Result<(), KeyError> {
    let start = out.len();
    let mut result = write(canonical, depth, out);
    if result.is_ok() && out.len() - start > most {
        result = Err(KeyError::Length);
    }
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// `depth`: how many arrays may be open.
fn write(text: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), KeyError> {
    match text.first() {
        Some(b'-' | b'0'..=b'9') => {
            write_sortable_number(number(text)?, out);
            Ok(())
        }
        Some(b'"') => {
            string(text[1..].strip_suffix(b"\"").ok_or(KeyError::Invalid)?, out);
            Ok(())
        }
        Some(b'[') => array(read::items(text).ok_or(KeyError::Invalid)?.into_iter(), depth, out),
        Some(b'{') => {
            let (tag, content) = read::tagged(text).ok_or(KeyError::Invalid)?;
            tagged(tag, content, depth, out)
        }
        _ => Err(KeyError::Invalid),
    }
}

fn number(text: &[u8]) -> Result<f64, KeyError> {
    if text.len() <= 15 && text.iter().all(u8::is_ascii_digit) {
        return Ok(text.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(KeyError::Invalid)
}

/// The inside of a canonical string.
fn string(inside: &[u8], out: &mut Vec<u8>) {
    out.push(TYPE_STRING);
    if inside.contains(&b'\\') {
        scan::units(inside).for_each(|unit| write_sortable_unit(unit, out));
    } else {
        // Printable ASCII.
        out.extend(inside.iter().map(|byte| (byte & 0x7f) + 1));
    }
    out.push(0);
}

fn array<'a>(items: impl Iterator<Item = &'a [u8]>, depth: usize, out: &mut Vec<u8>) -> Result<(), KeyError> {
    out.push(TYPE_ARRAY);
    for item in items {
        write(item, depth.checked_sub(1).ok_or(KeyError::Depth)?, out)?;
    }
    out.push(0);
    Ok(())
}

fn quoted(content: &[u8]) -> Option<&str> {
    std::str::from_utf8(content.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
}

fn tagged(tag: &[u8], content: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), KeyError> {
    let key = match tag {
        b"~number" => match content {
            b"\"-0\"" => Key::Number(0.0),
            b"\"Infinity\"" => Key::Number(f64::INFINITY),
            b"\"-Infinity\"" => Key::Number(f64::NEG_INFINITY),
            _ => return Err(KeyError::Invalid),
        },
        b"~date" => Key::Date(number(content).ok().filter(|ms| ms.is_finite()).ok_or(KeyError::Invalid)?),
        b"~utf16" => {
            let units = quoted(content).and_then(text::units_from_base64).ok_or(KeyError::Invalid)?;
            Key::String(crate::indexeddb::dom_string::DomString::from_units(units))
        }
        b"~binary" => Key::Binary(decode(content).ok_or(KeyError::Invalid)?),
        b"~buffer" => Key::Binary(buffer_bytes(content).ok_or(KeyError::Invalid)?),
        b"~view" => Key::Binary(view_bytes(content).ok_or(KeyError::Invalid)?),
        b"~id" => {
            let value = shared(content).filter(|value| !value.starts_with(b"{\"~id\"")).ok_or(KeyError::Invalid)?;
            return write(value, depth, out);
        }
        b"~array" => {
            let items = dense_items(content).ok_or(KeyError::Invalid)?;
            return array(items.into_iter(), depth, out);
        }
        _ => return Err(KeyError::Invalid),
    };
    key.write_sortable(out);
    Ok(())
}

fn decode(content: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(quoted(content)?).ok()
}

fn find<'a>(object: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    read::all_members(object)?.into_iter().find_map(|(name, value)| (name == wanted).then_some(value))
}

fn buffer_bytes(content: &[u8]) -> Option<Vec<u8>> {
    decode(find(content, b"data")?)
}

fn view_bytes(content: &[u8]) -> Option<Vec<u8>> {
    let (tag, mut buffer) = read::tagged(find(content, b"buffer")?)?;
    match tag {
        b"~buffer" => {}
        b"~id" => match read::tagged(shared(buffer)?)? {
            (b"~buffer", inner) => buffer = inner,
            _ => return None,
        },
        _ => return None,
    }
    let bytes = buffer_bytes(buffer)?;
    let offset = usize::try_from(tags::whole(find(content, b"offset")?)?).ok()?;
    let end = match find(content, b"length") {
        Some(length) => {
            let size = tags::element_bytes(find(content, b"type")?)?;
            offset.checked_add(usize::try_from(tags::whole(length)?.checked_mul(size)?).ok()?)?
        }
        None => {
            let size = usize::try_from(tags::element_bytes(find(content, b"type")?)?).ok()?;
            bytes.len() - bytes.len().checked_sub(offset)? % size
        }
    };
    bytes.get(offset..end).map(<[u8]>::to_vec)
}

/// The items of an `~array` without holes.
fn dense_items(content: &[u8]) -> Option<Vec<&[u8]>> {
    let length = tags::whole(find(content, b"length")?)?;
    let items = read::items(find(content, b"items")?)?;
    if items.len() as u64 != length {
        return None;
    }
    // Their indexes are distinct and below the length.
    let value = |item| match read::items(item)?[..] {
        [_, value] => Some(value),
        _ => None,
    };
    items.into_iter().map(value).collect()
}
