//! Tests with versions built by hand in a memory store: restore, show, list.

mod damage;
mod lab;

use lab::{Lab, date, key, number, put, schema, tombstone};
use proptest::prelude::*;

use super::*;
use crate::decode::{DecodeOptions, Decoder};
use crate::exit_status::ExitStatus;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::{NormalizeOptions, normalize};
use crate::snapshot::line::SPILL_BYTES;
use crate::snapshot::{Line, LineState, RootId};

fn restored(
    lab: &Lab,
    version: &StoredVersion,
    options: &RestoreOptions,
) -> Result<String, HistoryError> {
    let mut out = Vec::new();
    let written = restore(&lab.store, &lab.flow, version, options, &mut out)?;
    assert_eq!(written.bytes, out.len() as u64);
    Ok(String::from_utf8(out).unwrap())
}

fn records_of(store: &str) -> RestoreOptions {
    RestoreOptions { format: RestoreFormat::Records, object_store: Some(store.into()) }
}

/// Decodes, normalizes and commits a restored batch to an empty flow.
fn root_of_batch(text: &str) -> RootId {
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let mut reject = |rejection: &crate::rejection::Rejection| panic!("{}", rejection.to_json());
    let batch =
        normalize(&mut decoder, &NormalizeOptions::received_at(1_800_000_000_000), &mut reject)
            .unwrap();
    let mut folds = batch.changes.folds(0).unwrap();
    let mut lines = Vec::new();
    while let Some(folded) = folds.next().unwrap() {
        let name = batch.header.schema.stores[folded.store].name.clone();
        let meta =
            crate::snapshot::Meta { at: folded.clock.unwrap(), by: None, rev: FlowVersion::FIRST };
        lines.push((name, Line { key: folded.key, meta, state: folded.state }));
    }
    let lab = Lab::default();
    let version = lab.commit(&batch.header.schema, lines);
    let generators: Vec<_> =
        version.manifest.stores.iter().map(|store| store.key_generator).collect();
    assert_eq!(batch.header.key_generators, generators);
    version.manifest.root()
}

/// A version with several chunks, spilled values, error stacks, odd names, and keys of every type.
fn rich() -> (Lab, StoredVersion) {
    let lab = Lab::default();
    let odd = DomString::from_units([0x61, 0xd800]);
    let schema = schema(&["data", "keyless"], Some(odd.clone()));
    let mut lines: Vec<(DomString, Line)> = (0..2500)
        .map(|id| {
            (
                "data".into(),
                put(number(id), &format!("{{\"id\":{id},\"x\":\"{}\"}}", "y".repeat(200))),
            )
        })
        .collect();
    let long = format!("{{\"id\":9000,\"x\":\"{}\"}}", "z".repeat(SPILL_BYTES));
    lines.push(("data".into(), put(number(9000), &long)));
    let stack = format!(
        "{{\"~error\":{{\"message\":\"m\",\"name\":\"Error\",\"stack\":\"{}\"}}}}",
        "at f\\n".repeat(SPILL_BYTES / 4)
    );
    for (key, value) in [
        (r#"1"#, r#"{"~undefined":true}"#),
        (r#"{"~date":5}"#, r#"[1,{"~number":"-0"},"\u0024\u20ac"]"#),
        (r#""b""#, r#"{"~error":{"message":"m","name":"Error","stack":"s"}}"#),
        (r#""c""#, stack.as_str()),
        (r#"{"~binary":"AAE="}"#, "null"),
        (r#"["a",[1]]"#, r#"{"~~x":1}"#),
    ] {
        lines.push(("keyless".into(), put(lab::key(key), value)));
    }
    lines.push((odd, put(number(1), "1")));
    lab.commit(&schema, lines);
    let second = vec![
        ("data".into(), tombstone(number(7))),
        ("data".into(), put(number(8), "{\"id\":8,\"x\":2}")),
        ("keyless".into(), tombstone(key("\"gone\""))),
    ];
    let version = lab.commit(&schema, second);
    (lab, version)
}

#[test]
fn a_restored_batch_gives_the_same_root_in_an_empty_flow() {
    let (lab, version) = rich();
    let data = version.manifest.store(&"data".into()).unwrap();
    assert!(data.records.len() >= 2 && data.records.iter().any(|chunk| !chunk.spilled.is_empty()));
    let text = restored(&lab, &version, &RestoreOptions::default()).unwrap();
    assert!(text.ends_with("\n{\"count\":2507,\"op\":\"end\"}\n"), "{}", &text[text.len() - 60..]);
    assert_eq!(root_of_batch(&text), version.manifest.root());
    // The first version is unchanged.
    let first = open_version(&lab.store, &lab.flow, At::Version(FlowVersion::FIRST)).unwrap();
    assert_eq!(
        root_of_batch(&restored(&lab, &first, &RestoreOptions::default()).unwrap()),
        first.manifest.root()
    );
    assert_ne!(first.manifest.root(), version.manifest.root());
}

#[test]
fn a_restored_batch_has_the_chunks_own_lines() {
    let lab = Lab::default();
    let lines = vec![
        ("data".into(), put(number(1), "{\"id\":1}")),
        ("keyless".into(), put(key("\"k\""), "{\"~date\":5}")),
    ];
    let version = lab.commit(&schema(&["data", "keyless"], None), lines);
    let header = concat!(
        r#"{"database":"myDatabase","databaseVersion":3,"format":"indexeddb-changes/1","stores":[{"autoIncrement":true,"#,
        r#""indexes":[],"keyGenerator":5,"keyPath":"id","name":"data"},{"autoIncrement":false,"indexes":[],"#,
        r#""keyGenerator":null,"keyPath":null,"name":"keyless"}]}"#
    );
    let data = r#"{"at":1700000000123,"by":"kiosk-7","key":1,"op":"put","rev":1,"store":"data","value":{"id":1}}"#;
    let keyless = r#"{"at":1700000000123,"by":"kiosk-7","key":"k","op":"put","rev":1,"store":"keyless","value":{"~date":5}}"#;
    let text = restored(&lab, &version, &RestoreOptions::default()).unwrap();
    assert_eq!(text, format!("{header}\n{data}\n{keyless}\n{{\"count\":2,\"op\":\"end\"}}\n"));
    // Only one object store.
    let only = RestoreOptions { object_store: Some("keyless".into()), ..RestoreOptions::default() };
    let text = restored(&lab, &version, &only).unwrap();
    assert!(
        !text.contains("data\"")
            && text.ends_with(&format!("\n{keyless}\n{{\"count\":1,\"op\":\"end\"}}\n"))
    );
}

#[test]
fn records_are_bare_or_have_their_keys_beside_them() {
    let (lab, version) = rich();
    let data = restored(&lab, &version, &records_of("data")).unwrap();
    assert_eq!(data.lines().count(), 2500);
    assert_eq!(data.lines().nth(7), Some("{\"id\":8,\"x\":2}"));
    assert!(data.lines().last().unwrap().starts_with("{\"id\":9000,\"x\":\"zzz"));
    let keyless = restored(&lab, &version, &records_of("keyless")).unwrap();
    assert!(keyless.starts_with(
        "{\"key\":1,\"value\":{\"~undefined\":true}}\n{\"key\":{\"~date\":5},\"value\":[1,"
    ));
    assert!(keyless.lines().nth(3).unwrap().ends_with("at f\\n\"}}}"));
}

#[test]
fn options_that_do_not_fit_are_usage() {
    let (lab, version) = rich();
    let none_named = RestoreOptions { format: RestoreFormat::Records, object_store: None };
    for options in [none_named, records_of("Data")] {
        let error = restored(&lab, &version, &options).unwrap_err();
        assert_eq!(error.exit_status(), ExitStatus::Usage);
        assert!(
            error.to_string().ends_with(r#"has {"~utf16":"YQAA2A=="}, "data", "keyless""#),
            "{error}"
        );
    }
    let error =
        show_record(&lab.store, &lab.flow, &version, &"Data".into(), &number(1)).unwrap_err();
    assert_eq!(error.exit_status(), ExitStatus::Usage);
    let error = history_of_record(
        &lab.store,
        &lab.flow,
        &version,
        RecordPlace { object_store: &"Data".into(), key: &number(1) },
        9,
    )
    .unwrap_err();
    assert_eq!(error.exit_status(), ExitStatus::Usage);
}

#[test]
fn which_version() {
    let (lab, _) = rich();
    assert_eq!("latest".parse(), Ok(At::Latest));
    assert_eq!("2".parse(), Ok(At::Version(FlowVersion::new(2).unwrap())));
    assert!("0".parse::<At>().is_err() && "Latest".parse::<At>().is_err());
    let open = |at: &str| open_version(&lab.store, &lab.flow, at.parse().unwrap());
    assert_eq!(open("latest").unwrap().manifest.version.get(), 2);
    assert_eq!(open("1").unwrap().manifest.version.get(), 1);
    let error = open("3").unwrap_err();
    assert_eq!(error.to_string(), "flow b/f has versions 1 to 2, not 3");
    assert_eq!(error.exit_status(), ExitStatus::Usage);
    let empty = Lab::default();
    for at in [At::Latest, At::Version(FlowVersion::FIRST)] {
        let error = open_version(&empty.store, &empty.flow, at).unwrap_err();
        assert_eq!(error.to_string(), "memory has no flow b/f; check the names of bucket and flow");
        assert_eq!(error.exit_status(), ExitStatus::Usage);
    }
}

#[test]
fn one_record_as_of_a_version() {
    let (lab, second) = rich();
    let first = open_version(&lab.store, &lab.flow, At::Version(FlowVersion::FIRST)).unwrap();
    let show = |version, store: &str, key| {
        show_record(&lab.store, &lab.flow, version, &store.into(), &key).unwrap()
    };
    let line = |version, id| show(version, "data", number(id)).unwrap().line;
    assert_eq!(
        line(&second, 8),
        r#"{"at":1700000000123,"by":"kiosk-7","key":8,"op":"put","rev":2,"store":"data","value":{"id":8,"x":2}}"#
    );
    assert!(
        line(&first, 8).contains("\"rev\":1,\"store\":\"data\",\"value\":{\"id\":8,\"x\":\"yyy")
    );
    let spilled = line(&second, 9000);
    assert!(
        spilled.contains("\"rev\":1,\"store\":\"data\",\"value\":{\"id\":9000,\"x\":\"zzz")
            && spilled.ends_with("z\"}}")
    );
    let gone = show(&second, "data", number(7)).unwrap();
    assert_eq!(gone.state, RecordState::Tombstone);
    assert_eq!(
        gone.line,
        r#"{"at":1700000000123,"by":"kiosk-7","key":7,"op":"delete","rev":2,"store":"data"}"#
    );
    assert_eq!(show(&first, "data", number(7)).unwrap().state, RecordState::Live);
    for unknown in [number(-1), number(8999), number(99_999), date(1)] {
        assert_eq!(show(&second, "data", unknown), None);
    }
    // Keys are in IndexedDB's order, not in the order of their text.
    assert_eq!(show(&second, "keyless", date(5)).unwrap().state, RecordState::Live);
}

#[test]
fn the_versions_that_changed_a_record() {
    let lab = Lab::default();
    let schema = schema(&["data"], None);
    let commit = |lines: Vec<Line>| {
        lab.commit(&schema, lines.into_iter().map(|line| ("data".into(), line)).collect())
    };
    commit(vec![put(number(1), "{\"id\":1}")]);
    commit(vec![put(number(2), "{\"id\":2}")]);
    commit(vec![tombstone(number(1))]);
    commit(vec![put(number(2), "{\"id\":2,\"n\":1}")]);
    let head = commit(vec![put(number(1), "{\"id\":1,\"n\":2}")]);
    let changes = |version: &StoredVersion, id, limit| {
        let changes = history_of_record(
            &lab.store,
            &lab.flow,
            version,
            RecordPlace { object_store: &"data".into(), key: &number(id) },
            limit,
        )
        .unwrap();
        changes.iter().map(|change| (change.version.get(), change.state)).collect::<Vec<_>>()
    };
    use RecordState::{Live, Tombstone};
    assert_eq!(changes(&head, 1, 9), [(5, Live), (3, Tombstone), (1, Live)]);
    assert_eq!(changes(&head, 1, 2), [(5, Live), (3, Tombstone)]);
    assert_eq!(changes(&head, 2, 9), [(4, Live), (2, Live)]);
    assert_eq!(changes(&head, 3, 9), []);
    let third = open_version(&lab.store, &lab.flow, "3".parse().unwrap()).unwrap();
    assert_eq!(changes(&third, 2, 9), [(2, Live)]);
}

#[test]
fn a_log_is_newest_first() {
    let (lab, version) = rich();
    let entries = log(&lab.store, &lab.flow, usize::MAX).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.version.get()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(entries[0].root, Some(version.manifest.root()));
    assert_eq!(entries[0].state, Some(version.state));
    assert_eq!(entries[0].summary, "by hand");
    assert_eq!(log(&lab.store, &lab.flow, 1).unwrap(), entries[..1]);
    let empty = Lab::default();
    assert!(matches!(log(&empty.store, &empty.flow, 1), Err(HistoryError::NoFlow { .. })));
}

#[test]
fn what_is_whole_is_verified_and_counted() {
    let (lab, version) = lab::everything();
    let manifest = &version.manifest;
    let verified = verify(&lab.store, &lab.flow, &version, true).unwrap();
    assert_eq!(verified.chunks, manifest.chunks().count() as u64);
    assert_eq!(
        verified.records,
        manifest.stores.iter().map(|store| store.record_count()).sum::<u64>()
    );
    // Records and a view refer to the same spilled value.
    assert_eq!((verified.spilled, verified.versions), (1, 2));
    let texts: u64 = manifest.chunks().map(|(_, chunk)| chunk.bytes).sum();
    assert_eq!(verified.bytes, texts + manifest.views[0].spilled[0].bytes);
    assert_eq!(verify(&lab.store, &lab.flow, &version, false).unwrap().versions, 0);
    let (lab, version) = rich();
    assert_eq!(verify(&lab.store, &lab.flow, &version, true).unwrap().spilled, 2);
}

proptest! {
    #[test]
    fn whatever_was_committed_comes_back(
        versions in prop::collection::vec(prop::collection::btree_map(0..30i64, prop::option::of(".{0,40}"), 1..20), 1..4),
    ) {
        let lab = Lab::default();
        let schema = schema(&["keyless"], None);
        let mut expected = std::collections::BTreeMap::new();
        let mut head = None;
        for changes in versions {
            let mut lines: Vec<(DomString, Line)> = Vec::new();
            for (id, text) in changes {
                let value = text.map(|text| crate::indexeddb::text::canonical_text(&text));
                let line = value.as_ref().map_or_else(|| tombstone(number(id)), |value| put(number(id), value));
                lines.push(("keyless".into(), line));
                expected.insert(id, value);
            }
            head = Some(lab.commit(&schema, lines));
        }
        let head = head.unwrap();
        verify(&lab.store, &lab.flow, &head, true).unwrap();
        let live = expected.iter().filter_map(|(id, value)| Some((id, value.as_ref()?)));
        let records: String = live.map(|(id, value)| format!("{{\"key\":{id},\"value\":{value}}}\n")).collect();
        let options = RestoreOptions { format: RestoreFormat::Records, object_store: None };
        prop_assert_eq!(restored(&lab, &head, &options).unwrap(), records);
        let batch = restored(&lab, &head, &RestoreOptions::default()).unwrap();
        prop_assert_eq!(root_of_batch(&batch), head.manifest.root());
        for (id, value) in expected {
            let shown = show_record(&lab.store, &lab.flow, &head, &"keyless".into(), &number(id)).unwrap().unwrap();
            prop_assert_eq!(shown.state == RecordState::Live, value.is_some());
            let line = Line::parse(shown.line.as_bytes(), b"\"keyless\"").unwrap();
            prop_assert_eq!(line.state, value.map_or(LineState::Delete, |value| LineState::Put(value.into_bytes().into())));
        }
    }
}
