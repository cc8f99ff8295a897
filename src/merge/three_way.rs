//! Three-way merge of plain objects, member by member.

use std::collections::BTreeSet;

use crate::indexeddb::value;

/// What a merge gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreeWay {
    /// The merged canonical value.
    pub value: Vec<u8>,
    /// How many members both sides changed differently.
    pub contested: usize,
}

type Members<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Merges canonical values; `None` if one of them is no plain object. Contested members are taken from incoming where
/// `prefer_incoming`, else from head.
pub fn three_way(base: &[u8], head: &[u8], incoming: &[u8], prefer_incoming: bool) -> Option<ThreeWay> {
    let (base, head, incoming) = (value::members(base)?, value::members(head)?, value::members(incoming)?);
    let mut merge = ThreeWay { value: Vec::new(), contested: 0 };
    merge_members(&base, &head, &incoming, prefer_incoming, &mut merge);
    Some(merge)
}

/// Canonical names of one object are in UTF-16 order already; the union is brought in that order by their units.
fn names<'a>(sides: [&Members<'a>; 3]) -> BTreeSet<(Vec<u16>, &'a [u8])> {
    let units = |name: &[u8]| -> Vec<u16> {
        let name = [b"\"", name, b"\""].concat();
        serde_json::from_slice::<String>(&name).map(|name| name.encode_utf16().collect()).unwrap_or_default()
    };
    sides.into_iter().flatten().map(|(name, _)| (units(name), *name)).collect()
}

fn find<'a>(members: &Members<'a>, name: &[u8]) -> Option<&'a [u8]> {
    members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

fn merge_members(
    base: &Members<'_>,
    head: &Members<'_>,
    incoming: &Members<'_>,
    prefer_incoming: bool,
    merge: &mut ThreeWay,
) {
    merge.value.push(b'{');
    let mut separator: &[u8] = b"";
    for (_, name) in names([base, head, incoming]) {
        let (b, h, i) = (find(base, name), find(head, name), find(incoming, name));
        let taken = if h == i || i == b {
            h
        } else if h == b {
            i
        } else if let (Some(b), Some(h), Some(i)) = (b, h, i)
            && let (Some(b), Some(h), Some(i)) = (value::members(b), value::members(h), value::members(i))
        {
            push_name(separator, name, &mut merge.value);
            merge_members(&b, &h, &i, prefer_incoming, merge);
            separator = b",";
            continue;
        } else {
            merge.contested += 1;
            if prefer_incoming { i } else { h }
        };
        if let Some(value) = taken {
            push_name(separator, name, &mut merge.value);
            merge.value.extend_from_slice(value);
            separator = b",";
        }
    }
    merge.value.push(b'}');
}

fn push_name(separator: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(separator);
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 3-way cases of one member, up to renaming: absent or one of three values on each side.
    #[test]
    fn one_member_enumerated() {
        let values = [None, Some("1"), Some("2"), Some("3")];
        let object = |member: Option<&str>| member.map_or("{}".to_owned(), |value| format!(r#"{{"m":{value}}}"#));
        for b in values {
            for h in values {
                for i in values {
                    for prefer_incoming in [false, true] {
                        let merge = three_way(
                            object(b).as_bytes(),
                            object(h).as_bytes(),
                            object(i).as_bytes(),
                            prefer_incoming,
                        )
                        .unwrap();
                        let (wanted, contested) = match () {
                            () if h == i => (h, 0),
                            () if i == b => (h, 0),
                            () if h == b => (i, 0),
                            () => (if prefer_incoming { i } else { h }, 1),
                        };
                        let what = format!("base {b:?} head {h:?} incoming {i:?}");
                        assert_eq!(String::from_utf8_lossy(&merge.value), object(wanted), "{what}");
                        assert_eq!(merge.contested, contested, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn members_that_are_objects_are_merged_inside() {
        let merge = three_way(
            br#"{"a":{"x":1,"y":1},"d":1}"#,
            br#"{"a":{"x":2,"y":1},"c":3}"#,
            br#"{"a":{"x":1,"y":2},"b":4,"d":1}"#,
            true,
        )
        .unwrap();
        assert_eq!(String::from_utf8_lossy(&merge.value), r#"{"a":{"x":2,"y":2},"b":4,"c":3}"#);
        assert_eq!(merge.contested, 0);
    }

    #[test]
    fn tagged_values_are_whole() {
        let date = |ms: u8| format!(r#"{{"d":{{"~date":{ms}}}}}"#);
        let merge = three_way(date(1).as_bytes(), date(2).as_bytes(), date(3).as_bytes(), true).unwrap();
        assert_eq!((String::from_utf8_lossy(&merge.value).as_ref(), merge.contested), (date(3).as_str(), 1));
        assert_eq!(three_way(br#"{"~date":1}"#, br#"{"~date":2}"#, br#"{"~date":3}"#, true), None);
        let shared = br#"{"a":{"~id":[1,{}]},"b":{"~ref":1}}"#;
        assert_eq!(three_way(b"{}", shared, b"{}", true), None);
    }

    #[test]
    fn names_come_in_code_unit_order() {
        let merge = three_way(b"{}", br#"{"\uffff":1}"#, br#"{"\ud83d\ude00":2}"#, true).unwrap();
        assert_eq!(String::from_utf8_lossy(&merge.value), r#"{"\ud83d\ude00":2,"\uffff":1}"#);
    }
}
