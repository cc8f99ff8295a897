//! Broken files: each has the exact text beside it that `policy check` writes. `UPDATE_GOLDEN=1` writes them anew.

use std::fs;

use serde_json::Value;

use super::{fixtures, names, policy};
use crate::program::{program, run};

#[test]
fn every_fault_is_told_with_its_place() {
    let folder = fixtures().join("broken");
    let files = names(&folder, ".toml");
    assert!(files.len() >= 14, "{}", files.len());
    let mut wrong = Vec::new();
    for name in &files {
        let ran = policy(&folder, &["check", &format!("{name}.toml")]);
        assert_eq!(ran.code(), Some(2), "{name}: {}", ran.err);
        let told = String::from_utf8(ran.out).unwrap();
        let golden = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &told).unwrap();
        }
        if fs::read_to_string(&golden).ok().as_ref() != Some(&told) {
            wrong.push(format!("{name}.txt is not what is said:\n{told}"));
        }
        // Of each fault: where, its line, a mark below its place, and what would be right.
        let faults = told.lines().filter(|line| line.starts_with(&format!("{name}.toml:"))).count();
        let starting =
            |start: &str| told.lines().filter(|line| line.trim_start().starts_with(start)).count();
        assert_eq!((starting("^"), starting("help: ")), (faults, faults), "{told}");
        let count = if faults == 1 { "1 fault; ".to_owned() } else { format!("{faults} faults; ") };
        assert!(
            ran.err.starts_with(&format!("nifi-idb: {count}the first: {name}.toml:")),
            "{}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(names(&folder, ".txt"), files, "each file has its text, and each text its file");
}

#[test]
fn faults_are_objects_too() {
    let folder = fixtures().join("broken");
    let ran = policy(&folder, &["check", "tombstones.toml", "--report", "json"]);
    assert_eq!(ran.code(), Some(2));
    let lines: Vec<Value> = String::from_utf8(ran.out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["line"], &lines[0]["column"]),
        (&"fault".into(), &4.into(), &8.into())
    );
    assert_eq!((&lines[0]["endLine"], &lines[0]["endColumn"]), (&4.into(), &13.into()));
    assert_eq!((&lines[1]["type"], &lines[1]["faults"]), (&"summary".into(), &1.into()));
}

/// Whoever wants to use a broken file hears all of it, in what NiFi keeps of standard error, and nothing is read or written.
#[test]
fn no_command_goes_on_with_a_broken_file() {
    let folder = fixtures().join("broken");
    let sync = [
        "sync",
        "--store",
        "memory:",
        "--database",
        "d",
        "--object-store",
        "s",
        "--key-path",
        "id",
    ];
    for name in names(&folder, ".toml") {
        let file = format!("{name}.toml");
        let mut command = program(sync);
        command.args(["--policy", &file]).current_dir(&folder);
        let ran = run(command, b"{\"id\":1}\n");
        assert_eq!((ran.code(), ran.out.as_slice()), (Some(2), b"".as_slice()), "{name}");
        assert!(
            ran.err.starts_with(&format!("nifi-idb: {file}:")) && ran.err.len() < 4_000,
            "{}",
            ran.err
        );
        assert!(ran.err.contains("\nhelp: ") && ran.err.contains('^'), "{}", ran.err);
    }
    let ran = policy(&folder, &["test", "tombstones.toml"]);
    assert_eq!((ran.code(), ran.out.as_slice()), (Some(2), b"".as_slice()));
    #[cfg(feature = "serve")]
    {
        let mut command = program(["serve", "--store", "memory:", "--listen", "127.0.0.1:0"]);
        command.env("NIFI_IDB_POLICY", folder.join("tombstones.toml"));
        let ran = run(command, b"");
        assert_eq!(ran.code(), Some(2));
        assert!(ran.err.contains("tombstones.toml:4:8: deletions are forgotten"), "{}", ran.err);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = policy(folder.path(), &["check", "none.toml"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.err.starts_with("nifi-idb: none.toml: No such file"), "{}", ran.err);
    // Where a flag names it, the flag is named.
    for command in [
        &["sync", "--store", "memory:", "--policy", "none.toml"][..],
        #[cfg(feature = "serve")]
        &["serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--policy", "none.toml"],
        &[
            "conflicts",
            "resolve",
            "--store",
            "memory:",
            "[1,\"a\",1]",
            "--use",
            "head",
            "--policy",
            "none.toml",
        ],
        &["policy", "explain", "--policy", "none.toml", "--object-store", "a", "--incoming", "x"],
    ] {
        let ran = run(program(command.iter().copied()), b"");
        assert_eq!(ran.code(), Some(2), "{command:?}");
        assert!(ran.err.starts_with("nifi-idb: --policy none.toml: No such file"), "{}", ran.err);
    }
    fs::write(folder.path().join("bytes.toml"), b"version = 1\n# \xff\n").unwrap();
    let ran = policy(folder.path(), &["check", "bytes.toml"]);
    assert!(
        ran.err.starts_with("nifi-idb: bytes.toml: it is not UTF-8, at byte 14"),
        "{}",
        ran.err
    );
    fs::write(folder.path().join("long.toml"), " ".repeat(1_048_577)).unwrap();
    let ran = policy(folder.path(), &["check", "long.toml"]);
    assert!(ran.err.contains("may have 1048576 bytes"), "{}", ran.err);
}
