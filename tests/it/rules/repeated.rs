//! The same conflict again: told each time, logged once.

use nifi_idb::report::Outcome;

use super::*;

fn head_wins() -> Lab {
    Lab::deciding(ConflictType::UpdateUpdate, Resolver::HeadWins)
}

#[test]
fn a_batch_that_loses_again_and_again_makes_one_version_and_one_line() {
    for (lab, parked) in
        [(head_wins(), 0), (Lab::deciding(ConflictType::UpdateUpdate, Resolver::Park), 1)]
    {
        lab.ok(&from("a"), &[put(1, "\"head\"")]);
        let first = lab.ok(&from("b"), &[put(1, "\"lost\"")]);
        assert_eq!((first.outcome, first.conflicts, first.parked), (Outcome::Committed, 1, parked));
        for later in 1..5 {
            let (again, report) = lab
                .send(&From { received_at: 1_000 + later, ..from("b") }, &[put(1, "\"lost\"")])
                .unwrap();
            assert_eq!((again.outcome, again.version), (Outcome::Unchanged, first.version));
            assert_eq!((again.conflicts, again.parked), (1, parked), "it is told each time");
            let types: Vec<_> = report.iter().map(|line| line["type"].as_str().unwrap()).collect();
            assert_eq!(types, ["conflict", "change"]);
        }
        assert_eq!(lab.conflicts().len(), 1);
    }
}

#[test]
fn another_side_another_source_and_another_record_are_other_conflicts() {
    let lab = head_wins();
    lab.ok(&from("a"), &[put(1, "\"head\""), put(2, "\"head\"")]);
    lab.ok(&from("b"), &[put(1, "\"lost\"")]);
    for (source, lines) in [
        ("b", vec![put(1, "\"lost too\"")]),
        ("c", vec![put(1, "\"lost\"")]),
        ("b", vec![put(1, "\"lost\""), put(2, "\"lost\"")]),
    ] {
        assert_eq!(lab.ok(&from(source), &lines).outcome, Outcome::Committed, "{source} {lines:?}");
    }
    assert_eq!(lab.conflicts().len(), 4);
    // Head is another one.
    lab.ok(&from("a"), &[put(1, "\"newer\"")]);
    lab.ok(&from("b"), &[put(1, "\"lost\"")]);
    assert_eq!(lab.conflicts().len(), 5);
}

#[test]
fn large_records_are_recognised_too() {
    let lab = head_wins();
    let large = |letter: &str| format!("\"{}\"", letter.repeat(100_000));
    lab.ok(&from("a"), &[put(1, &large("a"))]);
    for _ in 0..3 {
        lab.ok(&from("b"), &[put(1, &large("b"))]);
    }
    assert_eq!(lab.list(&List::Conflicts).len(), 1);
    assert_eq!(lab.store.head(&flow()).unwrap().unwrap().manifest.version.get(), 2);
}

#[test]
fn a_new_delivery_of_the_same_batch_is_remembered_and_its_conflict_is_not_logged_again() {
    let lab = head_wins();
    lab.ok(&from("a"), &[put(1, "\"head\"")]);
    for (id, outcome) in
        [("1", Outcome::Committed), ("2", Outcome::Committed), ("1", Outcome::Unchanged)]
    {
        let options = SyncOptions { delivery: Some(id.into()), ..SyncOptions::default() };
        let (summary, _) = lab.send_with(&from("b"), &[put(1, "\"lost\"")], options).unwrap();
        assert_eq!(summary.outcome, outcome, "{id}");
    }
    assert_eq!(lab.conflicts().len(), 1);
}
