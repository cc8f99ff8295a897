//! Conflicts of many FlowFiles in one package: each has its line, and one that is refused leaves none.

use serde_json::Value;

use crate::flowfiles::{FlowFile, flowfile, package, unpack};
use crate::program::{on, program, run, store_of};

fn of(source: &str, lines: &[&str]) -> FlowFile {
    let all: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (stores, count) = (r#""stores":[{"name":"s"}]"#, lines.len());
    let head = format!(
        r#"{{"format":"indexeddb-changes/1","database":"d","source":"{source}",{stores}}}"#
    );
    flowfile(&[], format!("{head}\n{all}{{\"op\":\"end\",\"count\":{count}}}\n"))
}

fn put(key: u32, value: &str) -> String {
    format!(r#"{{"op":"put","store":"s","key":{key},"value":"{value}"}}"#)
}

/// Outcomes of the FlowFiles, and the conflicts that are listed then, by their ids.
fn synced(
    policy: &str,
    state: &str,
    flowfiles: &[FlowFile],
) -> (Vec<String>, Vec<(String, Value)>) {
    let folder = tempfile::tempdir().unwrap();
    let (repo, file) = (folder.path().join("s.git"), folder.path().join("policy.toml"));
    std::fs::write(&file, format!("version = 1\n[defaults]\n{policy}\n")).unwrap();
    let ran = on(&repo, "sync", &["--policy", file.to_str().unwrap()], &package(flowfiles));
    assert_eq!(ran.code(), Some(0), "{}", ran.err);
    let outcomes = unpack(&ran.out)
        .into_iter()
        .map(|(attributes, _)| attributes["sync.outcome"].clone())
        .collect();
    on(&repo, "verify", &["--chain"], b"").done();
    let list = ["conflicts", "list", "--store", &store_of(&repo), "--flow", "d", "--state", state]
        .map(str::to_owned);
    let listed = String::from_utf8(run(program(list), b"").done()).unwrap();
    let listed = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (
        outcomes,
        listed
            .filter(|line| !line["id"].is_null())
            .map(|line| (line["id"].to_string(), line))
            .collect(),
    )
}

#[test]
fn every_losing_side_has_a_line() {
    let flowfiles: Vec<_> =
        (0..300).map(|number| of(&format!("s{number}"), &[&put(1, &number.to_string())])).collect();
    let (outcomes, listed) = synced("resolve = \"park\"", "parked", &flowfiles);
    assert!(outcomes.iter().all(|outcome| outcome == "committed"));
    let ids: Vec<_> = listed.iter().map(|(id, _)| id.as_str()).collect();
    let expected: Vec<_> =
        (1..300)
            .map(|number| {
                if number == 1 {
                    r#"[1,"s",1]"#.to_owned()
                } else {
                    format!(r#"[1,"s",1,{number}]"#)
                }
            })
            .collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_flowfile_that_the_policy_refuses_leaves_no_line() {
    let policy = "resolve = \"head-wins\"\ntypes.update-delete = \"fail\"";
    let lost = put(1, "lost");
    let flowfiles = [
        of("a", &[&put(1, "head"), &put(2, "head")]),
        of("b", &[&lost, r#"{"op":"delete","store":"s","key":2}"#]),
        of("c", &[&lost]),
        of("b", &[&lost]),
    ];
    let (outcomes, listed) = synced(policy, "decided", &flowfiles);
    assert_eq!(outcomes, ["committed", "refused", "committed", "committed"]);
    let sources: Vec<_> =
        listed.iter().map(|(_, line)| line["incoming"]["by"].to_string()).collect();
    assert_eq!(sources, ["\"c\"", "\"b\""]);
}
