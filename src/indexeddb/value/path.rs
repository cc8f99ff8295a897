//! Key paths: finds the value at a path in a canonical value.

use std::borrow::Cow;

use memchr::memmem;

use super::tag::ValueTag;
use super::{read, tags};
use crate::indexeddb::text;

/// Evaluates a key path as IndexedDB does and returns the canonical text of the result, or `None`
/// if it is absent or undefined. The path is `""` (the value itself), or identifiers joined by `.`.
///
/// A path reaches the own members of objects, arrays (`~array` with named members) and errors
/// (`message`, `cause`). It also reaches `length` of strings (boxed or not, in UTF-16 units) and
/// arrays, `size` and `type` of Blobs and Files, `name` and `lastModified` of Files, and
/// `lastIndex` of regular expressions, which is always 0. References are followed.
pub fn at_path<'a>(canonical: &'a [u8], path: &str) -> Option<Cow<'a, [u8]>> {
    let mut value = Cow::Borrowed(resolve(canonical, canonical));
    if path.is_empty() {
        return Some(value);
    }
    for identifier in path.split('.') {
        value = match value {
            Cow::Borrowed(text) => step(text, identifier)?,
            // This is a number, which has no members.
            Cow::Owned(_) => return None,
        };
        if let Cow::Borrowed(text) = value {
            value = Cow::Borrowed(resolve(text, canonical));
        }
        if ValueTag::Undefined.begins(&value) {
            return None;
        }
    }
    Some(value)
}

/// Returns the value at these member names, from the outside in, each in the form of
/// [`member_name`]. Only members of plain objects are found; references are followed.
pub fn at_members<'a, 'n>(
    canonical: &'a [u8],
    names: impl IntoIterator<Item = &'n [u8]>,
) -> Option<&'a [u8]> {
    let mut value = resolve(canonical, canonical);
    for name in names {
        if value.first() != Some(&b'{') || read::is_tagged(value) {
            return None;
        }
        let found = read::each_member(value)
            .find(|member| member.is_none_or(|(found, _)| found == name))?;
        value = resolve(found?.1, canonical);
    }
    Some(value)
}

/// Follows `~id` and `~ref` to the value they refer to.
fn resolve<'a>(text: &'a [u8], whole: &'a [u8]) -> &'a [u8] {
    match read::tagged(text) {
        Some((ValueTag::Id, content)) => shared(content).unwrap_or(text),
        Some((ValueTag::Ref, number)) => {
            let definition = [ValueTag::Id.opening(), b"[", number, b","].concat();
            let found = memmem::find(whole, &definition).and_then(|at| {
                let start = at + definition.len();
                Some(&whole[start..read::value_end(whole, start)?])
            });
            found.unwrap_or(text)
        }
        _ => text,
    }
}

/// Returns the value of `[n,value]`.
pub(super) fn shared(content: &[u8]) -> Option<&[u8]> {
    let comma = memchr::memchr(b',', content)?;
    content.get(comma + 1..content.len() - 1)
}

fn step<'a>(text: &'a [u8], identifier: &str) -> Option<Cow<'a, [u8]>> {
    let count = |number: usize| Some(Cow::Owned(number.to_string().into_bytes()));
    // The cases are those of "evaluate a key path on a value" in the W3C specification: `length` of
    // strings and arrays, the attributes of Blobs and Files, and otherwise own properties only. The
    // own properties of RegExps and Errors are those that a structured clone sets.
    match text.first()? {
        b'"' if identifier == "length" => count(string_length(text)?),
        b'[' if identifier == "length" => count(read::items(text)?.len()),
        b'{' => match read::tagged(text) {
            None => find(text, &member_name(identifier)),
            Some((ValueTag::Utf16, _)) if identifier == "length" => count(string_length(text)?),
            Some((ValueTag::Boxed, content))
                if identifier == "length" && tags::is_string(content) =>
            {
                count(string_length(content)?)
            }
            Some((ValueTag::Entries, content)) => entry(content, identifier),
            Some((ValueTag::Array, content)) if identifier == "length" => {
                member(content, identifier)
            }
            Some((ValueTag::Array, content)) => {
                let (_, members) =
                    read::all_members(content)?.into_iter().find(|(name, _)| name == b"members")?;
                entry(members, identifier)
            }
            Some((ValueTag::Blob, content))
                if matches!(identifier, "size" | "type" | "name" | "lastModified") =>
            {
                member(content, identifier)
            }
            Some((ValueTag::Error, content)) if matches!(identifier, "message" | "cause") => {
                member(content, identifier)
            }
            Some((ValueTag::RegExp, _)) if identifier == "lastIndex" => count(0),
            Some((
                ValueTag::Undefined
                | ValueTag::Number
                | ValueTag::BigInt
                | ValueTag::Date
                | ValueTag::Utf16
                | ValueTag::RegExp
                | ValueTag::Boxed
                | ValueTag::Map
                | ValueTag::Set
                | ValueTag::Buffer
                | ValueTag::View
                | ValueTag::Binary
                | ValueTag::Error
                | ValueTag::Blob
                | ValueTag::Dom
                | ValueTag::Opaque
                | ValueTag::Id
                | ValueTag::Ref,
                _,
            )) => None,
        },
        _ => None,
    }
}

fn name_inside(identifier: &str) -> Vec<u8> {
    let mut name = Vec::new();
    identifier.encode_utf16().for_each(|unit| text::write_unit(unit, &mut name));
    name
}

/// Returns a member's name as it is written between the quotes of canonical text, with the `~`
/// escape. This is the form that [`top_member`](super::Canonicalizer::top_member) and
/// [`members`](super::members) use.
pub fn member_name(name: &str) -> Vec<u8> {
    let escape = if name.starts_with('~') { "~" } else { "" };
    name_inside(&format!("{escape}{name}"))
}

/// Returns a member of a tag's content, whose names need no escape.
fn member<'a>(object: &'a [u8], identifier: &str) -> Option<Cow<'a, [u8]>> {
    find(object, identifier.as_bytes())
}

fn find<'a>(object: &'a [u8], wanted: &[u8]) -> Option<Cow<'a, [u8]>> {
    for found in read::each_member(object) {
        let (name, value) = found?;
        if name == wanted {
            return Some(Cow::Borrowed(value));
        }
    }
    None
}

/// Looks a name up in `[[name,value],…]`.
fn entry<'a>(entries: &'a [u8], identifier: &str) -> Option<Cow<'a, [u8]>> {
    let name = [b"\"", &name_inside(identifier)[..], b"\""].concat();
    let found = read::items(entries)?.into_iter().find_map(|pair| match read::items(pair)?[..] {
        [own, value] if own == name => Some(value),
        _ => None,
    });
    found.map(Cow::Borrowed)
}

/// Returns the length of a string in UTF-16 units.
fn string_length(string: &[u8]) -> Option<usize> {
    match read::tagged(string) {
        Some((_, data)) => {
            let data = data.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            Some(text::units_from_base64(std::str::from_utf8(data).ok()?)?.len())
        }
        None => Some(text::units(string.strip_prefix(b"\"")?.strip_suffix(b"\"")?).count()),
    }
}
