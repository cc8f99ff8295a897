//! Speed of each stage on records of about 350 bytes: `cargo bench --bench stages`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nifi_idb::chunk::{ChunkBuilder, ContentBuilder};
use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::indexeddb::key::sortable_string;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::merge::{Base, Incoming, Sides, resolve};
use nifi_idb::normalize::{Batch, NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::policy::StorePolicy;
use nifi_idb::report::ReportLines;
use nifi_idb::snapshot::{ConflictType, FlowName, FlowVersion, Line, LineState, Meta};
use nifi_idb::store::memory::MemoryStore;

const RECORDS: usize = 20_000;

fn records(from: usize, count: usize) -> String {
    let mut text = String::new();
    for id in from..from + count {
        let note = "the quick brown fox jumps over the lazy dog and back again ".repeat(3);
        let _ = writeln!(
            text,
            r#"{{"id":{id},"name":"customer {id}","price":{}.25,"stock":{},"active":true,"tags":["a","b"],"address":{{"street":"elm {id}","city":"x"}},"note":"{note}"}}"#,
            id % 900,
            id * 7 % 1000
        );
    }
    text
}

fn options() -> DecodeOptions {
    DecodeOptions {
        object_store: Some("data".into()),
        key_path: Some(KeyPath::Path("id".into())),
        database: Some("bench".into()),
        ..DecodeOptions::default()
    }
}

fn batch(text: &str) -> Batch {
    let mut decoder = Decoder::open(text.as_bytes(), options()).unwrap();
    normalize(&mut decoder, &NormalizeOptions::received_at(0), &mut |_| Ok(())).unwrap()
}

fn decode_and_normalize(criterion: &mut Criterion) {
    let text = records(0, RECORDS);
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut decoder = Decoder::open(text.as_bytes(), options()).unwrap();
            while let Some(item) = decoder.next().unwrap() {
                black_box(item);
            }
        });
    });
    group.bench_function("decode, normalize", |bencher| bencher.iter(|| black_box(batch(&text))));
    group.bench_function("decode, normalize, hash", |bencher| {
        bencher.iter(|| {
            let batch = batch(&text);
            let mut content = ContentBuilder::default();
            let mut folds = batch.changes.folds(0).unwrap();
            while let Some(change) = folds.next().unwrap() {
                if content.push(&change.key, &change.state) {
                    black_box(content.cut());
                }
            }
            black_box(content.cut());
        });
    });
    let lines: Vec<Line> = {
        let batch = batch(&text);
        let mut folds = batch.changes.folds(0).unwrap();
        let meta = Meta { at: 0, by: None, rev: FlowVersion::FIRST };
        std::iter::from_fn(|| folds.next().unwrap())
            .map(|change| Line { key: change.key, meta: meta.clone(), state: change.state })
            .collect()
    };
    group.bench_function("chunk", |bencher| {
        bencher.iter(|| {
            let mut builder = ChunkBuilder::new(b"\"data\"".to_vec());
            lines.iter().for_each(|line| drop(black_box(builder.push(line))));
            black_box(builder.cut());
        });
    });
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let flow = FlowName::new("indexeddb", "bench").unwrap();
    let all = batch(&records(0, RECORDS));
    let one = batch(&records(RECORDS / 2, 1).replace("customer", "client"));
    let run = |store: &MemoryStore, batch: &Batch| {
        sync(store, &flow, batch, &SyncOptions::default(), &mut ReportLines::default()).unwrap()
    };
    let seeded = || {
        let store = MemoryStore::default();
        run(&store, &all);
        store
    };
    let mut group = criterion.benchmark_group("merge into memory");
    group.bench_function("20,000 records, first", |bencher| {
        bencher.iter_batched(
            MemoryStore::default,
            |store| run(&store, &all),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("20,000 records, unchanged", |bencher| {
        let store = seeded();
        bencher.iter(|| run(&store, &all));
    });
    group.bench_function("1 change in 20,000", |bencher| {
        bencher.iter_batched(seeded, |store| run(&store, &one), BatchSize::LargeInput);
    });
    group.bench_function("three-way of one record", |bencher| {
        let base = br#"{"a":{"x":1,"y":2},"b":"text","c":[1,2,3],"d":4}"#;
        let head = br#"{"a":{"x":2,"y":2},"b":"text","c":[1,2,3],"d":4}"#;
        let incoming = br#"{"a":{"x":1,"y":3},"b":"text","c":[1,2,3],"d":5}"#;
        let (policy, key) = (StorePolicy::builtin(), sortable_string("k"));
        let meta = Meta { at: 1, by: None, rev: FlowVersion::FIRST };
        let line = Line { key: key.clone(), meta, state: LineState::Put(head.as_slice().into()) };
        let change =
            Incoming { state: LineState::Put(incoming.as_slice().into()), clock: None, by: None };
        let sides = Sides {
            kind: ConflictType::UpdateUpdate,
            store: &"data".into(),
            key: &key,
            head: Some(&line),
            head_value: Some(head),
            incoming: &change,
            base: Base::Value(base),
            received_at: 1,
        };
        bencher.iter(|| resolve(black_box(&policy), black_box(&sides), &mut |_| ()));
    });
    group.finish();
}

criterion_group!(benches, decode_and_normalize, merge);
criterion_main!(benches);
