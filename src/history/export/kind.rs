//! The kinds of canonical values, for writers of other formats.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::indexeddb::text;
use crate::indexeddb::value::tree::{Tree, escape, own_name};

/// The inside of a JSON string.
pub(super) type Raw<'t> = Cow<'t, [u8]>;

/// A member: its unescaped name, and its value.
pub(super) type Member<'t> = (Raw<'t>, &'t Tree<'t>);

/// A canonical value, one layer deep.
pub(super) enum Kind<'t> {
    Null,
    Bool(bool),
    /// A finite number that is not −0.
    Number(&'t [u8]),
    /// `-0`, `NaN`, `Infinity`, `-Infinity`.
    Special(&'t [u8]),
    String(Raw<'t>),
    Undefined,
    BigInt(&'t [u8]),
    /// `None` if the date is invalid.
    Date(Option<i64>),
    RegExp(Raw<'t>, &'t [u8]),
    Boxed(&'t Tree<'t>),
    List(&'t [Tree<'t>]),
    /// An array with holes or named members: length, items, members.
    Array(u64, Vec<(u64, &'t Tree<'t>)>, Vec<Member<'t>>),
    Object(Vec<Member<'t>>),
    Map(Vec<(&'t Tree<'t>, &'t Tree<'t>)>),
    Set(&'t [Tree<'t>]),
    Buffer(Buffer<'t>),
    View(View<'t>),
    /// The content of the tag.
    Error(&'t Tree<'t>),
    /// The content of the tag.
    Blob(&'t Tree<'t>),
    /// The content of the tag.
    Dom(&'t Tree<'t>),
    Opaque,
    Id(u64, &'t Tree<'t>),
    Ref(u64),
}

/// An ArrayBuffer: base64, and whether it is resizable.
#[derive(Clone, Copy)]
pub(super) struct Buffer<'t> {
    pub(super) data: &'t [u8],
    pub(super) resizable: bool,
}

/// A view of a buffer.
#[derive(Clone, Copy)]
pub(super) struct View<'t> {
    pub(super) name: &'t [u8],
    pub(super) offset: u64,
    /// The length in elements; `None` if the view tracks its buffer's length.
    pub(super) length: Option<u64>,
    pub(super) buffer: &'t Tree<'t>,
}

impl View<'_> {
    /// Returns the size of an element in bytes.
    pub(super) fn size(&self) -> usize {
        match self.name {
            b"Int16Array" | b"Uint16Array" | b"Float16Array" => 2,
            b"Int32Array" | b"Uint32Array" | b"Float32Array" => 4,
            b"Float64Array" | b"BigInt64Array" | b"BigUint64Array" => 8,
            _ => 1,
        }
    }
}

/// The values of the `~id`s in a value.
pub(super) type Definitions<'t> = HashMap<u64, &'t Tree<'t>>;

/// Collects the values of the `~id`s in a value.
pub(super) fn definitions<'t>(tree: &'t Tree<'t>, found: &mut Definitions<'t>) {
    match tree {
        Tree::List(items) => items.iter().for_each(|item| definitions(item, found)),
        Tree::Object(members) => {
            if let Some(Kind::Id(id, value)) = kind(tree) {
                found.insert(id, value);
            }
            members.iter().for_each(|(_, value)| definitions(value, found));
        }
        _ => {}
    }
}

/// Returns the kind of a canonical value; `None` if the value is not canonical.
pub(super) fn kind<'t>(tree: &'t Tree<'t>) -> Option<Kind<'t>> {
    Some(match tree {
        Tree::Null => Kind::Null,
        Tree::Bool(value) => Kind::Bool(*value),
        Tree::Number(raw) => Kind::Number(raw),
        Tree::String(raw) => Kind::String(Cow::Borrowed(raw)),
        Tree::List(items) => Kind::List(items),
        Tree::Object(members) => match tree.tagged() {
            Some((tag, content)) => tagged(tag, content)?,
            None => Kind::Object(
                members
                    .iter()
                    .map(|(name, value)| (Cow::Borrowed(own_name(name)), value))
                    .collect(),
            ),
        },
    })
}

fn tagged<'t>(tag: &[u8], content: &'t Tree<'t>) -> Option<Kind<'t>> {
    Some(match tag {
        b"~undefined" => Kind::Undefined,
        b"~number" => Kind::Special(string(content)?),
        b"~bigint" => Kind::BigInt(string(content)?),
        b"~date" => Kind::Date(content.number().map(|ms| ms as i64)),
        b"~utf16" => Kind::String(utf16(content)?),
        b"~entries" => Kind::Object(entries(content)?),
        b"~regexp" => match content.items()? {
            [source, flags] => match kind(source)? {
                Kind::String(source) => Kind::RegExp(source, string(flags)?),
                _ => return None,
            },
            _ => return None,
        },
        b"~boxed" => Kind::Boxed(content),
        b"~array" => {
            let item = |item: &'t Tree<'t>| match item.items()? {
                [index, value] => Some((index.whole()?, value)),
                _ => None,
            };
            let items = content.get("items")?.items()?.iter().map(item).collect::<Option<_>>()?;
            Kind::Array(content.get("length")?.whole()?, items, entries(content.get("members")?)?)
        }
        b"~map" => {
            let pair = |pair: &'t Tree<'t>| match pair.items()? {
                [key, value] => Some((key, value)),
                _ => None,
            };
            Kind::Map(content.items()?.iter().map(pair).collect::<Option<_>>()?)
        }
        b"~set" => Kind::Set(content.items()?),
        b"~buffer" => Kind::Buffer(Buffer {
            data: string(content.get("data")?)?,
            resizable: content.get("max").is_some(),
        }),
        b"~binary" => Kind::Buffer(Buffer { data: string(content)?, resizable: false }),
        b"~view" => Kind::View(View {
            name: string(content.get("type")?)?,
            offset: content.get("offset")?.whole()?,
            length: content.get("length").and_then(Tree::whole),
            buffer: content.get("buffer")?,
        }),
        b"~error" => Kind::Error(content),
        b"~blob" => Kind::Blob(content),
        b"~dom" => Kind::Dom(content),
        b"~opaque" => Kind::Opaque,
        b"~id" => match content.items()? {
            [id, value] => Kind::Id(id.whole()?, value),
            _ => return None,
        },
        b"~ref" => Kind::Ref(content.whole()?),
        _ => return None,
    })
}

fn string<'t>(tree: &'t Tree<'t>) -> Option<&'t [u8]> {
    if let Tree::String(raw) = tree { Some(raw) } else { None }
}

fn utf16<'t>(content: &'t Tree<'t>) -> Option<Raw<'t>> {
    let units = text::units_from_base64(std::str::from_utf8(string(content)?).ok()?)?;
    let mut raw = Vec::new();
    escape(units, &mut raw);
    Some(Cow::Owned(raw))
}

fn entries<'t>(list: &'t Tree<'t>) -> Option<Vec<Member<'t>>> {
    let entry = |entry: &'t Tree<'t>| match entry.items()? {
        [name, value] => match kind(name)? {
            Kind::String(name) => Some((name, value)),
            _ => None,
        },
        _ => None,
    };
    list.items()?.iter().map(entry).collect()
}

/// Returns the bytes in a view, and true if the buffer has others. The buffer may be a reference.
pub(super) fn view_bytes(
    view: &View<'_>,
    definitions: &Definitions<'_>,
) -> Option<(Vec<u8>, bool)> {
    let buffer = buffer_of(view.buffer, definitions)?;
    let bytes = STANDARD.decode(buffer.data).ok()?;
    let start = usize::try_from(view.offset).ok()?;
    let size = view.size();
    let length = match view.length {
        Some(length) => usize::try_from(length).ok()?.checked_mul(size)?,
        None => bytes.len().checked_sub(start)? / size * size,
    };
    let shown = bytes.get(start..start.checked_add(length)?)?.to_vec();
    let more = shown.len() != bytes.len();
    Some((shown, more))
}

/// Returns the buffer of a view, which may be shared.
pub(super) fn buffer_of<'t>(
    tree: &'t Tree<'t>,
    definitions: &Definitions<'t>,
) -> Option<Buffer<'t>> {
    match kind(tree)? {
        Kind::Buffer(buffer) => Some(buffer),
        Kind::Id(_, inner) => match kind(inner)? {
            Kind::Buffer(buffer) => Some(buffer),
            _ => None,
        },
        Kind::Ref(id) => match kind(definitions.get(&id)?)? {
            Kind::Buffer(buffer) => Some(buffer),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the elements of a view as JSON numbers or BigInts, for formats that write them as
/// members.
pub(super) fn elements(view: &View<'_>, bytes: &[u8]) -> Vec<String> {
    fn chunks<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> String) -> Vec<String> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    let double = |value: f64| {
        let mut out = Vec::new();
        crate::indexeddb::number::write_canonical(value, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    match view.name {
        b"Int8Array" => chunks(bytes, |byte| i8::from_le_bytes(byte).to_string()),
        b"Int16Array" => chunks(bytes, |chunk| i16::from_le_bytes(chunk).to_string()),
        b"Uint16Array" => chunks(bytes, |chunk| u16::from_le_bytes(chunk).to_string()),
        b"Int32Array" => chunks(bytes, |chunk| i32::from_le_bytes(chunk).to_string()),
        b"Uint32Array" => chunks(bytes, |chunk| u32::from_le_bytes(chunk).to_string()),
        b"Float16Array" => chunks(bytes, |chunk| double(half(u16::from_le_bytes(chunk)))),
        b"Float32Array" => chunks(bytes, |chunk| double(f64::from(f32::from_le_bytes(chunk)))),
        b"Float64Array" => chunks(bytes, |chunk| double(f64::from_le_bytes(chunk))),
        b"BigInt64Array" => chunks(bytes, |chunk| i64::from_le_bytes(chunk).to_string()),
        b"BigUint64Array" => chunks(bytes, |chunk| u64::from_le_bytes(chunk).to_string()),
        _ => bytes.iter().map(u8::to_string).collect(),
    }
}

/// Converts an IEEE 754 binary16 number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3e00, 1.5),
            (0xc000, -2.0),
            (0x0001, 2f64.powi(-24)),
            (0x7bff, 65504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn every_kind_of_the_fixtures_is_known() {
        for line in include_str!("../../../tests/fixtures/values/canonical.ndjson").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(canonical) = case["canonical"].as_str() else { continue };
            let tree = Tree::read(canonical.as_bytes()).unwrap();
            assert!(kind(&tree).is_some(), "{canonical}");
        }
    }
}
