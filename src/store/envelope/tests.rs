//! Tests that exactly the texts put into a flow are read from it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::sortable_string;
use crate::indexeddb::schema::{Database, ObjectStore};
use crate::snapshot::{FlowVersion, SealedManifest};

fn chunk_of(first: &str, text: &str) -> ChunkRef {
    let full = Digest::of(text.as_bytes());
    let count = text.lines().count() as u64;
    ChunkRef {
        first: sortable_string(first),
        count,
        bytes: text.len() as u64,
        full,
        content: full,
        spilled: Vec::new(),
    }
}

fn manifest_of(stores: &[&str]) -> Manifest {
    let store = |name: &&str| ObjectStore {
        name: (*name).into(),
        key_path: None,
        auto_increment: false,
        indexes: Vec::new(),
    };
    let schema = Database::new("my $db#".into(), 3, stores.iter().map(store).collect()).unwrap();
    Manifest::empty(&schema)
}

/// Two object stores, tombstones with the same first key as records, and two views with the same
/// first key.
fn example() -> (FlowName, Manifest, Vec<ListedText>) {
    let mut manifest = manifest_of(&["a", "b"]);
    let mut listed = Vec::new();
    let mut add = |list: List, first: &str, text: &str| {
        let chunk = chunk_of(first, text);
        manifest.list_mut(&list).unwrap().push(chunk.clone());
        listed.push((list, chunk, Arc::new(text.as_bytes().to_vec())));
    };
    add(List::Records("a".into()), "k", "{\"a\":1}\n");
    add(List::Records("a".into()), "l", "{\"a\":2}\n");
    add(List::Records("b".into()), "k", "{\"b\":1}\n");
    add(List::Tombstones("a".into()), "k", "{\"t\":1}\n");
    add(List::Sources, "k", "{\"s\":1}\n");
    add(List::Views, "k", "{\"v\":1}\n");
    add(List::Views, "k", "{\"v\":2}\n");
    (FlowName::new("bucket", "flow").unwrap(), manifest, listed)
}

fn identifiers(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            out.extend(members.get("identifier").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| identifiers(member, out));
        }
        Value::Array(items) => items.iter().for_each(|item| identifiers(item, out)),
        _ => {}
    }
}

fn parent_of(embedded: &[ListedText], placed: &[PlacedChunk]) -> Value {
    let (flow, manifest, _) = example();
    let manifest = &SealedManifest::from(manifest);
    let parent =
        Parent { flow: &flow, manifest, comment: "+1", embedded, placed, registry: "http://r:1" };
    snapshot(parent.contents().unwrap())
}

#[test]
fn embedded_texts_come_back_with_distinct_identifiers() {
    let (_, manifest, listed) = example();
    let sent = parent_of(&listed, &[]);
    let mut ids = Vec::new();
    identifiers(&sent, &mut ids);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let mut read = EnvelopeContents::from_snapshot(&serde_json::to_vec(&sent).unwrap()).unwrap();
    assert_eq!(read.manifest().unwrap(), manifest.to_text().0);
    // Root, label, system group, manifest, a group for each of two stores, seven chunks.
    assert_eq!((read.components, ids.len()), (13, 13));
    for (_, chunk, text) in &listed {
        assert_eq!(read.take_text(&chunk.full).unwrap().as_bytes(), text.as_slice());
    }
    assert_eq!(read.take_text(&listed[0].1.full).unwrap_err().kind, StoreErrorKind::Damaged);
}

#[test]
fn only_records_run_and_no_identifier_depends_on_what_a_chunk_holds() {
    let (_, _, mut listed) = example();
    let before = parent_of(&listed, &[]);
    let mut states = Vec::new();
    for group in before["flowContents"]["processGroups"].as_array().unwrap() {
        for processor in group["processors"].as_array().unwrap() {
            states.push((
                processor["properties"][read::PART].clone(),
                processor["scheduledState"].clone(),
            ));
        }
    }
    for (part, state) in states {
        assert_eq!(state, if part == "records" { "ENABLED" } else { "DISABLED" }, "{part}");
    }
    listed[0].2 = Arc::new(b"{\"a\":9}\n".to_vec());
    let (mut ids, mut new_ids) = (Vec::new(), Vec::new());
    identifiers(&before, &mut ids);
    identifiers(&parent_of(&listed, &[]), &mut new_ids);
    assert_eq!(ids, new_ids);
}

#[test]
fn placeholders_are_found_by_their_identifiers() {
    let (_, manifest, listed) = example();
    let placed: Vec<PlacedChunk> = listed
        .iter()
        .map(|(list, chunk, _)| {
            let coordinates =
                Coordinates { bucket: "b".into(), flow: identifier(&chunk.full.to_string()) };
            (list.clone(), chunk.clone(), coordinates)
        })
        .collect();
    let sent = parent_of(&[], &placed);
    let read = EnvelopeContents::from_snapshot(&serde_json::to_vec(&sent).unwrap()).unwrap();
    let chunks: Vec<_> = manifest.chunks().collect();
    let ids = placeholder_identifiers(&chunks);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 7);
    for (id, (_, chunk)) in ids.iter().zip(&chunks) {
        assert_eq!(read.placed[id].flow, identifier(&chunk.full.to_string()));
    }
    let place =
        &sent["flowContents"]["processGroups"][0]["versionedFlowCoordinates"]["storageLocation"];
    assert!(
        place.is_null()
            || place.as_str().unwrap().starts_with("http://r:1/nifi-registry-api/buckets/b/flows/")
    );
}

#[test]
fn a_lost_component_and_a_changed_text_are_noticed() {
    let (_, _, listed) = example();
    let sent = EnvelopeContents::from_contents(&parent_of(&listed, &[])["flowContents"]).unwrap();
    assert!(sent.check_echo(&sent.clone()).is_ok());
    let fewer =
        EnvelopeContents::from_contents(&parent_of(&listed[1..], &[])["flowContents"]).unwrap();
    assert!(
        sent.check_echo(&fewer).unwrap_err().message.contains("13 components were sent and 12")
    );
    let mut changed = sent.clone();
    changed.placed.insert("x".into(), Coordinates { bucket: "b".into(), flow: "f".into() });
    assert!(sent.check_echo(&changed).unwrap_err().message.contains("coordinates"));
    let mut changed = sent.clone();
    changed.texts[0].push(' ');
    assert_eq!(sent.check_echo(&changed).unwrap_err().kind, StoreErrorKind::Damaged);
}

#[test]
fn both_keys_of_the_text_are_read_and_unknown_fields_passed_over() {
    let (_, _, listed) = example();
    let text = serde_json::to_string(&parent_of(&listed, &[])).unwrap();
    let text = text
        .replace(component::TEXT, "Custom Text")
        .replace("\"flowContents\":{", "\"flowContents\":{\"new\":[1],");
    let mut read = EnvelopeContents::from_snapshot(text.as_bytes()).unwrap();
    assert!(read.manifest().is_ok());
    assert!(read.take_text(&listed[6].1.full).is_ok());
    let foreign =
        EnvelopeContents::from_snapshot(b"{\"flowContents\":{\"identifier\":\"x\"}}").unwrap();
    assert!(foreign.manifest().unwrap_err().message.starts_with("no manifest"));
    assert!(EnvelopeContents::from_snapshot(b"{\"flowContents\":").is_err());
}

#[test]
fn names_harm_nothing() {
    let names = [
        "",
        " ",
        "a$b",
        "${now()}",
        "#{p}",
        "é\u{1f600}",
        "\u{0}\u{fffe}\u{ffff}\u{2028}",
        "a\"b\\",
        "enc{x}",
    ];
    for name in names.map(DomString::from).into_iter().chain([DomString::from_units([0xd800])]) {
        let canonical = name.to_canonical();
        assert!(
            attribute(&canonical)
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && byte != b'$' && byte != b'#')
        );
        assert!(!shown(&canonical).trim().is_empty());
    }
    assert_eq!(attribute("\"data\""), "data");
    assert_eq!(attribute(&DomString::from("a$").to_canonical()), "a\\u0024");
    assert!(shown(&format!("\"{}\"", "x".repeat(5000))).len() <= SHOWN_CHARS + 3);
}

#[test]
fn texts_that_nifi_does_not_keep_are_refused() {
    let (_, _, listed) = example();
    let (list, chunk, _) = &listed[0];
    for bad in ["${a}", "#", "\u{7f}", "é", "\t", "\r"] {
        let error = chunk_contents(list, chunk, bad.as_bytes()).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Refused, "{bad}");
    }
    let longest = vec![b'x'; MAX_TEXT_CHARS];
    assert!(chunk_contents(list, chunk, &longest).is_ok());
    let error = chunk_contents(list, chunk, &vec![b'x'; MAX_TEXT_CHARS + 1]).unwrap_err();
    assert!(error.message.starts_with("20000001 characters are more than"), "{error}");
}

#[test]
fn the_rendering_is_in_the_layout_of_git_clients() {
    let (flow, manifest, listed) = example();
    let comment = "+1\nroot=".to_owned();
    let draft = VersionDraft { manifest: manifest.into(), comment, timestamp_ms: 17 };
    let (system, data): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|(list, _, _)| list.is_system());
    let bytes = rendering(&flow, &draft, &system, Some(&data));
    assert_eq!(bytes, rendering(&flow, &draft, &system, Some(&data)));
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["flowContents"]["identifier"], GIT_ROOT);
    assert_eq!(value["flowContents"]["processGroups"][0]["groupIdentifier"], GIT_ROOT);
    assert_eq!(value["flowContents"]["comments"], "+1");
    assert_eq!(
        value["snapshotMetadata"],
        json!({"author": "nifi-idb", "flowIdentifier": "flow", "timestamp": 17})
    );
    assert!(!String::from_utf8(bytes).unwrap().contains("instanceIdentifier"));
    let short = rendering(&flow, &draft, &system, None);
    let read = EnvelopeContents::from_snapshot(&short).unwrap();
    assert_eq!((read.manifest().unwrap(), read.texts.len()), (draft.manifest.text(), 4));
    assert!(String::from_utf8(short).unwrap().contains("They lie beside this file"));
}

#[test]
fn placement_follows_sizes_alone() {
    let mut manifest = manifest_of(&["a"]);
    let sized = |bytes: u64| ChunkRef { bytes, ..chunk_of("k", "x") };
    manifest.stores[0].records.push(sized(EMBED_BYTES));
    manifest.sources.push(sized(SYSTEM_EMBED_BYTES - 10));
    manifest.stores[0].tombstones.push(sized(11));
    manifest.views.push(sized(10));
    let placement = Placement::of(&manifest);
    assert!(placement.embeds(&List::Records("a".into())) && placement.embeds(&List::Sources));
    assert!(!placement.embeds(&List::Tombstones("a".into())));
    assert!(placement.embeds(&List::Views));
    manifest.stores[0].records.push(sized(1));
    assert!(!Placement::of(&manifest).embeds(&List::Records("a".into())));
    assert_eq!(manifest.version, FlowVersion::FIRST);
}

proptest! {
    #[test]
    fn any_text_in_canonical_form_comes_back(units in proptest::collection::vec(any::<u16>(), 0..200), part in 0..9u32) {
        let text = DomString::from_units(units).to_canonical();
        let digest = Digest::of(text.as_bytes());
        let sent = snapshot(part_contents(&digest, part, text.as_bytes()).unwrap());
        let mut read = EnvelopeContents::from_snapshot(&serde_json::to_vec(&sent).unwrap()).unwrap();
        prop_assert_eq!(read.take_text(&digest).unwrap(), text);
    }
}
