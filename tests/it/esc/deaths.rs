//! How NiFi dies, stops and terminates: what the child saw was measured, what it must do is here.

use std::time::Duration;

use super::child::Input;
use super::flow_file::FlowFile;
use super::lab::{Lab, ended, records, summary};

/// Long for a child that waits, short for a test.
const IDLE: &str = "2s";

#[test]
fn nifi_is_killed_before_all_was_written() {
    let flow_file = FlowFile::new(records(0, 20_000));
    let whole = flow_file.content.len();
    for bytes in [0, 1, whole / 2, whole - 1] {
        let lab = Lab::new();
        let ended_early = lab.processor().start(&flow_file, Input::Cut(bytes)).unwrap().end();
        // A clean end of input, so only the announced number of bytes tells; standard output was closed too.
        assert_eq!(ended_early.status.code(), Some(5), "{}", ended_early.err);
        let expected = format!(
            "nifi-idb: cannot read the input: {bytes} bytes came, but {whole} were announced"
        );
        assert!(ended_early.err.starts_with(&expected), "{}", ended_early.err);
        assert_eq!((ended_early.broken_pipe, lab.versions()), (None, 0));
        // After the restart the same FlowFile runs again, whole.
        assert_eq!(summary(ended(&lab.trigger(&flow_file), 0))["outcome"], "committed");
        assert_eq!((lab.versions(), lab.ids().len()), (1, 20_000));
    }
}

#[test]
fn nifi_is_killed_when_all_was_written() {
    // The commit is done, the report finds a broken pipe: that is no success, for the FlowFile comes again.
    let lab = Lab::new();
    let flow_file = FlowFile::new(records(0, 1_000));
    let unheard =
        lab.processor().start(&flow_file, Input::Cut(flow_file.content.len())).unwrap().end();
    assert_eq!(unheard.status.code(), Some(4), "{}", unheard.err);
    assert!(unheard.err.starts_with("nifi-idb: standard output: Broken pipe"), "{}", unheard.err);
    assert_eq!(lab.versions(), 1);
    let again = lab.trigger(&flow_file);
    let summary = summary(ended(&again, 0));
    assert_eq!((&summary["outcome"], &summary["version"]), (&"unchanged".into(), &1.into()));
    assert_eq!((lab.versions(), lab.ids().len()), (1, 1_000));
}

#[test]
fn terminate_leaves_a_child_that_ends_by_itself() {
    let flow_file = FlowFile::new(records(0, 20_000));
    let whole = flow_file.content.len();
    let hung = [0, whole / 2, whole].map(|bytes| {
        let lab = Lab::new();
        let mut processor = lab.processor();
        processor.parameters.insert("idle".to_owned(), IDLE.to_owned());
        let hung = processor.start(&flow_file, Input::Silent(bytes)).unwrap();
        (lab, hung)
    });
    for (lab, hung) in hung {
        // The same FlowFile runs beside it, or after it.
        assert_eq!(summary(ended(&lab.trigger(&flow_file), 0))["outcome"], "committed");
        let hung = hung.end();
        assert_eq!(hung.status.code(), Some(5));
        assert!(
            hung.err.starts_with("nifi-idb: cannot read the input: stdin idle"),
            "{}",
            hung.err
        );
        assert!(hung.took < Duration::from_secs(60), "{:?}", hung.took);
        assert_eq!((lab.versions(), lab.ids().len()), (1, 20_000));
    }
}

#[test]
fn a_hung_child_that_is_released_changes_nothing() {
    // NiFi ends at last: standard input ends, cleanly and short, after the second run has committed.
    let lab = Lab::new();
    let flow_file = FlowFile::new(records(0, 20_000));
    let mut hung =
        lab.processor().start(&flow_file, Input::Silent(flow_file.content.len() / 2)).unwrap();
    assert_eq!(summary(ended(&lab.trigger(&flow_file), 0))["outcome"], "committed");
    assert!(hung.is_alive(), "nothing is locked while it waits for input");
    let hung = hung.release().end();
    assert_eq!(hung.status.code(), Some(5));
    assert!(hung.err.contains("were announced"), "{}", hung.err);
    // All had come, and only the end of input was missing: it is a replay.
    let hung = lab.processor().start(&flow_file, Input::Silent(flow_file.content.len())).unwrap();
    let hung = hung.release().end();
    assert_eq!((hung.status.code(), hung.err.as_str()), (Some(0), ""));
    assert!(String::from_utf8_lossy(&hung.out).contains(r#""outcome":"unchanged""#));
    assert_eq!(lab.versions(), 1);
}
