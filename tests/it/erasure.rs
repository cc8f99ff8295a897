//! The commands on the page about erasing a person's data, as they stand there.

use std::path::Path;
use std::process::{Command, Stdio};

use nifi_idb::history::{At, RestoreFormat, RestoreOptions, open_version, restore};
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::git::GitStore;

use crate::program::{has_git, on, run};

const PAGE: &str = include_str!("../../doc/guide/erasure.md");

const HEADER: &str = r#"{"format":"indexeddb-changes/1","database":"shop","stores":[{"name":"orders","keyPath":"id"},{"name":"people","keyPath":"name"}],"source":"kiosk-7"}"#;

fn batch(lines: &[&str]) -> Vec<u8> {
    format!("{HEADER}\n{}\n{{\"op\":\"end\",\"count\":{}}}\n", lines.join("\n"), lines.len())
        .into_bytes()
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output has to know what was not tested"
)]
fn the_steps_erase_one_person_and_nothing_else() {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has_git() || !is_there("jq") || !is_there("bash") {
        eprintln!("SKIPPED: the page's commands need git, jq and bash");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.git");
    for lines in [
        &[
            r#"{"op":"put","store":"people","value":{"name":"ann","mail":"ann@example.org"}}"#,
            r#"{"op":"put","store":"people","value":{"name":"bob","n":0.30000000000000004,"big":1e21,"t":{"~date":5},"x":"\u0024{a} \u00e4\ud83d\ude00"},"at":400}"#,
            r#"{"op":"put","store":"orders","value":{"id":1,"by":"ann"}}"#,
            r#"{"op":"put","store":"orders","value":{"id":2,"by":"bob"}}"#,
        ][..],
        &[r#"{"op":"put","store":"people","value":{"name":"ann","mail":"ann@example.net"}}"#],
        &[
            r#"{"op":"delete","store":"orders","key":1}"#,
            r#"{"op":"put","store":"orders","value":{"id":3,"by":"bob"}}"#,
        ],
    ] {
        on(&old, "sync", &[], &batch(lines)).done();
    }

    let blocks: Vec<_> =
        PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 4);
    let program = Path::new(env!("CARGO_BIN_EXE_nifi-idb"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &blocks.concat()])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path());
    bash.env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = run(bash, b"");
    let said = String::from_utf8(ran.out).unwrap();
    assert!(ran.status.success(), "{said}{}", ran.err);
    assert!(said.contains("< {\"mail\":\"ann@example.net\",\"name\":\"ann\"}\n"), "{said}");
    assert!(!said.contains("bob"), "no other record differs: {said}");

    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let mut stores = Vec::new();
    for (name, versions) in [("new.git", 1), ("old.git", 1), ("new-with-history.git", 2)] {
        let store = GitStore::new(&folder.path().join(name)).unwrap();
        assert_eq!(store.log(&flow).unwrap().len(), versions, "{name}");
        let head = open_version(&store, &flow, At::Latest).unwrap();
        let mut people = Vec::new();
        let format = RestoreFormat::Records;
        let options = RestoreOptions { format, object_store: Some("people".into()) };
        restore(&store, &flow, &head, &options, &mut people).unwrap();
        let bob = r#"{"big":1e+21,"n":0.30000000000000004,"name":"bob","t":{"~date":5},"x":"\u0024{a} \u00e4\ud83d\ude00"}"#;
        assert_eq!(String::from_utf8(people).unwrap(), format!("{bob}\n"), "{name}");
        stores.push(head.manifest.root());
    }
    assert!(stores.iter().all(|root| *root == stores[0]), "all three hold the same data");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".ndjson")), "{left:?}");
}
