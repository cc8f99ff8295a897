//! A wrapper that keeps heads in memory, and texts of chunks by digest up to a limit in bytes.
//!
//! A chunk never changes. Head does: every time, the store is asked whether the known head is still
//! the newest version. Head is read only if it is not, or if the store cannot tell.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    AppendError, CommittedVersion, SnapshotStore, StoreError, StoredVersion, VersionDraft,
    VersionWriter, WrappedStore,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};

/// Default limit on the bytes of the texts that are kept.
pub const DEFAULT_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The number of flows whose heads are kept.
const MAX_HEADS: usize = 256;

/// The overhead of a kept text, in bytes.
const ENTRY_BYTES: u64 = 200;

/// Hits and misses of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Heads that were still the newest version.
    pub head_hits: u64,
    /// Heads that had to be read from the store.
    pub head_misses: u64,
    /// Chunks that were in memory.
    pub text_hits: u64,
    /// Chunks that had to be read from the store.
    pub text_misses: u64,
    /// Bytes of the chunks in memory.
    pub bytes: u64,
}

/// Keeps heads and chunks in memory.
#[derive(Debug)]
pub struct CachedStore<S> {
    inner: S,
    kept: Arc<CachedEntry>,
}

#[derive(Debug)]
struct CachedEntry {
    heads: Mutex<Lru<FlowName, StoredVersion>>,
    texts: Mutex<KeptTexts>,
    head_hits: AtomicU64,
    head_misses: AtomicU64,
    text_hits: AtomicU64,
    text_misses: AtomicU64,
}

/// Texts of chunks, and the newest known versions. Nothing is kept from an older version, or from a
/// written version that another one followed meanwhile, because nothing would drop it again.
#[derive(Debug)]
struct KeptTexts {
    texts: Lru<Digest, Arc<Vec<u8>>>,
    newest: Lru<FlowName, FlowVersion>,
}

impl KeptTexts {
    /// Records the newest version of a flow.
    fn note(&mut self, flow: &FlowName, version: FlowVersion) {
        let newest = self.newest.get(flow).map_or(version, |known| known.max(version));
        self.newest.insert(flow.clone(), 1, newest);
    }

    /// Keeps a text of a version if that is the newest.
    fn keep(&mut self, flow: &FlowName, version: FlowVersion, digest: Digest, text: &[u8]) {
        let weight = text.len() as u64 + ENTRY_BYTES;
        if weight <= self.texts.limit
            && self.newest.get(flow).is_none_or(|newest| newest <= version)
        {
            self.texts.insert(digest, weight, Arc::new(text.to_vec()));
        }
    }
}

/// The most recently used values, up to a weight.
#[derive(Debug)]
struct Lru<K, V> {
    entries: HashMap<K, (u64, u64, V)>,
    /// Keys, ordered by last use.
    order: BTreeMap<u64, K>,
    clock: u64,
    weight: u64,
    limit: u64,
}

impl<K: Clone + Eq + std::hash::Hash, V: Clone> Lru<K, V> {
    fn new(limit: u64) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), clock: 0, weight: 0, limit }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        let (used, _, value) = self.entries.get_mut(key)?;
        self.order.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.order.insert(self.clock, key.clone());
        Some(value.clone())
    }

    fn insert(&mut self, key: K, weight: u64, value: V) {
        self.remove(&key);
        if weight > self.limit {
            return;
        }
        self.clock += 1;
        self.order.insert(self.clock, key.clone());
        self.entries.insert(key, (self.clock, weight, value));
        self.weight += weight;
        while self.weight > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some((used, ..)) = self.entries.get(key) {
            self.order.remove(used);
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &K) {
        if let Some((_, weight, _)) = self.entries.remove(key) {
            self.weight -= weight;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere costs one entry at most.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: SnapshotStore> CachedStore<S> {
    /// Wraps a store; the kept texts have at most `bytes` bytes in all.
    pub fn new(inner: S, bytes: u64) -> Self {
        let kept = CachedEntry {
            heads: Mutex::new(Lru::new(MAX_HEADS as u64)),
            texts: Mutex::new(KeptTexts {
                texts: Lru::new(bytes),
                newest: Lru::new(MAX_HEADS as u64),
            }),
            head_hits: AtomicU64::new(0),
            head_misses: AtomicU64::new(0),
            text_hits: AtomicU64::new(0),
            text_misses: AtomicU64::new(0),
        };
        Self { inner, kept: Arc::new(kept) }
    }

    /// The wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Hits and misses so far.
    pub fn counts(&self) -> CacheCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheCounts {
            head_hits: read(&self.kept.head_hits),
            head_misses: read(&self.kept.head_misses),
            text_hits: read(&self.kept.text_hits),
            text_misses: read(&self.kept.text_misses),
            bytes: lock(&self.kept.texts).texts.weight,
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl<S: SnapshotStore> WrappedStore for CachedStore<S> {
    type Inner = S;

    fn inner(&self) -> &Self::Inner {
        &self.inner
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        let known = lock(&self.kept.heads).get(flow);
        if let Some(known) = known
            && self.inner.is_head(flow, &known)? == Some(true)
        {
            count(&self.kept.head_hits);
            return Ok(Some(known));
        }
        count(&self.kept.head_misses);
        let head = self.inner.head(flow)?;
        if let Some(head) = &head {
            lock(&self.kept.texts).note(flow, head.manifest.version);
        }
        let mut heads = lock(&self.kept.heads);
        match &head {
            Some(head) => heads.insert(flow.clone(), 1, head.clone()),
            None => heads.remove(flow),
        }
        Ok(head)
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        let kept = lock(&self.kept.texts).texts.get(&chunk.full);
        if let Some(text) = kept {
            count(&self.kept.text_hits);
            return Ok(text.as_ref().clone());
        }
        count(&self.kept.text_misses);
        let text = self.inner.read_chunk(flow, version, list, chunk)?;
        lock(&self.kept.texts).keep(flow, version.manifest.version, chunk.full, &text);
        Ok(text)
    }

    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        let inner = self.inner.writer(flow, head)?;
        let old = head
            .into_iter()
            .flat_map(|head| head.manifest.chunks())
            .map(|(_, chunk)| chunk.full)
            .collect();
        let (flow, kept) = (flow.clone(), Arc::clone(&self.kept));
        Ok(Box::new(CachedWriter { inner, flow, kept, new: Vec::new(), old }))
    }
}

/// Keeps the system chunks that were written, once they are committed, because the next batch reads
/// them. Drops those that the new head no longer has: a text for every version would fill the
/// memory with texts that nobody reads.
struct CachedWriter<'a> {
    inner: Box<dyn VersionWriter + 'a>,
    flow: FlowName,
    kept: Arc<CachedEntry>,
    new: Vec<(Digest, Vec<u8>)>,
    /// The chunks of the previous version.
    old: Vec<Digest>,
}

impl VersionWriter for CachedWriter<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        if list.is_system() {
            self.new.push((chunk.full, text.clone()));
        }
        self.inner.write_chunk(list, chunk, text)
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.write_part(digest, part, bytes)
    }

    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        let committed = self.inner.commit(draft)?;
        let now: HashSet<Digest> = draft.manifest.chunks().map(|(_, chunk)| chunk.full).collect();
        let mut kept = lock(&self.kept.texts);
        kept.note(&self.flow, committed.version);
        self.old
            .iter()
            .filter(|digest| !now.contains(*digest))
            .for_each(|digest| kept.texts.remove(digest));
        for (digest, text) in &self.new {
            kept.keep(&self.flow, committed.version, *digest, text);
        }
        Ok(committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(10);
        lru.insert('a', 4, 1);
        lru.insert('b', 4, 2);
        assert_eq!(lru.get(&'a'), Some(1));
        lru.insert('c', 4, 3);
        assert_eq!(['a', 'b', 'c'].map(|key| lru.get(&key)), [Some(1), None, Some(3)]);
        lru.insert('d', 11, 4);
        assert_eq!((lru.get(&'d'), lru.weight), (None, 8));
        lru.insert('a', 9, 5);
        assert_eq!(
            (lru.get(&'a'), lru.get(&'c'), lru.weight, lru.order.len()),
            (Some(5), None, 9, 1)
        );
    }

    #[test]
    fn nothing_is_kept_of_a_version_that_is_not_the_newest() {
        let mut kept = KeptTexts { texts: Lru::new(10_000), newest: Lru::new(2) };
        let flow = |name: &str| FlowName::new("b", name).unwrap();
        let version = |number| FlowVersion::new(number).unwrap();
        let keep = |kept: &mut KeptTexts, name: &str, number: u64| {
            let digest = Digest::of(format!("{name}{number}").as_bytes());
            kept.keep(&flow(name), version(number), digest, b"text");
            kept.texts.get(&digest).is_some()
        };
        assert!(keep(&mut kept, "a", 3), "nobody knows of a newer one");
        kept.note(&flow("a"), version(5));
        kept.note(&flow("a"), version(4));
        assert_eq!([4, 5, 6].map(|number| keep(&mut kept, "a", number)), [false, true, true]);
        assert!(keep(&mut kept, "b", 1));
    }
}
