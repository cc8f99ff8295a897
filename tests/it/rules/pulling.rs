//! What a source is told that pulls: what it lacks, and what stands where its own changes lost.

use nifi_idb::policy::{Detect, Tombstones};

use super::*;

const DAY: i64 = 86_400_000;

fn pulls() -> SyncOptions {
    SyncOptions { pull: true, ..SyncOptions::default() }
}

/// The lines `change` and `reset` of a report, in short: `1="x"`, `1-`, `reset`.
fn told(report: &[Value]) -> Vec<String> {
    let line = |line: &Value| match line["type"].as_str() {
        Some("reset") => Some("reset".to_owned()),
        Some("change") if line["line"]["op"] == "delete" => {
            Some(format!("{}-", line["line"]["key"]))
        }
        Some("change") => Some(format!("{}={}", line["line"]["key"], line["line"]["value"])),
        _ => None,
    };
    report.iter().filter_map(line).collect()
}

fn pull(lab: &Lab, from: &From<'_>, lines: &[String]) -> Vec<String> {
    told(&lab.send_with(from, lines, pulls()).unwrap().1)
}

fn by_clock() -> Lab {
    let mut scope =
        StorePolicy { scope: "data".into(), detect: Detect::Clock, ..StorePolicy::unsaid() };
    for kind in [ConflictType::InsertInsert, ConflictType::UpdateUpdate] {
        scope.types[kind as usize] = Some(Resolver::LastWriteWins);
    }
    Lab::with(Policy { default: scope, ..Policy::default() })
}

#[test]
fn a_change_that_loses_to_a_record_from_before_its_base_is_told_what_stands() {
    let lab = by_clock();
    lab.ok(&from("a"), &[put_with(1, "\"later\"", r#""at":900"#)]);
    lab.ok(&from("a"), &[put(2, "2")]);
    let early = put_with(1, "\"early\"", r#""at":100"#);
    let numbered = From { more: r#","base":2,"epoch":"e","first":1,"last":1"#, ..from("b") };
    assert_eq!(pull(&lab, &numbered, std::slice::from_ref(&early)), [r#"1="later""#]);
    // The answer was lost.
    assert_eq!(pull(&lab, &numbered, std::slice::from_ref(&early)), [r#"1="later""#]);
    // Now with more behind it.
    let more = From { more: r#","base":2,"epoch":"e","first":1,"last":2"#, ..from("b") };
    assert_eq!(pull(&lab, &more, &[early.clone(), put(3, "3")]), [r#"1="later""#]);
    // With a change of the same record behind it, the replayed one says nothing.
    let again = From { more: r#","base":2,"epoch":"e","first":2,"last":3"#, ..from("b") };
    assert_eq!(
        pull(&lab, &again, &[put(3, "3"), put_with(1, "\"last\"", r#""at":950"#)]),
        Vec::<String>::new()
    );
    assert_eq!(lab.data()["1"], "\"last\"");
}

#[test]
fn a_batch_with_a_delivery_id_is_told_again_too() {
    let lab = by_clock();
    lab.ok(&from("a"), &[put_with(1, "\"later\"", r#""at":900"#)]);
    let options = || SyncOptions { delivery: Some("u".into()), ..pulls() };
    let send = || {
        let from = From { more: r#","base":1"#, ..from("b") };
        lab.send_with(&from, &[put_with(1, "\"early\"", r#""at":100"#)], options()).unwrap()
    };
    assert_eq!(
        (told(&send().1), told(&send().1)),
        (vec![r#"1="later""#.to_owned()], vec![r#"1="later""#.to_owned()])
    );
}

#[test]
fn without_a_base_a_batch_that_comes_again_gets_tombstones() {
    let lab = Lab::with(Policy::default());
    let first = From { more: r#","epoch":"e","first":1,"last":2"#, ..from("b") };
    let lines = [put(1, "1"), put(2, "2")];
    assert_eq!(pull(&lab, &first, &lines), ["1=1", "2=2"]);
    lab.ok(&From { more: r#","base":1"#, ..from("a") }, &[delete(1, "")]);
    assert_eq!(pull(&lab, &first, &lines), ["2=2", "1-"], "records come before tombstones");
    // Also if more came to it, or nothing that was there before.
    let more = From { more: r#","epoch":"e","first":1,"last":3"#, ..from("b") };
    assert_eq!(pull(&lab, &more, &[&lines[..], &[put(3, "3")]].concat()), ["2=2", "3=3", "1-"]);
    let next = From { more: r#","epoch":"e","first":4,"last":4"#, ..from("b") };
    assert_eq!(pull(&lab, &next, &[put(4, "4")]), ["2=2", "3=3", "4=4", "1-"]);
    assert_eq!(
        pull(&lab, &from("new"), &[put(5, "5")]),
        ["2=2", "3=3", "4=4", "5=5"],
        "it has nothing to delete"
    );
}

#[test]
fn where_deletions_were_forgotten_it_begins_anew() {
    let tombstones = Tombstones { keep_ms: 32 * DAY, longest_offline_ms: 30 * DAY };
    let scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
    let lab =
        Lab::with(Policy { default: scope, tombstones: Some(tombstones), ..Policy::default() });
    let on = |day: i64| From { received_at: day * DAY, ..from("a") };
    let late = |day| From {
        more: r#","epoch":"e","first":1,"last":2"#,
        received_at: day * DAY,
        ..from("late")
    };
    let lines = [put(1, "1"), put(2, "2")];
    assert_eq!(pull(&lab, &late(1), &lines), ["1=1", "2=2"]);
    lab.ok(&From { more: r#","base":1"#, ..on(2) }, &[delete(1, "")]);
    (3..=40).for_each(|day| drop(lab.ok(&on(day), &[put(3, &day.to_string())])));
    assert_eq!(pull(&lab, &late(41), &lines), ["reset", "2=2", "3=40"]);
    assert_eq!(pull(&lab, &From { received_at: 41 * DAY, ..from("new") }, &[]), ["2=2", "3=40"]);
}

#[test]
fn where_head_has_nothing_at_all_the_source_hears_of_a_deletion() {
    let lab = Lab::deciding(ConflictType::UpdateMissing, Resolver::Park);
    lab.ok(&from("a"), &[put(9, "9")]);
    let line = put_with(1, "1", r#""base":{"value":0}"#);
    for (head, options) in [(1, SyncOptions::default()), (2, pulls())] {
        let (summary, report) = lab
            .send_with(
                &From { more: r#","base":1"#, ..from("b") },
                std::slice::from_ref(&line),
                options,
            )
            .unwrap();
        assert_eq!((summary.parked, told(&report)), (1, vec!["1-".to_owned()]));
        let line = report.iter().find(|line| line["type"] == "change").unwrap();
        assert_eq!((&line["line"]["at"], &line["line"]["rev"]), (&1_000.into(), &head.into()));
        assert_eq!(line["line"].get("by"), None);
    }
}
