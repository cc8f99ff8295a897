//! Tests of values: the shared vectors, and property tests.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::indexeddb::key::{Key, KeyError};
use crate::indexeddb::{number, text};

fn canonical_with(options: Options, input: &[u8]) -> Result<String, ValueError> {
    let mut out = b"before".to_vec();
    let result = Canonicalizer::new(options).value(input, &mut out);
    assert!(out.starts_with(b"before"));
    let out = out.split_off(6);
    assert!(result.is_ok() || out.is_empty(), "an error leaves nothing");
    assert!(
        out.iter().all(|byte| (0x20..0x7f).contains(byte) && !b"$#".contains(byte)),
        "printable and inert"
    );
    result.map(|()| String::from_utf8(out).unwrap())
}

fn canonical(input: &str) -> String {
    canonical_with(Options::default(), input.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {input}"))
}

fn canonical_key(input: &[u8]) -> Result<String, ValueError> {
    let mut out = Vec::new();
    Canonicalizer::default().key(input, &mut out).map(|()| String::from_utf8(out).unwrap())
}

#[test]
fn vectors() {
    let file = include_str!("../../../tests/fixtures/values/canonical.ndjson");
    let mut count = 0;
    for line in file.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let input = match &case["input"] {
            Value::String(text) => text.clone().into_bytes(),
            _ => STANDARD.decode(case["inputBase64"].as_str().unwrap()).unwrap(),
        };
        let is = |option: &str| case[option] == Value::Bool(true);
        let options = Options { plain: is("plain"), big_integers: is("bigIntegers") };
        let read = |options, input: &[u8]| {
            if is("key") { canonical_key(input) } else { canonical_with(options, input) }
        };
        let result = read(options, &input);
        let shown = format!("{}: {}", case["name"], String::from_utf8_lossy(&input));
        match case["canonical"].as_str() {
            Some(expected) => {
                assert_eq!(result.as_deref(), Ok(expected), "{shown}");
                assert_eq!(
                    read(Options::default(), expected.as_bytes()).as_deref(),
                    Ok(expected),
                    "again: {shown}"
                );
            }
            None => {
                let error = result.expect_err(&shown);
                assert_eq!(error.code(), case["error"].as_str().unwrap(), "{shown}");
                assert!(error.offset <= input.len(), "{shown}");
            }
        }
        count += 1;
    }
    assert!(count > 300, "{count}");
}

#[test]
fn offsets_point_at_the_trouble() {
    for (input, offset) in [
        (r#"{"a":1,"a":2}"#, 7),
        (r#"{"b":1,"a":2,"b":3}"#, 13),
        (r#"[1,{"~foo":1}]"#, 4),
        (r#"[1,9007199254740993]"#, 3),
        ("[1 2]", 3),
        ("\"a\u{1}\"", 2),
    ] {
        let error = canonical_with(Options::default(), input.as_bytes()).unwrap_err();
        assert_eq!(error.offset, offset, "{input}: {error}");
    }
}

#[test]
fn deepest_values_need_little_stack() {
    let deepest = |open: &str, close: &str, levels: usize| {
        let input = open.repeat(levels) + "0" + &close.repeat(levels);
        let work =
            move || canonical_with(Options::default(), input.as_bytes()).map(|text| text.len());
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap()
    };
    assert!(deepest("[", "]", MAX_DEPTH).is_ok());
    assert!(deepest("{\"b\":1,\"a\":", "}", MAX_DEPTH).is_ok());
    assert!(deepest("{\"~set\":[", "]}", MAX_DEPTH / 2).is_ok());
    assert!(deepest("{\"~error\":{\"name\":\"E\",\"cause\":", "}}", MAX_DEPTH / 2).is_ok());
    assert!(deepest("{\"~map\":[[", ",1]]}", MAX_DEPTH / 3).is_ok());
    assert_eq!(deepest("[", "]", MAX_DEPTH + 1).unwrap_err().code(), "depth");
    assert_eq!(deepest("[", "]", 1_000_000).unwrap_err().code(), "depth");
    assert!(deepest("{\"\\ud800\":", "}", MAX_DEPTH / 3).is_ok_and(|length| length > 5_000));
    assert_eq!(deepest("{\"\\ud800\":", "}", MAX_DEPTH / 3 + 1).unwrap_err().code(), "depth");
}

#[test]
fn chains_of_definitions_that_move_are_bounded() {
    // Every definition moves into the one before it.
    let chain = |length: usize| {
        let mut input = String::from("{\"z00000\":{\"~id\":[1,[]]}");
        for index in 1..length {
            let place = 99_999 - index;
            write!(input, ",\"a{place:05}\":{{\"~id\":[{},[{{\"~ref\":{index}}}]]}}", index + 1)
                .unwrap();
        }
        input + "}"
    };
    let text = canonical(&chain(100));
    assert_eq!(canonical(&text), text);
    assert!(text.contains("[{\"~id\":[99,[]]}]"), "{text}");
    assert_eq!(
        canonical_with(Options::default(), chain(50_000).as_bytes()).unwrap_err().code(),
        "depth"
    );
}

#[test]
fn top_members_are_found() {
    for input in [
        r#"{"id":7,"name":"x"}"#,
        r#"{ "name" : {"id":1} , "id" : 7 }"#,
        r#"{"~entries":[["name","x"],["id",7]]}"#,
        r#"{"~id":[1,{"id":7}]}"#,
        r#"{"z":{"~id":[4,{"id":3}]},"id":7,"a":{"~ref":4}}"#,
        r#"{"é":"é","id":7,"$":[{"id":2}]}"#,
    ] {
        let mut canonicalizer = Canonicalizer::default();
        let mut out = b"xyz".to_vec();
        canonicalizer.value(input.as_bytes(), &mut out).unwrap();
        let place = canonicalizer.top_member(&out, b"id").unwrap();
        assert_eq!(&out[place], b"7", "{input}");
        assert_eq!(canonicalizer.top_member(&out, b"i"), None);
        for (name, value) in all_members(&out[3..]) {
            assert_eq!(&out[canonicalizer.top_member(&out, name).unwrap()], value);
        }
    }
    for input in [
        r#"{"~dom":{"kind":"k","id":7}}"#,
        r#"[{"id":7}]"#,
        r#"{"id":7,"\ud800":1}"#,
        "7",
        r#"{"~set":[{"id":1}]}"#,
    ] {
        let mut canonicalizer = Canonicalizer::default();
        let mut out = Vec::new();
        canonicalizer.value(br#"{"id":1}"#, &mut out).unwrap();
        out.clear();
        canonicalizer.value(input.as_bytes(), &mut out).unwrap();
        assert_eq!(canonicalizer.top_member(&out, b"id"), None, "{input}");
    }
}

fn all_members(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    read::all_members(text).unwrap()
}

#[test]
fn a_canonicalizer_forgets_between_values() {
    let mut canonicalizer = Canonicalizer::default();
    let mut out = Vec::new();
    canonicalizer.value(br#"[{"~id":[1,[]]},{"~ref":1}]"#, &mut out).unwrap();
    assert_eq!(
        canonicalizer.value(br#"{"~ref":1}"#, &mut out).unwrap_err().code(),
        "dangling-reference"
    );
    out.clear();
    canonicalizer.value(b"[1]", &mut out).unwrap();
    assert_eq!(out, b"[1]");
}

#[test]
fn paths() {
    let value = canonical(
        r#"{"id":5,"a":{"b":{"c":"x"},"length":3},"s":"a\u00e9\ud83d\ude00\"","l":"\ud800a","list":[1,2],"u":{"~undefined":true},
        "n":null,"~~t":1,"$":2,"blob":{"~blob":{"type":"t","data":"AQID","name":"f","lastModified":9}},
        "holes":{"~array":{"length":7,"items":[],"members":[["foo",8]]}},"box":{"~boxed":"abc"},
        "err":{"~error":{"name":"E","message":"m"}},"re":{"~regexp":["a",""]},
        "lone":{"\ud800":1,"x":2},"shared":{"~id":[1,{"k":3}]},"again":{"~ref":1},"list2":[{"~ref":1}]}"#,
    );
    let at = |path: &str| {
        at_path(value.as_bytes(), path).map(|found| String::from_utf8(found.into_owned()).unwrap())
    };
    for (path, expected) in [
        ("id", "5"),
        ("a.b.c", "\"x\""),
        ("a.length", "3"),
        ("s.length", "5"),
        ("l.length", "2"),
        ("list.length", "2"),
        ("n", "null"),
        ("~t", "1"),
        ("$", "2"),
        ("blob.size", "3"),
        ("blob.type", "\"t\""),
        ("blob.name", "\"f\""),
        ("blob.lastModified", "9"),
        ("holes.length", "7"),
        ("holes.foo", "8"),
        ("box.length", "3"),
        ("err.message", "\"m\""),
        ("re.lastIndex", "0"),
        ("lone.x", "2"),
        ("again.k", "3"),
        ("shared.k", "3"),
        ("again", "{\"k\":3}"),
    ] {
        assert_eq!(at(path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(member_name("~a$\u{e9}"), b"~~a\\u0024\\u00e9");
    for path in [
        "x",
        "id.x",
        "u",
        "u.x",
        "n.x",
        "a.b.c.d",
        "s.length.x",
        "err.name",
        "list.0",
        "~undefined",
        "blob.data",
    ] {
        assert_eq!(at(path), None, "{path}");
    }
    assert_eq!(at("").as_deref(), Some(&value[..]));
    let cyclic = canonical(r#"{"~id":[1,{"id":4,"self":{"~ref":1}}]}"#);
    assert_eq!(at_path(cyclic.as_bytes(), "self.self.id").as_deref(), Some(&b"4"[..]));
}

fn key_of(text: &str) -> Result<Vec<u8>, KeyError> {
    let mut out = b"before".to_vec();
    let result = sortable_key_of(text.as_bytes(), &mut out);
    let out = out.split_off(6);
    assert!(result.is_ok() || out.is_empty());
    result.map(|()| out)
}

#[test]
fn keys_of_values() {
    let sortable = |key: Key| Ok(key.to_sortable().unwrap().as_bytes().to_vec());
    let b8 = r#"{"~buffer":{"data":"AQIDBAUGBwg="}}"#;
    for (text, key) in [
        ("5".to_owned(), Key::Number(5.0)),
        ("-1.5e-7".to_owned(), Key::Number(-1.5e-7)),
        (r#"{"~number":"-0"}"#.to_owned(), Key::Number(0.0)),
        (r#"{"~number":"Infinity"}"#.to_owned(), Key::Number(f64::INFINITY)),
        (r#"{"~date":-5}"#.to_owned(), Key::Date(-5.0)),
        (r#""a~\u0024\u00e9""#.to_owned(), Key::String("a~$é".into())),
        (r#"{"~utf16":"ANg="}"#.to_owned(), Key::String(crate::indexeddb::dom_string::DomString::from_units([0xd800]))),
        (b8.to_owned(), Key::Binary(vec![1, 2, 3, 4, 5, 6, 7, 8])),
        (r#"{"~binary":""}"#.to_owned(), Key::Binary(vec![])),
        (
            format!(r#"{{"~view":{{"buffer":{b8},"length":2,"offset":2,"type":"Uint16Array"}}}}"#),
            Key::Binary(vec![3, 4, 5, 6]),
        ),
        (
            format!(r#"{{"~view":{{"buffer":{{"~id":[1,{b8}]}},"length":1,"offset":7,"type":"DataView"}}}}"#),
            Key::Binary(vec![8]),
        ),
        (
            r#"{"~view":{"buffer":{"~buffer":{"data":"AQIDBAU=","max":9}},"offset":2,"type":"Uint16Array"}}"#
                .to_owned(),
            Key::Binary(vec![3, 4]),
        ),
        (r#"{"~id":[1,[1]]}"#.to_owned(), Key::Array(vec![Key::Number(1.0)])),
        (
            r#"{"~array":{"items":[[0,1]],"length":1,"members":[["x",2]]}}"#.to_owned(),
            Key::Array(vec![Key::Number(1.0)]),
        ),
        ("[[],\"\"]".to_owned(), Key::Array(vec![Key::Array(vec![]), Key::String("".into())])),
    ] {
        assert_eq!(key_of(&text), sortable(key), "{text}");
    }
    for text in [
        "null",
        "true",
        "{}",
        r#"{"~number":"NaN"}"#,
        r#"{"~date":null}"#,
        r#"{"~bigint":"1"}"#,
        r#"{"~boxed":1}"#,
        r#"{"~undefined":true}"#,
        r#"{"~ref":1}"#,
        r#"[1,null]"#,
        r#"{"~array":{"items":[[1,1]],"length":2,"members":[]}}"#,
        "",
        "{",
        "[",
        "[1",
        "\"",
        r#"{"~id":[1,{"~id":[1,{}]}]}"#,
        "x",
        "-",
    ] {
        assert_eq!(key_of(text), Err(KeyError::Invalid), "{text}");
    }
    assert!(key_of(&("[".repeat(64) + &"]".repeat(64))).is_ok());
    assert_eq!(key_of(&("[".repeat(65) + &"]".repeat(65))), Err(KeyError::Depth));
    assert!(key_of(&format!("\"{}\"", "a".repeat(65534))).is_ok());
    assert_eq!(key_of(&format!("\"{}\"", "a".repeat(65535))), Err(KeyError::Length));
}

/// A second, slow implementation: parse to a tree, sort, write.
fn reference_form(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members
                .iter()
                .map(|(name, value)| (name.encode_utf16().collect::<Vec<_>>(), value))
                .collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let name = String::from_utf16(&name).unwrap();
                text::write_text(
                    &if name.starts_with('~') { format!("~{name}") } else { name },
                    out,
                );
                out.push(b':');
                reference_form(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                reference_form(item, out);
            }
            out.push(b']');
        }
        Value::String(string) => text::write_text(string, out),
        Value::Number(value) => number::write_canonical(value.as_f64().unwrap(), out),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

fn plain_json() -> impl Strategy<Value = Value> {
    let name = || {
        prop_oneof![
            "[a-c]{0,2}",
            "[~a\u{e9}\u{ffff}\u{1f600}\u{e000}$#\"\\\\\u{1}]{0,3}",
            any::<String>()
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1000i32..1000).prop_map(|value| Value::from(f64::from(value) / 100.0)),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
        name().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Generates values of this grammar, including tags and references; some are refused.
fn tagged_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "0", "-0", "1.50", "\"a\"", "\"\\ud800\"", "null", "true", "{\"~undefined\":true}", "{\"~date\":1.5}",
            "{\"~bigint\":\"5\"}", "{\"~number\":\"NaN\"}", "{\"~buffer\":{\"data\":\"AQID\",\"max\":null}}", "{\"~utf16\":\"YQA=\"}",
            "{\"~view\":{\"type\":\"Int8Array\",\"offset\":1,\"length\":1,\"buffer\":{\"~id\":[1,{\"~buffer\":{\"data\":\"AQID\"}}]}}}",
            "{\"~view\":{\"type\":\"Int8Array\",\"offset\":1,\"length\":1,\"buffer\":{\"~ref\":1}}}",
            "{\"~regexp\":[\"$\",\"ig\"]}", "{\"~blob\":{\"type\":\"\",\"data\":\"AQID\"}}",
        ]).prop_map(str::to_owned),
        (1..5u8).prop_map(|id| format!("{{\"~ref\":{id}}}")),
        (1..5u8).prop_map(|id| format!("{{\"~ref\":{id}}}")),
    ];
    let name = || prop::sample::select(vec!["a", "b", "c", "\\ud800", "~~x", "$", "é", "stack"]);
    leaf.prop_recursive(6, 40, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let named = prop::collection::vec((name(), inner.clone()), 0..4);
        prop_oneof![
            list.clone().prop_map(|items| format!("[{}]", items.join(","))),
            list.clone().prop_map(|items| format!("{{\"~set\":[{}]}}", items.join(","))),
            list.prop_map(|items| {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .rev()
                    .map(|(index, item)| format!("[{index},{item}]"))
                    .collect();
                format!("{{\"~array\":{{\"length\":3,\"items\":[{}]}}}}", items.join(","))
            }),
            named.clone().prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(" ,"))
            }),
            named.prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("[\"{name}\",{value}]")).collect();
                format!("{{\"~entries\":[{}]}}", members.join(" ,"))
            }),
            (1..5u8, inner.clone()).prop_map(|(id, value)| format!("{{\"~id\":[{id},{value}]}}")),
            (1..5u8, inner.clone()).prop_map(|(id, value)| format!("{{\"~id\":[{id},[{value}]]}}")),
            inner.prop_map(|value| format!(
                "{{\"~error\":{{\"name\":\"E\",\"stack\":\"s\",\"cause\":{value}}}}}"
            )),
        ]
    })
}

/// More cases than by default; `PROPTEST_CASES` asks for more still.
fn many_cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(1024), ..config }
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn plain_json_has_the_form_that_a_tree_gives(value in plain_json(), pretty in any::<bool>()) {
        let input = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut expected = Vec::new();
        reference_form(&value, &mut expected);
        let expected = String::from_utf8(expected).unwrap();
        let options = Options { plain: true, big_integers: false };
        let found = canonical_with(options, input.as_bytes());
        prop_assert_eq!(found.as_ref(), Ok(&expected));
        prop_assert_eq!(canonical(&expected), expected);
    }

    #[test]
    fn canonical_text_is_its_own_form(input in tagged_json()) {
        if let Ok(text) = canonical_with(Options::default(), input.as_bytes()) {
            prop_assert_eq!(&canonical(&text), &text);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            if let Some(stripped) = without_stacks(text.as_bytes()) {
                let stripped = String::from_utf8(stripped).unwrap();
                prop_assert_eq!(&canonical(&stripped), &stripped);
                prop_assert_eq!(without_stacks(stripped.as_bytes()), None);
            }
            if let Some(members) = members(text.as_bytes()) {
                let parts: Vec<_> = members.iter().map(|(name, value)| [b"\"", *name, b"\":", *value].concat()).collect();
                prop_assert_eq!([b"{", &parts.join(&b',')[..], b"}"].concat(), text.into_bytes());
            }
        }
    }

    #[test]
    fn hostile_bytes_never_panic(input in prop::collection::vec(prop::sample::select(b"{}[]\",:~\\u0d8 1-ae".to_vec()), 0..40)) {
        if let Ok(text) = canonical_with(Options::default(), &input) {
            prop_assert_eq!(&canonical(&text), &text);
        }
        let _ = (kind(&input), members(&input), without_stacks(&input), at_path(&input, "a.length"), at_path(&input, ""));
        let mut out = Vec::new();
        let _ = sortable_key_of(&input, &mut out);
    }

    #[test]
    fn keys_agree_with_the_slow_reader(value in plain_json()) {
        let text = canonical_with(Options { plain: true, big_integers: false }, value.to_string().as_bytes()).unwrap();
        let slow = Key::from_json(&serde_json::from_str(&text).unwrap()).and_then(|key| key.to_sortable());
        prop_assert_eq!(key_of(&text), slow.map(|key| key.as_bytes().to_vec()));
    }
}
