//! Speed of the canonical form, on records of about 350 bytes: `cargo bench --bench normalize`.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nifi_idb::indexeddb::value::{Canonicalizer, at_path, sortable_key_of};

const RECORDS: usize = 2000;

/// A record of a shop: numbers, short and long texts, a nested object and a list.
fn record(index: usize, sorted: bool, spaced: bool) -> String {
    let price =
        format!("{}.{:02}", index % 900, index % 100).replace(".00", "").replace(".10", ".1");
    let price = if price.contains('.') { price.trim_end_matches('0').to_owned() } else { price };
    let address = if sorted {
        format!(
            r#"{{"city":"Springfield","street":"{} Evergreen Terrace","zip":"{:05}"}}"#,
            index % 999,
            index % 99999
        )
    } else {
        format!(
            r#"{{"street":"{} Evergreen Terrace","city":"Springfield","zip":"{:05}"}}"#,
            index % 999,
            index % 99999
        )
    };
    let mut members = vec![
        ("id", format!("\"c{index:08}\"")),
        ("name", format!("\"Customer number {index}\"")),
        ("mail", format!("\"customer{index}@example.org\"")),
        ("active", index.is_multiple_of(3).to_string()),
        ("age", (20 + index % 60).to_string()),
        ("balance", price),
        ("address", address),
        ("tags", r#"["new","priority","north-west"]"#.to_owned()),
        (
            "note",
            "\"Called on Monday, will call back next week about the delivery of the garden furniture.\"".to_owned(),
        ),
        ("updatedAt", (1_700_000_000_000 + index as u64 * 977).to_string()),
    ];
    if sorted {
        members.sort();
    }
    let (colon, comma) = if spaced { (": ", ", ") } else { (":", ",") };
    let mut text = String::from("{");
    for (place, (name, value)) in members.iter().enumerate() {
        let comma = if place > 0 { comma } else { "" };
        let _ = write!(text, "{comma}\"{name}\"{colon}{value}");
    }
    text + "}"
}

fn normalize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonical");
    let escaped = |index| {
        record(index, true, false)
            .replace("Monday", "Montag (später, für 5 €)")
            .replace("Called", "a\\nb")
    };
    let cases: [(&str, Vec<String>); 4] = [
        ("sorted", (0..RECORDS).map(|index| record(index, true, false)).collect()),
        ("unsorted", (0..RECORDS).map(|index| record(index, false, false)).collect()),
        ("unsorted-spaced", (0..RECORDS).map(|index| record(index, false, true)).collect()),
        ("sorted-escapes", (0..RECORDS).map(escaped).collect()),
    ];
    for (name, records) in &cases {
        let bytes: usize = records.iter().map(String::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(*name, |bencher| {
            let mut canonicalizer = Canonicalizer::default();
            let mut out = Vec::new();
            bencher.iter(|| {
                for record in records {
                    out.clear();
                    assert!(canonicalizer.value(black_box(record.as_bytes()), &mut out).is_ok());
                }
                out.len()
            });
        });
    }
    let hostile = [
        (
            "hostile-tags",
            "{\"~set\":[".repeat(255) + "[" + &"0,".repeat(200_000) + "0]" + &"]}".repeat(255),
        ),
        (
            "hostile-order",
            "{\"b\":0,\"a\":".repeat(511) + "[" + &"0,".repeat(200_000) + "0]" + &"}".repeat(511),
        ),
    ];
    group.sample_size(10);
    for (name, input) in &hostile {
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(*name, |bencher| {
            let mut canonicalizer = Canonicalizer::default();
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                assert!(canonicalizer.value(black_box(input.as_bytes()), &mut out).is_ok());
            });
        });
    }
    group.finish();
    keys(criterion);
}

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("key");
    let text = record(7, true, false);
    group.throughput(Throughput::Elements(1));
    group.bench_function("top-member", |bencher| {
        let mut canonicalizer = Canonicalizer::default();
        let mut out = Vec::new();
        assert!(canonicalizer.value(text.as_bytes(), &mut out).is_ok());
        let mut key = Vec::new();
        bencher.iter(|| {
            key.clear();
            let place = canonicalizer.top_member(&out, b"id").unwrap_or_default();
            assert!(sortable_key_of(black_box(&out[place]), &mut key).is_ok());
            key.len()
        });
    });
    group.bench_function("at-path", |bencher| {
        bencher
            .iter(|| at_path(black_box(text.as_bytes()), "address.zip").map(|found| found.len()));
    });
    group.finish();
}

criterion_group!(benches, normalize);
criterion_main!(benches);
