//! Values of records in expressions, and results of operators and functions.

use super::{EvaluationError as E, *};

#[test]
fn conditions_that_hold() {
    for source in [
        // Kinds.
        "head.status == \"shipped\" && incoming.status != 'done!'",
        "head.text == '\\u00e4\"\\\\$ \u{1f600}' && size(head.text) == 6 && head.text.size() == 6",
        "head.nil == null && head.undefined == null && base == null && !(head == null)",
        "head.no == false && !head.no && head.total == 120 && head.total == 120.0 && head.half == 0.5",
        "head.huge == ours.huge && head.huge != 1 && type(head.huge) == stored",
        "head.big == 5 && head.big + 1 == 6 && head.big < 5.5 && head.big != 6",
        "head.inf > 1e308 && head.minus == 0 && head.nan != head.nan && !(head.nan > 0)",
        "head.array == [1, 2.0, 3] && size(head.array) == 3 && head.array[2] == 3 && head.array[head.total - 118] == 3",
        "head.set == [\"x\", \"y\"] && \"y\" in head.set && !(\"z\" in head.set) && head.set.size() == 2",
        "head.map.k == 1 && head.map[\"l\"] == 5 && \"k\" in head.map && size(head.map) == 2 && has(head.map.k)",
        "head.map == {\"l\": 5, \"k\": 1} && {\"k\": 1, \"l\": 5} == head.map && head.map != {\"k\": 1}",
        "head.buffer == b\"\\001\\002\\003\" && size(head.buffer) == 3",
        "head.deep.a.b[0].c == 7 && head[\"deep\"][\"a\"].b[0][\"c\"] == 7.0 && head.deep == {\"a\": {\"b\": [{\"c\": 7}]}}",
        "head[\"~tilde\"] == 1 && head[\"a b\"] == 2 && has(head.status) && \"~tilde\" in head && size(head) > 20",
        "head.error == incoming.error && [head.error] == [incoming.error] && head.regexp == head.regexp && head.regexp != 1",
        "head.numbers != null && type(head.numbers) == stored && head.regexp in [1, head.regexp]",
        "key[0] == \"a\" && key[1] == b\"\\001\" && key[2] == 1",
        // Dates.
        "head.when < incoming.when && incoming.when - head.when == 1 && head.when == 1700000000000",
        "head.when <= now && now - head.when == 500 && head.when != incoming.when && type(head.when) == date",
        "head.invalid != head.invalid && !(head.invalid < 1) && date(1700000000000) == head.when",
        "math.greatest(head.when, incoming.when) == incoming.when",
        // Metadata and the other variables.
        "meta.head.at == 1000 && meta.head.by == \"laptop\" && meta.head.rev == 3 && meta.ours.at < now",
        "meta.incoming.at == null && meta.theirs.by == \"phone\" && !has(meta.incoming.at) && has(meta.head.at)",
        "store == \"orders\" && type == \"update-update\" && field == \"\" && ours.array == head.array && theirs == incoming && ours != head",
        ".head.total == 120 && type in [\"insert-insert\", \"update-update\"]",
        // Numbers.
        "head.total > 100 && head.total - 20 == 100 && 100 < head.total && head.total * 2 == 240 && head.total / 16 == 7.5",
        "size(head.array) + 1 > incoming.array[0] && size(head.array) + head.half == 3.5 && -head.total == -120",
        "head.total % 7 == 1 && 7 % 4 == 3 && -7 / 2 == -3 && 7 / 2.0 == 3.5 && head.total / 0 == head.inf && 1 + 1 == 2",
        "1 == 1.0 && 9007199254740993 > 9007199254740992.0 && 9007199254740993 != 9007199254740992.0 && 0x10 == 16",
        "(head.total > 1 ? 1 : 2.5) + 1 == 2 && (false ? 1 : head.half) < 1",
        "math.abs(incoming.total - head.total) == 20 && math.abs(-3) == 3 && math.sign(-2.5) == -1 && math.ceil(0.5) == 1",
        "math.floor(-0.5) == -1 && math.round(2.5) == 3 && math.trunc(-1.5) == -1 && math.isNaN(head.nan) && math.round(7) == 7",
        "math.isInf(head.inf) && math.isFinite(1) && math.greatest(1, 2.5, head.total) == 120 && math.least([3, 1, 2]) == 1",
        "math.isNaN(math.least(1, head.nan)) && math.isNaN(math.greatest(head.nan, 1)) && math.greatest(4) == 4",
        // Text, bytes, lists.
        "\"a\" + head.status == \"ashipped\" && \"a\" < \"b\" && head.status.contains(\"ship\") && head.status.startsWith(\"sh\")",
        "head.status.endsWith(\"ed\") && \"Ab\".lowerAscii() == \"ab\" && \"Ab\".upperAscii() == \"AB\" && \" a \".trim() == \"a\"",
        "b\"a\" + b\"b\" == b\"ab\" && b\"a\" < b\"b\" && false < true && [1] + head.array == [1, 1, 2, 3] && [] + [] == []",
        "int(\"12\") == 12 && int(1.9) == 1 && int(head.when) > 1 && double(\"1.5\") == 1.5 && double(1) == 1.0 && bool(\"true\")",
        "string(1) == \"1\" && string(head.half) == \"0.5\" && string(true) == \"true\" && string(b\"a\") == \"a\" && string(1.0) == \"1\"",
        "string(head.minus) == \"0\" && string(head.nan) == \"NaN\" && bytes(\"a\") == b\"a\" && dyn(1) == 1 && string(-head.inf) == \"-Infinity\"",
        "type(1) == int && type(head.total) == double && type(head.nil) == null_type && type(head.set) == list && type(type(1)) == type(int)",
        "type(head.status) == string && type(head.map) == map && type(true) == bool && type(b\"\") == bytes",
        // Loops.
        "head.array.all(x, x > 0) && head.array.exists(x, x == 2) && head.array.exists_one(x, x > 2) && [].all(x, false)",
        "head.array.map(x, x * 2) == [2, 4, 6] && head.array.filter(x, x > 1) == [2, 3] && head.array.map(x, x > 1, -x) == [-2, -3]",
        "head.map.all(k, k in [\"k\", \"l\"]) && {\"a\": 1}.map(k, k) == [\"a\"] && head.set.exists(x, x == \"x\")",
        "head.array.filter(x, x > 1).map(x, x - 1).all(x, x < 3) && head.deep.a.b.exists(x, x.c == 7)",
        "[1, \"a\"].exists(x, x == \"a\" && x.startsWith(\"a\")) && [\"a\", 1].exists(x, x > 0) && ![0, \"a\"].all(x, x > 0)",
        // `has()`, and errors that `&&` and `||` tolerate.
        "!has(head.none) && !has(head.none.more) && !has(base.a) && !has(base.a.b) && !has(head.nil.a) && has(head.nil)",
        "(true || head.none == 1) && (head.none == 1 || true) && !(false && head.none == 1) && !(head.none == 1 && false)",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn errors_are_fixed_sentences() {
    for (source, expected) in [
        ("head.none == 1", E::MISSING),
        ("head[\"none\"] == 1", E::MISSING),
        ("head.map[\"no\" + \"ne\"] == 1", E::MISSING),
        ("base.a == 1", E::NULL),
        ("head.nil.a == 1", E::NULL),
        ("base[\"a\" + \"\"] == 1", E::NULL),
        ("size(base) == 1", E::NULL),
        ("head.total.a == 1", E::TYPES),
        ("has(head.total.a)", E::TYPES),
        ("head.status > 1", E::TYPES),
        ("head.status + 1 == 2", E::TYPES),
        ("meta.incoming.at > meta.head.at", E::TYPES),
        ("-head.status == 1", E::TYPES),
        ("size(head.total) == 1", E::TYPES),
        ("head.total.contains(\"a\")", E::TYPES),
        ("1 in head.status", E::TYPES),
        ("head.total.all(x, x)", E::TYPES),
        ("head.array.all(x, x)", E::TYPES),
        ("head.regexp.source == \"a\"", E::TYPES),
        ("{head.total: 1} == {}", E::TYPES),
        ("head.status && true", E::TYPES),
        ("math.least([]) == 1", E::TYPES),
        ("math.abs(head.status) == 1", E::TYPES),
        ("head.status", E::CONDITION),
        ("1 / size(incoming.array.filter(x, false)) == 1", E::DIVISION),
        ("1 % int(head.minus) == 1", E::DIVISION),
        ("9223372036854775807 + 1 == 1", E::OVERFLOW),
        ("-9223372036854775808 - 1 == 1", E::OVERFLOW),
        ("head.huge + 1 == 1", E::TYPES),
        ("head.huge > 1", E::TYPES),
        ("int(head.inf) == 1", E::OVERFLOW),
        ("head.array[3] == 1", E::INDEX),
        ("head.array[-1] == 1", E::INDEX),
        ("head.array[0.5] == 1", E::INDEX),
        ("int(head.status) == 1", E::CONVERSION),
        ("double(\"inf\") == 1", E::CONVERSION),
        ("bool(\"yes\")", E::CONVERSION),
        ("string(head.buffer + b\"\\377\") == \"\"", E::CONVERSION),
        ("date(9e15) == 1", E::CONVERSION),
        ("{head.status: 1, \"shipped\": 2} == {}", E::TWICE),
        ("head.none == 1 || head.status > 1", E::MISSING),
        ("head.array.exists(x, x == head.none)", E::MISSING),
    ] {
        assert_eq!(holds(source), Err(expected), "{source}");
    }
}

#[test]
fn shared_references() {
    let head =
        text(r#"{"a":{"~id":[1,{"x":1}]},"b":{"~ref":1},"c":2,"d":[{"~id":[2,{}]},{"~ref":2}]}"#);
    let variables = Variables { head: Some(&head), key: b"1", ..Variables::default() };
    let holds = |source: &str| compile(source, Wanted::Condition).holds(&variables);
    let value = |source: &str| {
        compile(source, Wanted::Value)
            .value(&variables)
            .map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(
        holds("head.c == 2 && head.a != null && has(head.b) && size(head.d) == 2"),
        Ok(true)
    );
    for source in ["head == head", "head.a == head.b", "head.d == head.d", "[head.a] == [head.a]"] {
        assert_eq!(holds(source), Err(E::REFERENCES), "{source}");
    }
    assert_eq!(holds("head.a.x == 1"), Err(E::TYPES));
    assert_eq!(value("head"), Ok(String::from_utf8(head.clone()).unwrap()));
    assert_eq!(value("head.d"), Ok(r#"[{"~id":[1,{}]},{"~ref":1}]"#.into()));
    for source in ["head.b", "[head.a]", "{\"a\": head.d}", "[1].map(x, head)"] {
        assert_eq!(value(source), Err(E::REFERENCES), "{source}");
    }
}

#[test]
fn a_text_that_is_not_canonical_is_an_error_and_no_panic() {
    for broken in [
        &b""[..],
        b"x",
        b"{",
        b"{\"a\"",
        b"{\"a\":",
        b"[1",
        b"\"",
        b"\"\\",
        b"{\"~bigint\":1}",
        b"{\"~buffer\":1}",
        b"{\"~map\":1}",
        b"{\"~set\":{}}",
    ] {
        let variables =
            Variables { head: Some(broken), incoming: Some(broken), ..Variables::default() };
        for source in [
            "head == 1",
            "head.a == 1",
            "size(head) == 1",
            "head[0] == 1",
            "head == incoming",
            "1 in head",
            "head.all(x, true)",
            "head + head == 1",
            "\"a\" in head",
        ] {
            let _ = compile(source, Wanted::Condition).holds(&variables);
            let _ = compile(source, Wanted::Value).value(&variables);
        }
        let _ = compile("[head]", Wanted::Value).value(&variables);
    }
}
