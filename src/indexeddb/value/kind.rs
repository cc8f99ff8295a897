//! The kinds of canonical values: one layer of a value that was read as a tree.
//!
//! Readers of canonical text that must not build a tree use [`tagged`](super::tagged).

use std::borrow::Cow;

use super::array_buffer::{ArrayBuffer, BufferView};
use super::tag::ValueTag;
use super::tree::{Tree, escape, own_name};
use crate::indexeddb::text;

/// The inside of a JSON string.
pub(crate) type RawText<'t> = Cow<'t, [u8]>;

/// A member: its unescaped name, and its value.
pub(crate) type TreeMember<'t> = (RawText<'t>, &'t Tree<'t>);

/// A canonical value, one layer deep.
///
/// Every `match` on it names each kind, so that a new kind is a compile error at each place that it
/// concerns.
pub(crate) enum ValueKind<'t> {
    Null,
    Bool(bool),
    /// A finite number that is not −0.
    Number(&'t [u8]),
    /// `-0`, `NaN`, `Infinity`, `-Infinity`.
    Special(&'t [u8]),
    String(RawText<'t>),
    Undefined,
    BigInt(&'t [u8]),
    /// `None` if the date is invalid.
    Date(Option<i64>),
    RegExp(RawText<'t>, &'t [u8]),
    Boxed(&'t Tree<'t>),
    List(&'t [Tree<'t>]),
    /// An array with holes or named members: length, items, members.
    Array(u64, Vec<(u64, &'t Tree<'t>)>, Vec<TreeMember<'t>>),
    Object(Vec<TreeMember<'t>>),
    Map(Vec<(&'t Tree<'t>, &'t Tree<'t>)>),
    Set(&'t [Tree<'t>]),
    /// An ArrayBuffer, or a binary key.
    Buffer(ArrayBuffer<'t>),
    View(BufferView<'t>),
    /// The content of the tag.
    Error(&'t Tree<'t>),
    /// The content of the tag.
    Blob(&'t Tree<'t>),
    /// The content of the tag.
    Dom(&'t Tree<'t>),
    Opaque,
    /// The first place of a shared value: its number, and the value.
    Id(u64, &'t Tree<'t>),
    /// A further place of a shared value.
    Ref(u64),
}

impl<'t> ValueKind<'t> {
    /// Returns the kind of a canonical value; `None` if the value is not canonical.
    pub(crate) fn of(tree: &'t Tree<'t>) -> Option<Self> {
        Some(match tree {
            Tree::Null => ValueKind::Null,
            Tree::Bool(value) => ValueKind::Bool(*value),
            Tree::Number(raw) => ValueKind::Number(raw),
            Tree::String(raw) => ValueKind::String(Cow::Borrowed(raw)),
            Tree::List(items) => ValueKind::List(items),
            Tree::Object(members) => match tree.tagged() {
                Some((name, content)) => tagged(ValueTag::from_name(name)?, content)?,
                None => ValueKind::Object(
                    members
                        .iter()
                        .map(|(name, value)| (Cow::Borrowed(own_name(name)), value))
                        .collect(),
                ),
            },
        })
    }
}

fn tagged<'t>(tag: ValueTag, content: &'t Tree<'t>) -> Option<ValueKind<'t>> {
    Some(match tag {
        ValueTag::Undefined => ValueKind::Undefined,
        ValueTag::Number => ValueKind::Special(string(content)?),
        ValueTag::BigInt => ValueKind::BigInt(string(content)?),
        ValueTag::Date => ValueKind::Date(content.number().map(|ms| ms as i64)),
        ValueTag::Utf16 => ValueKind::String(utf16(content)?),
        ValueTag::Entries => ValueKind::Object(entries(content)?),
        ValueTag::RegExp => regexp(content)?,
        ValueTag::Boxed => ValueKind::Boxed(content),
        ValueTag::Array => array(content)?,
        ValueTag::Map => ValueKind::Map(content.items()?.iter().map(pair).collect::<Option<_>>()?),
        ValueTag::Set => ValueKind::Set(content.items()?),
        ValueTag::Buffer => ValueKind::Buffer(ArrayBuffer {
            data: string(content.get("data")?)?,
            resizable: content.get("max").is_some(),
        }),
        ValueTag::Binary => {
            ValueKind::Buffer(ArrayBuffer { data: string(content)?, resizable: false })
        }
        ValueTag::View => ValueKind::View(BufferView {
            name: string(content.get("type")?)?,
            offset: content.get("offset")?.whole()?,
            length: content.get("length").and_then(Tree::whole),
            buffer: content.get("buffer")?,
        }),
        ValueTag::Error => ValueKind::Error(content),
        ValueTag::Blob => ValueKind::Blob(content),
        ValueTag::Dom => ValueKind::Dom(content),
        ValueTag::Opaque => ValueKind::Opaque,
        ValueTag::Id => {
            let (id, value) = pair(content)?;
            ValueKind::Id(id.whole()?, value)
        }
        ValueTag::Ref => ValueKind::Ref(content.whole()?),
    })
}

fn regexp<'t>(content: &'t Tree<'t>) -> Option<ValueKind<'t>> {
    let (source, flags) = pair(content)?;
    match ValueKind::of(source)? {
        ValueKind::String(source) => Some(ValueKind::RegExp(source, string(flags)?)),
        _ => None,
    }
}

fn array<'t>(content: &'t Tree<'t>) -> Option<ValueKind<'t>> {
    let item = |item: &'t Tree<'t>| {
        let (index, value) = pair(item)?;
        Some((index.whole()?, value))
    };
    let items = content.get("items")?.items()?.iter().map(item).collect::<Option<_>>()?;
    let members = entries(content.get("members")?)?;
    Some(ValueKind::Array(content.get("length")?.whole()?, items, members))
}

fn pair<'t>(tree: &'t Tree<'t>) -> Option<(&'t Tree<'t>, &'t Tree<'t>)> {
    if let [first, second] = tree.items()? { Some((first, second)) } else { None }
}

fn string<'t>(tree: &'t Tree<'t>) -> Option<&'t [u8]> {
    if let Tree::String(raw) = tree { Some(raw) } else { None }
}

fn utf16<'t>(content: &'t Tree<'t>) -> Option<RawText<'t>> {
    let units = text::units_from_base64(std::str::from_utf8(string(content)?).ok()?)?;
    let mut raw = Vec::new();
    escape(units, &mut raw);
    Some(Cow::Owned(raw))
}

fn entries<'t>(list: &'t Tree<'t>) -> Option<Vec<TreeMember<'t>>> {
    let entry = |entry: &'t Tree<'t>| match entry.items()? {
        [name, value] => match ValueKind::of(name)? {
            ValueKind::String(name) => Some((name, value)),
            _ => None,
        },
        _ => None,
    };
    list.items()?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_fixtures_is_known() {
        for line in include_str!("../../../tests/fixtures/values/canonical.ndjson").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(canonical) = case["canonical"].as_str() else { continue };
            let tree = Tree::read(canonical.as_bytes()).unwrap();
            assert!(ValueKind::of(&tree).is_some(), "{canonical}");
        }
    }

    #[test]
    fn values_of_unknown_kinds_are_refused() {
        let tree = Tree::read(br#"{"~nix":1}"#).unwrap();
        assert!(ValueKind::of(&tree).is_none());
    }
}
