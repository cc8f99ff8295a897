//! What every snapshot store promises, on each of them.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use nifi_idb::store::SnapshotStore;
use nifi_idb::store::cached::CachedStore;
use nifi_idb::store::git::GitStore;
use nifi_idb::store::memory::MemoryStore;

use crate::conformance;

#[test]
fn memory() {
    conformance::run(&|| Box::new(MemoryStore::default()));
}

#[test]
fn git() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::run(&|| {
        number.set(number.get() + 1);
        let store = GitStore::new(&dir.path().join(format!("store {}", number.get()))).unwrap();
        Box::new(store) as Box<dyn SnapshotStore>
    });
}

#[test]
fn cached() {
    conformance::run(&|| Box::new(CachedStore::new(MemoryStore::default(), 300_000)));
}

#[test]
fn cached_git() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::run(&|| {
        number.set(number.get() + 1);
        let store = GitStore::new(&dir.path().join(number.get().to_string())).unwrap();
        Box::new(CachedStore::new(store, 300_000)) as Box<dyn SnapshotStore>
    });
}
