//! Histories that the [model](crate::model) and the pages told apart from the product, each at its shortest.

use std::sync::Arc;

use nifi_idb::decode::DecodeOptions;
use nifi_idb::flowfile::Attributes;
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{IntakeOptions, Review, SyncOptions, deliver};
use nifi_idb::policy::PolicyFile;
use nifi_idb::report::Summary;
use nifi_idb::snapshot::{FlowName, List};
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::memory::MemoryStore;
use serde_json::Value;

/// A flow in memory, perhaps with a policy.
#[derive(Default)]
pub(crate) struct Lab {
    pub(crate) store: MemoryStore,
    pub(crate) policy: Option<&'static str>,
    pub(crate) pull: bool,
}

/// A policy in which the field `n` is added up.
const SUMS: &str = "version = 1\n[defaults.fields]\nn = \"delta\"\n";

impl Lab {
    /// Sends a batch of the object stores `data` and `more`; returns its summary and the lines before it.
    fn send(&self, header: &str, lines: &[&str]) -> (Summary, Vec<Value>) {
        self.of_stores(
            r#"[{"name":"data","keyPath":null},{"name":"more","keyPath":null}]"#,
            header,
            lines,
        )
    }

    pub(crate) fn of_stores(
        &self,
        stores: &str,
        header: &str,
        lines: &[&str],
    ) -> (Summary, Vec<Value>) {
        let policy = self.policy.map(|text| Arc::new(PolicyFile::read(text).unwrap().policy));
        let options = IntakeOptions {
            bucket: "indexeddb".to_owned(),
            flow: Some("shop".to_owned()),
            decode: DecodeOptions::default(),
            normalize: NormalizeOptions {
                policy: policy.clone(),
                ..NormalizeOptions::received_at(1_000)
            },
            sync: SyncOptions { pull: self.pull, policy, ..SyncOptions::default() },
            review: Review::default(),
            admission: None,
            trusts_received_at: true,
            rejected_text: false,
        };
        let head = format!(
            r#"{{"format":"indexeddb-changes/1","database":"shop","stores":{stores},{header}}}"#
        );
        let end = format!(r#"{{"op":"end","count":{}}}"#, lines.len());
        let text = [&[head.as_str()], lines, &[&end, ""]].concat().join("\n");
        let mut delivered = deliver(&self.store, &options, &Attributes::default(), text.as_bytes());
        let mut report = Vec::new();
        delivered.report.copy_to(&mut report).unwrap();
        let lines = report.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut lines: Vec<Value> =
            lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(lines.pop().unwrap()["type"], "summary");
        assert!(delivered.verdict.failure.is_none(), "{:?}", delivered.verdict.failure);
        (delivered.verdict.summary, lines)
    }
}

/// The records that a report's lines `change` tell: key and value, null for a deletion.
fn told(lines: &[Value]) -> Vec<(Value, Value)> {
    let changes = lines.iter().filter(|line| line["type"] == "change").map(|line| &line["line"]);
    changes.map(|line| (line["key"].clone(), line["value"].clone())).collect()
}

#[test]
fn a_full_batch_that_repeats_own_changes_takes_them_into_the_view() {
    let full = r#""source":"a","mode":"full""#;
    let put = |key: u8, n: u8| {
        format!(r#"{{"op":"put","store":"data","key":{key},"value":{{"n":{n}}}}}"#)
    };
    let (one, two) = (put(1, 1), put(2, 2));
    let lab = Lab::default();
    lab.send(full, &[&one]);
    lab.send(r#""source":"a""#, &[&two]);
    let (said, _) = lab.send(full, &[&one, &two]);
    assert_eq!(
        (said.outcome.name(), said.put, said.unchanged),
        ("committed", 0, 2),
        "its view is another"
    );
    assert_eq!(lab.send(full, &[&one, &two]).0.outcome.name(), "unchanged");
    // Another changes the record; the source, which says the same as before, does not take that back.
    lab.send(r#""source":"b","base":3"#, &[&put(2, 7)]);
    let (said, lines) = lab.send(full, &[&one, &two]);
    assert_eq!((said.outcome.name(), said.conflicts, lines.len()), ("unchanged", 0, 0));
}

#[test]
fn a_full_batch_that_keeps_own_changes_takes_them_into_the_view() {
    let full = r#""source":"a","mode":"full""#;
    let only_more = r#"[{"name":"more","keyPath":null}]"#;
    let lab = Lab::default();
    lab.send(full, &[]);
    lab.send(r#""source":"a""#, &[r#"{"op":"put","store":"data","key":2,"value":{}}"#]);
    for outcome in ["committed", "unchanged"] {
        let (said, _) = lab.of_stores(only_more, full, &[]);
        assert_eq!((said.outcome.name(), said.kept, said.version.unwrap().get()), (outcome, 1, 3));
    }
    // Another changed it: that the source has it no longer is a conflict, not a deletion.
    lab.send(
        r#""source":"b","base":3"#,
        &[r#"{"op":"put","store":"data","key":2,"value":{"n":1}}"#],
    );
    let more = r#"{"op":"put","store":"more","key":1,"value":{}}"#;
    assert_eq!(lab.send(full, &[more]).0.conflicts, 1);
}

#[test]
fn a_source_is_not_told_the_value_that_it_sent() {
    let same = r#"{"op":"put","store":"data","key":1,"value":{"a":1}}"#;
    // A full batch, whose view lacks the record.
    let lab = Lab { policy: Some(SUMS), ..Lab::default() };
    lab.send(r#""source":"a""#, &[same]);
    lab.send(r#""source":"b","mode":"full""#, &[]);
    let (said, lines) = lab.send(r#""source":"b","mode":"full""#, &[same]);
    assert_eq!((said.put, told(&lines)), (0, vec![]));
    // A delta batch, whose base is behind head.
    let lab = Lab { policy: Some(SUMS), ..Lab::default() };
    lab.send(r#""source":"a""#, &[r#"{"op":"put","store":"data","key":1,"value":{}}"#]);
    lab.send(r#""source":"a""#, &[same]);
    let (said, lines) = lab.send(r#""source":"b","base":1"#, &[same]);
    assert_eq!((said.put, told(&lines)), (0, vec![]));
    // What is not what it sent, it is told.
    let summed = r#"{"op":"put","store":"data","key":1,"value":{"n":1}}"#;
    lab.send(r#""source":"a""#, &[summed]);
    let (_, lines) = lab.send(r#""source":"b","base":2"#, &[summed]);
    assert_eq!(told(&lines).len(), 1);
}

#[test]
fn what_is_decided_to_be_what_both_say_leaves_head_as_it_is() {
    let lab = Lab { policy: Some(SUMS), ..Lab::default() };
    let text = r#"{"op":"put","store":"data","key":1,"value":"text","base":{"absent":true}}"#;
    lab.send(r#""source":"a""#, &[text]);
    let (said, lines) = lab.send(r#""source":"b""#, &[text]);
    assert_eq!((said.put, said.unchanged, said.conflicts), (0, 1, 1));
    assert_eq!((&lines[0]["winner"], lines.len()), (&Value::from("head"), 1));
}

#[test]
fn own_changes_in_an_object_store_that_no_full_batch_had_are_in_the_view() {
    let only_more = r#"[{"name":"more","keyPath":null}]"#;
    let full = r#""source":"a","mode":"full""#;
    let lab = Lab::default();
    lab.of_stores(only_more, full, &[]);
    lab.send(r#""source":"a""#, &[r#"{"op":"put","store":"data","key":1,"value":{}}"#]);
    let (said, lines) =
        lab.of_stores(only_more, full, &[r#"{"op":"put","store":"more","key":1,"value":{}}"#]);
    assert_eq!((said.kept, said.deleted), (1, 0));
    assert_eq!(
        (&lines[0]["reason"], &lines[0]["store"]),
        (&"store-left-out".into(), &"data".into())
    );
    // It stays in the view: a later full batch that has the object store and not the record deletes it.
    let (said, _) = lab.send(full, &[r#"{"op":"put","store":"more","key":1,"value":{}}"#]);
    assert_eq!((said.kept, said.deleted), (0, 1));
}

#[test]
fn a_record_that_a_new_range_deletes_is_not_told_for_an_old_line() {
    let put = r#"{"op":"put","store":"data","key":1,"value":{}}"#;
    let mut lab = Lab::default();
    lab.send(r#""source":"a","epoch":"e","first":1,"last":1"#, &[put]);
    let other = r#"{"op":"put","store":"data","key":1,"value":{"n":1},"base":1}"#;
    lab.send(r#""source":"b""#, &[other]);
    lab.pull = true;
    // The old line is not judged again; the new one deletes the record, or another object store's.
    let numbered = r#""source":"a","epoch":"e","base":2,"first":1,"last":2"#;
    let (said, lines) = lab.send(numbered, &[put, r#"{"op":"clear","store":"more"}"#]);
    assert_eq!((said.deleted, told(&lines).len()), (0, 1), "{lines:?}");
    let numbered = r#""source":"a","epoch":"e","base":2,"first":1,"last":3"#;
    let lines_sent = [put, r#"{"op":"clear","store":"more"}"#, r#"{"op":"clear","store":"data"}"#];
    let (said, lines) = lab.send(numbered, &lines_sent);
    assert_eq!((said.deleted, told(&lines)), (1, vec![]));
}

#[test]
fn unchanged_counts_the_records_of_a_full_batch_that_changed_nothing() {
    let full = r#""source":"a","mode":"full""#;
    let put = |key: u8, n: u8| {
        format!(r#"{{"op":"put","store":"data","key":{key},"value":{{"n":{n}}}}}"#)
    };
    let (one, two, other) = (put(1, 1), put(2, 2), put(2, 3));
    let lab = Lab::default();
    lab.send(full, &[&one, &two]);
    let counts = |said: &Summary| (said.put, said.deleted, said.unchanged, said.rejected);
    assert_eq!(counts(&lab.send(full, &[&one, &other]).0), (1, 0, 1, 0));
    assert_eq!(counts(&lab.send(full, &[&one, &other]).0), (0, 0, 2, 0));
    let broken = r#"{"op":"put","store":"data","key":2}"#;
    assert_eq!(counts(&lab.send(full, &[&one, broken]).0), (0, 0, 1, 1));
    // Another deleted the record that the batch does not hold any more: no line of the batch says so.
    lab.send(r#""source":"b","base":2"#, &[r#"{"op":"delete","store":"data","key":2}"#]);
    assert_eq!(counts(&lab.send(full, &[&one]).0), (0, 0, 1, 0));
}

#[test]
fn a_field_that_is_the_same_on_both_sides_is_incomings_in_the_log() {
    let zero = |more: &str| {
        format!(r#"{{"op":"put","store":"data","key":1,"value":{{"n":0{more}}},"base":1}}"#)
    };
    let lab = Lab { policy: Some(SUMS), ..Lab::default() };
    lab.send(r#""source":"a""#, &[r#"{"op":"put","store":"data","key":1,"value":{"m":0}}"#]);
    lab.send(r#""source":"b""#, &[&zero(r#","a":1"#)]);
    let (said, lines) = lab.send(r#""source":"c""#, &[&zero(r#","b":1"#)]);
    assert_eq!((said.conflicts, said.put), (1, 1));
    let fields = logged_fields(&lab);
    assert!(
        fields.contains(&r#"{"field":"n","resolver":"delta","winner":"incoming"}"#.to_owned()),
        "{fields:?} {lines:?}"
    );
}

#[test]
fn of_two_equal_clocks_the_greater_source_is_later_and_in_no_conflict() {
    let by_clock = "version = 1\n[defaults]\ndetect = \"clock\"\nresolve = \"last-write-wins\"\n";
    let put =
        |n: u8| format!(r#"{{"op":"put","store":"data","key":1,"value":{{"n":{n}}},"at":500}}"#);
    for (first, second, conflicts) in [("a", "b", 0), ("b", "a", 1)] {
        let lab = Lab { policy: Some(by_clock), ..Lab::default() };
        lab.send(&format!(r#""source":"{first}""#), &[&put(1)]);
        let (said, _) = lab.send(&format!(r#""source":"{second}""#), &[&put(2)]);
        assert_eq!((said.conflicts, said.put), (conflicts, 1 - conflicts), "{first} {second}");
    }
}

/// What decided about single fields of the conflicts in the log.
fn logged_fields(lab: &Lab) -> Vec<String> {
    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let head = lab.store.head(&flow).unwrap().unwrap();
    let mut fields = Vec::new();
    for (list, chunk) in head.manifest.chunks().filter(|(list, _)| *list == List::Conflicts) {
        let text = lab.store.read_chunk(&flow, &head, &list, chunk).unwrap();
        for row in text.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()) {
            let row: Value = serde_json::from_slice(row).unwrap();
            fields.extend(row["value"]["fields"].as_array().unwrap().iter().map(Value::to_string));
        }
    }
    fields
}
