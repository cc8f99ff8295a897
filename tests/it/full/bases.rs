//! What a record of a full batch is compared with: nothing, at first.

use std::sync::Arc;

use nifi_idb::pipeline::NewEpoch;
use nifi_idb::policy::PolicyFile;

use super::*;

fn lab(policy: &str) -> Lab {
    let policy = PolicyFile::read(&format!("version = 1\n{policy}")).unwrap().policy;
    Lab {
        received_at: 1_000_000,
        sync: SyncOptions { policy: Some(Arc::new(policy)), ..SyncOptions::default() },
        ..Lab::default()
    }
}

#[test]
fn a_first_full_batch_does_not_bring_back_what_others_deleted() {
    let late = put_with(1, 1, r#""at":100"#);
    for header in [full("b"), delta("b")] {
        let lab = Lab { received_at: 1_000_000, ..Lab::default() };
        lab.send(&delta("z"), std::slice::from_ref(&late));
        lab.send(
            r#","source":"y","base":1"#,
            &[r#"{"op":"delete","store":"data","key":1,"at":200}"#.to_owned()],
        );
        let sent = lab.send(&header, std::slice::from_ref(&late));
        assert_eq!(sent.conflicts(), ["update-recently-deleted"], "{header}");
        assert_eq!(lab.data(), []);
        // Nor does the second one, which says the same.
        assert_eq!(lab.send(&full("b"), std::slice::from_ref(&late)).summary.deleted, 0);
        assert_eq!(lab.data(), []);
    }
}

#[test]
fn a_first_full_batch_adds_nothing_to_a_counter() {
    let rules = "[stores.data]\nresolve = \"three-way\"\n[stores.data.fields]\nv = \"delta\"\n";
    for header in
        [r#","source":"b","epoch":"e","first":1,"last":3,"mode":"full""#, r#","source":"b""#]
    {
        let lab = lab(rules);
        lab.send(&delta("z"), &[put(1, 9)]);
        let sent = lab.send(header, &[put(1, 8)]);
        assert_eq!((lab.data(), sent.summary.parked), (vec![(1, 9)], 1), "{header}");
    }
    let lab = lab("[stores.data]\nresolve = \"delta\"\n");
    for source in ["a", "b", "c", "d"] {
        lab.send(&full(source), &[put(1, 100)]);
    }
    assert_eq!(lab.data(), [(1, 100)]);
}

#[test]
fn after_keep_a_full_batch_deletes_nothing_and_the_next_one_may() {
    for mode in [r#","mode":"full""#, ""] {
        let mut lab = Lab::default();
        let of = |epoch: &str, n: u64, mode: &str| {
            format!(r#","source":"a","epoch":"{epoch}","first":{n},"last":{n}{mode}"#)
        };
        lab.send(&of("e1", 1, r#","mode":"full""#), &puts(1..5));
        lab.send(r#","source":"b","base":1"#, &[put(2, 7), delete(3)]);
        lab.sync.new_epoch = Some(NewEpoch::Keep);
        let sent = lab.send(&of("e2", 1, mode), &[put(1, 1)]);
        assert!(sent.is_done() && sent.summary.deleted == 0, "{}", sent.message);
        lab.sync.new_epoch = None;
        if mode.is_empty() {
            lab.send(&of("e2", 2, r#","mode":"full""#), &[put(1, 1)]);
        }
        assert_eq!(lab.data(), [(1, 1), (2, 7), (4, 0)]);
        lab.send(&of("e2", 3, r#","mode":"full""#), &[put(1, 1), put(6, 6), put(7, 7)]);
        assert_eq!(
            lab.send(&of("e2", 4, r#","mode":"full""#), &[put(1, 1), put(6, 6)]).put_and_deleted(),
            (0, 1)
        );
        assert_eq!(lab.data(), [(1, 1), (2, 7), (4, 0), (6, 6)]);
    }
}

#[test]
fn a_record_that_its_source_did_not_change_is_no_change_by_any_clock() {
    for rules in
        ["[stores.data]\ndetect = \"clock\"\n", "[stores.data]\ndetect = \"base-revision\"\n"]
    {
        let lab = lab(rules);
        let late = |v: u64| put_with(1, v, r#""at":900"#);
        lab.send(&full("a"), &[late(1), put(2, 2)]);
        lab.send(r#","source":"b","base":1"#, &[put_with(1, 5, r#""at":950"#)]);
        lab.send(r#","source":"c","base":2"#, &[put_with(1, 6, r#""at":960"#)]);
        // The same value, with a line's base and with the batch's, and a later clock than all.
        for (header, line) in [
            (full("a"), put_with(1, 1, r#""at":999"#)),
            (full("a"), put_with(1, 1, r#""at":999,"base":1"#)),
            (full("a"), put_with(1, 1, r#""at":999,"base":{"value":{"id":1,"v":1}}"#)),
            (format!(r#"{},"base":1"#, full("a")), put_with(1, 1, r#""at":999"#)),
        ] {
            let sent = lab.send(&header, &[line.clone(), put(2, 2)]);
            assert_eq!((lab.data()[0], sent.conflicts().len()), ((1, 6), 0), "{rules} {line}");
        }
    }
}

#[test]
fn a_record_that_lost_in_a_full_batch_is_not_brought_up_again() {
    let lab = lab("[stores.data.types]\nout-of-order = \"head-wins\"\n");
    let at = |v: u64, at: u64| put_with(1, v, &format!(r#""at":{at}"#));
    lab.send(&full("a"), &[at(1, 100), put(2, 2)]);
    lab.send(&delta("a"), &[at(9, 900)]);
    // Written before the delta, delivered after it.
    let sent = lab.send(&full("a"), &[at(1, 100), put(2, 2)]);
    assert_eq!((lab.data()[0], sent.conflicts()), ((1, 9), vec!["out-of-order"]));
    let again = lab.send(&full("a"), &[at(1, 100), put(2, 2)]);
    assert_eq!((lab.data()[0], again.summary.outcome.name()), ((1, 9), "unchanged"));
}

#[test]
fn a_view_is_as_old_as_its_full_batch() {
    let lab = Lab::default();
    lab.send(&full("a"), &[put(1, 1), put(2, 2)]);
    lab.send(&delta("b"), &[put(3, 3)]);
    // It changes 2; its view now is a later version than 2, for 1 as well.
    lab.send(&full("a"), &[put(1, 1), put(2, 20)]);
    lab.send(r#","source":"b","base":3"#, &[put(1, 10)]);
    let sent = lab.send(&format!(r#"{},"base":2"#, full("a")), &[put(1, 1), put(2, 20)]);
    assert_eq!((sent.put_and_deleted(), sent.conflicts().len()), ((0, 0), 0));
    assert_eq!(lab.data(), [(1, 10), (2, 20), (3, 3)]);
}
