//! Words in random order: evaluation never panics, and results are canonical.

use proptest::prelude::*;

use super::*;

const WORDS: [&str; 72] = [
    "head",
    "incoming",
    "base",
    "meta",
    ".head",
    ".at",
    ".total",
    ".array",
    ".set",
    ".map",
    ".text",
    ".when",
    ".none",
    ".status",
    ".deep",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    " in ",
    "1",
    "0",
    "-1.5",
    "9223372036854775807",
    "1e308",
    "\"a\"",
    "'é'",
    "b\"x\"",
    "null",
    "true",
    "false",
    "has(head.a)",
    "size(",
    ".size()",
    ".all(x,",
    ".exists(x,",
    ".map(x,",
    ".filter(x,",
    "x",
    "math.abs(",
    "math.greatest(",
    "type(",
    "date(",
    "string(",
    "int(",
    "now",
    "store",
    "key",
    "type",
    "\\",
    "\"",
    " ",
];

/// Generates expressions that the grammar allows, so that evaluation is reached.
fn trees() -> impl Strategy<Value = String> {
    let members = [
        "array", "big", "buffer", "deep", "error", "huge", "inf", "map", "minus", "nan", "nil",
        "numbers", "regexp", "set", "status", "text", "total", "when", "none",
    ];
    let leaf = prop_oneof![
        proptest::sample::select(members.to_vec()).prop_map(|name| format!("head.{name}")),
        proptest::sample::select(
            &["head", "incoming", "base", "now", "key", "x", "meta.head.at"][..]
        )
        .prop_map(str::to_owned),
        proptest::sample::select(
            &[
                "1",
                "0",
                "-1.5",
                "9223372036854775807",
                "\"a\"",
                "b\"x\"",
                "null",
                "true",
                "[]",
                "{}"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = ["==", "!=", "<", ">=", "+", "-", "*", "/", "%", "&&", "||", " in "];
        let calls = [
            "size(A)",
            "!A",
            "-A",
            "math.abs(A)",
            "math.greatest(A, A)",
            "string(A)",
            "int(A)",
            "date(A)",
            "type(A)",
            "dyn(A)",
            "[A]",
            "{\"k\": A}",
            "A.all(x, B)",
            "A.map(x, B)",
            "A.filter(x, B)",
            "A.exists(x, B)",
            "A.map(x, B, A)",
            "A[B]",
            "has(A.k)",
            "A.k",
            "A.contains(B)",
            "A ? B : A",
            "bytes(A)",
            "double(A)",
        ];
        prop_oneof![
            (inner.clone(), proptest::sample::select(operators.to_vec()), inner.clone())
                .prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (inner.clone(), proptest::sample::select(calls.to_vec()), inner).prop_map(
                |(a, call, b)| call
                    .replace('A', "\u{1}")
                    .replace('B', "\u{2}")
                    .replace('\u{1}', &a)
                    .replace('\u{2}', &b)
            ),
        ]
    })
}

fn run(source: &str) -> bool {
    for wanted in [Wanted::Condition, Wanted::Value] {
        for mistake in Expression::compile(source, wanted).err().into_iter().flatten() {
            assert!(source.get(mistake.start..mistake.end).is_some(), "{source:?} {mistake:?}");
        }
    }
    let Ok(expression) = Expression::compile(source, Wanted::Value) else { return false };
    with(|variables| {
        let _ = expression.holds(variables);
        let value = expression.value(variables);
        assert_eq!(value, expression.value(variables));
        if let Ok(value) = value {
            let value = String::from_utf8(value).unwrap();
            assert_eq!(text(&value), value.as_bytes(), "{source}");
        }
    });
    true
}

proptest! {
    #[test]
    fn any_words(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..12)) {
        run(&words.concat());
    }

    #[test]
    fn any_text(source in "\\PC{0,24}") {
        run(&source);
    }

    #[test]
    fn any_tree(source in trees()) {
        run(&source);
    }
}
