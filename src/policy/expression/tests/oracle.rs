//! Compares results with the evaluator of the `cel` crate, for everything that both support.

use super::*;

/// Returns a record as a value of that crate.
fn theirs(text: &[u8]) -> cel::Value {
    fn of(value: &serde_json::Value) -> cel::Value {
        use serde_json::Value as J;
        match value {
            J::Null => cel::Value::Null,
            J::Bool(truth) => cel::Value::Bool(*truth),
            J::Number(number) => cel::Value::Float(number.as_f64().unwrap()),
            J::String(text) => text.as_str().into(),
            J::Array(items) => items.iter().map(of).collect::<Vec<_>>().into(),
            J::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.clone(), of(value)));
                members.collect::<std::collections::HashMap<_, _>>().into()
            }
        }
    }
    of(&serde_json::from_slice(text).unwrap())
}

const RECORD: &str =
    r#"{"a":1,"b":2.5,"c":"text","d":[1,2,3],"e":{"f":"x"},"g":null,"h":true,"i":[],"j":"😀ä"}"#;

/// Parts to combine. All numbers are doubles, because the crate has no operators between those and
/// integers.
const ATOMS: [&str; 20] = [
    "head.a",
    "head.b",
    "head.c",
    "head.d",
    "head.e",
    "head.h",
    "head.e.f",
    "head.g",
    "head.i",
    "head.j",
    "head.none",
    "1.0",
    "-2.5",
    "\"text\"",
    "true",
    "false",
    "null",
    "[1.0, 2.0]",
    "{\"f\": \"x\"}",
    "head.d[1]",
];

const PAIRS: [&str; 17] = [
    "A == B",
    "A != B",
    "A < B",
    "A <= B",
    "A > B",
    "A >= B",
    "A + B",
    "A - B",
    "A * B",
    "A / B",
    "A && B",
    "A || B",
    "A in B",
    "[A, B]",
    "A ? B : A",
    "head.d.exists(x, x == A || B)",
    "head.d.all(x, x > A && B)",
];

const SINGLES: [&str; 14] = [
    "size(A)",
    "!A",
    "-A",
    "A.map(x, [x])",
    "A.filter(x, x == 1.0)",
    "A.exists_one(x, x == 2.0)",
    "has(head.e.f) && A",
    "double(A)",
    "dyn(A)",
    "A.contains(\"e\")",
    "A.startsWith(\"t\")",
    "A.endsWith(\"t\")",
    "{\"k\": A}",
    "A.exists(x, x)",
];

#[test]
fn the_crate_says_the_same() {
    let record = text(RECORD);
    let mut context = cel::Context::default();
    context.add_variable_from_value("head", theirs(&record));
    let variables = Variables { head: Some(&record), ..Variables::default() };
    let pairs = PAIRS.iter().flat_map(|shape| {
        ATOMS.iter().flat_map(move |a| ATOMS.map(|b| shape.replace('B', b).replace('A', a)))
    });
    let singles = SINGLES.iter().flat_map(|shape| ATOMS.map(|a| shape.replace('A', a)));
    let (mut values, mut errors) = (0, 0);
    for source in pairs.chain(singles) {
        // The crate concatenates the keys of a map to a list.
        if source.contains(" + ")
            && ["head.e", "{"].iter().any(|map| source.ends_with(map) || source.contains("+ {"))
        {
            continue;
        }
        let expected = cel::Program::compile(&source).unwrap().execute(&context);
        // A mistake found by compiling is an error for the crate, or a comparison that is always
        // false.
        let Ok(expression) = Expression::compile(&source, Wanted::Value) else { continue };
        match (expression.value(&variables), expected) {
            (Ok(ours), Ok(expected)) => {
                values += 1;
                let ours_shown = String::from_utf8(ours.clone()).unwrap();
                if ours_shown.contains("{\"~number\"") {
                    continue;
                }
                let ours = match (theirs(&ours), &expected) {
                    (cel::Value::Float(float), cel::Value::Int(_)) => cel::Value::Int(float as i64),
                    (ours, _) => ours,
                };
                assert_eq!(ours, expected, "{source}: {ours_shown}");
            }
            (Err(_), Err(_)) => errors += 1,
            (ours, expected) => panic!("{source}: {ours:?}, not {expected:?}"),
        }
    }
    assert!(values > 1000 && errors > 1000, "{values} {errors}");
}
