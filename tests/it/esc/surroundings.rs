//! Where NiFi starts a child: its environment, its working directory, its account.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use super::flow_file::FlowFile;
use super::lab::{Lab, ended, records, summary};
use super::processor::Relationship;

/// A script that stands for the command, as a person might wrap it.
fn script(lab: &Lab, text: &str) -> std::path::PathBuf {
    let path = lab.path().join("wrapper");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn environment<const N: usize>(variables: [(&str, &str); N]) -> BTreeMap<OsString, OsString> {
    variables.map(|(name, value)| (name.into(), value.into())).into()
}

#[test]
fn any_environment() {
    let bytes = OsString::from_vec(b"\xff\xfe".to_vec());
    let environments = [
        ("none at all", BTreeMap::new()),
        ("C", environment([("LC_ALL", "C"), ("LANG", "C")])),
        (
            "no such locale, no such home",
            environment([("LC_ALL", "xx_XX.UTF-9"), ("HOME", "/nonexistent"), ("TERM", "")]),
        ),
        // What NiFi's own start scripts set, and what a host sets for everything.
        (
            "NiFi's",
            environment([
                ("NIFI_HOME", "/opt/nifi"),
                ("JAVA_HOME", "/opt/java"),
                ("NIFI_PID_DIR", "/opt/nifi/run"),
                ("NIFI_LOG_DIR", "/opt/nifi/logs"),
                ("BOOTSTRAP_JAVA_OPTS", "-Xmx512m"),
                ("GIT_DIR", "/nonexistent"),
                ("GIT_CONFIG_GLOBAL", "/nonexistent"),
                ("https_proxy", "http://127.0.0.1:1"),
                ("RUST_LOG", "trace"),
                ("RUST_BACKTRACE", "1"),
            ]),
        ),
        ("bytes that are no text", BTreeMap::from([(bytes.clone(), bytes)])),
    ];
    let mut states = Vec::new();
    let flow_file = FlowFile::new("{\"id\":1,\"text\":\"ключ é 😀\"}\n");
    for (what, environment) in environments {
        let lab = Lab::new();
        let mut processor = lab.processor();
        processor.environment = environment;
        // A property of the user's own is a variable too, and so is each argument, unevaluated.
        processor.properties = BTreeMap::from([("MY.DOT".to_owned(), "${uuid}".to_owned())]);
        processor.parameters.insert("object store".to_owned(), "données".to_owned());
        let session = processor.trigger(&flow_file).unwrap();
        assert_eq!(session.err, "", "{what}");
        states.push(summary(ended(&session, 0))["state"].clone());
    }
    assert!(
        states.windows(2).all(|pair| pair[0] == pair[1]),
        "surroundings are no data: {states:?}"
    );
}

#[test]
fn variables_of_ours_configure_it_and_others_do_not() {
    // Nothing but NIFI_IDB_… of what is inherited means anything; a dynamic property can set one of those.
    let lab = Lab::new();
    let mut processor = lab.processor();
    processor.environment =
        environment([("store", "git:/nonexistent"), ("flow", "a b"), ("FLOW", "a b")]);
    processor.properties = BTreeMap::from([("NIFI_IDB_FLOW".to_owned(), "#{flow}".to_owned())]);
    processor.parameters.insert("flow".to_owned(), "by-variable".to_owned());
    ended(&processor.trigger(&FlowFile::new(records(0, 1))).unwrap(), 0);
    assert!(
        String::from_utf8(
            crate::program::on(&lab.repo(), "log", &["--flow", "by-variable"], b"").done()
        )
        .is_ok()
    );
}

#[test]
fn a_child_of_a_shell_sees_the_arguments_all_the_same() {
    // Shells drop variables whose names have dots: none of ours does.
    let lab = Lab::new();
    let mut processor = lab.processor();
    processor.command_path =
        script(&lab, &format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_nifi-idb")));
    ended(&processor.trigger(&FlowFile::new(records(0, 1))).unwrap(), 0);
    assert_eq!(lab.versions(), 1);
}

#[test]
fn any_working_directory() {
    let binary = env!("CARGO_BIN_EXE_nifi-idb");
    let folders = [
        ("/", ""),
        ("/proc", ""),
        // Only the superuser may list it; nobody may write to it.
        ("MODE", "chmod 0111 ."),
        ("GONE", "rmdir \"$PWD\""),
    ];
    for (folder, before) in folders {
        let lab = Lab::new();
        let mut processor = lab.processor();
        processor.working_directory = lab.path().join(folder);
        processor.environment = environment([("PATH", "/usr/bin:/bin")]);
        processor.command_path = script(&lab, &format!("{before}\nexec '{binary}' \"$@\""));
        ended(&processor.trigger(&FlowFile::new(records(0, 2))).unwrap(), 0);
        assert_eq!((lab.versions(), lab.ids()), (1, vec![0, 1]), "{folder}");
    }
}

#[test]
fn a_command_that_is_not_there_goes_nowhere() {
    let lab = Lab::new();
    let mut processor = lab.processor();
    processor.command_path = lab.path().join("nifi-idb");
    assert_eq!(
        processor.trigger(&FlowFile::new("")).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}

#[test]
fn the_stand_in_does_what_was_measured() {
    // 10,000 bytes of standard error, a penalty, and a broken pipe that does not decide where a FlowFile goes.
    let lab = Lab::new();
    let mut processor = lab.processor();
    processor.environment = environment([("PATH", "/usr/bin:/bin")]);
    processor.arguments = ["${a}", "", "b c"].map(str::to_owned).to_vec();
    processor.properties = BTreeMap::from([("MY.DOT".to_owned(), "${uuid}".to_owned())]);
    let text = "exec 0<&-\nhead -c 10000 /dev/zero | tr '\\0' e >&2\nprintf '%s\\n' \"$#\" \"$1\" \"$2\" \"$3\"\nenv | grep -c command\nexit 75";
    processor.command_path = script(&lab, text);
    processor.retry_count = 2;
    let mut flow_file = FlowFile::new(records(0, 150_000));
    flow_file.attributes.insert("a".to_owned(), "x;y\tz".to_owned());
    let session = processor.trigger(&flow_file).unwrap();
    assert_eq!(
        (session.status(), session.runs, session.relationship),
        (75, 3, Relationship::NonzeroStatus)
    );
    assert_eq!(session.child.attributes["execution.error"].len(), 4_000);
    assert_eq!(session.err.len(), 10_000);
    assert_eq!(session.bulletins.len(), 6, "a broken pipe and a status in each run");
    assert_eq!(session.child.attributes["execution.command.args"], "x;y\tz\t\tb c");
    assert_eq!(session.child.attributes["a"], "x;y\tz");
    assert!(
        session.child.penalized
            && !session.original.penalized
            && session.child.uuid != flow_file.uuid
    );
    assert!(String::from_utf8(session.child.content).unwrap().starts_with("3\nx;y\tz\n\nb c\n"));
    assert_eq!(
        (session.original.uuid, session.original.entry_date),
        (flow_file.uuid, flow_file.entry_date)
    );

    // The raw text of an argument is in the environment; env(1) sees it, and a shell's own variables do not.
    processor.command_path = "/usr/bin/env".into();
    processor.arguments = Vec::new();
    processor.properties.insert("command.argument.9".to_owned(), "${uuid}".to_owned());
    let out =
        String::from_utf8(processor.trigger(&FlowFile::new("")).unwrap().child.content).unwrap();
    assert!(
        out.contains("MY.DOT=${uuid}\n") && out.contains("command.argument.9=${uuid}\n"),
        "{out}"
    );
}
