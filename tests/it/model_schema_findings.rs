//! Faults that the [model](crate::model) found in unique indexes and recreated object stores, each in
//! its shortest form.

use nifi_idb::report::Summary;
use nifi_idb::snapshot::FlowName;
use nifi_idb::snapshot::List;
use nifi_idb::store::SnapshotReader;
use serde_json::Value;

use crate::model_findings::Lab;

const INDEXED: &str = r#"[{"name":"data","keyPath":null,"indexes":[
    {"name":"u","keyPath":"u","unique":true},{"name":"v","keyPath":"v","unique":true}]}]"#;
const BARE: &str = r#"[{"name":"data","keyPath":null}]"#;

/// In a unique index who comes last gets the key.
const INCOMING: &str = "version = 1\n[defaults.types]\nunique-index = \"incoming-wins\"\n";

fn put(key: u8, value: &str) -> String {
    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value}}}"#)
}

/// Sends a batch of a source; `version` is the database's.
fn send(
    lab: &Lab,
    stores: &str,
    version: u8,
    source: &str,
    lines: &[String],
) -> (Summary, Vec<Value>) {
    let stores = stores.replace('\n', " ");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lab.of_stores(&stores, &format!(r#""databaseVersion":{version},{source}"#), &lines)
}

/// The record and the other record of each conflict.
fn conflicts(lines: &[Value]) -> Vec<(u64, u64)> {
    let conflicts = lines.iter().filter(|line| line["type"] == "conflict");
    conflicts.map(|line| (line["key"].as_u64().unwrap(), line["other"].as_u64().unwrap())).collect()
}

/// The lines of lists of the newest version.
fn rows(lab: &Lab, wanted: impl Fn(&List) -> bool) -> Vec<Value> {
    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let head = lab.store.head(&flow).unwrap().unwrap();
    let mut rows = Vec::new();
    for (list, chunk) in head.manifest.chunks().filter(|(list, _)| wanted(list)) {
        let text = lab.store.read_chunk(&flow, &head, &list, chunk).unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        rows.extend(lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()));
    }
    rows
}

/// The records of the newest version: key and value.
fn records(lab: &Lab) -> Vec<(u64, String)> {
    let rows = rows(lab, |list| matches!(list, List::Records(_)));
    rows.iter().map(|row| (row["key"].as_u64().unwrap(), row["value"].to_string())).collect()
}

fn expected(records: &[(u64, &str)]) -> Vec<(u64, String)> {
    records.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

#[test]
fn a_record_that_need_not_give_way_any_more_keeps_all_its_index_keys() {
    let lab = Lab { policy: Some(INCOMING), ..Lab::default() };
    let first = [put(3, r#"{"v":9}"#), put(4, r#"{"u":8}"#), put(5, r#"{"u":1,"v":2}"#)];
    send(&lab, INDEXED, 1, r#""source":"a""#, &first);
    // 5 would give way to 1, and then 2 takes what 5 had. But 3 may not have 4's key and keeps its own, so 1 gets nothing.
    let second = [
        put(1, r#"{"u":1,"v":9}"#),
        put(2, r#"{"v":2}"#),
        put(3, r#"{"u":8}"#),
        put(4, r#"{"u":8,"x":1}"#),
    ];
    let (_, lines) = send(&lab, INDEXED, 1, r#""source":"b","base":1"#, &second);
    assert_eq!(conflicts(&lines), [(1, 3), (3, 4), (5, 2)]);
    let stored = expected(&[(2, r#"{"v":2}"#), (3, r#"{"v":9}"#), (4, r#"{"u":8,"x":1}"#)]);
    assert_eq!(records(&lab), stored, "5 gave way to 2");
}

#[test]
fn a_record_whose_change_is_refused_does_not_give_way_within_its_batch() {
    let lab = Lab { policy: Some(INCOMING), ..Lab::default() };
    send(&lab, INDEXED, 1, r#""source":"a""#, &[put(3, r#"{"v":9}"#), put(4, r#"{"u":8}"#)]);
    let second = [put(1, r#"{"v":9}"#), put(3, r#"{"u":8}"#), put(4, r#"{"u":8,"x":1}"#)];
    let (said, lines) = send(&lab, INDEXED, 1, r#""source":"b","base":1"#, &second);
    assert_eq!((conflicts(&lines), said.deleted), (vec![(1, 3), (3, 4)], 0));
    assert_eq!(records(&lab), expected(&[(3, r#"{"v":9}"#), (4, r#"{"u":8,"x":1}"#)]));
}

#[test]
fn all_records_that_share_a_key_from_before_its_index_give_way() {
    let lab = Lab { policy: Some(INCOMING), ..Lab::default() };
    let same = r#"{"u":5}"#;
    let first: Vec<_> = (1..=9).map(|key| put(key, if key < 3 { same } else { "{}" })).collect();
    send(&lab, BARE, 1, r#""source":"a""#, &first);
    let (said, lines) = send(&lab, INDEXED, 2, r#""source":"b""#, &[put(10, same)]);
    assert_eq!((conflicts(&lines), said.deleted), (vec![(1, 10), (2, 10)], 2));
    assert_eq!(records(&lab).iter().filter(|(_, value)| value == same).count(), 1);
}

#[test]
fn two_conflicts_about_one_record_of_one_batch_are_two_lines() {
    let both = "version = 1\n[defaults.types]\nupdate-delete = \"head-wins\"\nunique-index = \"incoming-wins\"\n";
    let lab = Lab { policy: Some(both), ..Lab::default() };
    send(&lab, INDEXED, 1, r#""source":"a""#, &[put(1, r#"{"u":2}"#)]);
    let delete = r#"{"op":"delete","store":"data","key":1}"#.to_owned();
    let (said, _) = send(&lab, INDEXED, 1, r#""source":"b""#, &[delete, put(2, r#"{"u":2}"#)]);
    assert_eq!((said.conflicts, said.deleted), (2, 1));
    let logged = rows(&lab, |list| *list == List::Conflicts);
    let logged: Vec<_> =
        logged.iter().map(|row| (row["key"].to_string(), row["value"]["type"].clone())).collect();
    let [deletion, index] = [r#"[2,"data",1]"#, r#"[2,"data",1,2]"#].map(str::to_owned);
    assert_eq!(logged, [(deletion, "update-delete".into()), (index, "unique-index".into())]);
}

#[test]
fn a_range_is_in_conflict_with_a_record_before_that_gives_way() {
    let clocks = "version = 1\n[defaults]\ndetect = \"clock\"\n[defaults.types]\nupdate-delete = \"last-write-wins\"\n\
                  unique-index = \"incoming-wins\"\n";
    let lab = Lab { policy: Some(clocks), ..Lab::default() };
    let at = |key: u8, at: u16| {
        format!(r#"{{"op":"put","store":"data","key":{key},"value":{{"u":3}},"at":{at}}}"#)
    };
    send(&lab, INDEXED, 1, r#""source":"a""#, &[at(2, 900)]);
    let range = r#"{"op":"delete-range","store":"data","upper":4,"at":500}"#.to_owned();
    let (said, lines) = send(&lab, INDEXED, 1, r#""source":"b","base":1"#, &[at(7, 600), range]);
    let kinds: Vec<_> =
        lines.iter().filter(|line| line["type"] == "conflict").map(|line| &line["kind"]).collect();
    assert_eq!((kinds, said.deleted), (vec![&"update-delete".into(), &"unique-index".into()], 1));
}

#[test]
fn of_several_others_the_lowest_is_named() {
    let lab = Lab::default();
    send(&lab, INDEXED, 1, r#""source":"a""#, &[put(1, r#"{"u":1}"#), put(2, r#"{"v":1}"#)]);
    send(&lab, INDEXED, 1, r#""source":"a""#, &[put(7, r#"{"u":2}"#), put(8, r#"{"v":2}"#)]);
    for (u, v, other) in [(1, 2, 1), (2, 1, 2), (2, 2, 7), (1, 1, 1)] {
        let both = put(9, &format!(r#"{{"u":{u},"v":{v}}}"#));
        let (_, lines) = send(&lab, INDEXED, 1, r#""source":"b""#, &[both]);
        assert_eq!(conflicts(&lines), [(9, other)], "{u} {v}");
    }
}

const ID: &str = r#"[{"name":"data","keyPath":"id"}]"#;
const K: &str = r#"[{"name":"data","keyPath":"k"}]"#;

fn keyed(value: &str) -> String {
    format!(r#"{{"op":"put","store":"data","value":{value}}}"#)
}

/// A flow whose object store had the key path `id`, then `k`, and has `id` again; version 1 is of the first time.
fn back_again(first: &str, mode: &str) -> Lab {
    let lab = Lab::default();
    send(&lab, ID, 1, mode, &[keyed(first)]);
    send(&lab, ID, 1, r#""source":"a""#, &[r#"{"op":"delete","store":"data","key":1}"#.to_owned()]);
    send(&lab, K, 2, r#""source":"a""#, &[]);
    lab
}

#[test]
fn no_base_is_from_before_an_object_store_was_recreated() {
    let lab = back_again(r#"{"id":1,"n":1,"x":1}"#, r#""source":"a""#);
    send(&lab, ID, 3, r#""source":"a""#, &[keyed(r#"{"id":1,"n":5,"x":1}"#)]);
    let (_, lines) =
        send(&lab, ID, 3, r#""source":"b","base":1"#, &[keyed(r#"{"id":1,"n":1,"x":2}"#)]);
    assert_eq!(
        (&lines[0]["winner"], &lines[0]["kind"]),
        (&"incoming".into(), &"update-update".into())
    );
    assert_eq!(
        records(&lab),
        expected(&[(1, r#"{"id":1,"n":1,"x":2}"#)]),
        "not merged with another record's value"
    );
    // What came since is not in the range's base, whatever had its key then.
    let range = r#"{"op":"delete-range","store":"data","lower":0}"#.to_owned();
    let (said, _) = send(&lab, ID, 3, r#""source":"c","base":1"#, &[range]);
    assert_eq!((said.deleted, said.conflicts), (0, 0));
}

#[test]
fn no_view_is_from_before_an_object_store_was_recreated() {
    let lab = back_again(r#"{"id":1}"#, r#""source":"c","mode":"full""#);
    send(&lab, ID, 3, r#""source":"a""#, &[keyed(r#"{"id":1,"n":7}"#)]);
    let (said, lines) = send(&lab, ID, 3, r#""source":"c","mode":"full""#, &[keyed(r#"{"id":2}"#)]);
    assert_eq!((said.deleted, lines.len()), (0, 0), "it never had this record 1");
    assert_eq!(records(&lab).len(), 2);
}

#[test]
fn what_a_full_batch_brings_of_a_recreated_object_store_is_its_view() {
    let (id, k) = (r#"{"name":"data","keyPath":"id"}"#, r#"{"name":"data","keyPath":"k"}"#);
    let more = r#"{"name":"more","keyPath":null}"#;
    let lab = Lab::default();
    let other = r#"{"op":"put","store":"more","key":9,"value":1}"#.to_owned();
    send(&lab, &format!("[{id},{more}]"), 1, r#""source":"a""#, &[other]);
    let (stores, full) = (format!("[{k},{more}]"), r#""source":"c","mode":"full""#);
    send(&lab, &stores, 2, full, &[keyed(r#"{"k":1}"#)]);
    assert_eq!(send(&lab, &stores, 2, full, &[keyed(r#"{"k":1}"#)]).0.outcome.name(), "unchanged");
    let (said, _) = send(&lab, &stores, 2, full, &[keyed(r#"{"k":2}"#)]);
    assert_eq!((said.put, said.deleted), (1, 1));
}

#[test]
fn a_full_batch_that_changes_no_record_brings_its_schema() {
    let lab = Lab::default();
    let full = r#""source":"c","mode":"full""#;
    send(&lab, ID, 1, full, &[keyed(r#"{"id":1}"#)]);
    let more = r#"[{"name":"data","keyPath":"id"},{"name":"more","keyPath":null}]"#;
    for (stores, version, outcome) in
        [(more, 1, "committed"), (more, 2, "committed"), (more, 2, "unchanged")]
    {
        let (said, _) = send(&lab, stores, version, full, &[keyed(r#"{"id":1}"#)]);
        assert_eq!(said.outcome.name(), outcome, "{version}");
    }
}

#[test]
fn a_change_of_a_record_that_is_as_its_base_was_is_no_conflict() {
    let lab = Lab {
        policy: Some("version = 1\n[defaults]\ndetect = \"changed-fields\"\n"),
        ..Lab::default()
    };
    for value in ["1", "2", "1"] {
        send(&lab, BARE, 1, r#""source":"a""#, &[put(1, value)]);
    }
    let (said, _) = send(&lab, BARE, 1, r#""source":"b","base":1"#, &[put(1, "\"text\"")]);
    assert_eq!((said.conflicts, said.put), (0, 1), "nobody changed it in the end");
}
