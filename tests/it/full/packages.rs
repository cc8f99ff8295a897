//! Full batches in packages: several batches make one version.

use crate::flowfiles::{FlowFile, flowfile, package, unpack};
use crate::program::on;

use super::*;

fn batch(header: &str, lines: &[String]) -> FlowFile {
    let head = format!(
        r#"{{"format":"indexeddb-changes/1","database":"shop","stores":[{{"name":"data","keyPath":"id"}}]{header}}}"#
    );
    let end = format!(r#"{{"op":"end","count":{}}}"#, lines.len());
    flowfile(&[], [std::slice::from_ref(&head), lines, &[end, String::new()]].concat().join("\n"))
}

#[test]
fn a_full_batch_corrects_a_delta_of_the_same_package() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let send = |flowfiles: &[FlowFile]| {
        let answer =
            unpack(&on(&repo, "sync", &["--received-at", "1000"], &package(flowfiles)).done());
        let outcome = |(attributes, _): &FlowFile| attributes["sync.outcome"].clone();
        answer.iter().map(outcome).collect::<Vec<_>>()
    };
    let records = || {
        let out = on(&repo, "restore", &["--flow", "shop", "--format", "records"], b"").done();
        String::from_utf8(out).unwrap()
    };
    let dump = || batch(&full("a"), &[put(1, 1), put(2, 2)]);
    let change = || batch(&delta("a"), &[put(1, 9), delete(2), put(3, 3)]);
    for flowfiles in [
        vec![dump()],
        vec![change(), dump()],
        vec![dump(), change(), dump()],
        vec![change()],
        vec![dump()],
    ] {
        let outcomes = send(&flowfiles);
        assert_eq!(outcomes.last().unwrap(), "committed", "{outcomes:?}");
        let corrected = "{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":2}\n";
        let changed = "{\"id\":1,\"v\":9}\n{\"id\":3,\"v\":3}\n";
        assert_eq!(records(), if flowfiles == [change()] { changed } else { corrected });
    }
    assert_eq!(send(&[dump()]), ["unchanged"]);
}

#[test]
fn deletions_of_one_package_are_judged_together() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let send = |flowfiles: &[FlowFile]| {
        unpack(&on(&repo, "sync", &["--received-at", "1000"], &package(flowfiles)).done())
    };
    send(&[batch(&full("a"), &puts(0..100))]);
    let parts: Vec<_> = [90, 80, 70].iter().map(|to| batch(&full("a"), &puts(0..*to))).collect();
    let answer = send(&parts);
    let statuses: Vec<_> =
        answer.iter().map(|(attributes, _)| &*attributes["sync.status"]).collect();
    assert_eq!(statuses, ["0", "0", "6"]);
}
