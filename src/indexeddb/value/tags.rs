//! The content that each tag allows, and its normal form.
//!
//! Content is already canonical: members are sorted, and numbers and strings have only one form.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::ValueErrorReason as Reason;
use super::read;
use super::tag::ValueTag;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::text;

#[path = "tags_bytes.rs"]
mod bytes;
#[path = "tags_object.rs"]
mod object;

pub(super) use bytes::{element_bytes, view_fits};

/// The normal form of a tagged value whose content was `content`.
pub(super) enum NormalForm {
    /// The text unchanged.
    Same,
    /// The same tag with this content.
    Content(Vec<u8>),
    /// This value instead of the tagged one.
    Whole(Vec<u8>),
}

impl ValueTag {
    /// Returns the first byte of the tag's content, if there is only one possible.
    pub(super) fn opens_with(self) -> Option<u8> {
        match self {
            Self::Undefined => Some(b't'),
            Self::Number | Self::BigInt | Self::Utf16 | Self::Binary => Some(b'"'),
            Self::Entries | Self::RegExp | Self::Map | Self::Set | Self::Id => Some(b'['),
            Self::Array
            | Self::Buffer
            | Self::View
            | Self::Error
            | Self::Blob
            | Self::Dom
            | Self::Opaque => Some(b'{'),
            Self::Date | Self::Boxed | Self::Ref => None,
        }
    }

    /// Returns a description of the content that the tag requires.
    pub(super) fn expects(self) -> &'static str {
        // Rejections end with these texts, so each states all that the tag requires: the content
        // itself is never shown.
        match self {
            Self::Undefined => "`~undefined` holds true",
            Self::Number => {
                "`~number` holds \"-0\", \"NaN\", \"Infinity\" or \"-Infinity\"; other numbers are JSON numbers"
            }
            Self::BigInt => {
                "`~bigint` holds a decimal integer as a string, without leading zeros or \"-0\""
            }
            Self::Date => "`~date` holds milliseconds, at most 8.64e15 either way, or null",
            Self::Utf16 => "`~utf16` holds the padded standard base64 of UTF-16LE",
            Self::Entries => "`~entries` holds pairs [name, value]; a name is a string",
            Self::RegExp => {
                "`~regexp` holds [source, flags]; flags are some of dgimsuvy, each once, not both u and v"
            }
            Self::Boxed => "`~boxed` holds a string, number, boolean or bigint",
            Self::Array => {
                "`~array` holds length (below 2^32), items [index, value] with indexes below length, \
                 and members [name, value] with names that are no indexes"
            }
            Self::Map => "`~map` holds pairs [key, value]; no primitive key twice, and none is -0",
            Self::Set => "`~set` holds values; no primitive twice, and none is -0",
            Self::Buffer => {
                "`~buffer` holds data (padded standard base64) and perhaps max, at least the data's length"
            }
            Self::View => {
                "`~view` holds type, offset (bytes), length (elements; absent where it tracks a resizable buffer) \
                 and buffer, and lies within the buffer at a multiple of its element size"
            }
            Self::Binary => "`~binary` holds padded standard base64",
            Self::Error => "`~error` holds name, and perhaps message, stack (strings) and cause",
            Self::Blob => {
                "`~blob` holds type, size, blake3 (hex), and perhaps name, lastModified and data (base64), \
                 to which size and blake3 must fit"
            }
            Self::Dom => "`~dom` holds kind, a string, and what that kind needs",
            Self::Opaque => "`~opaque` holds kind and reason, two strings, and perhaps more",
            Self::Id => {
                "`~id` holds [number, value]; the value is an object, and no reference itself"
            }
            Self::Ref => "`~ref` holds a number",
        }
    }
}

/// True if this is a string, including `~utf16`.
pub(super) fn is_string(text: &[u8]) -> bool {
    text.starts_with(b"\"") || ValueTag::Utf16.begins(text)
}

/// True if this is a primitive, which has no identity and occurs only once in a Map or Set.
fn is_primitive(text: &[u8]) -> bool {
    match text.first() {
        Some(b'{') => read::tagged(text).is_some_and(|(tag, _)| tag.is_primitive()),
        Some(b'[') => false,
        _ => true,
    }
}

fn inside(string: &[u8]) -> Option<&[u8]> {
    string.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Checks the content of a tag and returns its normal form.
pub(super) fn check(tag: ValueTag, content: &[u8]) -> Result<NormalForm, Reason> {
    let refused = Reason::InvalidTag(tag.expects());
    let same_if = |good: bool| if good { Ok(NormalForm::Same) } else { Err(refused) };
    match tag {
        ValueTag::Undefined => same_if(content == b"true"),
        ValueTag::Number => {
            same_if(matches!(content, b"\"-0\"" | b"\"NaN\"" | b"\"Infinity\"" | b"\"-Infinity\""))
        }
        ValueTag::BigInt => same_if(is_bigint(content)),
        ValueTag::Date => date(content).ok_or(refused),
        ValueTag::Utf16 => utf16(content).ok_or(refused),
        ValueTag::Entries => object::entries(content, refused),
        ValueTag::RegExp => regexp(content).ok_or(refused),
        ValueTag::Boxed => same_if(
            is_primitive(content) && content != b"null" && !ValueTag::Undefined.begins(content),
        ),
        ValueTag::Array => object::array(content, refused),
        ValueTag::Map => same_if(read::items(content).is_some_and(|pairs| {
            let keys: Option<Vec<_>> =
                pairs.iter().map(|pair| Some(object::pair(pair)?.0)).collect();
            keys.is_some_and(|keys| distinct(&keys))
        })),
        ValueTag::Set => same_if(read::items(content).is_some_and(|values| distinct(&values))),
        ValueTag::Buffer => bytes::buffer(content).ok_or(refused),
        ValueTag::View => bytes::view(content).ok_or(refused),
        ValueTag::Binary => same_if(inside(content).and_then(bytes::base64_length).is_some()),
        ValueTag::Error => object::error(content).ok_or(refused),
        ValueTag::Blob => bytes::blob(content).ok_or(refused),
        ValueTag::Dom => same_if(has_strings(content, &[b"kind"])),
        ValueTag::Opaque => same_if(has_strings(content, &[b"kind", b"reason"])),
        ValueTag::Id => same_if(is_shareable(content)),
        ValueTag::Ref => Ok(NormalForm::Same),
    }
}

fn is_bigint(content: &[u8]) -> bool {
    let Some(number) = inside(content) else { return false };
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    match digits.first() {
        Some(b'0') => number == b"0",
        Some(_) => digits.iter().all(u8::is_ascii_digit),
        None => false,
    }
}

/// Applies ECMAScript's TimeClip.
fn date(content: &[u8]) -> Option<NormalForm> {
    if content == b"null" {
        return Some(NormalForm::Same);
    }
    if content == b"{\"~number\":\"-0\"}" {
        return Some(NormalForm::Content(b"0".to_vec()));
    }
    let ms: f64 = std::str::from_utf8(content).ok()?.parse().ok()?;
    // This also refuses `true`, strings and tags, which do not parse.
    if ms.is_nan() || ms.abs() > MAX_DATE_MS as f64 || !content.last()?.is_ascii_digit() {
        return None;
    }
    if ms.trunc() == ms {
        return Some(NormalForm::Same);
    }
    let mut out = Vec::new();
    // −0.5 becomes 0, not −0.
    crate::indexeddb::number::write_canonical(ms.trunc() + 0.0, &mut out);
    Some(NormalForm::Content(out))
}

fn utf16(content: &[u8]) -> Option<NormalForm> {
    let units = text::units_from_base64(std::str::from_utf8(inside(content)?).ok()?)?;
    if text::has_lone_surrogate(&units) {
        return Some(NormalForm::Same);
    }
    let mut out = Vec::new();
    text::write_units(&units, &mut out);
    Some(NormalForm::Whole(out))
}

fn regexp(content: &[u8]) -> Option<NormalForm> {
    let (source, flags) = object::pair(content)?;
    let flags = inside(flags)?;
    let mut sorted = flags.to_vec();
    sorted.sort_unstable();
    let known = sorted.iter().all(|flag| b"dgimsuvy".contains(flag));
    let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    let both = sorted.contains(&b'u') && sorted.contains(&b'v');
    if !is_string(source) || !known || twice || both {
        return None;
    }
    if sorted == flags {
        return Some(NormalForm::Same);
    }
    Some(NormalForm::Content([b"[", source, b",\"", &sorted, b"\"]"].concat()))
}

/// True if the primitives differ by SameValueZero: NaN equals itself, and −0 is stored as 0.
fn distinct(values: &[&[u8]]) -> bool {
    let mut seen = HashSet::new();
    let mut primitives = values.iter().filter(|value| is_primitive(value));
    primitives.all(|value| *value != b"{\"~number\":\"-0\"}" && seen.insert(*value))
}

fn has_strings(content: &[u8], names: &[&[u8]]) -> bool {
    let Some(members) = read::all_members(content) else { return false };
    names.iter().all(|name| members.iter().any(|(own, value)| own == name && is_string(value)))
}

fn is_shareable(content: &[u8]) -> bool {
    let Some((_, value)) = object::pair(content) else { return false };
    let references = [ValueTag::Id, ValueTag::Ref, ValueTag::Binary];
    !is_primitive(value) && !references.iter().any(|tag| tag.begins(value))
}

fn decode(string: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(inside(string)?).ok()
}
