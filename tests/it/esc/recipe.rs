//! The recipe of the guide for ExecuteStreamCommand by hand: nothing is lost, and everything ends where it should.

use std::collections::BTreeMap;

use super::flow_file::FlowFile;
use super::lab::{Lab, impatient, records, summary};
use super::processor::{ExecuteStreamCommand, Relationship, Session};
use crate::program::on;
use crate::registry_double::{Provider, RegistryDouble, Release};

const GUIDE: &str = include_str!("../../../doc/guide/nifi.md");

/// Where the relationship `original` leads, by `execution.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Done,
    /// Back to the processor.
    Again,
    Person,
    DeadLetter,
}

fn place(session: &Session) -> Place {
    match session.original.attributes["execution.status"].as_str() {
        "0" | "3" => Place::Done,
        "4" => Place::Again,
        "6" => Place::Person,
        _ => Place::DeadLetter,
    }
}

/// The processor as the guide configures it, on a store of its own.
fn processor(lab: &Lab, store: &str) -> ExecuteStreamCommand {
    let line = GUIDE
        .lines()
        .find(|line| line.starts_with("sync --store") && line.contains("${uuid}"))
        .unwrap();
    let mut processor = lab.processor();
    processor.arguments =
        line.replace("git:/data/snapshots.git", store).split(' ').map(str::to_owned).collect();
    processor.retry_count = 1;
    processor
}

fn run(lab: &Lab, content: impl Into<Vec<u8>>) -> Session {
    let store = format!("git:{}", lab.repo().display());
    processor(lab, &store).trigger(&FlowFile::new(content)).unwrap()
}

#[test]
fn what_can_be_stored_is_done() {
    let array = format!("[{}]", records(0, 3).trim_end().replace('\n', ","));
    for content in [records(0, 3), array] {
        let lab = Lab::new();
        let session = run(&lab, content);
        assert_eq!(
            (place(&session), session.relationship, session.runs),
            (Place::Done, Relationship::OutputStream, 1)
        );
        assert_eq!(lab.ids(), [0, 1, 2]);
    }
}

#[test]
fn what_is_no_input_is_a_dead_letter_with_its_content() {
    for content in
        ["<html><body>502</body></html>", "id,name\n1,apple\n", "{\"ID\":1}\n", "[{\"id\":1},"]
    {
        let lab = Lab::new();
        let session = run(&lab, content);
        assert_eq!((place(&session), session.status()), (Place::DeadLetter, 5), "{}", session.err);
        assert_eq!((session.original.content.as_slice(), lab.versions()), (content.as_bytes(), 0));
        assert!(session.original.attributes["execution.error"].starts_with("nifi-idb: "));
    }
}

#[test]
fn what_is_rejected_is_in_the_report_that_is_kept() {
    let lab = Lab::new();
    let session = run(&lab, records(0, 2) + "{\"id\":2,\"n\":NaN}\n");
    assert_eq!(
        (place(&session), session.status(), session.relationship),
        (Place::Done, 3, Relationship::NonzeroStatus)
    );
    assert_eq!((lab.ids().as_slice(), &summary(&session)["rejected"]), (&[0, 1][..], &1.into()));
    // Retried in between: a replay, with the same report.
    assert_eq!((session.runs, lab.versions()), (2, 1));
    let printed =
        crate::program::run(crate::program::program(["rejects"]), &session.child.content).done();
    let mended = String::from_utf8(printed).unwrap().replace("NaN", "null");
    assert_eq!((place(&run(&lab, mended)), lab.ids().as_slice()), (Place::Done, &[0, 1, 2][..]));
}

/// PutFile refuses a name that is there already, and the report would be kept nowhere.
#[test]
fn reports_on_files_of_one_name_are_all_kept() {
    let words = "an UpdateAttribute sets `filename` to `";
    let naming =
        GUIDE.split(words).nth(1).expect("the guide names the files").split('`').next().unwrap();
    assert!(GUIDE.contains("RouteOnAttribute: `${execution.status:equals('3')}` to a folder"));
    let lab = Lab::new();
    let mut folder = BTreeMap::new();
    for first in [0, 2] {
        let mut flow_file = FlowFile::new(records(first, 1) + "{\"id\":9,\"n\":NaN}\n");
        flow_file.attributes.insert("filename".to_owned(), "orders.json".to_owned());
        let store = format!("git:{}", lab.repo().display());
        let session = processor(&lab, &store).trigger(&flow_file).unwrap();
        assert_eq!(session.status(), 3);
        let name = session.child.evaluate(naming, &BTreeMap::new());
        assert!(name.ends_with("-orders.json"), "{name}");
        assert!(folder.insert(name, session.child.content).is_none(), "{folder:?}");
    }
    assert_eq!(folder.len(), 2);
}

#[test]
fn a_store_that_is_gone_for_a_while_loses_nothing() {
    let lab = Lab::new();
    let mut registry = RegistryDouble::start(Release::V1_28_1, Provider::Database);
    registry.refuse_connections();
    let mut processor = processor(&lab, &registry.url());
    processor.arguments.extend(impatient("5s").map(str::to_owned));
    let mut waiting = FlowFile::new(records(0, 3));
    for _ in 0..2 {
        let session = processor.trigger(&waiting).unwrap();
        assert_eq!((place(&session), session.runs), (Place::Again, 2));
        waiting = session.original;
    }
    registry.restart();
    let session = processor.trigger(&waiting).unwrap();
    assert_eq!((place(&session), &summary(&session)["put"]), (Place::Done, &3.into()));
}

#[test]
fn a_report_that_is_looped_back_is_refused() {
    let lab = Lab::new();
    for content in [records(0, 2) + "no JSON\n", "<html></html>".to_owned()] {
        let failed = run(&lab, content);
        assert_eq!(failed.relationship, Relationship::NonzeroStatus);
        let before = lab.versions();
        let looped = run(&lab, failed.child.content);
        assert_eq!((looped.status(), lab.versions()), (5, before), "{}", looped.err);
        assert!(looped.err.contains("this is a report of nifi-idb"), "{}", looped.err);
    }
    // Every failure prints a summary at least.
    assert!(on(&lab.repo(), "log", &[], b"").code() == Some(0));
}
