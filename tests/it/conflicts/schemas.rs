//! Conflicts in object stores that head has not got, through the program.

use super::through_program::{conflicts, lines_of};
use super::*;

const PARKS: &str = "version = 1\n[defaults.types]\nschema-newer = \"park\"\n";
const ACCEPTS: &str = "version = 1\n[defaults.types]\nschema-newer = \"accept\"\n";

/// Version 1 has object store `data`; in version 2, parked, `b` put records 1 and 2 of `new`, and deleted 3.
fn parked_schema(repo: &Path, policy: &Path) {
    upgrade(repo, policy, PARKS, "a", 1, &[put(1, "1")]);
    let lines =
        [put(1, "1"), put(2, "2"), delete(3)].map(|line| line.replace("\"data\"", "\"new\""));
    let report = upgrade(repo, policy, PARKS, "b", 2, &lines);
    assert_eq!((report.len(), &report.last().unwrap()["parked"]), (4, &3.into()), "{report:?}");
}

fn upgrade(
    repo: &Path,
    policy: &Path,
    rules: &str,
    source: &str,
    version: u32,
    lines: &[String],
) -> Vec<Value> {
    std::fs::write(policy, rules).unwrap();
    let new = if version > 1 { r#",{"name":"new"}"# } else { "" };
    let text = format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"databaseVersion\":{version},\"source\":\"{source}\",\
         \"stores\":[{{\"name\":\"data\"}}{new}]}}\n{}{{\"op\":\"end\",\"count\":{}}}\n",
        lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
        lines.len()
    );
    lines_of(on(repo, "sync", &["--policy", policy.to_str().unwrap()], text.as_bytes()))
}

fn states(repo: &Path) -> Vec<String> {
    let listed = lines_of(conflicts(repo, &["list", "--state", "all"]));
    listed.iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_its_object_store_a_conflict_is_decided_for_head_or_after_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, policy) = (folder.path().join("s.git"), folder.path().join("policy.toml"));
    parked_schema(&repo, &policy);
    let shown = lines_of(conflicts(&repo, &["show", r#"[2,"new",2]"#]));
    assert_eq!((&shown[0]["incoming"]["value"], &shown[0]["now"]), (&2.into(), &Value::Null));

    let refused = conflicts(&repo, &["resolve", r#"[2,"new",2]"#, "--use", "incoming"]);
    assert_eq!((refused.code(), refused.out.len()), (Some(2), 0));
    for part in [
        "version 2 of indexeddb/shop has no object store \"new\"",
        "schema-newer = \"accept\"",
        "decide for head",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    // What is to go is not there.
    let done = lines_of(conflicts(&repo, &["resolve", r#"[2,"new",1]"#, "--use", "head"]));
    assert_eq!(
        (&done[0]["line"], &done[1]["outcome"], &done[1]["unchanged"]),
        (&Value::Null, &"committed".into(), &1.into())
    );
    let done = lines_of(conflicts(&repo, &["resolve", r#"[2,"new",3]"#, "--use", "incoming"]));
    assert_eq!((&done[0]["line"], &done[1]["outcome"]), (&Value::Null, &"committed".into()));
    assert_eq!(states(&repo), ["resolved", "parked", "resolved"]);

    // The message's way: the schema comes, then the record has a place.
    upgrade(&repo, &policy, ACCEPTS, "b", 2, &[]);
    let done = lines_of(conflicts(&repo, &["resolve", r#"[2,"new",2]"#, "--use", "incoming"]));
    assert_eq!((&done[0]["line"]["value"], &done[0]["line"]["store"]), (&2.into(), &"new".into()));
    assert_eq!(states(&repo), ["resolved"; 3]);
    on(&repo, "verify", &["--chain"], b"").done();
}

#[test]
fn all_of_them_are_decided_for_head_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, policy) = (folder.path().join("s.git"), folder.path().join("policy.toml"));
    parked_schema(&repo, &policy);
    let done = lines_of(conflicts(
        &repo,
        &["resolve", "--all-matching", "--object-store", "new", "--use", "head"],
    ));
    assert_eq!((done.len(), &done[3]["received"]), (4, &3.into()));
    assert_eq!(states(&repo), ["resolved"; 3]);
}
