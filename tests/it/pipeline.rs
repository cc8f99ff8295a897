//! The pipeline over the memory store, against a model that is a plain map.

use std::collections::BTreeMap;

use nifi_idb::chunk::parse_chunk;
use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::normalize::{NormalizeOptions, normalize};
use nifi_idb::pipeline::{NewEpoch, SyncOptions, sync};
use nifi_idb::report::{Outcome, ReportLines, Summary};
use nifi_idb::snapshot::{FlowName, FlowVersion, LineState, List};
use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::recording::{Call, RecordingStore};
use nifi_idb::store::{SnapshotReader, SnapshotStore};
use proptest::prelude::*;

use nifi_idb::apply::SyncError;

fn flow() -> FlowName {
    FlowName::new("indexeddb", "shop").unwrap()
}

/// Syncs a batch of `indexeddb-changes/1`; `header` are members beside format, database and stores.
fn run(
    store: &dyn SnapshotStore,
    header: &str,
    lines: &[String],
    options: &SyncOptions,
) -> Result<(Summary, String), SyncError> {
    let stores = r#""stores":[{"name":"data","keyPath":null},{"name":"more","keyPath":null}]"#;
    let separator = if header.is_empty() { "" } else { "," };
    let mut text = format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",{stores}{separator}{header}}}\n"
    );
    lines.iter().for_each(|line| text.extend([line, "\n"]));
    text.push_str(&format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len()));
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let batch = normalize(&mut decoder, &NormalizeOptions::received_at(1_000), &mut |rejection| {
        panic!("rejected: {}", rejection.to_json())
    })
    .unwrap();
    let mut report = ReportLines::default();
    let summary = sync(store, &flow(), &batch, options, &mut report)?;
    let mut lines = Vec::new();
    report.copy_to(&mut lines).unwrap();
    Ok((summary, String::from_utf8(lines).unwrap()))
}

fn ok(store: &dyn SnapshotStore, header: &str, lines: &[String]) -> Summary {
    run(store, header, lines, &SyncOptions::default()).unwrap().0
}

fn put(key: impl std::fmt::Display, value: impl std::fmt::Display) -> String {
    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value}}}"#)
}

fn delete(key: impl std::fmt::Display) -> String {
    format!(r#"{{"op":"delete","store":"data","key":{key}}}"#)
}

/// All live records of `data` as canonical key and value.
fn records(store: &dyn SnapshotStore) -> BTreeMap<String, String> {
    let Some(head) = store.head(&flow()).unwrap() else { return BTreeMap::new() };
    let list = List::Records("data".into());
    let mut found = BTreeMap::new();
    for chunk in &head.manifest.store(&"data".into()).unwrap().records {
        let text = store.read_chunk(&flow(), &head, &list, chunk).unwrap();
        for line in parse_chunk(&text, b"\"data\"").unwrap() {
            let LineState::Put(value) = line.state else { panic!("{:?}", line.state) };
            found.insert(line.key.to_canonical(), String::from_utf8(value.into()).unwrap());
        }
    }
    found
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[test]
fn first_then_unchanged_then_one_change() {
    let store = MemoryStore::default();
    let first = ok(&store, "", &[put(1, r#"{"b":1,"a":2}"#), put(2, "true")]);
    assert_eq!(
        (first.outcome, first.version.unwrap().get(), first.put),
        (Outcome::Committed, 1, 2)
    );
    let again = ok(&store, "", &[put(1, r#"{"a":2,"b":1}"#), put(2, "true")]);
    assert_eq!(
        (again.outcome, again.version.unwrap().get(), again.unchanged),
        (Outcome::Unchanged, 1, 2)
    );
    let changed = ok(&store, "", &[put(2, "false")]);
    assert_eq!(
        (changed.outcome, changed.version.unwrap().get(), changed.conflicts),
        (Outcome::Committed, 2, 0)
    );
    assert_eq!(records(&store), map(&[("1", r#"{"a":2,"b":1}"#), ("2", "false")]));
    assert!(
        store.log(&flow()).unwrap()[0].comment.starts_with("+0 ~1 -0 in 1 object store\n\nroot=")
    );
}

#[test]
fn on_off_on_is_three_versions_and_a_replayed_delivery_none() {
    let store = MemoryStore::default();
    let deliver = |id: &str, value: &str| {
        let options = SyncOptions { delivery: Some(id.into()), ..SyncOptions::default() };
        let summary = run(&store, "", &[put(1, value)], &options).unwrap().0;
        (summary.outcome, summary.version.unwrap().get())
    };
    assert_eq!(deliver("a", "1"), (Outcome::Committed, 1));
    assert_eq!(deliver("b", "0"), (Outcome::Committed, 2));
    assert_eq!(deliver("c", "1"), (Outcome::Committed, 3));
    assert_eq!(deliver("b", "0"), (Outcome::Unchanged, 3));
    assert_eq!(records(&store), map(&[("1", "1")]));
}

#[test]
fn numbered_batches_are_applied_once_and_gaps_refused() {
    let store = MemoryStore::default();
    let numbered = |first: u64, lines: &[String]| {
        let last = first + lines.len() as u64 - 1;
        let header = format!(r#""source":"a","epoch":"e","first":{first},"last":{last}"#);
        run(&store, &header, lines, &SyncOptions::default())
    };
    let (summary, report) = numbered(1, &[put(1, "1"), put(2, "2")]).unwrap();
    assert_eq!(summary.outcome, Outcome::Committed);
    assert!(
        report.contains(r#"{"checkpoint":2,"epoch":"e","source":"a","type":"ack"}"#),
        "{report}"
    );
    numbered(3, &[put(1, "5")]).unwrap();
    let (replayed, report) = numbered(1, &[put(1, "1"), put(2, "2")]).unwrap();
    assert_eq!(replayed.outcome, Outcome::Unchanged);
    assert!(report.contains(r#""checkpoint":3"#), "{report}");
    assert_eq!(records(&store), map(&[("1", "5"), ("2", "2")]));
    // Overlap: what is committed is skipped, the rest applied.
    numbered(3, &[put(1, "9"), put(2, "7")]).unwrap();
    assert_eq!(records(&store), map(&[("1", "5"), ("2", "7")]));
    assert!(matches!(
        numbered(6, &[put(1, "1")]),
        Err(SyncError::Gap { checkpoint: 4, first: 6, .. })
    ));
    // A batch that changes no record still commits its checkpoint; the data is the same.
    let before = store.head(&flow()).unwrap().unwrap();
    let (same, _) = numbered(5, &[put(1, "5")]).unwrap();
    let after = store.head(&flow()).unwrap().unwrap();
    assert_eq!(same.outcome, Outcome::Committed);
    assert_eq!(before.manifest.root(), after.manifest.root());
    assert!(matches!(numbered(5, &[put(1, "5")]).unwrap().0.outcome, Outcome::Unchanged));
}

#[test]
fn two_sources_in_full_never_delete_or_revert_what_the_other_did() {
    let store = MemoryStore::default();
    let full = |source: &str, pairs: &[(&str, &str)]| {
        let lines: Vec<_> = pairs.iter().map(|(key, value)| put(key, value)).collect();
        ok(&store, &format!(r#""source":"{source}","mode":"full""#), &lines)
    };
    full("a", &[("1", "1"), ("2", "2")]);
    full("b", &[("2", "2"), ("3", "3")]);
    assert_eq!(records(&store), map(&[("1", "1"), ("2", "2"), ("3", "3")]));
    assert_eq!(full("a", &[("1", "1"), ("2", "2")]).outcome, Outcome::Unchanged);
    // a changes 1, b has never seen that; b changes 3; a deletes 2.
    full("a", &[("1", "10"), ("2", "2")]);
    full("b", &[("2", "2"), ("3", "30")]);
    full("a", &[("1", "10")]);
    full("b", &[("2", "2"), ("3", "30"), ("4", "4")]);
    assert_eq!(records(&store), map(&[("1", "10"), ("3", "30"), ("4", "4")]));
    let head = store.head(&flow()).unwrap().unwrap();
    assert!(!head.manifest.views.is_empty(), "views that equal no version are kept as chunks");
}

/// A source that has applied everything up to version 2, and says all that it has.
fn says_all(store: &dyn SnapshotStore, number: u32, lines: &[String]) -> Summary {
    let sequence = format!(r#""source":"b","epoch":"e","first":{number},"last":{number}"#);
    ok(store, &format!(r#"{sequence},"mode":"full","base":2"#), lines)
}

#[test]
fn a_full_batch_with_a_base_takes_nothing_back() {
    let store = MemoryStore::default();
    let a = |lines: &[String]| ok(&store, r#""source":"a""#, lines);
    ok(&store, r#""source":"b","epoch":"e","first":1,"last":1,"mode":"full""#, &[put(9, "9")]);
    a(&[
        put(1, "1"),
        put(2, "2"),
        put(3, r#"{"x":0,"y":0}"#),
        put(4, "4"),
        put(5, "5"),
        put(6, "6"),
    ]);
    // What b has applied, and what it has not: another's change, deletion, member, and a new record.
    a(&[put(1, "10"), delete(2), put(3, r#"{"x":1,"y":0}"#), put(5, "50"), put(7, "7")]);
    // b has changed a member of 3, put 4 anew, changed 5, deleted 6 by a delta that comes later, and made 8.
    let all = [
        put(1, "1"),
        put(2, "2"),
        put(3, r#"{"x":0,"y":1}"#),
        put(4, "40"),
        put(5, "51"),
        put(6, "6"),
        put(8, "8"),
        put(9, "9"),
    ];
    let summary = says_all(&store, 2, &all);
    let expected = [
        ("1", "10"),
        ("3", r#"{"x":1,"y":1}"#),
        ("4", "40"),
        ("5", "51"),
        ("6", "6"),
        ("7", "7"),
        ("8", "8"),
        ("9", "9"),
    ];
    assert_eq!(records(&store), map(&expected));
    // Only 5 was changed on both sides in the same place.
    assert_eq!(
        (summary.conflicts, summary.deleted),
        (2, 0),
        "5, and the members of 3 that were joined"
    );
    // Word for word again, with the next number: nothing is new, though others went on.
    a(&[put(4, "41"), delete(9)]);
    let version = store.head(&flow()).unwrap().unwrap().manifest.version;
    let header = format!(
        r#""source":"b","epoch":"e","first":3,"last":3,"mode":"full","base":{}"#,
        version.get() - 1
    );
    let same: Vec<_> = expected.iter().map(|(key, value)| put(key, value)).collect();
    ok(&store, &header, &same);
    assert_eq!(records(&store).get("4").map(String::as_str), Some("41"));
    assert_eq!(records(&store).get("9"), None);
}

#[test]
fn a_full_batch_goes_back_to_what_its_source_once_sent() {
    let store = MemoryStore::default();
    let b = r#""source":"b","epoch":"e""#;
    ok(&store, &format!(r#"{b},"first":1,"last":1,"mode":"full""#), &[put(1, "1"), put(2, "2")]);
    ok(&store, r#""source":"a""#, &[put(1, "10"), put(2, "20")]);
    // It has seen 10 and 20, and says 1 and nothing: both are changes, though its own last full batch said 1 as well.
    says_all(&store, 2, &[put(1, "1")]);
    assert_eq!(records(&store), map(&[("1", "1")]));
}

#[test]
fn a_full_batch_lets_live_what_came_back_after_its_source_had_deleted_it() {
    let store = MemoryStore::default();
    let b = |n: u32, more: &str, lines: &[String]| {
        ok(&store, &format!(r#""source":"b","epoch":"e","first":{n},"last":{n}{more}"#), lines)
    };
    b(1, r#","mode":"full""#, &[put(1, "1"), put(2, "2")]);
    b(2, "", &[delete(1)]);
    ok(&store, r#""source":"a""#, &[put(1, "10")]);
    // It has seen its own deletion, and not that somebody else put the record again.
    b(3, r#","mode":"full","base":2"#, &[put(2, "2")]);
    assert_eq!(records(&store), map(&[("1", "10"), ("2", "2")]));
}

#[test]
fn a_full_batch_that_follows_one_without_an_answer_is_based_on_that() {
    let store = MemoryStore::default();
    let b = |n: u32, value: &str, options: &str| {
        let header =
            format!(r#""source":"b","epoch":"e","first":{n},"last":{n},"mode":"full"{options}"#);
        ok(&store, &header, &[put(1, value), put(2, "2")])
    };
    b(1, r#"{"own":0,"its":0}"#, "");
    ok(&store, r#""source":"a""#, &[put(1, r#"{"own":0,"its":1}"#)]);
    // Its answer is lost: b does not know that its member is in, and goes on from what it has.
    b(2, r#"{"own":1,"its":0}"#, r#","base":1"#);
    ok(&store, r#""source":"a""#, &[put(1, r#"{"own":1,"its":2}"#), put(2, "20")]);
    let summary = b(3, r#"{"own":2,"its":0}"#, r#","base":1"#);
    assert_eq!(records(&store), map(&[("1", r#"{"its":2,"own":2}"#), ("2", "20")]));
    assert_eq!(summary.put, 1);
}

#[test]
fn a_line_of_a_full_batch_names_what_it_is_based_on() {
    let store = MemoryStore::default();
    ok(&store, r#""source":"a""#, &[put(1, "1"), put(2, "2"), put(3, "3")]);
    ok(&store, r#""source":"a""#, &[put(1, "10"), delete(2), put(3, "30")]);
    // A source in a new life has the first version, and has changed 3.
    let line = |key: u32, value: u32, base: &str| {
        format!(r#"{{"op":"put","store":"data","key":{key},"value":{value},"base":{base}}}"#)
    };
    let lines = [line(1, 1, "1"), line(2, 2, r#"{"value":2}"#), line(3, 31, "2")];
    ok(&store, r#""source":"c","epoch":"e","first":1,"last":1,"mode":"full""#, &lines);
    assert_eq!(records(&store), map(&[("1", "10"), ("3", "31")]));
}

#[test]
fn the_guard_asks_and_lets_exactly_the_named_plan_through() {
    let store = MemoryStore::default();
    let lines: Vec<_> = (0..50).map(|key| put(key, key)).collect();
    ok(&store, "", &lines);
    let clear = [r#"{"op":"clear","store":"data"}"#.to_owned()];
    let Err(SyncError::Guard { plan, what }) = run(&store, "", &clear, &SyncOptions::default())
    else {
        panic!()
    };
    assert_eq!(what, r#"50 of 50 records of object store "data""#);
    let confirm =
        |plan: &str| SyncOptions { confirm: Some(plan.to_owned()), ..SyncOptions::default() };
    let other: Vec<_> = (0..20).map(delete).collect();
    assert!(matches!(run(&store, "", &other, &confirm(&plan)), Err(SyncError::Guard { .. })));
    assert_eq!(run(&store, "", &clear, &confirm(&plan)).unwrap().0.deleted, 50);
    let few: Vec<_> = (100..110).map(|key| put(key, key)).collect();
    ok(&store, "", &few);
    assert!(
        matches!(run(&store, "", &clear, &confirm(&plan)), Err(SyncError::Guard { .. })),
        "all of a few"
    );
    let by_hand: Vec<_> = (100..105).map(delete).collect();
    assert_eq!(ok(&store, "", &by_hand).deleted, 5, "deletions by hand pass");
}

#[test]
fn a_new_epoch_is_a_question_with_two_answers() {
    let seeded = || {
        let store = MemoryStore::default();
        ok(
            &store,
            r#""source":"a","epoch":"e1","first":1,"last":2,"mode":"full""#,
            &[put(1, 1), put(2, 2)],
        );
        store
    };
    let wiped = |store: &MemoryStore, answer| {
        let options = SyncOptions { new_epoch: answer, ..SyncOptions::default() };
        let lines = [put(2, 2), put(3, 3)];
        run(
            store,
            r#""source":"a","epoch":"e2","first":1,"last":1,"mode":"full""#,
            &lines,
            &options,
        )
    };
    assert!(matches!(wiped(&seeded(), None), Err(SyncError::Epoch { .. })));
    let kept = seeded();
    wiped(&kept, Some(NewEpoch::Keep)).unwrap();
    assert_eq!(records(&kept), map(&[("1", "1"), ("2", "2"), ("3", "3")]));
    let mirrored = seeded();
    wiped(&mirrored, Some(NewEpoch::Mirror)).unwrap();
    assert_eq!(records(&mirrored), map(&[("2", "2"), ("3", "3")]));
}

#[test]
fn conflicts_are_merged_by_property_logged_and_told() {
    let store = MemoryStore::default();
    let from = |source: &str, base: u64, lines: &[String]| {
        let header = format!(r#""source":"{source}","base":{base}"#);
        run(&store, &header, lines, &SyncOptions::default()).unwrap()
    };
    ok(&store, r#""source":"a""#, &[put(1, r#"{"x":1,"y":1}"#)]);
    from("b", 1, &[put(1, r#"{"x":2,"y":1}"#)]);
    let (summary, report) = from("c", 1, &[put(1, r#"{"x":1,"y":2}"#)]);
    assert_eq!(summary.conflicts, 1);
    assert_eq!(records(&store), map(&[("1", r#"{"x":2,"y":2}"#)]));
    assert!(
        report.contains(
            r#""rule":"default/three-way","store":"data","type":"conflict","winner":"merged""#
        ),
        "{report}"
    );
    assert!(report.contains(r#"{"line":{"at":1000,"key":1,"op":"put""#), "{report}");
    // What was merged is not assumed to have been seen: c's next change from version 2 is merged again.
    let (summary, _) = from("c", 2, &[put(1, r#"{"x":1,"y":3}"#)]);
    assert_eq!(summary.conflicts, 1);
    assert_eq!(store.head(&flow()).unwrap().unwrap().manifest.conflicts[0].count, 2);
}

#[test]
fn a_base_that_head_has_not_reached_is_another_history() {
    let store = MemoryStore::default();
    ok(&store, r#""source":"a""#, &[put(1, 1)]);
    let diverged = run(&store, r#""source":"b","base":2"#, &[put(1, 2)], &SyncOptions::default());
    assert!(matches!(diverged, Err(SyncError::Diverged { .. })));
    let line = r#"{"op":"put","store":"data","key":1,"value":2,"base":9}"#.to_owned();
    let summary = ok(&store, r#""source":"b""#, &[line]);
    assert_eq!(summary.conflicts, 1, "it is no fast-forward");
}

#[test]
fn a_range_spares_what_was_inserted_since_its_base() {
    let store = MemoryStore::default();
    ok(&store, r#""source":"a""#, &[put(1, 1), put(2, 2), put(5, 5)]);
    ok(&store, r#""source":"b""#, &[put(3, 3)]);
    let range = r#"{"op":"delete-range","store":"data","lower":2,"upper":4}"#.to_owned();
    ok(&store, r#""source":"a","base":1"#, std::slice::from_ref(&range));
    assert_eq!(records(&store), map(&[("1", "1"), ("3", "3"), ("5", "5")]));
    ok(&store, r#""source":"a""#, &[range]);
    assert_eq!(records(&store), map(&[("1", "1"), ("5", "5")]), "without a base it means head");
}

/// Reads and writes of the store, call by call.
#[test]
fn no_more_is_read_or_written_than_a_change_touches() {
    let store = RecordingStore::new(MemoryStore::default());
    let (data, header) = (List::Records("data".into()), r#""source":"a","mode":"full""#);
    let records: Vec<_> = (0..6000).map(|key| put(key, value(key as u8))).collect();
    ok(&store, header, &records);
    let chunks =
        store.head(&flow()).unwrap().unwrap().manifest.store(&"data".into()).unwrap().records.len();
    assert!(chunks > 10, "{chunks}");
    store.take_calls();

    assert_eq!(ok(&store, header, &records).outcome, Outcome::Unchanged);
    let unchanged = [Call::Head, Call::Writer, Call::ReadChunk(List::Sources)];
    assert_eq!(store.take_calls(), unchanged, "an unchanged full dump reads no chunk of records");

    // The first delta after a full batch is noted for the next one.
    ok(&store, r#""source":"a""#, &[put(2000, true)]);
    assert!(store.take_calls().contains(&Call::WriteChunk(List::Sources)));
    ok(&store, r#""source":"a""#, &[put(3000, true)]);
    let one_change = [
        Call::Head,
        Call::Writer,
        Call::ReadChunk(List::Sources),
        Call::ReadChunk(data.clone()),
        Call::WriteChunk(data.clone()),
        Call::Commit(FlowVersion::new(3).unwrap()),
    ];
    assert_eq!(store.take_calls(), one_change);

    let dry = SyncOptions { dry_run: true, ..SyncOptions::default() };
    assert_eq!(
        run(&store, r#""source":"a""#, &[put(3000, false)], &dry).unwrap().0.version.unwrap().get(),
        4
    );
    assert_eq!(
        store.take_calls(),
        [Call::Head, Call::ReadChunk(List::Sources), Call::ReadChunk(data)]
    );
}

#[derive(Clone, Debug)]
enum Op {
    Put(u16, u8),
    Delete(u16),
    Range(u16, u16),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        12 => (0u16..600, any::<u8>()).prop_map(|(key, value)| Op::Put(key, value)),
        3 => (0u16..600).prop_map(Op::Delete),
        1 => (0u16..600, 0u16..40).prop_map(|(lower, length)| Op::Range(lower, lower + length)),
        1 => Just(Op::Clear).prop_filter("rare", |_| true),
    ];
    let small = prop::collection::vec(op, 1..30);
    let bulk = (0u16..300, 1u16..300, any::<u8>()).prop_map(|(from, count, value)| {
        (from..from + count).map(|key| Op::Put(key, value)).collect()
    });
    prop_oneof![3 => small, 1 => bulk]
}

/// Large enough that a few hundred records make several chunks, of many sizes.
fn value(seed: u8) -> String {
    format!("\"{}\"", "v".repeat(usize::from(seed) * 12 + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the history: the records are those of the model, and the root is that of the same records synced at once.
    #[test]
    fn history_does_not_show(batches in prop::collection::vec(ops(), 1..8)) {
        let store = MemoryStore::default();
        let mut model: BTreeMap<u16, u8> = BTreeMap::new();
        for batch in batches {
            let mut lines = Vec::new();
            for op in &batch {
                lines.push(match op {
                    Op::Put(key, seed) => { model.insert(*key, *seed); put(key, value(*seed)) }
                    Op::Delete(key) => { model.remove(key); delete(key) }
                    Op::Range(lower, upper) => {
                        model.retain(|key, _| key < lower || key > upper);
                        format!(r#"{{"op":"delete-range","store":"data","lower":{lower},"upper":{upper}}}"#)
                    }
                    Op::Clear => { model.clear(); r#"{"op":"clear","store":"data"}"#.to_owned() }
                });
            }
            let summary = match run(&store, "", &lines, &SyncOptions::default()) {
                Err(SyncError::Guard { plan, .. }) => {
                    let options = SyncOptions { confirm: Some(plan), ..SyncOptions::default() };
                    run(&store, "", &lines, &options).unwrap().0
                }
                other => other.unwrap().0,
            };
            let expected: BTreeMap<_, _> = model.iter().map(|(key, seed)| (key.to_string(), value(*seed))).collect();
            prop_assert_eq!(records(&store), expected);
            let fresh = MemoryStore::default();
            let lines: Vec<_> = model.iter().rev().map(|(key, seed)| put(key, value(*seed))).collect();
            prop_assert_eq!(ok(&fresh, "", &lines).root, summary.root);
        }
    }

    /// Sources that send in full, by turns: each one's own changes arrive, nothing else is touched.
    #[test]
    fn full_dumps_by_turns(turns in prop::collection::vec((0usize..3, ops()), 1..10)) {
        let store = MemoryStore::default();
        let mut model: BTreeMap<u16, u8> = BTreeMap::new();
        // Each source owns keys of its own: what it has is all that it sends.
        let mut owned: Vec<BTreeMap<u16, u8>> = vec![BTreeMap::new(); 3];
        for (source, ops) in turns {
            for op in ops {
                match op {
                    Op::Put(key, seed) => { owned[source].insert(key * 3 + source as u16, seed); }
                    Op::Delete(key) => { owned[source].remove(&(key * 3 + source as u16)); }
                    Op::Range(lower, upper) => owned[source].retain(|key, _| *key < lower || *key > upper),
                    Op::Clear => owned[source].clear(),
                }
            }
            let lines: Vec<_> = owned[source].iter().map(|(key, seed)| put(key, value(*seed))).collect();
            let header = format!(r#""source":"s{source}","mode":"full""#);
            if let Err(SyncError::Guard { plan, .. }) = run(&store, &header, &lines, &SyncOptions::default()) {
                run(&store, &header, &lines, &SyncOptions { confirm: Some(plan), ..SyncOptions::default() }).unwrap();
            }
            model.retain(|key, _| usize::from(*key) % 3 != source);
            model.extend(owned[source].clone());
            let expected: BTreeMap<_, _> = model.iter().map(|(key, seed)| (key.to_string(), value(*seed))).collect();
            prop_assert_eq!(records(&store), expected);
            let again = ok(&store, &header, &lines);
            prop_assert_eq!(again.outcome, Outcome::Unchanged);
        }
    }
}
