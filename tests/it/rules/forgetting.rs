//! How long deletions are remembered, and what becomes of sources that were away for longer.

use nifi_idb::policy::Tombstones;

use super::*;

const DAY: i64 = 86_400_000;

fn lab() -> Lab {
    let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
    scope.types[ConflictType::UpdateMissing as usize] = Some(Resolver::Park);
    let tombstones = Tombstones { keep_ms: 32 * DAY, longest_offline_ms: 30 * DAY };
    Lab::with(Policy { default: scope, tombstones: Some(tombstones), ..Policy::default() })
}

fn on(day: i64, source: &str) -> From<'_> {
    From { received_at: day * DAY, ..from(source) }
}

#[test]
fn a_deletion_is_remembered_as_long_as_the_policy_says() {
    let lab = lab();
    lab.ok(&on(1, "a"), &[put(1, "1"), put(2, "2")]);
    lab.ok(&on(2, "a"), &[delete(1, "")]);
    for day in 3..=34 {
        lab.ok(&on(day, "a"), &[put(2, &day.to_string())]);
        assert_eq!(lab.data().get("1").map(String::as_str), Some("-"), "day {day}");
    }
    lab.ok(&on(35, "a"), &[put(2, "35")]);
    assert_eq!(lab.data(), map(&[("2", "35")]), "more than 32 days after day 2");
}

#[test]
fn deletions_in_other_object_stores_and_beside_the_batchs_keys_are_forgotten_too() {
    let lab = lab();
    let all: Vec<_> = (0..50).map(|key| put(key, "1")).collect();
    lab.ok(&on(1, "a"), &all);
    // Deletions with clocks of long ago: only when they came counts.
    let gone: Vec<_> = (0..9).map(|key| delete(key * 5, r#","at":5"#)).collect();
    lab.ok(&on(2, "a"), &gone);
    lab.ok(&on(20, "a"), &[delete(7, "")]);
    lab.ok(&on(40, "a"), &[put(5, "again"), put(22, "2")].map(|line| line.replace("again", "3")));
    let dead: Vec<_> =
        lab.data().into_iter().filter(|(_, state)| state == "-").map(|(key, _)| key).collect();
    assert_eq!(dead, ["7"]);
    assert_eq!(lab.data()["5"], "3");
}

#[test]
fn a_source_that_was_away_for_too_long_resurrects_nothing() {
    let lab = lab();
    lab.ok(&on(1, "late"), &[put(1, "1"), put(2, "2")]);
    lab.ok(&on(2, "a"), &[delete(1, r#","base":1"#)]);
    (3..=40).for_each(|day| drop(lab.ok(&on(day, "a"), &[put(3, &day.to_string())])));
    assert_eq!(lab.data().get("1"), None, "forgotten");
    // It still has record 1, changes it, and does not know that it is gone.
    let late = |more| From { more, ..on(41, "late") };
    for (more, line) in [
        ("", put(1, "11")),
        (r#","base":1"#, put(1, "12")),
        ("", put_with(1, "13", r#""base":{"value":1}"#)),
    ] {
        let summary = lab.ok(&late(more), std::slice::from_ref(&line));
        assert_eq!((summary.parked, summary.put), (1, 0), "{more} {line}");
    }
    assert_eq!(lab.data().get("1"), None);
    let parked: Vec<_> = lab
        .conflicts()
        .into_values()
        .map(|conflict| conflict["incoming"]["value"].clone())
        .collect();
    assert_eq!(parked, [11, 12, 13], "and nothing of it is lost");
    // What it has inserted meanwhile is an insertion.
    assert_eq!(lab.ok(&late(r#","base":1"#), &[put(8, "8")]).put, 1, "not there in version 1");
    assert_eq!(lab.ok(&late(""), &[put_with(9, "9", r#""base":{"absent":true}"#)]).put, 1);
    // What it changes of what is there is merged as ever.
    assert_eq!(lab.ok(&late(r#","base":1"#), &[put(2, "22")]).put, 1);
}

#[test]
fn a_source_that_was_not_away_is_as_free_as_ever() {
    let lab = lab();
    (1..=50).for_each(|day| drop(lab.ok(&on(day, "a"), &[put(3, &day.to_string())])));
    let summary = lab.ok(&on(51, "a"), &[put(100, "1")]);
    assert_eq!((summary.put, summary.parked), (1, 0));
    let stranger = lab.ok(&on(51, "new"), &[put(101, "1")]);
    assert_eq!((stranger.put, stranger.parked), (1, 0));
}

#[test]
fn a_source_that_was_away_for_too_long_is_told_to_begin_anew() {
    let lab = lab();
    lab.ok(&on(1, "late"), &[put(1, "1"), put(2, "2")]);
    lab.ok(&on(2, "a"), &[delete(1, r#","base":1"#)]);
    (3..=40).for_each(|day| drop(lab.ok(&on(day, "a"), &[put(3, &day.to_string())])));
    let pull = |source, base| {
        let options = SyncOptions { pull: true, ..SyncOptions::default() };
        let (_, report) =
            lab.send_with(&From { more: base, ..on(41, source) }, &[], options).unwrap();
        let keys = report
            .iter()
            .filter(|line| line["type"] == "change")
            .map(|line| line["line"]["key"].clone());
        (report[0]["type"].clone(), keys.collect::<Vec<_>>())
    };
    assert_eq!(
        pull("late", r#","base":1"#),
        ("reset".into(), vec![2.into(), 3.into()]),
        "all that there is"
    );
    assert_eq!(
        pull("b", r#","base":39"#),
        ("change".into(), vec![3.into()]),
        "it has missed no deletion"
    );
}

#[test]
fn a_source_whose_full_batches_repeat_themselves_was_not_away() {
    let lab = lab();
    let full = |day| From { more: r#","mode":"full""#, ..on(day, "late") };
    let all = [put(1, "1"), put(2, "2")];
    lab.ok(&full(1), &all);
    lab.ok(&on(2, "a"), &[delete(2, r#","base":1"#)]);
    for day in 3..=40 {
        lab.ok(&full(day), &all);
        lab.ok(&on(day, "a"), &[put(3, &day.to_string())]);
    }
    assert_eq!(lab.data().get("2"), None, "forgotten");
    assert_eq!(
        lab.ok(&on(41, "late"), &[put(9, "9")]).conflicts,
        0,
        "it is new, nobody deleted it"
    );
}
