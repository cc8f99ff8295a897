//! Buffers, views and blobs.

use super::super::read;
use super::super::tag::ValueTag;
use super::{NormalForm, decode, inside, is_string};
use crate::indexeddb::number::whole;

/// Returns the number of bytes that padded standard base64 represents, or `None` unless it is in
/// its only spelling.
pub(super) fn base64_length(data: &[u8]) -> Option<usize> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    if !data.len().is_multiple_of(4) {
        return None;
    }
    let digits = data.strip_suffix(b"==").or_else(|| data.strip_suffix(b"=")).unwrap_or(data);
    if !digits.iter().all(|&byte| value(byte).is_some()) {
        return None;
    }
    // Bits after the last byte must be zero.
    let unused = [0, 0, 0xf, 0x3][digits.len() % 4];
    let last = digits.last().and_then(|&byte| value(byte)).unwrap_or(0);
    (last & unused == 0).then_some(digits.len() * 3 / 4)
}

/// Returns the value if `good` is true.
fn kept(value: &[u8], good: bool) -> Option<&[u8]> {
    good.then_some(value)
}

/// Returns the length of an ArrayBuffer and, if it is resizable, its maximum length.
fn buffer_lengths(content: &[u8]) -> Option<(u64, Option<u64>)> {
    let (mut length, mut max) = (None, None);
    for (name, value) in read::all_members(content)? {
        match name {
            b"data" => length = Some(base64_length(inside(value)?)? as u64),
            b"max" if value == b"null" => {}
            b"max" => max = Some(whole(value)?),
            _ => return None,
        }
    }
    let length = length?;
    max.is_none_or(|max| max >= length).then_some((length, max))
}

pub(super) fn buffer(content: &[u8]) -> Option<NormalForm> {
    buffer_lengths(content)?;
    match content.strip_suffix(b",\"max\":null}") {
        Some(rest) => Some(NormalForm::Content([rest, b"}"].concat())),
        None => Some(NormalForm::Same),
    }
}

/// Returns the bytes of one element of a view's type.
pub(in super::super) fn element_bytes(name: &[u8]) -> Option<u64> {
    match name {
        b"\"Int8Array\"" | b"\"Uint8Array\"" | b"\"Uint8ClampedArray\"" | b"\"DataView\"" => {
            Some(1)
        }
        b"\"Int16Array\"" | b"\"Uint16Array\"" | b"\"Float16Array\"" => Some(2),
        b"\"Int32Array\"" | b"\"Uint32Array\"" | b"\"Float32Array\"" => Some(4),
        b"\"Float64Array\"" | b"\"BigInt64Array\"" | b"\"BigUint64Array\"" => Some(8),
        _ => None,
    }
}

/// True if a view, given as the content of its tag, is within a buffer, given as `{"~buffer":…}`.
pub(in super::super) fn view_fits(view: &[u8], buffer: &[u8]) -> bool {
    let fits = || {
        let (ValueTag::Buffer, content) = read::tagged(buffer)? else { return None };
        let (bytes, max) = buffer_lengths(content)?;
        let (mut size, mut offset, mut length) = (None, 0, None);
        for (name, value) in read::all_members(view)? {
            match name {
                b"type" => size = element_bytes(value),
                b"offset" => offset = whole(value)?,
                b"length" if value != b"null" => length = Some(whole(value)?),
                _ => {}
            }
        }
        let size = size?;
        let end = match length {
            Some(length) => length.checked_mul(size)?.checked_add(offset)?,
            // A view can only track the length of a resizable buffer.
            None => max.map(|_| offset)?,
        };
        (offset % size == 0 && end <= bytes).then_some(())
    };
    fits().is_some()
}

pub(super) fn view(content: &[u8]) -> Option<NormalForm> {
    let (mut buffer, mut length, mut offset, mut kind) = (None, None, None, None);
    for (name, value) in read::all_members(content)? {
        match name {
            b"buffer" => buffer = Some(value),
            b"length" if value == b"null" => {}
            b"length" => length = Some(kept(value, whole(value).is_some())?),
            b"offset" => offset = Some(kept(value, whole(value).is_some())?),
            b"type" => kind = Some(kept(value, element_bytes(value).is_some())?),
            _ => return None,
        }
    }
    let (buffer, offset, kind) = (buffer?, offset?, kind?);
    let shared = match read::tagged(buffer)? {
        (ValueTag::Id, content) => Some(super::object::pair(content)?.1),
        (ValueTag::Ref, _) => None,
        _ => Some(buffer),
    };
    // A buffer that is a reference is checked once it is resolved.
    if shared.is_some_and(|buffer| !view_fits(content, buffer)) {
        return None;
    }
    let mut out = [b"{\"buffer\":", buffer].concat();
    if let Some(length) = length {
        out.extend_from_slice(&[b",\"length\":", length].concat());
    }
    out.extend_from_slice(&[b",\"offset\":", offset, b",\"type\":", kind, b"}"].concat());
    Some(NormalForm::Content(out))
}

/// Checks the given members, and computes the missing ones from the data.
pub(super) fn blob(content: &[u8]) -> Option<NormalForm> {
    let (mut blake3, mut data, mut modified, mut name, mut size, mut kind) =
        (None, None, None, None, None, None);
    for (member, value) in read::all_members(content)? {
        match member {
            b"blake3" | b"data" | b"lastModified" | b"name" | b"size" if value == b"null" => {}
            b"blake3" => {
                blake3 = Some(kept(inside(value)?, is_digest(inside(value)?))?.to_ascii_lowercase())
            }
            b"data" => data = Some(value),
            b"lastModified" => {
                modified =
                    Some(kept(value, whole(value.strip_prefix(b"-").unwrap_or(value)).is_some())?)
            }
            b"name" => name = Some(kept(value, is_string(value))?),
            b"size" => size = Some(whole(value)?),
            b"type" => kind = Some(kept(value, is_string(value))?),
            _ => return None,
        }
    }
    // Without data, for example of a file that was too large, size and digest are all there is.
    if let Some(data) = data {
        let bytes = decode(data)?;
        let actual = blake3::hash(&bytes).to_hex().as_bytes().to_vec();
        if size.is_some_and(|size| size != bytes.len() as u64)
            || blake3.is_some_and(|digest| digest != actual)
        {
            return None;
        }
        size = Some(bytes.len() as u64);
        blake3 = Some(actual);
    }
    // In the File API a Blob has neither; only a File has both.
    if modified.is_some() && name.is_none() {
        return None;
    }
    let mut out = [b"{\"blake3\":\"", &blake3?[..], b"\""].concat();
    // Members of canonical text are sorted by name.
    let optional: [(&[u8], _); 3] = [(b"data", data), (b"lastModified", modified), (b"name", name)];
    for (member, value) in optional {
        if let Some(value) = value {
            out.extend_from_slice(&[b",\"", member, b"\":", value].concat());
        }
    }
    out.extend_from_slice(format!(",\"size\":{},\"type\":", size?).as_bytes());
    out.extend_from_slice(kind?);
    out.push(b'}');
    Some(NormalForm::Content(out))
}

fn is_digest(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn base64_is_judged_as_the_decoder_does() {
        let alphabet = b"AQgw/+9z=\n -_B";
        let mut text = [0; 4];
        for index in 0..alphabet.len().pow(4) {
            let mut rest = index;
            for byte in &mut text {
                *byte = alphabet[rest % alphabet.len()];
                rest /= alphabet.len();
            }
            let decoded = STANDARD.decode(text).ok().map(|bytes| bytes.len());
            assert_eq!(base64_length(&text), decoded, "{}", String::from_utf8_lossy(&text));
        }
        assert_eq!(base64_length(b""), Some(0));
        assert_eq!(base64_length(b"AAA"), None);
        assert_eq!(base64_length(b"AA==AAAA"), None);
    }
}
