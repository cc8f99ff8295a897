//! Arrays, Sets and Maps: unions, and three-way merges by element.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::field::at;
use super::order::canonical_order;
use crate::indexeddb::value::write::write_tagged;
use crate::indexeddb::value::{ValueTag, has_references, items, tagged};
use crate::policy::FieldPath;

/// A type of collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON array.
    Array,
    /// `~set`.
    Set,
    /// `~map`; its elements are `[key,value]`.
    Map,
}

/// Returns the elements of an array without holes, a Set or a Map. Returns `None` for everything
/// else, and if references hide the elements.
pub(super) fn elements(canonical: &[u8]) -> Option<(Shape, Vec<&[u8]>)> {
    if has_references(canonical) {
        return None;
    }
    let Some((tag, content)) = tagged(canonical) else {
        return items(canonical).map(|items| (Shape::Array, items));
    };
    let shape = match tag {
        ValueTag::Set => Shape::Set,
        ValueTag::Map => Shape::Map,
        ValueTag::Undefined
        | ValueTag::Number
        | ValueTag::BigInt
        | ValueTag::Date
        | ValueTag::Utf16
        | ValueTag::Entries
        | ValueTag::RegExp
        | ValueTag::Boxed
        | ValueTag::Array
        | ValueTag::Buffer
        | ValueTag::View
        | ValueTag::Binary
        | ValueTag::Error
        | ValueTag::Blob
        | ValueTag::Dom
        | ValueTag::Opaque
        | ValueTag::Id
        | ValueTag::Ref => return None,
    };
    items(content).map(|items| (shape, items))
}

/// Writes a collection.
pub(super) fn write(shape: Shape, elements: &[&[u8]]) -> Vec<u8> {
    let list = [b"[", &elements.join(&b","[..])[..], b"]"].concat();
    let tag = match shape {
        Shape::Array => return list,
        Shape::Set => ValueTag::Set,
        Shape::Map => ValueTag::Map,
    };
    let mut out = Vec::new();
    write_tagged(tag, &list, &mut out);
    out
}

/// Returns all elements of two arrays or two Sets, without duplicates, in canonical order.
pub(super) fn union(head: &[u8], incoming: &[u8]) -> Option<Vec<u8>> {
    let ((shape, head), (other, incoming)) = (elements(head)?, elements(incoming)?);
    if shape != other || shape == Shape::Map {
        return None;
    }
    let all: BTreeSet<&[u8]> = head.into_iter().chain(incoming).collect();
    let mut all: Vec<&[u8]> = all.into_iter().collect();
    all.sort_by(|a, b| canonical_order(a, b));
    Some(write(shape, &all))
}

/// The result of [`append_unique`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) value: Vec<u8>,
    /// True if two elements with the same key differed; the one with the smaller text is not in the
    /// result.
    pub(super) contested: bool,
}

/// Returns the elements of two arrays, one for each key. Of two different elements with the same
/// key the greater text wins, so that the result does not depend on the order. Returns `None` if a
/// value is not an array, or an element has no key.
pub(super) fn append_unique(
    head: &[u8],
    incoming: &[u8],
    key: &FieldPath,
    order_by: Option<&FieldPath>,
) -> Option<Appended> {
    let ((Shape::Array, head), (Shape::Array, incoming)) = (elements(head)?, elements(incoming)?)
    else {
        return None;
    };
    let mut order: Vec<&[u8]> = Vec::new();
    let mut by_key: HashMap<&[u8], &[u8]> = HashMap::new();
    let mut contested = false;
    for element in head.into_iter().chain(incoming) {
        let key = at(element, key)?;
        match by_key.get_mut(key) {
            None => {
                by_key.insert(key, element);
                order.push(key);
            }
            Some(known) => {
                contested |= *known != element;
                *known = (*known).max(element);
            }
        }
    }
    if let Some(path) = order_by {
        let mut sorted = order
            .into_iter()
            .map(|key| Some((at(by_key[key], path)?, key)))
            .collect::<Option<Vec<_>>>()?;
        sorted.sort_by(|a, b| canonical_order(a.0, b.0).then_with(|| canonical_order(a.1, b.1)));
        order = sorted.into_iter().map(|(_, key)| key).collect();
    }
    let all: Vec<&[u8]> = order.into_iter().map(|key| by_key[key]).collect();
    Some(Appended { value: write(Shape::Array, &all), contested })
}

/// Merges elements as sets: an element that one side added is added, and one that a side removed is
/// removed. The result has head's elements in their order, then incoming's additions in theirs.
/// Repeated elements count once.
pub(super) fn as_sets<'a>(
    base: &[&'a [u8]],
    head: &[&'a [u8]],
    incoming: &[&'a [u8]],
) -> Vec<&'a [u8]> {
    let was: BTreeSet<&[u8]> = base.iter().copied().collect();
    let theirs: BTreeSet<&[u8]> = incoming.iter().copied().collect();
    let ours: BTreeSet<&[u8]> = head.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let kept = head.iter().filter(|element| theirs.contains(**element) || !was.contains(**element));
    let added =
        incoming.iter().filter(|element| !ours.contains(**element) && !was.contains(**element));
    kept.chain(added).copied().filter(|element| seen.insert(*element)).collect()
}

/// Returns head followed by the elements that incoming appended to the base. Returns `None` if a
/// side changed elements of the base.
pub(super) fn appended<'a>(
    base: &[&'a [u8]],
    head: &[&'a [u8]],
    incoming: &[&'a [u8]],
) -> Option<Vec<&'a [u8]>> {
    let new = incoming.strip_prefix(base)?;
    head.starts_with(base).then(|| head.iter().chain(new).copied().collect())
}

/// Keys in order, and the element for each key.
pub(super) type Identified<'a> = (Vec<&'a [u8]>, BTreeMap<&'a [u8], &'a [u8]>);

/// Returns elements by key; `None` if an element has no key, or two have the same.
pub(super) fn by_identity<'a>(
    elements: &[&'a [u8]],
    key_of: &dyn Fn(&'a [u8]) -> Option<&'a [u8]>,
) -> Option<Identified<'a>> {
    let mut keys = Vec::with_capacity(elements.len());
    let mut found = BTreeMap::new();
    for element in elements {
        let key = key_of(element)?;
        keys.push(key);
        if found.insert(key, *element).is_some() {
            return None;
        }
    }
    Some((keys, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn unions_are_in_canonical_order() {
        let of = |a: &str, b: &str| text(union(a.as_bytes(), b.as_bytes()));
        assert_eq!(of(r#"["b",10]"#, r#"["a",9,"b"]"#).as_deref(), Some(r#"[9,10,"a","b"]"#));
        assert_eq!(
            of(r#"{"~set":[2,1]}"#, r#"{"~set":[3]}"#).as_deref(),
            Some(r#"{"~set":[1,2,3]}"#)
        );
        assert_eq!(of("[{\"b\":1},true]", "[null]").as_deref(), Some("[null,true,{\"b\":1}]"));
        assert_eq!(of("[]", r#"{"~set":[3]}"#), None);
        assert_eq!(of("[]", "1"), None);
        assert_eq!(of(r#"[{"~id":[1,{}]},{"~ref":1}]"#, "[]"), None);
    }

    #[test]
    fn lists_by_key() {
        let of = |a: &str, b: &str, order: Option<&str>| {
            let path = |text: &str| FieldPath::parse(text).unwrap();
            append_unique(a.as_bytes(), b.as_bytes(), &path("id"), order.map(path).as_ref())
        };
        let (a, b) =
            (r#"[{"at":5,"id":1},{"at":1,"id":2}]"#, r#"[{"at":3,"id":3},{"at":5,"id":1}]"#);
        let value = |order| String::from_utf8(of(a, b, order).unwrap().value).unwrap();
        assert_eq!(value(None), r#"[{"at":5,"id":1},{"at":1,"id":2},{"at":3,"id":3}]"#);
        assert_eq!(value(Some("at")), r#"[{"at":1,"id":2},{"at":3,"id":3},{"at":5,"id":1}]"#);
        let differ = of(r#"[{"id":1,"x":1}]"#, r#"[{"id":1,"x":2}]"#, None).unwrap();
        assert_eq!(
            (text(Some(differ.value)).as_deref(), differ.contested),
            (Some(r#"[{"id":1,"x":2}]"#), true)
        );
        assert_eq!(of("[1]", "[]", None), None, "no key");
        assert_eq!(of("{}", "[]", None), None);
    }

    #[test]
    fn three_way_of_sets_and_lists() {
        let (base, head, incoming) =
            (items(b"[1,2,3]").unwrap(), items(b"[2,3,4]").unwrap(), items(b"[1,2,5]").unwrap());
        assert_eq!(as_sets(&base, &head, &incoming).concat(), b"245");
        let more = items(b"[1,2,3,9]").unwrap();
        let other = items(b"[1,2,3,7,8]").unwrap();
        assert_eq!(appended(&base, &more, &other).unwrap().concat(), b"123978");
        assert_eq!(appended(&base, &head, &other), None);
    }
}
