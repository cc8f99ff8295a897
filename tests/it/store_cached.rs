//! What a store that remembers asks the one below it for.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use nifi_idb::store::SnapshotReader;
use nifi_idb::store::cached::CachedStore;
use nifi_idb::store::git::GitStore;
use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::recording::{Call, RecordingStore};

use crate::batches::{flow, many, put, restored, sync_ok, versions};

/// Reads of a list of calls.
fn reads(calls: &[Call]) -> usize {
    calls
        .iter()
        .filter(|call| matches!(call, Call::Head | Call::Version(_) | Call::ReadChunk(_)))
        .count()
}

#[test]
fn a_warm_request_asks_whether_head_is_head_and_reads_nothing() {
    let store = CachedStore::new(RecordingStore::new(MemoryStore::default()), 64 << 20);
    sync_ok(&store, "", &many(2_000));
    sync_ok(&store, "", &[put(7, "8")]);
    let cold = store.inner().take_calls();
    assert!(reads(&cold) > 2, "{cold:?}");
    sync_ok(&store, "", &[put(7, "8")]);
    store.inner().take_calls();
    // The same again: head is head, and its chunk is known.
    sync_ok(&store, "", &[put(7, "8")]);
    assert_eq!(store.inner().take_calls(), [Call::IsHead, Call::Writer]);
    let first = restored(&store, &flow(), None);
    store.inner().take_calls();
    assert_eq!(restored(&store, &flow(), None), first);
    assert_eq!(store.inner().take_calls(), [Call::IsHead]);
    let counts = store.counts();
    assert!(
        counts.head_hits >= 3 && counts.text_hits > 0 && counts.bytes > 1_000_000,
        "{counts:?}"
    );
}

#[test]
fn what_others_write_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (cached, other) = (
        CachedStore::new(GitStore::new(dir.path()).unwrap(), 1 << 20),
        GitStore::new(dir.path()).unwrap(),
    );
    sync_ok(&cached, "", &[put(1, "1")]);
    let head = cached.head(&flow()).unwrap().unwrap();
    assert_eq!(cached.is_head(&flow(), &head).unwrap(), Some(true));
    // Another flow of the same repository leaves it head; another version does not.
    let elsewhere = nifi_idb::snapshot::FlowName::new("indexeddb", "elsewhere").unwrap();
    let batch = crate::batches::batch_of(&crate::batches::text_of("", &[put(1, "1")]));
    let options = nifi_idb::pipeline::SyncOptions::default();
    nifi_idb::pipeline::sync(
        &other,
        &elsewhere,
        &batch,
        &options,
        &mut nifi_idb::report::ReportLines::default(),
    )
    .unwrap();
    assert_eq!(cached.is_head(&flow(), &head).unwrap(), Some(true));
    sync_ok(&other, "", &[put(2, "2")]);
    assert_eq!(cached.is_head(&flow(), &head).unwrap(), Some(false));
    assert_eq!(restored(&cached, &flow(), None), restored(&other, &flow(), None));
    sync_ok(&cached, "", &[put(3, "3")]);
    assert_eq!(versions(&other), [3, 2, 1]);
}

#[test]
fn a_memory_of_no_bytes_keeps_no_chunk() {
    let store = CachedStore::new(MemoryStore::default(), 0);
    sync_ok(&store, "", &many(2_000));
    restored(&store, &flow(), None);
    assert_eq!((store.counts().bytes, store.counts().text_hits), (0, 0));
}
