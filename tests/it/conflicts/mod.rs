//! Conflicts, listed, shown and resolved; and how the sources hear of it.

mod indexes;
mod limits;
mod notices;
mod resolve;
mod schemas;
mod through_program;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nifi_idb::chunk::{ChunkSink, ListEditor};
use nifi_idb::decide::{ResolveOptions, Selection, resolve};
use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::exit_status::ExitStatus;
use nifi_idb::history::{At, list_conflicts, open_version, show_conflict, show_record, verify};
use nifi_idb::indexeddb::key::{Key, SortableKey};
use nifi_idb::normalize::{NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::policy::{Policy, Resolver, StorePolicy};
use nifi_idb::report::{Outcome, ReportLines, Summary};
use nifi_idb::snapshot::line::{PART_BYTES, SPILL_BYTES};
use nifi_idb::snapshot::logged_conflict::{Choice, ConflictFilter, ConflictState, LoggedConflict};
use nifi_idb::snapshot::{
    ChunkRef, Conflict, ConflictType, Digest, FlowName, FlowVersion, Line, LineState, List,
    Manifest, Meta, SealedManifest, Side, Spilled, Winner,
};
use nifi_idb::store::git::GitStore;
use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::recording::{Call, RecordingStore};
use nifi_idb::store::{
    SnapshotReader, SnapshotStore, StoreError, StoredVersion, VersionDraft, VersionWriter,
    WrappedStore,
};
use serde_json::Value;

use crate::batches::{flow, put, text_of};
use crate::program::{Ran, fsck, on, run, store_of};
use nifi_idb::apply::{HeadReader, SyncError};

fn delete(key: u32) -> String {
    format!(r#"{{"op":"delete","store":"data","key":{key}}}"#)
}

/// Syncs a batch; gives its summary and the lines of its report.
fn synced(
    store: &dyn SnapshotStore,
    header: &str,
    lines: &[String],
    options: &SyncOptions,
) -> (Summary, Vec<Value>) {
    let text = text_of(header, lines);
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let mut reject = |rejection: &nifi_idb::rejection::Rejection| panic!("{}", rejection.to_json());
    let batch =
        normalize(&mut decoder, &NormalizeOptions::received_at(1_000), &mut reject).unwrap();
    let mut report = ReportLines::default();
    let summary = sync(store, &flow(), &batch, options, &mut report).unwrap();
    (summary, values(&mut report))
}

fn values(report: &mut ReportLines) -> Vec<Value> {
    let mut text = Vec::new();
    report.copy_to(&mut text).unwrap();
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn from(store: &dyn SnapshotStore, header: &str, lines: &[String]) -> (Summary, Vec<Value>) {
    synced(store, header, lines, &SyncOptions::default())
}

fn id(json: &str) -> SortableKey {
    Key::from_json(&serde_json::from_str(json).unwrap()).unwrap().to_sortable().unwrap()
}

fn number(number: u32) -> SortableKey {
    id(&number.to_string())
}

fn ids(ids: &[&str]) -> Selection {
    Selection::Ids(ids.iter().map(|text| id(text)).collect())
}

fn matching(filter: ConflictFilter) -> Selection {
    Selection::Matching(filter)
}

fn parked() -> ConflictFilter {
    ConflictFilter { state: Some(ConflictState::Parked), ..ConflictFilter::default() }
}

fn try_resolve(
    store: &dyn SnapshotStore,
    selection: Selection,
    choice: Choice,
    set: impl FnOnce(&mut ResolveOptions),
) -> Result<(Summary, Vec<Value>), SyncError> {
    // What parked here was a policy file's rule.
    let policy = Some(Arc::new(Policy::default()));
    let mut options = ResolveOptions { policy, ..ResolveOptions::new(selection, choice, 5_000) };
    set(&mut options);
    let mut report = ReportLines::default();
    let summary = resolve(store, &flow(), &options, &mut report)?;
    Ok((summary, values(&mut report)))
}

fn resolved(
    store: &dyn SnapshotStore,
    selection: Selection,
    choice: Choice,
) -> (Summary, Vec<Value>) {
    try_resolve(store, selection, choice, |_| ()).unwrap()
}

fn head(store: &dyn SnapshotStore) -> StoredVersion {
    let head = open_version(store, &flow(), At::Latest).unwrap();
    verify(store, &flow(), &head, true).unwrap();
    head
}

fn listed(store: &dyn SnapshotStore, filter: &ConflictFilter) -> Vec<Value> {
    let mut out = Vec::new();
    list_conflicts(store, &flow(), &head(store), filter, &LoggedConflict::to_json, &mut out)
        .unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn shown(store: &dyn SnapshotStore, text: &str) -> Value {
    serde_json::from_str(&show_conflict(store, &flow(), &head(store), &id(text)).unwrap().unwrap())
        .unwrap()
}

/// The record's line; `None`: there is neither a record nor a tombstone.
fn record(store: &dyn SnapshotStore, key: u32) -> Option<Value> {
    let shown = show_record(store, &flow(), &head(store), &"data".into(), &number(key)).unwrap()?;
    Some(serde_json::from_str(&shown.line).unwrap())
}

fn value(store: &dyn SnapshotStore, key: u32) -> Value {
    record(store, key).unwrap()["value"].clone()
}

fn side(by: &str, value: Option<&str>, kept: bool) -> Side {
    let digest = value.map(|value| Digest::of(value.as_bytes()));
    let value = value.filter(|_| kept).map(|value| value.as_bytes().to_vec());
    Side { at: 900, by: by.parse().ok(), digest, value }
}

/// A conflict that nobody decided: `a` stored, `b` sent.
fn waiting(key: u32, base: Option<&str>, head: Option<&str>, incoming: Option<&str>) -> Conflict {
    Conflict {
        store: "data".into(),
        key: number(key),
        kind: match (head, incoming) {
            (None, _) => ConflictType::DeleteUpdate,
            (_, None) => ConflictType::UpdateDelete,
            _ if base.is_none() => ConflictType::InsertInsert,
            _ => ConflictType::UpdateUpdate,
        },
        other: None,
        rule: "data/park".into(),
        winner: Winner::Nobody,
        reason: Some("park"),
        fields: Vec::new(),
        base: base.map(|base| Digest::of(base.as_bytes())),
        base_value: base.map(|base| base.as_bytes().to_vec()),
        head: Some(side("a", head, false)),
        incoming: side("b", incoming, true),
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

/// Makes a version whose conflicts are head's and these values.
fn forge(store: &dyn SnapshotStore, conflicts: Vec<(SortableKey, Vec<u8>)>) -> FlowVersion {
    let head = store.head(&flow()).unwrap().unwrap();
    let flow = flow();
    let source = HeadReader::new(store, &flow, Some(&head));
    let mut new = New(store.writer(&flow, Some(&head)).unwrap());
    let mut editor = ListEditor::new(List::Conflicts, &head.manifest.conflicts, &source);
    let rev = FlowVersion::after(Some(head.manifest.version));
    for (key, value) in conflicts {
        let mut state = LineState::Put(value.clone().into());
        if value.len() > SPILL_BYTES {
            let (digest, content) = (Digest::of(&value), Digest::of(&value));
            for (part, bytes) in (0..).zip(value.chunks(PART_BYTES)) {
                new.0.write_part(&digest, part, bytes).unwrap();
            }
            state = LineState::Spilled(Spilled {
                bytes: value.len() as u64,
                digest,
                content,
                kind: "object".into(),
            });
        }
        editor.put(&Line { key, meta: Meta { at: 900, by: None, rev }, state }, &mut new).unwrap();
    }
    let conflicts = editor.finish(&mut new).unwrap();
    let manifest =
        Manifest { conflicts, version: rev, previous: Some(head.state), ..head.manifest.clone() };
    let manifest = SealedManifest::from(manifest);
    let comment = format!("by hand\n\nroot={} state={}", manifest.root(), manifest.state());
    new.0.commit(&VersionDraft { manifest, comment, timestamp_ms: 900 }).unwrap();
    rev
}

/// Makes a version in which these conflicts wait.
fn park(store: &dyn SnapshotStore, conflicts: &[Conflict]) -> FlowVersion {
    let version =
        FlowVersion::after(store.head(&flow()).unwrap().map(|head| head.manifest.version));
    let line = |conflict: &Conflict| (conflict.list_key(version, 1).unwrap(), conflict.to_value());
    forge(store, conflicts.iter().map(line).collect())
}

/// Version 1: `a` put records 1 to 4 as `"head"`. Version 2: one conflict waits about each.
fn four(store: &dyn SnapshotStore) {
    let records: Vec<_> = (1..=4).map(|key| put(key, "\"head\"")).collect();
    from(store, r#""source":"a""#, &records);
    let (base, head, incoming) = (Some("\"base\""), Some("\"head\""), Some("\"incoming\""));
    let conflicts = [
        waiting(1, base, head, incoming),
        waiting(2, None, head, incoming),
        waiting(3, base, head, None),
        waiting(4, base, head, incoming),
    ];
    park(store, &conflicts);
}

fn memory() -> MemoryStore {
    let store = MemoryStore::default();
    four(&store);
    store
}

#[test]
fn conflicts_are_listed_in_order_and_shown_whole() {
    let store = memory();
    let all = listed(&store, &ConflictFilter::default());
    let ids: Vec<_> = all.iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(ids, [r#"[2,"data",1]"#, r#"[2,"data",2]"#, r#"[2,"data",3]"#, r#"[2,"data",4]"#]);
    assert_eq!((&all[0]["state"], &all[0]["head"]["by"]), (&"parked".into(), &"a".into()));
    assert!(
        all.iter()
            .all(|line| line["incoming"].get("value").is_none() && line.get("baseValue").is_none())
    );
    let some = |filter: ConflictFilter| listed(&store, &filter).len();
    assert_eq!(some(ConflictFilter { kind: Some(ConflictType::UpdateDelete), ..parked() }), 1);
    assert_eq!(some(ConflictFilter { since: FlowVersion::new(2), ..parked() }), 4);
    assert_eq!(some(ConflictFilter { since: FlowVersion::new(3), ..parked() }), 0);
    assert_eq!(some(ConflictFilter { state: Some(ConflictState::Decided), ..parked() }), 0);

    let one = shown(&store, r#"[2,"data",1]"#);
    assert_eq!((&one["baseValue"], &one["head"]["value"]), (&"base".into(), &"head".into()));
    assert_eq!(
        (&one["incoming"]["value"], &one["now"]["value"]),
        (&"incoming".into(), &"head".into())
    );
    let deletes = shown(&store, r#"[2,"data",3]"#);
    assert_eq!(
        (&deletes["incoming"]["digest"], deletes["incoming"].get("value")),
        (&Value::Null, None)
    );
    assert_eq!(
        show_conflict(&store, &flow(), &head(&store), &id(r#"[9,"data",3]"#)).unwrap(),
        None
    );
}

fn resolved_lines(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["type"] == "resolved").collect()
}

#[test]
fn damage_names_the_conflict_and_is_no_panic() {
    for broken in [
        "{}",
        "[1]",
        r#"{"base":null,"head":null,"incoming":{"at":1,"digest":null},"rule":"r","type":"odd","winner":"none"}"#,
    ] {
        let store = MemoryStore::default();
        from(&store, r#""source":"a""#, &[put(1, "1")]);
        forge(&store, vec![(id(r#"[2,"data",1]"#), broken.into())]);
        let version = head(&store);
        let mut out = Vec::new();
        let all = ConflictFilter::default();
        let listed =
            list_conflicts(&store, &flow(), &version, &all, &LoggedConflict::to_json, &mut out)
                .unwrap_err();
        let shown = show_conflict(&store, &flow(), &version, &id(r#"[2,"data",1]"#)).unwrap_err();
        let resolved =
            try_resolve(&store, ids(&[r#"[2,"data",1]"#]), Choice::Head, |_| ()).unwrap_err();
        for (error, status) in [
            (listed.to_string(), listed.exit_status()),
            (shown.to_string(), shown.exit_status()),
            (resolved.to_string(), resolved.exit_status()),
        ] {
            assert!(error.contains(r#"conflict [2,"data",1]"#), "{error}");
            assert_eq!(status, ExitStatus::Refused);
        }
    }
    // A value that is not what its digest says.
    let store = MemoryStore::default();
    from(&store, r#""source":"a""#, &[put(1, "1")]);
    let mut conflict = waiting(1, Some("0"), Some("1"), Some("2"));
    conflict.incoming.value = Some(b"3".to_vec());
    park(&store, &[conflict]);
    let shown = show_conflict(&store, &flow(), &head(&store), &id(r#"[2,"data",1]"#)).unwrap_err();
    assert_eq!(shown.exit_status(), ExitStatus::Refused);
    assert!(matches!(
        try_resolve(&store, matching(parked()), Choice::Incoming, |_| ()),
        Err(SyncError::Store(_))
    ));
}
