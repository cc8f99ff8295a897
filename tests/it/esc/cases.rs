//! The table: what comes in, where it ends, and what is in the snapshot store afterwards.

use std::time::Duration;

use super::child::Input;
use super::flow_file::FlowFile;
use super::lab::{Lab, ended, impatient, records, summary};
use super::processor::{ExecuteStreamCommand, Relationship};
use crate::registry_double::{Fault, On, Provider, RegistryDouble, Release};

/// One row.
struct Case {
    what: &'static str,
    content: String,
    /// After those that every flow hands over.
    arguments: &'static [&'static str],
    status: i32,
    /// How many versions the store has then; it had none.
    versions: usize,
    /// How the reason begins.
    error: &'static str,
}

/// A batch with a header and an end.
fn changes(header: &str, end: &str) -> String {
    let stores = r#""stores":[{"name":"data","keyPath":"id"}]"#;
    let head = format!(r#"{{"format":"indexeddb-changes/1","database":"shop",{stores}{header}}}"#);
    format!("{head}\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":1}}}}\n{end}")
}

const END: &str = "{\"op\":\"end\",\"count\":1}\n";

#[test]
fn where_every_flow_file_ends() {
    let case = |what, content: String, arguments, status, versions, error| Case {
        what,
        content,
        arguments,
        status,
        versions,
        error,
    };
    let sequence =
        |first: u32| format!(r#","source":"kiosk","epoch":"a","first":{first},"last":{first}"#);
    let five_megabytes = || records(0, 150_000);
    let cases = [
        case("records", records(0, 3), &[], 0, 1, ""),
        case("an empty FlowFile", String::new(), &[], 0, 1, ""),
        case("changes", changes("", END), &[], 0, 1, ""),
        case("a rejected line", records(0, 3) + "no JSON\n", &[], 0, 1, ""),
        case(
            "the same, to be reviewed",
            records(0, 3) + "no JSON\n",
            &["--fail-on", "rejects"],
            3,
            1,
            "done, and asked to be reviewed (--fail-on): 1 of 4 lines were rejected",
        ),
        case("no end line", changes("", ""), &[], 5, 0, "the input ends after line 2"),
        case("a gap in the sequence", changes(&sequence(5), END), &[], 4, 0, ""),
        case(
            "a source that is not the flow's",
            changes(&sequence(1), END),
            &["--source", "other"],
            2,
            0,
            "the input's header and the options",
        ),
        // What NiFi would report as a broken pipe if it were not drained.
        case(
            "5 MB after a mistake in the arguments",
            five_megabytes(),
            &["--mod", "full"],
            2,
            0,
            "unexpected argument",
        ),
        case("5 MB after another format", five_megabytes(), &["--input", "changes"], 5, 0, ""),
        case(
            "5 MB, too long",
            five_megabytes(),
            &["--max-line-bytes", "1"],
            5,
            0,
            "all 150000 lines were rejected",
        ),
        case(
            "an array",
            format!("[{}]", records(0, 3).trim_end().replace('\n', ",")),
            &[],
            0,
            1,
            "",
        ),
        case(
            "a page",
            "<html></html>".to_owned(),
            &[],
            5,
            0,
            "line 1 (byte 0): this is an HTML page",
        ),
        case(
            "nothing but rejects",
            "no JSON\n".to_owned(),
            &[],
            5,
            0,
            "the only line was rejected",
        ),
        case("5 MB", five_megabytes(), &[], 0, 1, ""),
    ];
    for Case { what, content, arguments, status, versions, error } in cases {
        let lab = Lab::new();
        let session = lab.processor_with(arguments).trigger(&FlowFile::new(content)).unwrap();
        assert_eq!(session.status(), status, "{what}: {}", session.err);
        if status == 3 {
            // Done, but to be looked at: the report says it all.
            assert_eq!(
                (session.relationship, summary(&session)["rejected"].as_u64()),
                (Relationship::NonzeroStatus, Some(1))
            );
        } else {
            ended(&session, status);
        }
        assert!(
            session.err.starts_with(&format!("nifi-idb: {error}")) || session.err.is_empty(),
            "{what}: {}",
            session.err
        );
        assert_eq!(lab.versions(), versions, "{what}");
    }
}

#[test]
fn the_same_flow_file_again() {
    let lab = Lab::new();
    let flow_file = FlowFile::new(records(0, 3));
    assert_eq!(summary(ended(&lab.trigger(&flow_file), 0))["outcome"], "committed");
    // Another one has the first one's records and changes one: then the first again must not take that back.
    let other = FlowFile::new("{\"id\":1,\"text\":\"newer\"}\n");
    assert_eq!(summary(ended(&lab.trigger(&other), 0))["outcome"], "committed");
    assert_eq!(summary(ended(&lab.trigger(&flow_file), 0))["outcome"], "unchanged");
    assert_eq!(lab.versions(), 2);
    // The same content in a new FlowFile is news.
    assert_eq!(
        summary(ended(&lab.trigger(&FlowFile::new(records(0, 3))), 0))["outcome"],
        "committed"
    );
    assert_eq!(lab.versions(), 3);
}

#[test]
fn the_time_of_receipt_is_handed_over() {
    // The same FlowFile gives the same version, whenever it runs and wherever.
    let flow_file = FlowFile::new(records(0, 3));
    let labs = [Lab::new(), Lab::new()];
    let states =
        labs.each_ref().map(|lab| summary(ended(&lab.trigger(&flow_file), 0))["state"].clone());
    assert_eq!(states[0], states[1]);
    let later = FlowFile { entry_date: flow_file.entry_date + 60_000, ..flow_file };
    assert_ne!(summary(&Lab::new().trigger(&later))["state"], states[0]);
}

#[test]
fn two_of_us_on_the_same_flow_file_at_once() {
    for _ in 0..4 {
        let lab = Lab::new();
        let flow_file = FlowFile::new(records(0, 500));
        let start = || lab.processor().start(&flow_file, Input::Whole).unwrap();
        let running = [start(), start(), start()];
        let mut outcomes = running.map(|running| {
            let ended = running.end();
            assert_eq!(
                (ended.status.code(), ended.err.as_str(), ended.broken_pipe),
                (Some(0), "", None)
            );
            let out = String::from_utf8(ended.out).unwrap();
            let last: serde_json::Value =
                serde_json::from_str(out.lines().last().unwrap()).unwrap();
            last["outcome"].as_str().unwrap().to_owned()
        });
        outcomes.sort();
        assert_eq!(outcomes, ["committed", "unchanged", "unchanged"]);
        assert_eq!((lab.versions(), lab.ids().len()), (1, 500));
    }
}

/// The processor on a Registry that does not try for long itself.
fn on_registry(lab: &Lab, registry: &RegistryDouble, deadline: &str) -> ExecuteStreamCommand {
    let mut processor = lab.processor_with(&impatient(deadline));
    processor.parameters.insert("store".to_owned(), registry.url());
    processor.retry_count = 3;
    processor
}

#[test]
fn a_registry_that_is_down_is_retried_by_nifi() {
    let lab = Lab::new();
    let registry = RegistryDouble::start(Release::V1_28_1, Provider::Database);
    registry.inject(On::next("", "").times(2), Fault::internal_error());
    let flow_file = FlowFile::new(records(0, 3));
    let session = on_registry(&lab, &registry, "10s").trigger(&flow_file).unwrap();
    ended(&session, 0);
    assert_eq!((session.runs, summary(&session)["version"].as_u64()), (3, Some(1)));
    assert_eq!(session.original.uuid, flow_file.uuid);
}

#[test]
fn retries_end_and_the_flow_file_is_whole() {
    let lab = Lab::new();
    let mut registry = RegistryDouble::start(Release::V1_28_1, Provider::Database);
    registry.refuse_connections();
    let flow_file = FlowFile::new(records(0, 3));
    let session = on_registry(&lab, &registry, "10s").trigger(&flow_file).unwrap();
    ended(&session, 4);
    // As many retries, and one more run.
    assert_eq!((session.runs, session.bulletins.len()), (4, 4));
    assert_eq!(session.original.content, flow_file.content);
    registry.restart();
    assert_eq!(
        summary(ended(&on_registry(&lab, &registry, "10s").trigger(&session.original).unwrap(), 0))
            ["version"],
        1
    );
}

#[test]
fn an_answer_that_was_lost_and_a_retry_are_one_version() {
    let lab = Lab::new();
    let registry = RegistryDouble::start(Release::V1_28_1, Provider::Database);
    // The version is written, nobody hears it, and then the Registry is silent: the run fails, and the next is a replay.
    registry.inject(On::next("POST", "versions"), Fault::LostAnswer);
    registry.inject(On::next("GET", "versions/latest/metadata").times(4), Fault::Silence);
    registry.inject(On::next("GET", "versions/*").after(1).times(4), Fault::Silence);
    let mut processor = on_registry(&lab, &registry, "2s");
    processor.retry_count = 9;
    processor.penalty = Duration::ZERO;
    let session = processor.trigger(&FlowFile::new(records(0, 3))).unwrap();
    ended(&session, 0);
    assert!(session.runs > 1);
    let summary = summary(&session);
    assert_eq!((&summary["outcome"], &summary["version"]), (&"unchanged".into(), &1.into()));
}
