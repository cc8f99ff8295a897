//! The guard: what it asks about, and what it lets through.

use super::*;
use nifi_idb::apply::{MAX_DELETES, MAX_DELETES_BY_HAND, RUN_MS};

fn clear() -> Vec<String> {
    vec![r#"{"op":"clear","store":"data"}"#.to_owned()]
}

fn deletes(ids: std::ops::Range<u64>) -> Vec<String> {
    ids.map(delete).collect()
}

#[test]
fn small_object_stores_are_guarded() {
    // From how many records to how many, and whether that is asked about.
    for (from, to, asks) in [
        (8, 0, true),
        (8, 1, true),
        (8, 5, true),
        (8, 6, false),
        (3, 1, false),
        (2, 0, true),
        (1, 0, true),
        (20, 16, false),
        (20, 15, true),
    ] {
        let lab = Lab::default();
        lab.send(&full("a"), &[&puts(0..from)[..], &[more(1)]].concat());
        // With a line of another object store: not empty.
        let sent = lab.send(&full("a"), &[&puts(0..to)[..], &[more(1)]].concat());
        let asks = asks && (from, to) != (1, 0);
        assert_eq!(sent.status == ExitStatus::Guard, asks, "{from} to {to}: {}", sent.message);
    }
}

#[test]
fn an_empty_full_batch_asks_if_it_deletes_anything() {
    let mut lab = Lab::default();
    assert!(lab.send(&full("a"), &[]).is_done(), "there is nothing yet");
    assert!(lab.send(&full("a"), &[]).is_done());
    lab.send(&full("a"), &[put(1, 1)]);
    lab.send(&delta("b"), &puts(10..1000));
    let asked = lab.send(&full("a"), &[]);
    assert_eq!((asked.status, asked.summary.outcome.name()), (ExitStatus::Guard, "refused"));
    assert_eq!(lab.confirm(&full("a"), &[]).summary.deleted, 1);
    assert!(lab.send(&full("b"), &[]).is_done(), "a first one deletes nothing");
}

#[test]
fn it_is_measured_by_what_the_source_itself_has() {
    let mut lab = Lab::default();
    lab.send(&delta("others"), &puts(1000..4000));
    lab.send(&full("a"), &puts(0..50));
    let asked = lab.send(&full("a"), &puts(0..5));
    assert_eq!(
        asked.message.split(';').next().unwrap(),
        "guard: this batch would delete 45 of 3050 records of object store \"data\", 45 of the 50 that the source has there"
    );
    assert_eq!(lab.send(&full("a"), &puts(0..45)).put_and_deleted(), (0, 5));
    assert_eq!(lab.confirm(&full("a"), &puts(0..5)).summary.deleted, 40);
    // A source that only sends changes has what it wrote last.
    lab.send(&delta("b"), &puts(100..140));
    assert_eq!(lab.send(&delta("b"), &deletes(100..140)).status, ExitStatus::Guard);
    assert_eq!(lab.send(&delta("b"), &deletes(100..107)).put_and_deleted(), (0, 7));
    // What others have is not its own, and few of these.
    assert_eq!(lab.send(&delta("c"), &deletes(1000..1100)).put_and_deleted(), (0, 100));
}

#[test]
fn batches_of_one_source_within_an_hour_are_judged_together() {
    let mut lab = Lab { received_at: RUN_MS, ..Lab::default() };
    lab.send(&full("a"), &puts(0..100));
    assert_eq!(lab.send(&full("a"), &puts(0..90)).put_and_deleted(), (0, 10));
    lab.received_at += RUN_MS / 2;
    assert_eq!(lab.send(&full("a"), &puts(0..80)).put_and_deleted(), (0, 10));
    // Another source, and changes that are no deletions, go on.
    lab.send(&delta("b"), &puts(1000..1010));
    assert_eq!(
        lab.send(&full("a"), &puts(0..78)).put_and_deleted(),
        (0, 2),
        "so few are not counted"
    );
    let asked = lab.send(&full("a"), &puts(0..70));
    assert_eq!(asked.status, ExitStatus::Guard);
    assert!(
        asked
            .message
            .contains("8 of 88 records of object store \"data\" after 20 within the last hour"),
        "{}",
        asked.message
    );
    // Confirmed, the run begins anew.
    lab.confirm(&full("a"), &puts(0..70));
    assert_eq!(lab.send(&full("a"), &puts(0..60)).put_and_deleted(), (0, 10));
    assert_eq!(lab.send(&full("a"), &puts(0..50)).status, ExitStatus::Guard);
    lab.received_at += RUN_MS + 1;
    assert_eq!(lab.send(&full("a"), &puts(0..50)).put_and_deleted(), (0, 10));
}

#[test]
fn records_that_are_deleted_by_hand_are_never_asked_about() {
    let lab = Lab::default();
    let count = 4 * MAX_DELETES_BY_HAND;
    lab.send(&delta("a"), &puts(0..count));
    for first in (0..count).step_by(MAX_DELETES_BY_HAND as usize) {
        let sent = lab.send(&delta("a"), &deletes(first..first + MAX_DELETES_BY_HAND));
        assert_eq!(sent.put_and_deleted(), (0, MAX_DELETES_BY_HAND));
    }
    assert_eq!(lab.data(), []);
}

#[test]
fn single_deletions_have_a_larger_allowance_and_are_judged_in_a_run_too() {
    let lab = Lab::default();
    lab.send(&delta("a"), &puts(0..50));
    assert_eq!(lab.send(&delta("a"), &deletes(0..MAX_DELETES)).put_and_deleted(), (0, MAX_DELETES));
    assert_eq!(
        lab.send(&delta("a"), &deletes(MAX_DELETES..2 * MAX_DELETES)).status,
        ExitStatus::Guard
    );
    assert_eq!(
        lab.send(&delta("b"), &deletes(MAX_DELETES..2 * MAX_DELETES)).put_and_deleted(),
        (0, MAX_DELETES)
    );
    let small = Lab::default();
    small.send(&delta("a"), &puts(0..8));
    assert_eq!(small.send(&delta("a"), &deletes(0..8)).put_and_deleted(), (0, 8));
}

#[test]
fn clear_and_ranges_are_asked_about_in_small_object_stores() {
    let range = |upper: u64| {
        vec![format!(r#"{{"op":"delete-range","store":"data","lower":0,"upper":{upper}}}"#)]
    };
    for source in [delta("a"), String::new()] {
        let lab = Lab::default();
        lab.send(&source, &puts(0..8));
        for lines in [clear(), range(7), range(2), [puts(0..8), clear()].concat()] {
            assert_eq!(lab.send(&source, &lines).status, ExitStatus::Guard, "{lines:?}");
        }
        assert_eq!(lab.send(&source, &range(1)).put_and_deleted(), (0, 2));
        // Cleared and filled again: nothing goes.
        assert_eq!(lab.send(&source, &[clear(), puts(2..8)].concat()).put_and_deleted(), (0, 0));
    }
    let lab = Lab::default();
    lab.send("", &[put(1, 1)]);
    assert_eq!(lab.send("", &clear()).put_and_deleted(), (0, 1), "one is one");
}

#[test]
fn tombstones_for_what_is_not_there_are_no_deletions() {
    let lab = Lab::default();
    lab.send(&delta("a"), &puts(0..8));
    assert_eq!(lab.send(&delta("a"), &deletes(100..200)).put_and_deleted(), (0, 0));
}
