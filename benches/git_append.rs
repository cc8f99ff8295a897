//! How long the git store takes to append: a large first version, and one change in a million records.
//!
//! `cargo bench --bench git_append`; aims: 100 MB/s for the first, 12 ms for the second.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nifi_idb::indexeddb::key::sortable_string;
use nifi_idb::indexeddb::schema::{Database, ObjectStore};
use nifi_idb::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest, SealedManifest};
use nifi_idb::store::git::GitStore;
use nifi_idb::store::{SnapshotReader, SnapshotStore, VersionDraft};

/// Text of the large first version, in bytes.
const LARGE: usize = 100 * 1024 * 1024;

/// Text of a usual chunk, in bytes.
const CHUNK: usize = 300 * 1024;

/// Chunks of a million records of about 350 bytes.
const MILLION: usize = 900;

/// Lines as they are stored, in keys' order, about 350 bytes each; `salt` makes them different.
fn text(chunk: usize, bytes: usize, salt: u64) -> Vec<u8> {
    let mut out = String::with_capacity(bytes + 400);
    let mut random = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ chunk as u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut n = chunk * 1_000_000;
    while out.len() < bytes {
        n += 1;
        out.push_str(&format!(
            "{{\"at\":17000{:08},\"by\":\"kiosk-7\",\"key\":{n},\"op\":\"put\",\"rev\":1,\"store\":\"data\",\"value\":\
             {{\"active\":{},\"address\":{{\"city\":\"Town {}\",\"street\":\"{} Long Street\",\"zip\":\"{:05}\"}},\
             \"email\":\"user{n}@example.org\",\"id\":{n},\"name\":\"User Number {n}\",\"note\":\"{:016x} {:016x}\",\
             \"score\":{}}}}}\n",
            next() % 100_000_000,
            next() % 2 == 0,
            next() % 1000,
            next() % 300,
            next() % 100_000,
            next(),
            next(),
            next() % 1000,
        ));
    }
    out.into_bytes()
}

fn list() -> List {
    List::Records("data".into())
}

fn chunk(n: usize, text: &[u8]) -> ChunkRef {
    ChunkRef {
        first: sortable_string(&format!("{n:06}")),
        count: text.len() as u64 / 350,
        bytes: text.len() as u64,
        full: Digest::of(text),
        content: Digest::of(&text[..64]),
        spilled: Vec::new(),
    }
}

fn flow() -> FlowName {
    FlowName::new("indexeddb", "myDatabase").unwrap_or_else(|error| panic!("{error}"))
}

fn draft(manifest: Manifest) -> VersionDraft {
    let manifest = SealedManifest::from(manifest);
    let (root, state) = (manifest.root(), manifest.state());
    let comment = format!("+1 ~0 -0 in 1 object store\n\nroot={root} state={state}");
    VersionDraft { manifest, comment, timestamp_ms: 1_700_000_000_000 }
}

fn empty() -> Manifest {
    let database =
        Database::new("myDatabase".into(), 1, vec![ObjectStore::new("data".into(), None)]);
    Manifest::empty(&database.unwrap_or_else(|error| panic!("{error}")))
}

fn first(path: &Path, texts: Vec<(ChunkRef, Vec<u8>)>, draft: &VersionDraft) {
    let store = GitStore::new(path).unwrap_or_else(|error| panic!("{error}"));
    let mut writer = store.writer(&flow(), None).unwrap_or_else(|error| panic!("{error}"));
    for (chunk, text) in texts {
        writer.write_chunk(&list(), &chunk, text).unwrap_or_else(|error| panic!("{error}"));
    }
    writer.commit(draft).unwrap_or_else(|error| panic!("{error}"));
}

fn prepared(count: usize, bytes: usize) -> (Vec<(ChunkRef, Vec<u8>)>, VersionDraft) {
    let texts: Vec<_> = (0..count)
        .map(|n| {
            let text = text(n, bytes, 1);
            (chunk(n, &text), text)
        })
        .collect();
    let mut manifest = empty();
    manifest.stores[0].records = texts.iter().map(|(chunk, _)| chunk.clone()).collect();
    (texts, draft(manifest))
}

/// Reads head, reads a chunk, changes it, appends: with a store object of its own, as a process has.
fn one_change(path: &Path, salt: u64) -> Duration {
    let new = text(450, CHUNK, salt);
    let new_ref = chunk(450, &new);
    let start = Instant::now();
    let store = GitStore::new(path).unwrap_or_else(|error| panic!("{error}"));
    let head = store
        .head(&flow())
        .unwrap_or_else(|error| panic!("{error}"))
        .unwrap_or_else(|| panic!("no head"));
    let old = &head.manifest.stores[0].records[450];
    black_box(
        store.read_chunk(&flow(), &head, &list(), old).unwrap_or_else(|error| panic!("{error}")),
    );
    let read = start.elapsed();

    let mut manifest = head.manifest.clone();
    manifest.version = FlowVersion::after(Some(manifest.version));
    manifest.previous = Some(head.state);
    manifest.stores[0].records[450] = new_ref.clone();
    let draft = draft(manifest);

    let start = Instant::now();
    let mut writer = store.writer(&flow(), Some(&head)).unwrap_or_else(|error| panic!("{error}"));
    writer.write_chunk(&list(), &new_ref, new).unwrap_or_else(|error| panic!("{error}"));
    writer.commit(&draft).unwrap_or_else(|error| panic!("{error}"));
    read + start.elapsed()
}

fn large(criterion: &mut Criterion) {
    let (texts, draft) = prepared(LARGE / CHUNK, CHUNK);
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let mut group = criterion.benchmark_group("git_append");
    group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("first version of 100 MiB", |bencher| {
        bencher.iter_batched(
            || (tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")), texts.clone()),
            |(dir, texts)| {
                first(&dir.path().join("repo"), texts, &draft);
                dir
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn small(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (texts, draft) = prepared(MILLION, CHUNK);
    first(&dir.path().join("repo"), texts, &draft);
    let mut group = criterion.benchmark_group("git_append");
    group.sample_size(20);
    let mut salt = 100;
    group.bench_function("one change in a million records", |bencher| {
        bencher.iter_custom(|count| {
            (0..count)
                .map(|_| {
                    salt += 1;
                    one_change(&dir.path().join("repo"), salt)
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, large, small);
criterion_main!(benches);
