//! Objects, arrays and errors that JSON cannot represent.

use super::super::error::ValueErrorReason as Reason;
use super::super::order::write_entries;
use super::super::read;
use super::super::tag::ValueTag;
use super::super::write::{close_tag, open_tag};
use super::super::written_member::compare_names;
use super::{NormalForm, is_string};
use crate::indexeddb::number::whole;
use crate::indexeddb::text;

/// Splits `[a,b]`.
pub(super) fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match read::items(text)?[..] {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

/// A member, with its name as the text between quotes; lone surrogates are escaped like any other
/// unit.
type ObjectMember<'a> = (Vec<u8>, &'a [u8]);

/// Returns the sorted members of `[[name,value],…]`.
fn sorted_entries(list: &[u8], refused: Reason) -> Result<Vec<ObjectMember<'_>>, Reason> {
    let mut entries = Vec::new();
    for item in read::items(list).ok_or(refused)? {
        let (name, value) = pair(item).ok_or(refused)?;
        let inside = match super::inside(name) {
            Some(inside) => inside.to_vec(),
            None => {
                let content =
                    read::tagged(name).filter(|(tag, _)| *tag == ValueTag::Utf16).ok_or(refused)?.1;
                let data = super::inside(content)
                    .and_then(|data| std::str::from_utf8(data).ok())
                    .ok_or(refused)?;
                let units = text::units_from_base64(data).ok_or(refused)?;
                let mut inside = Vec::new();
                units.into_iter().for_each(|unit| text::write_unit(unit, &mut inside));
                inside
            }
        };
        entries.push((inside, value));
    }
    entries.sort_by(|a, b| compare_names(&a.0, &b.0));
    if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Reason::DuplicateMember);
    }
    Ok(entries)
}

fn is_lone(inside: &[u8]) -> bool {
    inside.contains(&b'\\') && text::has_lone_surrogate(&text::units(inside).collect::<Vec<_>>())
}

pub(super) fn entries(content: &[u8], refused: Reason) -> Result<NormalForm, Reason> {
    let entries = sorted_entries(content, refused)?;
    let mut out = Vec::with_capacity(content.len() + 16);
    if entries.iter().any(|(name, _)| is_lone(name)) {
        write_entries(entries.iter().map(|(name, value)| (&name[..], *value)), &mut out);
        return Ok(NormalForm::Whole(out));
    }
    for (index, (name, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"" } else { b",\"" });
        if name.starts_with(b"~") {
            out.push(b'~');
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    }
    out.extend_from_slice(if entries.is_empty() { b"{}" } else { b"}" });
    Ok(NormalForm::Whole(out))
}

/// True if a member name is an array index: a number below 2^32−1 in its only spelling.
fn is_index(name: &[u8]) -> bool {
    (name.first() != Some(&b'0') || name.len() == 1)
        && whole(name).is_some_and(|index| index < u64::from(u32::MAX))
}

pub(super) fn array(content: &[u8], refused: Reason) -> Result<NormalForm, Reason> {
    let (mut length, mut items, mut members) = (None, &b"[]"[..], &b"[]"[..]);
    for (name, value) in read::all_members(content).ok_or(refused)? {
        match name {
            b"length" => length = whole(value).filter(|&length| length <= u64::from(u32::MAX)),
            b"items" | b"members" if value == b"null" => {}
            b"items" => items = value,
            b"members" => members = value,
            _ => return Err(refused),
        }
    }
    let length = length.ok_or(refused)?;
    let mut placed = Vec::new();
    for item in read::items(items).ok_or(refused)? {
        let (index, value) = pair(item).ok_or(refused)?;
        let index = whole(index).filter(|&index| index < length).ok_or(refused)?;
        placed.push((index, value));
    }
    placed.sort_by_key(|(index, _)| *index);
    if placed.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Reason::DuplicateMember);
    }
    let members = sorted_entries(members, refused)?;
    if members.iter().any(|(name, _)| is_index(name) || name == b"length") {
        return Err(refused);
    }
    Ok(NormalForm::Whole(write_array(length, &placed, &members)))
}

fn write_array(length: u64, items: &[(u64, &[u8])], members: &[ObjectMember<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let separate = |index: usize, out: &mut Vec<u8>| {
        if index > 0 {
            out.push(b',');
        }
    };
    // The indexes are distinct and less than the length.
    if members.is_empty() && items.len() as u64 == length {
        out.push(b'[');
        for (index, (_, value)) in items.iter().enumerate() {
            separate(index, &mut out);
            out.extend_from_slice(value);
        }
        out.push(b']');
        return out;
    }
    open_tag(ValueTag::Array, &mut out);
    out.extend_from_slice(b"{\"items\":[");
    for (index, (place, value)) in items.iter().enumerate() {
        separate(index, &mut out);
        out.extend_from_slice(format!("[{place},").as_bytes());
        out.extend_from_slice(value);
        out.push(b']');
    }
    out.extend_from_slice(format!("],\"length\":{length},\"members\":[").as_bytes());
    for (index, (name, value)) in members.iter().enumerate() {
        separate(index, &mut out);
        out.push(b'[');
        text::write_units(&text::units(name).collect::<Vec<_>>(), &mut out);
        out.push(b',');
        out.extend_from_slice(value);
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
    close_tag(&mut out);
    out
}

/// Only Firefox keeps AggregateError apart. The structured clone algorithm and all other engines
/// turn it into an Error.
pub(super) fn error(content: &[u8]) -> Option<NormalForm> {
    let members = read::all_members(content)?;
    let mut named = false;
    let mut out = Vec::new();
    for (name, value) in members {
        match name {
            b"cause" => {}
            b"message" | b"stack" if value == b"null" => continue,
            b"message" | b"stack" if is_string(value) => {}
            b"name" if is_string(value) => named = true,
            _ => return None,
        }
        out.push(if out.is_empty() { b'{' } else { b',' });
        let value =
            if name == b"name" && value == b"\"AggregateError\"" { b"\"Error\"" } else { value };
        out.extend_from_slice(&[b"\"", name, b"\":", value].concat());
    }
    out.push(b'}');
    named.then_some(NormalForm::Content(out))
}
