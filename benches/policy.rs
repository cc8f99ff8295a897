//! Cost of one evaluation of a rule, on records of 12 fields: `cargo bench --bench policy`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nifi_idb::indexeddb::value::Canonicalizer;
use nifi_idb::policy::{Expression, SideMeta, Variables, Wanted};

/// Conditions, of which none is decided by its first part.
const RULES: [(&str, &str); 8] = [
    ("two members", r#"head.status == "shipped" && incoming.status != "done""#),
    ("abs", "math.abs(incoming.total - head.total) > 10"),
    ("size", "size(head.tags) > 3"),
    (
        "numbers",
        "head.total - incoming.total > 100.0 || head.stock < 0 || incoming.stock > 100 || head.zip == incoming.zip",
    ),
    ("dates", "incoming.updatedAt - head.updatedAt > 86400000 && meta.incoming.at > meta.head.at"),
    (
        "has",
        r#"has(head.address.city) && has(incoming.note) && !has(head.lockedUntil) && head.address.city != """#,
    ),
    ("loop", r#"head.tags.exists(tag, tag == "locked" || tag in incoming.tags)"#),
    ("whole records", "head == incoming"),
];

/// Values.
const VALUES: [(&str, &str); 3] = [
    ("member", "head.updatedAt"),
    ("sum", "head.stock + incoming.stock"),
    (
        "map",
        r#"{"total": math.greatest(head.total, incoming.total), "tags": head.tags + incoming.tags}"#,
    ),
];

fn record(total: u32, status: &str, note: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"id":"o-000123","status":"{status}","total":{total}.5,"stock":12,"zip":"12345","active":true,
        "name":"Customer number 123","mail":"customer123@example.org","note":"{note}",
        "tags":["new","priority","north","west"],"address":{{"city":"Springfield","street":"7 Evergreen Terrace"}},
        "updatedAt":{{"~date":1700000000{total}}}}}"#
    );
    let mut out = Vec::new();
    Canonicalizer::default().value(text.as_bytes(), &mut out).unwrap();
    out
}

fn evaluate(criterion: &mut Criterion) {
    let head = record(
        120,
        "shipped",
        "Called on Monday, will call back next week about the garden furniture.",
    );
    let incoming = record(150, "paid", "Called on Tuesday, has the garden furniture now.");
    let variables = Variables {
        base: Some(&head),
        head: Some(&head),
        incoming: Some(&incoming),
        head_meta: SideMeta { at: Some(1_700_000_000_000), by: Some("laptop"), rev: Some(3) },
        incoming_meta: SideMeta { at: Some(1_700_000_000_500), by: Some("phone"), rev: None },
        store: "orders",
        key: b"\"o-000123\"",
        conflict: "update-update",
        field: "",
        now: 1_700_000_001_000,
    };
    let mut group = criterion.benchmark_group("holds");
    for (name, source) in RULES {
        let rule = Expression::compile(source, Wanted::Condition).unwrap();
        rule.holds(&variables).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| rule.holds(black_box(&variables))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("value");
    for (name, source) in VALUES {
        let rule = Expression::compile(source, Wanted::Value).unwrap();
        rule.value(&variables).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| rule.value(black_box(&variables))));
    }
    group.finish();
    criterion.bench_function("compile", |bencher| {
        bencher.iter(|| Expression::compile(black_box(RULES[0].1), Wanted::Condition));
    });
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
