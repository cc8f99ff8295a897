//! Results of `value()`.

use super::{EvaluationError as E, *};

#[test]
fn a_value_of_a_record_comes_back_as_it_is() {
    let members = [
        "array",
        "big",
        "buffer",
        "deep",
        "half",
        "huge",
        "inf",
        "invalid",
        "map",
        "minus",
        "nan",
        "numbers",
        "regexp",
        "set",
        "text",
        "undefined",
        "when",
        "error",
    ];
    let head = text(HEAD);
    for name in members {
        let canonical = crate::indexeddb::value::members(&head).unwrap();
        let expected = canonical.iter().find(|(own, _)| own == &name.as_bytes()).unwrap().1;
        let expected = String::from_utf8(expected.to_vec()).unwrap();
        for source in [
            format!("head.{name}"),
            format!("head[\"{name}\"]"),
            format!("[0, head.{name}][1]"),
            format!("false ? 1 : dyn(head.{name})"),
        ] {
            assert_eq!(value(&source).as_ref(), Ok(&expected), "{source}");
        }
        assert_eq!(value(&format!("[head.{name}]")), Ok(format!("[{expected}]")));
        assert_eq!(value(&format!("{{\"a\": head.{name}}}")), Ok(format!("{{\"a\":{expected}}}")));
        assert_eq!(value(&format!("[1].map(x, head.{name})")), Ok(format!("[{expected}]")));
    }
    assert_eq!(value("head"), Ok(String::from_utf8(head.clone()).unwrap()));
    assert_eq!(value("base"), Ok("null".into()));
    assert_eq!(
        value("math.greatest(head.when, incoming.when)"),
        Ok(r#"{"~date":1700000000001}"#.into())
    );
}

#[test]
fn what_is_made() {
    for (source, expected) in [
        ("null", "null"),
        ("1 < 2", "true"),
        ("1 + 1", "2"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", r#"{"~bigint":"9007199254740992"}"#),
        ("-9223372036854775808", r#"{"~bigint":"-9223372036854775808"}"#),
        ("head.big + 1", "6"),
        ("1.50", "1.5"),
        ("head.total + incoming.total", "220"),
        ("1e21", "1e+21"),
        ("-0.0", r#"{"~number":"-0"}"#),
        ("head.total / 0", r#"{"~number":"Infinity"}"#),
        ("head.nan + 1", r#"{"~number":"NaN"}"#),
        ("'\u{e4}$' + head.status", r#""\u00e4\u0024shipped""#),
        ("b'\\001\\377'", r#"{"~buffer":{"data":"Af8="}}"#),
        ("head.buffer + b'a'", r#"{"~buffer":{"data":"AQIDYQ=="}}"#),
        ("[]", "[]"),
        ("head.set + head.array", r#"["x","y",1,2,3]"#),
        ("{}", "{}"),
        (
            r#"{"b": 1, "a": [head.when], "~x": null, "date": {"~date": 1}, "é": 2}"#,
            r#"{"a":[{"~date":1700000000000}],"b":1,"date":{"~~date":1},"~~x":null,"\u00e9":2}"#,
        ),
        ("date(now)", r#"{"~date":1700000000500}"#),
        ("date(head.when + 0.9)", r#"{"~date":1700000000000}"#),
        ("date(-0.5)", r#"{"~date":0}"#),
        ("date(head.nan)", r#"{"~date":null}"#),
        ("head.when + 1", "1700000000001"),
        ("head.array.filter(x, x > 1)", "[2,3]"),
        (
            "head.map.map(k, {\"key\": k, \"value\": head.map[k]})",
            r#"[{"key":"k","value":1},{"key":"l","value":{"~date":5}}]"#,
        ),
        ("key", r#"["a",{"~buffer":{"data":"AQ=="}},1]"#),
        ("[key[1], now, store]", r#"[{"~buffer":{"data":"AQ=="}},1700000000500,"orders"]"#),
        ("now", "1700000000500"),
        ("meta.head.by", "\"laptop\""),
        ("meta.incoming.at", "null"),
        ("has(head.none) ? head.none : \"none\"", "\"none\""),
    ] {
        assert_eq!(value(source), Ok(expected.into()), "{source}");
    }
    assert_eq!(value("dyn(type(1))"), Err(E::RESULT));
    assert_eq!(value("[type(1)]"), Err(E::RESULT));
}
