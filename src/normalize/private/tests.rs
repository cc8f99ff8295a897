//! Tables of values and paths, and a property test over random ones.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::indexeddb::value::Options;

fn key() -> HashKey {
    HashKey::from_secret("a secret of the tests").unwrap()
}

fn private(fields: &[(&str, Hide)]) -> Private {
    let fields =
        fields.iter().map(|(path, hide)| (FieldPath::parse(path).unwrap(), *hide)).collect();
    Private::new(&Privacy { fields }, None).unwrap()
}

/// Hides fields in a canonical value and checks that the result is canonical.
fn hide(fields: &[(&str, Hide)], value: &str) -> Result<(String, Hidden), &'static str> {
    let mut canonicalizer = Canonicalizer::new(Options::default());
    let mut canonical = Vec::new();
    canonicalizer.value(value.as_bytes(), &mut canonical).unwrap();
    assert_eq!(String::from_utf8_lossy(&canonical), value, "the test's value is not canonical");
    let hidden = Hider::new(Some(key()))
        .hide(&private(fields), &mut canonical)
        .map_err(|Unhideable(why)| why)?;
    let mut again = Vec::new();
    canonicalizer.value(&canonical, &mut again).unwrap();
    let text = String::from_utf8(canonical).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), text, "what is left is not canonical");
    Ok((text, hidden))
}

fn digest(canonical: &str) -> String {
    format!("\"blake3:{}\"", key().digest(canonical.as_bytes()).to_hex())
}

#[test]
fn excluded() {
    for (path, value, left) in [
        ("b", r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"c":3}"#),
        ("a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        ("b", r#"{"a":1,"b":2}"#, r#"{"a":1}"#),
        ("a", r#"{"a":1}"#, "{}"),
        ("a", r#"{"b":1}"#, r#"{"b":1}"#),
        ("a", "{}", "{}"),
        ("a", "7", "7"),
        ("a.b", r#"{"a":{"b":1,"c":2},"b":3}"#, r#"{"a":{"c":2},"b":3}"#),
        ("a.b", r#"{"a":"no object"}"#, r#"{"a":"no object"}"#),
        (r#""a.b""#, r#"{"a":{"b":1},"a.b":2}"#, r#"{"a":{"b":1}}"#),
        ("~x.\u{e4}", r#"{"~~x":{"b":2,"\u00e4":1}}"#, r#"{"~~x":{"b":2}}"#),
        (r#""a\"b""#, r#"{"a\"b":1,"c":2}"#, r#"{"c":2}"#),
        ("a", r#"{"a":"}],\",{[","b":"a"}"#, r#"{"b":"a"}"#),
        // Arrays, with and without `[]`.
        ("a[].b", r#"{"a":[{"b":1},{"b":2,"c":3},4]}"#, r#"{"a":[{},{"c":3},4]}"#),
        ("a.b", r#"{"a":[{"b":1},[{"b":2,"c":3}]]}"#, r#"{"a":[{},[{"c":3}]]}"#),
        ("a[].b", r#"{"a":{"b":1}}"#, r#"{"a":{}}"#),
        ("a[]", r#"{"a":[1,2,3],"b":4}"#, r#"{"a":[],"b":4}"#),
        ("a[]", r#"{"a":"was no list then","b":4}"#, r#"{"b":4}"#),
        ("a[][]", r#"{"a":[[1,2],3,[[4]]]}"#, r#"{"a":[[],[]]}"#),
        (r#""""#, r#"[{"":1},{"b":1}]"#, r#"[{},{"b":1}]"#),
        ("a", r#"[{"a":1},{"b":1}]"#, r#"[{},{"b":1}]"#),
        // Tagged values.
        ("d", r#"{"d":{"~date":1},"e":{"~undefined":true}}"#, r#"{"e":{"~undefined":true}}"#),
        ("d.x", r#"{"d":{"~date":1}}"#, r#"{"d":{"~date":1}}"#),
        ("m.k", r#"{"m":{"~map":[["j",1],["k",2],[7,3]]}}"#, r#"{"m":{"~map":[["j",1],[7,3]]}}"#),
        ("m.~k", r#"{"m":{"~map":[["k",1],["~k",2]]}}"#, r#"{"m":{"~map":[["k",1]]}}"#),
        ("m.b", r#"{"m":{"~map":[["k",{"b":1}]]}}"#, r#"{"m":{"~map":[["k",{"b":1}]]}}"#),
        ("m[].b", r#"{"m":{"~map":[["k",{"b":1,"c":2}]]}}"#, r#"{"m":{"~map":[["k",{"c":2}]]}}"#),
        ("m[]", r#"{"m":{"~map":[["k",1]]}}"#, r#"{"m":{"~map":[]}}"#),
        ("s[].b", r#"{"s":{"~set":[{"b":1},2]}}"#, r#"{"s":{"~set":[{},2]}}"#),
        ("s[]", r#"{"s":{"~set":[1,2]}}"#, r#"{"s":{"~set":[]}}"#),
        (
            "h[]",
            r#"{"h":{"~array":{"items":[[0,1]],"length":2,"members":[]}}}"#,
            r#"{"h":{"~array":{"items":[],"length":2,"members":[]}}}"#,
        ),
        (
            "h.x",
            r#"{"h":{"~array":{"items":[[0,1]],"length":1,"members":[["x",2]]}}}"#,
            r#"{"h":[1]}"#,
        ),
        (
            "a",
            r#"{"~entries":[["a",1],["b",2],[{"~utf16":"ANg="},3]]}"#,
            r#"{"~entries":[["b",2],[{"~utf16":"ANg="},3]]}"#,
        ),
        ("e", r#"{"e":{"~error":{"message":"m","name":"E"}}}"#, "{}"),
        ("e.x", r#"{"e":{"~error":{"name":"E"}}}"#, r#"{"e":{"~error":{"name":"E"}}}"#),
        // References.
        (
            "b.x",
            r#"{"a":{"~id":[1,{"x":1}]},"b":{"x":1},"c":{"~ref":1}}"#,
            r#"{"a":{"~id":[1,{"x":1}]},"b":{},"c":{"~ref":1}}"#,
        ),
        (
            "a.x",
            r#"{"a":{"~id":[1,{"x":1,"y":2}]},"c":{"~ref":1}}"#,
            r#"{"a":{"~id":[1,{"y":2}]},"c":{"~ref":1}}"#,
        ),
        ("a", r#"{"a":{"p":{"~id":[1,{}]},"q":{"~ref":1}},"b":2}"#, r#"{"b":2}"#),
        (
            "child.parent",
            r#"{"~id":[1,{"child":{"parent":{"~ref":1},"x":2}}]}"#,
            r#"{"child":{"x":2}}"#,
        ),
        (
            "a[]",
            r#"{"a":{"~id":[1,[1,{"x":2}]]},"b":{"~ref":1}}"#,
            r#"{"a":{"~id":[1,[]]},"b":{"~ref":1}}"#,
        ),
    ] {
        let (found, hidden) = hide(&[(path, Hide::Exclude)], value).unwrap();
        assert_eq!(found, left, "{path} of {value}");
        assert_eq!(hidden.excluded > 0, found != value, "{path} of {value}");
        assert_eq!((hidden.hashed, hidden.redacted), (0, 0));
    }
}

#[test]
fn redacted_and_hashed() {
    let redact = |path: &str, value: &str| hide(&[(path, Hide::Redact)], value).unwrap();
    let hash = |path: &str, value: &str| hide(&[(path, Hide::Hash)], value).unwrap();
    assert_eq!(redact("a", r#"{"a":{"x":[1]},"b":2}"#).0, r#"{"a":"[redacted]","b":2}"#);
    assert_eq!(redact("a[]", r#"{"a":[1,{"x":2}]}"#).0, r#"{"a":["[redacted]","[redacted]"]}"#);
    assert_eq!(
        redact("a[]", r#"{"a":[1,{"x":2}]}"#).1,
        Hidden { redacted: 2, ..Hidden::default() }
    );
    let (found, hidden) = hash("mail", r#"{"mail":"ann@example.org","n":1}"#);
    assert_eq!(found, format!(r#"{{"mail":{},"n":1}}"#, digest(r#""ann@example.org""#)));
    assert_eq!(hidden, Hidden { hashed: 1, ..Hidden::default() });
    // Hiding again changes nothing and is not counted.
    assert_eq!(hash("mail", &found), (found.clone(), Hidden::default()));
    let marked = redact("a", r#"{"a":1}"#).0;
    assert_eq!(redact("a", &marked), (marked.clone(), Hidden::default()));
    // A value that only looks like a digest is hashed like any other.
    let upper = found.replacen("blake3:", "blake3:A", 1);
    assert_eq!(hash("mail", &upper).1.hashed, 1);
    // Equal values have equal digests, whatever numbers their references have.
    let cycle = |before: &str| format!(r#"{{{before}"x":{{"~id":[1,{{"me":{{"~ref":1}}}}]}}}}"#);
    let other = r#"{"a":{"~id":[1,{}]},"b":{"~ref":1},"x":{"~id":[2,{"me":{"~ref":2}}]}}"#;
    let tail = |text: String| text.split("blake3:").nth(1).map(str::to_owned).unwrap();
    assert_eq!(tail(hash("x", &cycle("")).0), tail(hash("x", other).0));
    let stack = |stack: &str| {
        hash("e", &format!(r#"{{"e":{{"~error":{{"name":"E","stack":"{stack}"}}}}}}"#)).0
    };
    assert_eq!(stack("here"), stack("there"));
}

#[test]
fn elements_of_a_set_stay_different() {
    let set = r#"{"s":{"~set":[1,{"x":2},"[redacted]",3]}}"#;
    assert_eq!(hide(&[("s[]", Hide::Redact)], set).unwrap().0, r#"{"s":{"~set":["[redacted]"]}}"#);
    let set = format!(r#"{{"s":{{"~set":[1,{},{{"x":1}},{{"x":1}}]}}}}"#, digest("1"));
    let left = format!(r#"{{"s":{{"~set":[{},{}]}}}}"#, digest("1"), digest(r#"{"x":1}"#));
    assert_eq!(hide(&[("s[]", Hide::Hash)], &set).unwrap().0, left);
}

#[test]
fn of_several_paths_the_one_that_hides_more_stands() {
    let value = r#"{"a":{"b":1,"c":2}}"#;
    for fields in [
        [("a", Hide::Exclude), ("a.b", Hide::Hash)],
        [("a.b", Hide::Redact), ("a", Hide::Exclude)],
        [("a", Hide::Hash), ("a", Hide::Exclude)],
        [("a[]", Hide::Redact), ("a", Hide::Exclude)],
    ] {
        assert_eq!(hide(&fields, value).unwrap().0, "{}", "{fields:?}");
    }
    let both = hide(&[("a.b", Hide::Exclude), ("a.c", Hide::Redact)], value).unwrap();
    assert_eq!(
        both,
        (r#"{"a":{"c":"[redacted]"}}"#.to_owned(), Hidden { excluded: 1, redacted: 1, hashed: 0 })
    );
}

#[test]
fn what_cannot_be_hidden_is_refused() {
    use Hide::{Exclude, Hash, Redact};
    for (path, hides, value) in [
        // The same object is also elsewhere, where it is not hidden.
        ("b", vec![Exclude, Redact, Hash], r#"{"a":{"~id":[1,{"x":1}]},"b":{"~ref":1}}"#),
        ("b.x", vec![Exclude, Redact, Hash], r#"{"a":{"~id":[1,{"x":1}]},"b":{"~ref":1}}"#),
        ("b[]", vec![Exclude, Redact, Hash], r#"{"a":{"~id":[1,[1]]},"b":{"~ref":1}}"#),
        ("b", vec![Exclude, Redact, Hash], r#"{"a":{"~id":[1,{"x":1}]},"b":[{"~ref":1}]}"#),
        // The shared object is the private one, and others refer to it.
        ("a", vec![Exclude, Redact], r#"{"a":{"~id":[1,{"x":1}]},"b":{"~ref":1}}"#),
        ("a", vec![Exclude, Redact], r#"{"a":[{"~id":[1,{"x":1}]}],"b":{"~ref":1}}"#),
        ("child.parent", vec![Hash], r#"{"~id":[1,{"child":{"parent":{"~ref":1}}}]}"#),
        (
            "e.message",
            vec![Exclude, Redact, Hash],
            r#"{"e":{"~error":{"message":"m","name":"E"}}}"#,
        ),
        (
            "e.cause.x",
            vec![Exclude, Redact, Hash],
            r#"{"e":{"~error":{"cause":{"x":1},"name":"E"}}}"#,
        ),
        ("o.x", vec![Exclude, Redact, Hash], r#"{"o":{"~opaque":{"kind":"k","reason":"r"}}}"#),
        ("m[].x", vec![Exclude, Redact, Hash], r#"{"m":{"~map":[[{"x":1},2]]}}"#),
        ("a.0", vec![Exclude, Redact, Hash], r#"{"a":["x"]}"#),
        ("s.0", vec![Exclude, Redact, Hash], r#"{"s":{"~set":["x"]}}"#),
    ] {
        for hide_as in hides {
            let why = hide(&[(path, hide_as)], value).expect_err(value);
            assert!(why.starts_with("it "), "{why}");
        }
    }
    let mut value = br#"{"a":1}"#.to_vec();
    let refused = Hider::new(None).hide(&private(&[("a", Hash)]), &mut value);
    assert!(refused.is_err() && value == br#"{"a":1}"#, "without a key nothing is hashed");
}

#[test]
fn a_key_is_never_hidden() {
    let with_key = |path: &str, key_path: &KeyPath| {
        let fields = vec![(FieldPath::parse(path).unwrap(), Hide::Exclude)];
        Private::new(&Privacy { fields }, Some(key_path)).unwrap().has_key
    };
    let one = |text: &str| KeyPath::Path(text.into());
    assert!(
        with_key("id", &one("id")) && with_key("a", &one("a.id")) && with_key("a.id", &one("a.id"))
    );
    assert!(
        with_key("id[]", &one("id"))
            && with_key("b", &KeyPath::Paths(vec!["a".into(), "b".into()]))
    );
    assert!(
        !with_key("id", &one("a.id"))
            && !with_key("a.id.x", &one("a.id"))
            && !with_key("ids", &one("id"))
    );
    assert!(!with_key("id", &one("")));
    let fields = vec![(FieldPath::parse("id").unwrap(), Hide::Exclude)];
    let private = Private::new(&Privacy { fields }, Some(&one("id"))).unwrap();
    assert!(Hider::default().hide(&private, &mut br#"{"x":1}"#.to_vec()).is_err());
}

#[test]
fn deep_and_wide_values_take_no_longer_than_their_length() {
    let deep = format!(r#"{}{{"a":1}}{}"#, "[".repeat(511), "]".repeat(511));
    assert_eq!(hide(&[("a", Hide::Exclude)], &deep).unwrap().0, deep.replace("\"a\":1", ""));
    let wide = |hidden: &str| {
        let members: Vec<_> = (0..50_000).map(|n| format!(r#"{{"m{n:05}":{hidden}}}"#)).collect();
        format!("[{}]", members.join(","))
    };
    let paths: Vec<String> = (0..50_000).map(|n| format!("m{n:05}")).collect();
    let fields: Vec<_> = paths.iter().map(|path| (path.as_str(), Hide::Redact)).collect();
    let (found, hidden) = hide(&fields, &wide("[[1]]")).unwrap();
    assert_eq!((found, hidden.redacted), (wide("\"[redacted]\""), 50_000));
}

/// Generates values whose leaves are all different, so that each can be searched for. They have
/// members `a` to `c`, arrays, Sets and Maps.
fn values() -> impl Strategy<Value = Value> {
    let leaf = any::<u32>().prop_map(|n| Value::from(format!("leaf-{n:08x}")));
    leaf.prop_recursive(5, 40, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            4 => prop::collection::btree_map("[abc]", inner.clone(), 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            2 => list.clone().prop_map(Value::from),
            1 => list.prop_map(|list| serde_json::json!({ "~set": list })),
            1 => prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| {
                serde_json::json!({ "~map": map.into_iter().map(|(k, v)| serde_json::json!([k, v])).collect::<Vec<_>>() })
            }),
        ]
    })
}

/// The rules of `doc/guide/privacy.md` applied to a tree, the slow way.
fn model(
    value: &Value,
    names: &[&str],
    inner: bool,
    elements: (bool, usize),
    hide: Hide,
) -> Option<Value> {
    // `here`: the path has `[]` here and continues. `levels`: the number of `[]` at the end of the
    // path.
    let (here, levels) = elements;
    let each = |list: &[Value]| -> Vec<Value> {
        let levels = if names.is_empty() { levels - 1 } else { levels };
        list.iter().filter_map(|value| model(value, names, inner, (here, levels), hide)).collect()
    };
    let all_hidden = || match hide {
        Hide::Exclude => None,
        Hide::Redact => Some(Value::from("[redacted]")),
        Hide::Hash => Some(serde_json::from_str(&digest(&value.to_string())).unwrap()),
    };
    if names.is_empty() && levels == 0 {
        return all_hidden();
    }
    match value {
        Value::Array(list) => Some(each(list).into()),
        Value::Object(object) => {
            if let Some(Value::Array(list)) = object.get("~set") {
                let mut found = each(list);
                let mut seen = std::collections::HashSet::new();
                found.retain(|value| {
                    value.is_object() || value.is_array() || seen.insert(value.to_string())
                });
                return Some(serde_json::json!({ "~set": found }));
            }
            let map = object.get("~map").and_then(Value::as_array);
            let named: Vec<(&str, &Value)> = match map {
                Some(entries) => {
                    entries.iter().map(|entry| (entry[0].as_str().unwrap(), &entry[1])).collect()
                }
                None => object.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            };
            let inside = |name: &str, value: &Value| match names {
                [] => model(value, names, inner, (here, levels - 1), hide),
                [first, rest @ ..] if *first == name => {
                    // At the end of the path, only the trailing `[]` count.
                    model(value, rest, inner, (inner && !rest.is_empty(), levels), hide)
                }
                _ if here && map.is_some() => model(value, names, inner, elements, hide),
                _ => Some(value.clone()),
            };
            if names.is_empty() && map.is_none() {
                return all_hidden();
            }
            let left =
                named.into_iter().filter_map(|(name, value)| Some((name, inside(name, value)?)));
            Some(match map {
                Some(_) => {
                    serde_json::json!({ "~map": left.map(|(k, v)| serde_json::json!([k, v])).collect::<Vec<_>>() })
                }
                None => left
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            })
        }
        _ if names.is_empty() => all_hidden(),
        _ => Some(value.clone()),
    }
}

/// Returns all leaves of a value.
fn leaves(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("leaf-").map(|(at, _)| &text[at..at + 13])
}

proptest! {
    #[test]
    fn nothing_private_remains_and_all_else_does(
        value in values(),
        names in prop::collection::vec("[abc]", 1..4),
        levels in 0_usize..3,
        inner in any::<bool>(),
        hide_as in prop::sample::select(vec![Hide::Exclude, Hide::Redact, Hide::Hash]),
    ) {
        let mut canonicalizer = Canonicalizer::new(Options::default());
        let mut canonical = Vec::new();
        // A Set with duplicate elements is not a value.
        prop_assume!(canonicalizer.value(value.to_string().as_bytes(), &mut canonical).is_ok());
        let text = String::from_utf8(canonical).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        // `[]` within a path has no effect.
        let path = format!("{}{}", names.join(if inner { "[]." } else { "." }), "[]".repeat(levels));
        let (found, hidden) = hide(&[(&path, hide_as)], &text).unwrap();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let expected = model(&value, &names, inner, (false, levels), hide_as).unwrap().to_string();
        prop_assert_eq!(&found, &expected);
        let Hidden { excluded, hashed, redacted } = hidden;
        prop_assert_eq!(excluded + hashed + redacted > 0, found != text);
        for leaf in leaves(&text).filter(|leaf| !expected.contains(leaf)) {
            prop_assert!(!found.contains(leaf));
        }
    }

    #[test]
    fn any_canonical_value_is_hidden_or_refused(
        which in any::<prop::sample::Index>(),
        names in prop::collection::vec("a|b|x|id|message|name|length|~|0", 1..4),
        levels in 0_usize..3,
        hide_as in prop::sample::select(vec![Hide::Exclude, Hide::Redact, Hide::Hash]),
    ) {
        let cases: Vec<Value> = include_str!("../../../tests/fixtures/values/canonical.ndjson")
            .lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let case = which.get(&cases);
        let input = case["canonical"].as_str().map_or_else(|| case["canonical"].to_string(), str::to_owned);
        let mut canonical = Vec::new();
        let mut canonicalizer = Canonicalizer::new(Options::default());
        prop_assume!(canonicalizer.value(input.as_bytes(), &mut canonical).is_ok());
        let path = format!("{}{}", names.join("."), "[]".repeat(levels));
        // This panics unless the result is canonical.
        let _ = hide(&[(&path, hide_as)], &String::from_utf8(canonical).unwrap());
    }
}
