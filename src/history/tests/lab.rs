//! Creates versions without the pipeline.

use std::collections::BTreeMap;

use crate::chunk::{ChunkBuilder, ChunkSink, ChunkSource, ListEditor, store_name};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::schema::{Database, KeyPath, ObjectStore};
use crate::indexeddb::value;
use crate::snapshot::line::{PART_BYTES, SPILL_BYTES};
use crate::snapshot::sources::{SourceState, Sources, View};
use crate::snapshot::{
    ChunkRef, Digest, FlowName, FlowVersion, Line, LineState, List, Manifest, Meta, SealedManifest,
    Spilled,
};
use crate::store::memory::MemoryStore;
use crate::store::{
    SnapshotReader, SnapshotStore, StoreError, StoredVersion, VersionDraft, VersionWriter,
};

#[derive(Debug)]
pub(super) struct Lab {
    pub(super) store: MemoryStore,
    pub(super) flow: FlowName,
}

impl Default for Lab {
    fn default() -> Self {
        Self { store: MemoryStore::default(), flow: FlowName::new("b", "f").unwrap() }
    }
}

pub(super) fn key(json: &str) -> SortableKey {
    Key::from_json(&serde_json::from_str(json).unwrap()).unwrap().to_sortable().unwrap()
}

pub(super) fn number(number: i64) -> SortableKey {
    key(&number.to_string())
}

pub(super) fn date(ms: i64) -> SortableKey {
    key(&format!("{{\"~date\":{ms}}}"))
}

pub(super) fn meta() -> Meta {
    Meta { at: 1_700_000_000_123, by: Some("kiosk-7".parse().unwrap()), rev: FlowVersion::FIRST }
}

/// Creates a put; its `rev` is set by the commit.
pub(super) fn put(key: SortableKey, value: &str) -> Line {
    Line { key, meta: meta(), state: LineState::Put(value.as_bytes().into()) }
}

pub(super) fn tombstone(key: SortableKey) -> Line {
    Line { key, meta: meta(), state: LineState::Delete }
}

/// Creates a schema. Object store `data` has a key path and a key generator, the others have
/// neither.
pub(super) fn schema(names: &[&str], odd: Option<DomString>) -> Database {
    let names = names.iter().map(|name| DomString::from(*name)).chain(odd);
    let store = |name: DomString| {
        let data = name == "data".into();
        let key_path = data.then(|| KeyPath::Path("id".into()));
        ObjectStore { auto_increment: data, ..ObjectStore::new(name, key_path) }
    };
    Database::new("myDatabase".into(), 3, names.map(store).collect()).unwrap()
}

struct Head<'a>(&'a Lab, Option<&'a StoredVersion>);

impl ChunkSource for Head<'_> {
    fn read_chunk(&self, list: &List, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError> {
        self.0.store.read_chunk(&self.0.flow, self.1.unwrap(), list, chunk)
    }
}

struct New<'a>(Box<dyn VersionWriter + 'a>);

impl ChunkSink for New<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.0.write_chunk(list, chunk, text)
    }
}

/// Creates one chunk of these lines, regardless of their number, for the list `name`.
pub(super) fn chunk(lines: &[Line], name: Vec<u8>) -> (ChunkRef, Vec<u8>) {
    let mut builder = ChunkBuilder::new(name);
    let mut done = lines.iter().filter_map(|line| builder.push(line)).collect::<Vec<_>>();
    done.extend(builder.cut());
    assert_eq!(done.len(), 1);
    done.remove(0)
}

fn spill(line: Line, new: &mut New<'_>) -> Line {
    let LineState::Put(text) = &line.state else { return line };
    if text.len() <= SPILL_BYTES {
        return line;
    }
    let digest = Digest::of(text);
    for (part, bytes) in (0..).zip(text.chunks(PART_BYTES)) {
        new.0.write_part(&digest, part, bytes).unwrap();
    }
    let content = value::without_stacks(text).map_or(digest, |stripped| Digest::of(&stripped));
    let (bytes, kind) = (text.len() as u64, value::kind(text).to_owned());
    Line { state: LineState::Spilled(Spilled { bytes, digest, content, kind }), ..line }
}

impl Lab {
    /// Appends a version with these lines put or deleted.
    pub(super) fn commit(&self, schema: &Database, lines: Vec<(DomString, Line)>) -> StoredVersion {
        let head = self.store.head(&self.flow).unwrap();
        let mut manifest =
            head.as_ref().map_or_else(|| Manifest::empty(schema), |head| head.manifest.clone());
        let rev = FlowVersion::after(head.as_ref().map(|head| head.manifest.version));
        let mut new = New(self.store.writer(&self.flow, head.as_ref()).unwrap());
        let source = Head(self, head.as_ref());
        let mut by_store: BTreeMap<DomString, BTreeMap<SortableKey, Line>> = BTreeMap::new();
        for (name, mut line) in lines {
            line.meta.rev = rev;
            by_store.entry(name).or_default().insert(line.key.clone(), line);
        }
        for (name, lines) in by_store {
            let lists = manifest.store(&name).unwrap().clone();
            let (live, dead) = (List::Records(name.clone()), List::Tombstones(name));
            let mut records = ListEditor::new(live.clone(), &lists.records, &source);
            let mut tombstones = ListEditor::new(dead.clone(), &lists.tombstones, &source);
            for (key, line) in lines {
                let line = spill(line, &mut new);
                if line.state == LineState::Delete {
                    records.remove(&key, &mut new).unwrap();
                    tombstones.put(&line, &mut new).unwrap();
                } else {
                    tombstones.remove(&key, &mut new).unwrap();
                    records.put(&line, &mut new).unwrap();
                }
            }
            *manifest.list_mut(&live).unwrap() = records.finish(&mut new).unwrap();
            *manifest.list_mut(&dead).unwrap() = tombstones.finish(&mut new).unwrap();
        }
        self.append(manifest, new.0, head.as_ref())
    }

    /// Appends a version like head, except that one list has these chunks, valid or not.
    pub(super) fn forge(&self, list: &List, chunks: Vec<(ChunkRef, Vec<u8>)>) -> StoredVersion {
        let head = self.store.head(&self.flow).unwrap();
        let mut manifest = head.as_ref().unwrap().manifest.clone();
        let mut writer = self.store.writer(&self.flow, head.as_ref()).unwrap();
        let refs = chunks.into_iter().map(|(chunk, text)| {
            writer.write_chunk(list, &chunk, text).unwrap();
            chunk
        });
        let refs = refs.collect();
        *manifest.list_mut(list).unwrap() = refs;
        self.append(manifest, writer, head.as_ref())
    }

    fn append(
        &self,
        mut manifest: Manifest,
        writer: Box<dyn VersionWriter + '_>,
        head: Option<&StoredVersion>,
    ) -> StoredVersion {
        manifest.version = FlowVersion::after(head.map(|head| head.manifest.version));
        manifest.previous = head.map(|head| head.state);
        for store in &mut manifest.stores {
            store.key_generator = store.schema.auto_increment.then_some(5);
        }
        let manifest = SealedManifest::from(manifest);
        let comment = format!("by hand\n\nroot={} state={}", manifest.root(), manifest.state());
        writer
            .commit(&VersionDraft { manifest, comment, timestamp_ms: 1_700_000_000_123 })
            .unwrap();
        self.store.head(&self.flow).unwrap().unwrap()
    }
}

/// Creates a lab in which version 3 has chunks in every list, and a view that shares a spilled
/// value with the records.
pub(super) fn everything() -> (Lab, StoredVersion) {
    let lab = Lab::default();
    let schema = schema(&["data"], None);
    let long = format!("{{\"id\":3,\"x\":\"{}\"}}", "z".repeat(SPILL_BYTES));
    let lines =
        vec![put(number(1), "{\"id\":1}"), put(number(2), "{\"id\":2}"), put(number(3), &long)];
    let first = lab.commit(&schema, lines.into_iter().map(|line| ("data".into(), line)).collect());
    let list = List::Records("data".into());
    let text = lab
        .store
        .read_chunk(&lab.flow, &first, &list, &first.manifest.stores[0].records[0])
        .unwrap();
    let mut view = crate::chunk::parse_chunk(&text, &store_name(&list)).unwrap();
    view[0].state = LineState::Put(b"{\"id\":1,\"mine\":true}"[..].into());
    let view = chunk(&view, store_name(&list));
    let mut sources = Sources::default();
    let chunks = View::Chunks(vec![("data".into(), vec![view.0.full])]);
    let state = SourceState { view: Some(chunks), ..SourceState::default() };
    sources.set_source(&"kiosk-7".parse().unwrap(), &state, &meta());
    let sources = chunk(&sources.lines().cloned().collect::<Vec<_>>(), store_name(&List::Sources));
    let conflicts = chunk(&[put(key("[1,\"data\",2]"), "{}")], store_name(&List::Conflicts));
    let second = lab.commit(&schema, vec![("data".into(), tombstone(number(2)))]);
    let mut manifest = second.manifest.clone();
    let mut writer = lab.store.writer(&lab.flow, Some(&second)).unwrap();
    for (list, (chunk, text)) in
        [(List::Views, view), (List::Sources, sources), (List::Conflicts, conflicts)]
    {
        writer.write_chunk(&list, &chunk, text).unwrap();
        manifest.list_mut(&list).unwrap().push(chunk);
    }
    let third = lab.append(manifest, writer, Some(&second));
    (lab, third)
}
