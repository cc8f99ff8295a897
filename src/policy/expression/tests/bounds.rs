//! Limits on the text and on one evaluation.

use super::limits::*;
use super::{EvaluationError as E, *};
use std::time::Instant;

fn refused(source: &str) -> Mistake {
    let mistakes = Expression::compile(source, Wanted::Value).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let mistake = mistakes.into_iter().next().unwrap();
    assert!(mistake.start <= mistake.end && mistake.end <= source.len(), "{mistake:?}");
    mistake
}

#[test]
fn the_text() {
    let long = |bytes: usize| format!("1{}", " ".repeat(bytes - 1));
    assert!(Expression::compile(&long(MAX_SOURCE), Wanted::Value).is_ok());
    assert_eq!(refused(&long(MAX_SOURCE + 1)).message, "the expression is longer than 4096 bytes");

    let list = |parts: usize| format!("[{}]", vec!["1"; parts - 1].join(","));
    assert!(Expression::compile(&list(MAX_NODES), Wanted::Value).is_ok());
    assert_eq!(
        refused(&list(MAX_NODES + 1)).message,
        "the expression has 513 parts, 512 are allowed"
    );

    let chain = |depth: usize| format!("head{}", ".a".repeat(depth - 1));
    assert!(Expression::compile(&chain(MAX_DEPTH), Wanted::Value).is_ok());
    let deep = "the expression nests deeper than 64";
    assert_eq!(refused(&chain(MAX_DEPTH + 1)).message, deep);
    for source in [
        format!("{}1{}", "(".repeat(1000), ")".repeat(1000)),
        format!("{}1{}", "[".repeat(1000), "]".repeat(1000)),
        "(".repeat(2000),
        format!("1{}", "+1".repeat(2000)),
        "true?1:".repeat(500) + "1",
        format!("head{}", ".a".repeat(2000)),
        format!("head{}", "[0]".repeat(1000)),
        format!("{}true", "!(".repeat(1000)),
    ] {
        assert_eq!(refused(&source).message, deep, "{}", &source[..10]);
    }
    assert!(Expression::compile(&"!".repeat(4000), Wanted::Value).is_err());
    let balanced = vec!["head.a == 1"; 100].join(" || ");
    assert!(Expression::compile(&balanced, Wanted::Condition).is_ok());
}

/// Returns a side as large as a large record.
fn large() -> Vec<u8> {
    let list = vec!["\"element\""; MAX_LIST].join(",");
    let longer = vec!["1"; MAX_LIST + 1].join(",");
    text(&format!(
        r#"{{"list":[{list}],"longer":[{longer}],"long":"{}","umlauts":"{}"}}"#,
        "a".repeat(1 << 20),
        "ä".repeat(1 << 19)
    ))
}

#[test]
fn one_evaluation() {
    let head = large();
    let variables = Variables { head: Some(&head), ..Variables::default() };
    let run = |source: &str| {
        let expression = compile(source, Wanted::Value);
        let start = Instant::now();
        let result = expression.value(&variables).map(|value| value.len());
        // This is hundreds of times longer than an unoptimised build takes.
        assert!(start.elapsed().as_secs() < 20, "{source}");
        result
    };
    assert_eq!(run("head.list.all(x, x == \"element\")"), Ok(4));
    assert_eq!(run("head.longer.all(x, false)"), Err(E::LIST));
    assert_eq!(run("head.list + [1]"), Err(E::LIST));
    assert_eq!(run("size(head.longer)"), Ok(5));
    // Work that grows with the record for every element.
    for source in [
        "head.list.all(x, !head.long.contains(\"b\"))",
        "head.list.all(x, \"no\" in head.list || true)",
        "head.list.filter(x, head.long == head.umlauts || true)",
        "head.list.exists(x, head.umlauts.size() == 1)",
        "head.list.all(x, head.list == head.longer || true)",
        "head.list.exists(x, head == {\"a\": x})",
    ] {
        assert!(matches!(run(source), Err(E::STEPS | E::MADE)), "{source}: {:?}", run(source));
    }
    // Text and lists that grow.
    for source in [
        "size(head.list.map(x, head.long + x))",
        "size(head.list.map(x, head.list + []))",
        "size(head.list.map(x, [x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x]))",
        "size(head.umlauts + head.umlauts + head.umlauts + head.umlauts + head.umlauts + head.umlauts + head.umlauts)",
        "size(head.list.map(x, head.long.upperAscii()))",
    ] {
        assert!(matches!(run(source), Err(E::STEPS | E::MADE)), "{source}: {:?}", run(source));
    }
    assert_eq!(run("head.long + \"a\""), Err(E::VALUE));
    assert_eq!(run("[head.list, head.long]"), Err(E::VALUE));
    assert_eq!(run("head"), Ok(head.len()));
    // Outside loops, each node may always read each side once.
    let many = vec!["head.umlauts != \"\""; 20].join(" && ");
    assert!(matches!(run(&many), Ok(_) | Err(E::MADE)), "{:?}", run(&many));
    assert_eq!(run(&vec!["!has(head.none)"; 100].join(" && ")), Ok(4));
}

#[test]
fn errors_of_a_limit_are_not_borne() {
    let head = large();
    let variables = Variables { head: Some(&head), ..Variables::default() };
    let endless = "head.list.all(x, !head.long.contains(\"b\"))";
    for source in [
        format!("{endless} || true"),
        format!("!({endless} && false)"),
        format!("[1].exists(y, true) && {endless}"),
    ] {
        assert_eq!(
            compile(&source, Wanted::Condition).holds(&variables),
            Err(E::STEPS),
            "{source}"
        );
    }
    let holds = |source: &str| compile(source, Wanted::Condition).holds(&variables);
    assert_eq!(holds("head.longer.all(x, true) || true"), Err(E::LIST));
    assert_eq!(
        holds("head.list.exists(x, (head.long + head.long + x).size() == 0) || true"),
        Err(E::MADE)
    );
}

#[test]
fn values_that_nest_deep() {
    let deep = format!("{}{}", "[".repeat(510), "]".repeat(510));
    let dates = format!("{}{{\"~date\":1}}{}", "[".repeat(510), "]".repeat(510));
    let head = text(&format!(r#"{{"a":{deep},"b":{dates}}}"#));
    let variables = Variables { head: Some(&head), ..Variables::default() };
    assert_eq!(
        compile("head.a == head.a && head.b == head.b && head == head", Wanted::Condition)
            .holds(&variables),
        Ok(true)
    );
    assert_eq!(compile("[[[head.a]]]", Wanted::Value).value(&variables), Err(E::RESULT));
}
