//! The processors of `nifi-templates/` that start the program, with the arguments that are shipped, under the stand-in.

use std::path::Path;

use serde_json::Value;

use super::flow_file::FlowFile;
use super::lab::{Lab, ended, records};
use super::processor::ExecuteStreamCommand;
use crate::flowfiles::{flowfile, package, unpack};

/// An ExecuteStreamCommand of a definition: its arguments in order, and the definition's parameters with their values.
pub(crate) fn shipped(lab: &Lab, definition: &str, name: &str) -> ExecuteStreamCommand {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("nifi-templates").join(definition);
    let definition: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let all = definition["flowContents"]["processors"].as_array().unwrap();
    let found = all.iter().find(|each| each["name"] == name).unwrap();
    assert_eq!(found["properties"]["argumentsStrategy"], "Dynamic Property Arguments");
    let argument = |number: usize| {
        found["properties"][format!("command.argument.{number}")].as_str().map(str::to_owned)
    };
    let mut processor = lab.processor();
    processor.arguments = (1..).map_while(argument).collect();
    let contexts = definition["parameterContexts"].as_object().unwrap();
    for parameter in contexts.values().flat_map(|context| context["parameters"].as_array().unwrap())
    {
        let text = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
        processor.parameters.insert(text("name"), text("value"));
    }
    processor.parameters.insert("store".to_owned(), format!("git:{}", lab.repo().display()));
    processor
}

#[test]
fn a_scheduled_sync_and_a_scheduled_restore() {
    let lab = Lab::new();
    // As shipped, without a single parameter but the store: empty ones count as not given.
    let sync = shipped(&lab, "scheduled-sync.json", "Sync");
    let header = r#"{"format":"indexeddb-changes/1","database":"shop","stores":[{"name":"data","keyPath":"id"}]}"#;
    let batch = format!(
        "{header}\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":1}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
    );
    let flowfiles = [
        flowfile(
            &[("uuid", "u1"), ("indexeddb.received.at", "1700000000000"), ("mine", "é")],
            batch.clone(),
        ),
        flowfile(&[("uuid", "u2")], format!("{header}\n")),
        // Which object store its records are for, nobody says.
        flowfile(&[("uuid", "u3")], records(0, 2)),
    ];
    let session = sync.trigger(&FlowFile::new(package(&flowfiles))).unwrap();
    ended(&session, 0);
    let answers = unpack(&session.child.content);
    let told = answers
        .iter()
        .map(|(attributes, _)| (&*attributes["sync.outcome"], &*attributes["sync.status"]));
    assert_eq!(told.collect::<Vec<_>>(), [("committed", "0"), ("failed", "5"), ("failed", "2")]);
    assert_eq!(
        (answers[0].0["mine"].as_str(), answers[0].0["registry.flow.version"].as_str()),
        ("é", "1")
    );
    assert_eq!(answers[1].1, flowfiles[1].1, "what is not done keeps its content");
    // With the parameters set, the records find their place.
    let mut sync = sync;
    for (name, value) in [("object.store", "data"), ("key.path", "id"), ("database", "shop")] {
        sync.parameters.insert(name.to_owned(), value.to_owned());
    }
    let session = sync.trigger(&FlowFile::new(package(&flowfiles))).unwrap();
    let answers = unpack(&ended(&session, 0).child.content);
    let told = answers.iter().map(|(attributes, _)| &*attributes["sync.outcome"]);
    assert_eq!(told.collect::<Vec<_>>(), ["unchanged", "failed", "committed"]);

    // *Ignore STDIN* closes standard input at once.
    let restore = shipped(&lab, "scheduled-restore.json", "Restore");
    let session = restore.trigger(&FlowFile::new("")).unwrap();
    let restored = unpack(&ended(&session, 0).child.content);
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0].0["indexeddb.object.store"], "data");
    // What came out is a batch that goes in.
    let other = Lab::new();
    let sync = shipped(&other, "scheduled-sync.json", "Sync");
    let session = sync.trigger(&FlowFile::new(session.child.content.clone())).unwrap();
    assert_eq!(unpack(&ended(&session, 0).child.content)[0].0["sync.outcome"], "committed");
    assert_eq!(other.ids(), lab.ids());
}

#[test]
fn a_package_that_is_cut_off_by_a_kill_is_run_again_whole() {
    use super::child::Input;
    let lab = Lab::new();
    let sync = shipped(&lab, "scheduled-sync.json", "Sync");
    let batch = |n: u32| {
        let header = r#""database":"shop","stores":[{"name":"data","keyPath":"id"}]"#;
        format!(
            "{{\"format\":\"indexeddb-changes/1\",{header}}}\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":{n}}}}}\n{{\"op\":\"end\",\"count\":1}}\n"
        )
    };
    let flowfiles: Vec<_> =
        (0..3).map(|n| flowfile(&[("uuid", &format!("u{n}"))], batch(n))).collect();
    let flow_file = FlowFile::new(package(&flowfiles));
    // Also where the cut falls between two FlowFiles, which framing alone cannot tell from the end.
    let border = package(&flowfiles[..2]).len();
    for bytes in [border, border - 1, border + 3] {
        let cut = sync.start(&flow_file, Input::Cut(bytes)).unwrap().end();
        assert_eq!(cut.status.code(), Some(5), "{bytes}: {}", cut.err);
        assert_eq!(lab.versions(), 0);
    }
    // All was written and nobody heard the answer.
    let unheard = sync.start(&flow_file, Input::Cut(flow_file.content.len())).unwrap().end();
    assert_eq!((unheard.status.code(), lab.versions()), (Some(4), 1), "{}", unheard.err);
    let session = sync.trigger(&flow_file).unwrap();
    let answers = unpack(&ended(&session, 0).child.content);
    assert!(
        answers.iter().all(|(attributes, _)| attributes["sync.outcome"] == "unchanged"),
        "{answers:?}"
    );
    assert_eq!((lab.versions(), lab.ids()), (1, vec![0, 1, 2]));
}
