//! The flags: `sync --input`, `restore --format`, `--losses`, `--fail-on-loss`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::fixture;
use crate::program::on;

#[test]
fn files_go_through_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("s.git");
    let state = fixture("playwright/storage-state.json");
    let sync = ["--origin", "https://zoo.example", "--database", "zoo", "--flow", "f"];
    let ran = on(&repo, "sync", &sync, state.as_bytes());
    assert_eq!(ran.summary()["put"], 108, "{ran:?}");
    let losses = folder.path().join("losses.ndjson");
    let path = losses.to_str().unwrap();
    let restore = [
        "--flow",
        "f",
        "--format",
        "playwright",
        "--origin",
        "https://zoo.example",
        "--losses",
        path,
    ];
    let text = on(&repo, "restore", &restore, b"").done();
    assert!(text.starts_with(b"{\"cookies\":[],\"origins\":[{\"origin\":\"https://zoo.example\""));
    let told = fs::read_to_string(&losses).unwrap();
    assert!(
        told.contains("\"what\":\"invalid-date\"")
            && told.lines().last().unwrap().contains("\"type\":\"losses\"")
    );
    assert_eq!(fs::metadata(&losses).unwrap().permissions().mode() & 0o777, 0o600);
    let strict = ["--flow", "f", "--format", "dexie", "--fail-on-loss"];
    let ran = on(&repo, "restore", &strict, b"");
    assert_eq!(ran.code(), Some(3), "{}", ran.err);
    assert!(
        ran.err.starts_with("nifi-idb: the output is whole, but its format lost something ")
            && ran.err.lines().count() == 1,
        "{}",
        ran.err
    );
    assert!(ran.out.ends_with(b"]}]}}\n"));
    let ran = on(&repo, "restore", &["--flow", "f", "--format", "playwright"], b"");
    assert!(ran.code() == Some(2) && ran.err.contains("--origin"), "{ran:?}");
    let ran = on(&repo, "restore", &["--flow", "f", "--losses", path], b"");
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    let plain = b"{\"a=b\":[{\"id\":1}],\"c\":[{\"x\":1,\"y\":2}]}";
    let map = [
        "--input",
        "plain-json",
        "--flow",
        "p",
        "--key-path",
        "a=b=id",
        "--key-path",
        "c=x",
        "--key-path",
        "c=y",
    ];
    assert_eq!(on(&repo, "sync", &map, plain).summary()["put"], 2);
    let ran = on(
        &repo,
        "sync",
        &["--input", "plain-json", "--key-path", "id", "--key-path", "c=x"],
        plain,
    );
    assert!(ran.code() == Some(2) && ran.err.contains("STORE=PATH"), "{ran:?}");
    let json = on(&repo, "restore", &["--flow", "p", "--format", "json"], b"").done();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        "{\"a=b\":[{\"id\":1}],\"c\":[{\"x\":1,\"y\":2}]}\n"
    );
    let empty = b"{\"format\":\"indexeddb-changes/1\",\"database\":\"\",\"stores\":[]}\n{\"op\":\"end\",\"count\":0}\n";
    on(&repo, "sync", &["--flow", "e"], empty).done();
    for format in ["dexie", "playwright"] {
        let ran = on(
            &repo,
            "restore",
            &["--flow", "e", "--format", format, "--origin", "https://zoo.example"],
            b"",
        );
        assert!(
            ran.code() == Some(2) && ran.err.contains("whose name is empty") && ran.out.is_empty(),
            "{ran:?}"
        );
    }
}
