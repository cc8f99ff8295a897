//! One suite for every snapshot store: what each of them promises, case by case.
//!
//! `run` gets a function that makes a new, empty store. Cases that fail name themselves.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "several test binaries include this file, and each uses some of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nifi_idb::indexeddb::dom_string::DomString;
use nifi_idb::indexeddb::key::{SortableKey, sortable_string};
use nifi_idb::indexeddb::schema::{Database, ObjectStore};
use nifi_idb::snapshot::{
    ChunkRef, Digest, FlowName, FlowVersion, List, Manifest, SealedManifest, SpilledRef,
    StoreManifest,
};
use nifi_idb::store::{
    AppendError, CommittedVersion, SnapshotStore, StoreErrorKind, StoredVersion, VersionDraft,
};

type Case = fn(&dyn SnapshotStore);

/// All cases, by name.
pub const CASES: [(&str, Case); 15] = [
    ("an empty store has no head", empty_store),
    ("the first version comes back", first_version),
    ("head + 1", next_version),
    ("a lost race", lost_race),
    ("losing and trying again", lost_then_again),
    ("the log is newest first", log_order),
    ("chunks of old and new versions", old_and_new_chunks),
    ("a missing chunk is damage", missing_chunk),
    ("spilled values", spilled_values),
    ("two flows in one store", two_flows),
    ("names with dots and percent signs", odd_names),
    ("views, tombstones, system lists", all_lists),
    ("300 chunks", many_chunks),
    ("a dropped writer leaves nothing", dropped_writer),
    ("writers at the same time", concurrent_writers),
];

/// Runs every case on a store of its own.
pub fn run(make: &dyn Fn() -> Box<dyn SnapshotStore>) {
    for (name, case) in CASES {
        let store = make();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&*store)));
        assert!(result.is_ok(), "{}: {name}", store.describe());
    }
}

/// A time in whole seconds, which every store can keep.
pub const TIME: i64 = 1_700_000_000_000;

/// The flow that most cases use.
pub fn flow() -> FlowName {
    FlowName::new("bucket", "flow").unwrap()
}

/// A chunk's text and its name; `key` is the key of its first line.
pub fn chunk(key: &str, text: &str) -> (ChunkRef, Vec<u8>) {
    let chunk = ChunkRef {
        first: sortable_string(key),
        count: 1,
        bytes: text.len() as u64,
        full: Digest::of(text.as_bytes()),
        content: Digest::of(format!("content of {text}").as_bytes()),
        spilled: Vec::new(),
    };
    (chunk, text.as_bytes().to_vec())
}

/// A version being made: the manifest, and what the writer is given.
#[derive(Clone, Debug)]
pub struct Next {
    /// The manifest of the new version.
    pub manifest: Manifest,
    /// New chunks.
    pub chunks: Vec<(List, ChunkRef, Vec<u8>)>,
    /// New parts of spilled values.
    pub parts: Vec<(Digest, u32, Vec<u8>)>,
}

/// The version after `head`, as yet without any change; `stores` are there from the first version on.
pub fn after(head: Option<&StoredVersion>, stores: &[&str]) -> Next {
    let manifest = match head {
        Some(head) => {
            let mut manifest = head.manifest.clone();
            manifest.version = FlowVersion::after(Some(manifest.version));
            manifest.previous = Some(head.state);
            manifest
        }
        None => {
            let mut stores: Vec<_> =
                stores.iter().map(|name| ObjectStore::new((*name).into(), None)).collect();
            stores.sort_by(|a, b| a.name.cmp(&b.name));
            Manifest::empty(&Database::new("db".into(), 1, stores).unwrap())
        }
    };
    Next { manifest, chunks: Vec::new(), parts: Vec::new() }
}

impl Next {
    /// Puts a chunk in a list, in place of the one with the same first key.
    pub fn put(&mut self, list: &List, key: &str, text: &str) -> ChunkRef {
        let (chunk, text) = chunk(key, text);
        self.put_chunk(list, chunk.clone());
        self.chunks.push((list.clone(), chunk.clone(), text));
        chunk
    }

    /// Puts a chunk that head holds already.
    pub fn put_chunk(&mut self, list: &List, chunk: ChunkRef) {
        let chunks = self.manifest.list_mut(list).unwrap();
        match chunks.binary_search_by(|other| other.first.cmp(&chunk.first)) {
            Ok(place) => chunks[place] = chunk,
            Err(place) => chunks.insert(place, chunk),
        }
    }

    /// The comment that goes with it.
    pub fn comment(&self) -> String {
        comment(&SealedManifest::from(self.manifest.clone()))
    }

    /// What is to be appended.
    pub fn draft(&self) -> VersionDraft {
        let time = TIME + i64::from(self.manifest.version.get()) * 1000;
        let manifest = SealedManifest::from(self.manifest.clone());
        VersionDraft { comment: comment(&manifest), manifest, timestamp_ms: time }
    }

    /// Writes it all and commits.
    pub fn append(
        &self,
        store: &dyn SnapshotStore,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<CommittedVersion, AppendError> {
        let mut writer = store.writer(flow, head)?;
        for (list, chunk, text) in &self.chunks {
            writer.write_chunk(list, chunk, text.clone())?;
        }
        for (digest, part, bytes) in &self.parts {
            writer.write_part(digest, *part, bytes)?;
        }
        writer.commit(&self.draft())
    }
}

fn comment(manifest: &SealedManifest) -> String {
    format!(
        "version {} for people\n\nroot={} state={}",
        manifest.version,
        manifest.root(),
        manifest.state()
    )
}

/// The list of records of an object store.
pub fn records(name: &str) -> List {
    List::Records(DomString::from(name))
}

/// Appends a version that puts one chunk into object store `data`, and reads the new head.
pub fn append_one(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    key: &str,
    text: &str,
) -> StoredVersion {
    let head = store.head(flow).unwrap();
    let mut next = after(head.as_ref(), &["data"]);
    next.put(&records("data"), key, text);
    let committed = next.append(store, flow, head.as_ref()).unwrap();
    let read = store.head(flow).unwrap().unwrap();
    assert_eq!((read.manifest.version, read.state), (committed.version, committed.state));
    assert_eq!((&read.manifest, read.comment), (&next.manifest, next.comment()));
    assert_eq!(committed.root, next.manifest.root());
    store.head(flow).unwrap().unwrap()
}

fn text_of(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: &StoredVersion,
    list: &List,
    key: &str,
) -> String {
    let first: SortableKey = sortable_string(key);
    let (list, chunk) = version
        .manifest
        .chunks()
        .find(|(other, chunk)| other == list && chunk.first == first)
        .unwrap();
    String::from_utf8(store.read_chunk(flow, version, &list, chunk).unwrap()).unwrap()
}

fn empty_store(store: &dyn SnapshotStore) {
    assert!(store.head(&flow()).unwrap().is_none());
    assert!(store.version(&flow(), FlowVersion::FIRST).unwrap().is_none());
    assert!(store.log(&flow()).unwrap().is_empty());
    assert!(store.flows().unwrap().is_empty());
    assert!(!store.check().unwrap().is_empty());
    assert!(!store.describe().is_empty());
}

fn first_version(store: &dyn SnapshotStore) {
    let head = append_one(store, &flow(), "a", "first\n");
    assert_eq!(head.manifest.version, FlowVersion::FIRST);
    // A Registry sets the time itself.
    assert!(head.timestamp_ms == TIME + 1000 || store.describe().starts_with("NiFi Registry"));
    assert_eq!(text_of(store, &flow(), &head, &records("data"), "a"), "first\n");
    assert_eq!(store.flows().unwrap(), [flow()]);
    let read = store.version(&flow(), FlowVersion::FIRST).unwrap().unwrap();
    assert_eq!(
        (read.manifest, read.state, read.comment),
        (head.manifest, head.state, head.comment)
    );
    assert!(store.version(&flow(), FlowVersion::new(2).unwrap()).unwrap().is_none());
}

fn next_version(store: &dyn SnapshotStore) {
    let first = append_one(store, &flow(), "a", "first\n");
    let second = append_one(store, &flow(), "b", "second\n");
    assert_eq!(second.manifest.version.get(), 2);
    assert_eq!(second.manifest.previous, Some(first.state));
    assert_eq!(text_of(store, &flow(), &second, &records("data"), "a"), "first\n");
    assert_eq!(text_of(store, &flow(), &second, &records("data"), "b"), "second\n");
}

fn lost_race(store: &dyn SnapshotStore) {
    for round in 1..=2 {
        let head = store.head(&flow()).unwrap();
        let mut mine = after(head.as_ref(), &["data"]);
        mine.put(&records("data"), "a", &format!("mine {round}\n"));
        let theirs = append_one(store, &flow(), "a", &format!("theirs {round}\n"));
        assert!(
            matches!(mine.append(store, &flow(), head.as_ref()), Err(AppendError::Lost)),
            "round {round}"
        );
        let now = store.head(&flow()).unwrap().unwrap();
        assert_eq!((now.state, store.log(&flow()).unwrap().len()), (theirs.state, round));
    }
    // Started before the other committed, committed after.
    let head = store.head(&flow()).unwrap();
    let mut mine = after(head.as_ref(), &[]);
    mine.put(&records("data"), "a", "mine\n");
    let mut writer = store.writer(&flow(), head.as_ref()).unwrap();
    for (list, chunk, text) in &mine.chunks {
        writer.write_chunk(list, chunk, text.clone()).unwrap();
    }
    append_one(store, &flow(), "a", "theirs\n");
    assert!(matches!(writer.commit(&mine.draft()), Err(AppendError::Lost)));
}

fn lost_then_again(store: &dyn SnapshotStore) {
    append_one(store, &flow(), "a", "first\n");
    let head = store.head(&flow()).unwrap();
    let mut mine = after(head.as_ref(), &["data"]);
    mine.put(&records("data"), "b", "mine\n");
    append_one(store, &flow(), "c", "theirs\n");
    assert!(matches!(mine.append(store, &flow(), head.as_ref()), Err(AppendError::Lost)));
    let head = append_one(store, &flow(), "b", "mine\n");
    assert_eq!(head.manifest.version.get(), 3);
    for (key, text) in [("a", "first\n"), ("b", "mine\n"), ("c", "theirs\n")] {
        assert_eq!(text_of(store, &flow(), &head, &records("data"), key), text);
    }
}

fn log_order(store: &dyn SnapshotStore) {
    let comments: Vec<_> =
        (0..5).map(|n| append_one(store, &flow(), "a", &format!("{n}\n")).comment).collect();
    let log = store.log(&flow()).unwrap();
    assert_eq!(log.iter().map(|info| info.version.get()).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert!(log.iter().rev().map(|info| &info.comment).eq(&comments));
    assert!(log.windows(2).all(|pair| pair[0].timestamp_ms > pair[1].timestamp_ms));
    assert!(log.iter().all(|info| !info.author.is_empty()));
}

fn old_and_new_chunks(store: &dyn SnapshotStore) {
    for n in 1..=4 {
        append_one(store, &flow(), "a", &format!("text {n}\n"));
    }
    for n in 1..=4_u32 {
        let version = store.version(&flow(), FlowVersion::new(n.into()).unwrap()).unwrap().unwrap();
        assert_eq!(version.manifest.version.get(), n);
        assert_eq!(text_of(store, &flow(), &version, &records("data"), "a"), format!("text {n}\n"));
    }
    // What was there before comes back, and is not written again by a caller that knows it.
    let head = append_one(store, &flow(), "a", "text 1\n");
    assert_eq!(text_of(store, &flow(), &head, &records("data"), "a"), "text 1\n");
}

fn missing_chunk(store: &dyn SnapshotStore) {
    let head = append_one(store, &flow(), "a", "first\n");
    let (other, _) = chunk("nowhere", "never written\n");
    let error = store.read_chunk(&flow(), &head, &records("data"), &other).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert!(error.message.contains(&other.full.to_string()), "{error}");
    let error = store.read_part(&flow(), &head, &other.full, 0).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
}

fn spilled_values(store: &dyn SnapshotStore) {
    // A canonical value is printable ASCII.
    let part = |n: u8, length: usize| vec![b'a' + n; length];
    let (large, small) = (Digest::of(b"large"), Digest::of(b"small"));
    let mut next = after(None, &["data"]);
    let mut chunk = next.put(&records("data"), "a", "names two\n");
    chunk.spilled = vec![
        SpilledRef { digest: large, bytes: 5 << 20 },
        SpilledRef { digest: small, bytes: 70_000 },
    ];
    chunk.spilled.sort();
    next.put_chunk(&records("data"), chunk.clone());
    next.parts = vec![
        (large, 0, part(1, 4 << 20)),
        (large, 1, part(2, 1 << 20)),
        (small, 0, part(3, 70_000)),
    ];
    next.append(store, &flow(), None).unwrap();

    // The second version keeps one of them and gets no part again.
    let head = store.head(&flow()).unwrap();
    let mut next = after(head.as_ref(), &[]);
    let mut second = next.put(&records("data"), "a", "names one\n");
    second.spilled = vec![SpilledRef { digest: large, bytes: 5 << 20 }];
    next.put_chunk(&records("data"), second);
    next.append(store, &flow(), head.as_ref()).unwrap();

    let head = store.head(&flow()).unwrap().unwrap();
    assert_eq!(store.read_part(&flow(), &head, &large, 1).unwrap(), part(2, 1 << 20));
    let old = store.version(&flow(), FlowVersion::FIRST).unwrap().unwrap();
    assert_eq!(store.read_part(&flow(), &old, &large, 0).unwrap(), part(1, 4 << 20));
    assert_eq!(store.read_part(&flow(), &old, &small, 0).unwrap(), part(3, 70_000));
    assert!(store.read_part(&flow(), &old, &small, 1).is_err());
}

fn two_flows(store: &dyn SnapshotStore) {
    let other = FlowName::new("bucket", "other").unwrap();
    let elsewhere = FlowName::new("another", "flow").unwrap();
    for n in 1..=3 {
        append_one(store, &flow(), "a", &format!("flow {n}\n"));
        append_one(store, &other, "a", &format!("other {n}\n"));
    }
    append_one(store, &elsewhere, "a", "elsewhere\n");
    assert_eq!(store.flows().unwrap(), [elsewhere, flow(), other.clone()]);
    for (flow, name) in [(flow(), "flow"), (other, "other")] {
        assert_eq!(store.log(&flow).unwrap().len(), 3);
        let head = store.head(&flow).unwrap().unwrap();
        assert_eq!(text_of(store, &flow, &head, &records("data"), "a"), format!("{name} 3\n"));
        let first = store.version(&flow, FlowVersion::FIRST).unwrap().unwrap();
        assert_eq!(text_of(store, &flow, &first, &records("data"), "a"), format!("{name} 1\n"));
    }
    // A writer that started before another flow moved on is not disturbed.
    let head = store.head(&flow()).unwrap();
    let mut next = after(head.as_ref(), &[]);
    next.put(&records("data"), "a", "flow 4\n");
    let mut writer = store.writer(&flow(), head.as_ref()).unwrap();
    let (list, chunk, text) = next.chunks[0].clone();
    writer.write_chunk(&list, &chunk, text).unwrap();
    let other = FlowName::new("bucket", "other").unwrap();
    append_one(store, &other, "a", "other 4\n");
    writer.commit(&next.draft()).unwrap();
    assert_eq!(store.head(&flow()).unwrap().unwrap().manifest.version.get(), 4);
    assert_eq!(store.head(&other).unwrap().unwrap().manifest.version.get(), 4);
}

fn odd_names(store: &dyn SnapshotStore) {
    let names = [
        ("b.json", "x"),
        ("b", "x"),
        ("b", "x.json"),
        ("b", "x.json.json"),
        ("b", "a%2Fb"),
        ("%25", "%"),
    ];
    let mut flows: Vec<_> =
        names.iter().map(|(bucket, flow)| FlowName::new(bucket, flow).unwrap()).collect();
    for flow in &flows {
        append_one(store, flow, "a", &format!("{flow}\n"));
    }
    flows.sort();
    assert_eq!(store.flows().unwrap(), flows);
    for flow in &flows {
        let head = store.head(flow).unwrap().unwrap();
        assert_eq!(text_of(store, flow, &head, &records("data"), "a"), format!("{flow}\n"));
        assert_eq!(store.log(flow).unwrap().len(), 1);
    }
    let stores =
        ["", ".", "..", "a/b", "~tombstones", "~manifest.ndjson", ".git", "git~1", "é", "data"];
    let odd = FlowName::new("odd", "stores").unwrap();
    let mut next = after(None, &stores);
    for name in stores {
        next.put(&records(name), "k", &format!("of {}\n", name.escape_default()));
        next.put(
            &List::Tombstones(name.into()),
            "k",
            &format!("gone from {}\n", name.escape_default()),
        );
    }
    next.append(store, &odd, None).unwrap();
    let head = store.head(&odd).unwrap().unwrap();
    for name in stores {
        assert_eq!(
            text_of(store, &odd, &head, &records(name), "k"),
            format!("of {}\n", name.escape_default())
        );
        let list = List::Tombstones(name.into());
        assert_eq!(
            text_of(store, &odd, &head, &list, "k"),
            format!("gone from {}\n", name.escape_default())
        );
    }
}

fn all_lists(store: &dyn SnapshotStore) {
    let tombstones = List::Tombstones("data".into());
    let mut next = after(None, &["data"]);
    let old = next.put(&records("data"), "a", "old record\n");
    for list in [&tombstones, &List::Conflicts, &List::Sources] {
        next.put(list, "k", &format!("{list:?} 1\n"));
    }
    next.put(&List::Views, "a", "view\n");
    // A view may name a chunk that is new among the records, without giving its text again.
    next.put(&records("data"), "z", "new record\n");
    let shared = next.manifest.store(&"data".into()).unwrap().records.last().unwrap().clone();
    next.manifest.views.push(shared.clone());
    next.append(store, &flow(), None).unwrap();

    // What was a chunk of records is now only in a view; tombstones and conflicts are gone.
    let head = store.head(&flow()).unwrap();
    let mut next = after(head.as_ref(), &[]);
    next.put(&records("data"), "a", "new record\n");
    next.put(&List::Sources, "k", "sources 2\n");
    next.manifest.views.push(old.clone());
    next.manifest.conflicts.clear();
    next.manifest.stores[0].tombstones.clear();
    next.append(store, &flow(), head.as_ref()).unwrap();

    let head = store.head(&flow()).unwrap().unwrap();
    assert_eq!(head.manifest, next.manifest);
    assert_eq!(store.read_chunk(&flow(), &head, &List::Views, &old).unwrap(), b"old record\n");
    assert_eq!(store.read_chunk(&flow(), &head, &List::Views, &shared).unwrap(), b"new record\n");
    assert_eq!(text_of(store, &flow(), &head, &List::Views, "a"), "view\n");
    assert_eq!(text_of(store, &flow(), &head, &List::Sources, "k"), "sources 2\n");
    let first = store.version(&flow(), FlowVersion::FIRST).unwrap().unwrap();
    assert_eq!(text_of(store, &flow(), &first, &tombstones, "k"), format!("{tombstones:?} 1\n"));
    assert_eq!(text_of(store, &flow(), &first, &List::Conflicts, "k"), "Conflicts 1\n");
}

fn many_chunks(store: &dyn SnapshotStore) {
    let list = records("data");
    let mut next = after(None, &["data"]);
    for n in 0..300 {
        next.put(&list, &format!("key {n:03}"), &format!("text {n}\n").repeat(n));
    }
    next.append(store, &flow(), None).unwrap();
    let head = append_one(store, &flow(), "key 150", "changed\n");
    assert_eq!(
        head.manifest.stores.first().map(|store: &StoreManifest| store.records.len()),
        Some(300)
    );
    for n in [0, 1, 149, 151, 299] {
        let text = text_of(store, &flow(), &head, &list, &format!("key {n:03}"));
        assert_eq!(text, format!("text {n}\n").repeat(n));
    }
    assert_eq!(text_of(store, &flow(), &head, &list, "key 150"), "changed\n");
    let first = store.version(&flow(), FlowVersion::FIRST).unwrap().unwrap();
    assert_eq!(text_of(store, &flow(), &first, &list, "key 150"), "text 150\n".repeat(150));
}

fn dropped_writer(store: &dyn SnapshotStore) {
    let (chunk, text) = chunk("a", "never committed\n");
    let mut writer = store.writer(&flow(), None).unwrap();
    writer.write_chunk(&records("data"), &chunk, text).unwrap();
    drop(writer);
    assert!(store.head(&flow()).unwrap().is_none());
    assert!(store.flows().unwrap().is_empty());
    append_one(store, &flow(), "a", "committed\n");
}

/// Threads of [`concurrent_writers`], and versions that each of them makes.
const WRITERS: (u32, u32) = (4, 5);

fn concurrent_writers(store: &dyn SnapshotStore) {
    let lost = Arc::new(AtomicU32::new(0));
    let own = |thread: u32| FlowName::new("bucket", &format!("own-{thread}")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..WRITERS.0 {
            let lost = Arc::clone(&lost);
            scope.spawn(move || {
                for n in 0..WRITERS.1 {
                    loop {
                        let head = store.head(&flow()).unwrap();
                        let mut next = after(head.as_ref(), &["data"]);
                        next.put(
                            &records("data"),
                            &format!("{thread}-{n}"),
                            &format!("{thread} {n}\n"),
                        );
                        match next.append(store, &flow(), head.as_ref()) {
                            Ok(_) => break,
                            Err(AppendError::Lost) => lost.fetch_add(1, Ordering::Relaxed),
                            Err(error) => panic!("{error}"),
                        };
                    }
                    // Nobody else writes this one, so it is never lost.
                    append_one(store, &own(thread), "a", &format!("{n}\n"));
                }
            });
        }
    });
    let total = WRITERS.0 * WRITERS.1;
    let versions: Vec<_> =
        store.log(&flow()).unwrap().iter().map(|info| info.version.get()).collect();
    assert_eq!(versions, (1..=total).rev().collect::<Vec<_>>());
    let head = store.head(&flow()).unwrap().unwrap();
    for thread in 0..WRITERS.0 {
        assert_eq!(store.log(&own(thread)).unwrap().len(), WRITERS.1 as usize);
        for n in 0..WRITERS.1 {
            let text = text_of(store, &flow(), &head, &records("data"), &format!("{thread}-{n}"));
            assert_eq!(text, format!("{thread} {n}\n"));
        }
    }
    // Each names the state of the one before: one history, and no version was made twice.
    let mut previous = None;
    for n in 1..=total {
        let version = store.version(&flow(), FlowVersion::new(n.into()).unwrap()).unwrap().unwrap();
        assert_eq!(version.manifest.previous, previous);
        previous = Some(version.state);
    }
}
