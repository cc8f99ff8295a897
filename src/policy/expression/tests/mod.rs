//! Expressions over two sides and a base.

mod bounds;
mod mistakes;
mod oracle;
mod results;
mod soup;
mod values;

use super::*;
use crate::indexeddb::value::Canonicalizer;

/// Head in most tests, with one member for each kind of value, named after it.
pub(super) const HEAD: &str = r#"{"array":[1,2,3],"big":{"~bigint":"5"},"buffer":{"~buffer":{"data":"AQID"}},"deep":{"a":{"b":[{"c":7}]}},
    "no":false,"half":0.5,"huge":{"~bigint":"9223372036854775808"},"inf":{"~number":"Infinity"},"invalid":{"~date":null},
    "map":{"~map":[["k",1],["l",{"~date":5}]]},"minus":{"~number":"-0"},"nan":{"~number":"NaN"},"nil":null,"numbers":{"~map":[[1,"a"]]},
    "regexp":{"~regexp":["a","g"]},"set":{"~set":["x","y"]},"status":"shipped","text":"\u00e4\"\\$ 😀","total":120,
    "undefined":{"~undefined":true},"when":{"~date":1700000000000},"~~tilde":1,"a b":2,"error":{"~error":{"message":"m","name":"E","stack":"one"}}}"#;

pub(super) const INCOMING: &str = r#"{"array":[3],"status":"done","total":100,"when":{"~date":1700000000001},
    "error":{"~error":{"message":"m","name":"E","stack":"two"}}}"#;

pub(super) fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Canonicalizer::default()
        .value(value.as_bytes(), &mut out)
        .unwrap_or_else(|error| panic!("{value}: {error}"));
    out
}

/// Runs with the variables for [`HEAD`], [`INCOMING`] and no base.
pub(super) fn with<T>(run: impl FnOnce(&Variables<'_>) -> T) -> T {
    let (head, incoming) = (text(HEAD), text(INCOMING));
    run(&Variables {
        base: None,
        head: Some(&head),
        incoming: Some(&incoming),
        head_meta: SideMeta { at: Some(1000), by: Some("laptop"), rev: Some(3) },
        incoming_meta: SideMeta { at: None, by: Some("phone"), rev: None },
        store: "orders",
        key: br#"["a",{"~binary":"AQ=="},1]"#,
        conflict: "update-update",
        field: "",
        now: 1_700_000_000_500,
    })
}

pub(super) fn compile(source: &str, wanted: Wanted) -> Expression {
    Expression::compile(source, wanted).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"))
}

pub(super) fn holds(source: &str) -> Result<bool, EvaluationError> {
    let expression = compile(source, Wanted::Condition);
    with(|variables| expression.holds(variables))
}

pub(super) fn value(source: &str) -> Result<String, EvaluationError> {
    let expression = compile(source, Wanted::Value);
    with(|variables| expression.value(variables)).map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn an_expression_is_shared_and_compared_by_its_text() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let one = compile("head.a == 1", Wanted::Condition);
    shared(&one);
    assert_eq!((one.source(), one == one.clone()), ("head.a == 1", true));
    assert_ne!(one, compile("head.a == 2", Wanted::Condition));
}

#[test]
fn what_an_expression_reads() {
    let reads = |source: &str| compile(source, Wanted::Value).reads().clone();
    let members = |side: &SideReads| side.members.iter().cloned().collect::<Vec<_>>().join(" ");
    let found = reads("head.a > 1 && theirs[\"b c\"].d == head.e.f || meta.head.at == null");
    assert_eq!((members(&found.head), members(&found.incoming)), ("a e".into(), "b c".into()));
    assert_eq!(
        (found.base.any(), found.head.whole, found.head_meta, found.incoming_meta),
        (false, false, true, false)
    );
    assert!(
        found.head.fails_on_null() && found.incoming.fails_on_null() && !found.base.fails_on_null()
    );

    let found = reads("incoming == null || incoming.a == 1");
    assert!(
        found.incoming.needed
            && found.incoming.guarded
            && !found.incoming.fails_on_null()
            && !found.incoming.whole
    );
    assert!(!reads("has(base.a.b) && base.a.b == 1").base.fails_on_null());
    assert!(
        reads("head == incoming").head.whole && !reads("head == incoming").head.fails_on_null()
    );
    assert!(reads("head[field] == 1").head.fails_on_null() && reads("head[field] == 1").head.whole);
    assert_eq!(members(&reads("head.list.all(x, x == incoming.y)").incoming), "y");
    assert!(reads("has(meta.incoming.by)").incoming_meta);
    assert!(
        !reads("type == \"update-update\" ? {\"a\": [now, -now]} : {\"b\": [!true]}").head.any()
    );
}

#[test]
fn the_page_tells_what_there_is() {
    let page = include_str!("../../../../doc/reference/expressions.md");
    for signature in &functions::ALL {
        assert!(page.contains(&format!("{}(", signature.name)), "{}", signature.name);
    }
    for name in names::VARIABLES.into_iter().chain(functions::LOOPS.map(|(name, _)| name)) {
        assert!(
            page.contains(&format!("`{name}")) || page.contains(&format!(".{name}(")),
            "{name}"
        );
    }
    // Every block is a list of expressions, one a line, with the result after `//`.
    let blocks = page.split("```cel\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut count = 0;
    for line in blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        compile(line, Wanted::Value);
        count += 1;
    }
    assert!(count > 20, "{count}");
}
