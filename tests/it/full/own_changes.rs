//! What a source changed by delta batches since its last full one is part of what a full batch is compared with.

use super::*;

#[test]
fn a_full_batch_corrects_what_its_source_put_itself() {
    for header in [full("a"), format!(r#"{},"base":1"#, full("a"))] {
        let lab = Lab::default();
        lab.send(&full("a"), &[put(1, 1), put(2, 2)]);
        lab.send(&delta("a"), &[put(1, 9)]);
        assert_eq!(lab.send(&header, &[put(1, 1), put(2, 2)]).put_and_deleted(), (1, 0));
        assert_eq!(lab.data(), [(1, 1), (2, 2)]);
        // Said again, it is nothing new.
        assert_eq!(
            lab.send(&full("a"), &[put(1, 1), put(2, 2)]).summary.outcome.name(),
            "unchanged"
        );
    }
}

#[test]
fn it_corrects_numbered_ones_as_well() {
    let lab = Lab::default();
    let numbered =
        |n: u64, more: &str| format!(r#","source":"a","epoch":"e","first":{n},"last":{n}{more}"#);
    lab.send(&numbered(1, r#","mode":"full""#), &[put(1, 1), put(2, 2)]);
    lab.send(&numbered(2, ""), &[put(1, 9)]);
    // What comes between does not end it.
    lab.send(&numbered(3, ""), &[put(3, 3)]);
    lab.send(&delta("b"), &[put(4, 4)]);
    lab.send(&numbered(4, r#","mode":"full""#), &[put(1, 1), put(2, 2)]);
    assert_eq!(
        lab.data(),
        [(1, 1), (2, 2), (4, 4)],
        "3 was put by the source itself, which does not have it any more"
    );
}

#[test]
fn a_record_that_its_source_deleted_itself_comes_back() {
    let lab = Lab::default();
    lab.send(&full("a"), &[put(1, 1), put(2, 2)]);
    lab.send(&delta("a"), &[delete(1)]);
    let sent = lab.send(&full("a"), &[put(1, 1), put(2, 2)]);
    assert_eq!((sent.put_and_deleted(), sent.conflicts().len()), ((1, 0), 0));
    assert_eq!(lab.data(), [(1, 1), (2, 2)]);
}

#[test]
fn what_its_source_put_and_has_no_longer_is_deleted() {
    let lab = Lab::default();
    lab.send(&full("a"), &[put(1, 1)]);
    lab.send(&delta("a"), &[put(2, 2), put(3, 3)]);
    assert_eq!(lab.send(&full("a"), &[put(1, 1), put(3, 3)]).put_and_deleted(), (0, 1));
    assert_eq!(lab.data(), [(1, 1), (3, 3)]);
    // 3 is in the view now.
    assert_eq!(lab.send(&full("a"), &[put(1, 1)]).put_and_deleted(), (0, 1));
}

#[test]
fn what_others_wrote_since_is_not_its_own() {
    let lab = Lab::default();
    lab.send(&full("a"), &[put(1, 1), put(2, 2), put(3, 3)]);
    lab.send(&delta("a"), &[put(1, 9)]);
    lab.send(r#","source":"b","base":2"#, &[put(1, 7), put(2, 8), put(4, 4)]);
    let sent = lab.send(&full("a"), &[put(1, 1), put(2, 2), put(3, 3)]);
    assert_eq!(sent.put_and_deleted(), (0, 0));
    assert_eq!(lab.data(), [(1, 7), (2, 8), (3, 3), (4, 4)]);
}

#[test]
fn what_its_source_put_before_its_first_full_batch_stays() {
    let lab = Lab::default();
    lab.send(&delta("a"), &[put(5, 5)]);
    lab.send(&full("a"), &[put(1, 1)]);
    assert_eq!(lab.data(), [(1, 1), (5, 5)], "nothing says that the source still had it");
    assert_eq!(lab.send(&full("a"), &[put(1, 1)]).summary.outcome.name(), "unchanged");
}

#[test]
fn a_record_does_not_depend_on_its_neighbours() {
    let based = put_with(1, 1, r#""base":{"value":{"id":1,"v":9}}"#);
    for neighbour in [2, 3] {
        let lab = Lab::default();
        lab.send(&full("a"), &[put(1, 1), put(2, 2)]);
        // Another source writes 9, and this one has seen it and takes it back.
        lab.send(r#","source":"b","base":1"#, &[put(1, 9)]);
        let sent = lab.send(&full("a"), &[based.clone(), put(2, neighbour)]);
        assert_eq!((lab.data()[0], sent.conflicts().len()), ((1, 1), 0), "neighbour {neighbour}");
    }
}

#[test]
fn large_own_changes_are_read_whole() {
    let lab = Lab::default();
    let large = |text: &str| {
        format!(r#"{{"op":"put","store":"more","key":1,"value":"{}"}}"#, text.repeat(70_000))
    };
    lab.send(&full("a"), &[large("x"), more(2)]);
    lab.send(&delta("a"), &[large("y")]);
    assert_eq!(lab.send(&full("a"), &[large("y"), more(2)]).put_and_deleted(), (0, 0));
    lab.send(&delta("a"), &[large("z")]);
    assert_eq!(lab.send(&full("a"), &[large("x"), more(2)]).put_and_deleted(), (1, 0));
    assert_eq!(lab.send(&full("a"), &[more(2)]).put_and_deleted(), (0, 1));
}
