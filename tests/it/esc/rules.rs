//! Conflict rules through the shipped flow: two sources change the same records offline, one conflict goes by a rule, one is
//! parked, a person decides it, and the source that lost is told with its next batch.

use std::fs;

use serde_json::Value;

use super::flow_file::FlowFile;
use super::lab::{Lab, ended};
use super::shipped::shipped;
use crate::flowfiles::{flowfile, package, unpack};
use crate::program::{on, program, run as run_program};

const POLICY: &str = r#"
version = 1

[stores.data.fields]
stock = "delta"

[[stores.data.rules]]
name = "what was shipped is locked"
when = 'head.status == "shipped" && incoming.status != "done"'
then = "head-wins"

[stores.data]
resolve = { use = "three-way", contested = "park" }
"#;

/// A numbered batch of a source.
fn batch(source: &str, first: u32, base: Option<u32>, records: &[&str]) -> String {
    let last = first + u32::try_from(records.len()).unwrap() - 1;
    let base = base.map_or(String::new(), |base| format!(r#","base":{base}"#));
    let mut text = format!(
        r#"{{"format":"indexeddb-changes/1","database":"shop","source":"{source}","epoch":"e","first":{first},"last":{last}{base},"stores":[{{"name":"data","keyPath":"id"}}]}}"#
    );
    records.iter().for_each(|record| {
        text.push_str(&format!("\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{record}}}"))
    });
    text.push_str(&format!("\n{{\"op\":\"end\",\"count\":{}}}\n", records.len()));
    text
}

fn lines(report: impl AsRef<[u8]>) -> Vec<Value> {
    report
        .as_ref()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn what_a_rule_decides_what_a_person_decides_and_who_is_told() {
    let lab = Lab::new();
    let policy = lab.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let mut sync = shipped(&lab, "scheduled-sync.json", "Sync");
    sync.parameters.insert("policy".to_owned(), policy.display().to_string());
    let run = |flowfiles: &[_]| {
        let session = sync.trigger(&FlowFile::new(package(flowfiles))).unwrap();
        unpack(&ended(&session, 0).child.content)
    };
    let start = [
        r#"{"id":1,"status":"paid","stock":10}"#,
        r#"{"id":2,"note":"","status":"paid","stock":5}"#,
        r#"{"id":3,"status":"paid"}"#,
    ];
    run(&[flowfile(&[("uuid", "u0")], batch("office", 1, None, &start))]);
    // Both tablets have seen version 1, and are offline now.
    let ann = [
        r#"{"id":1,"status":"paid","stock":8}"#,
        r#"{"id":2,"note":"ann","status":"paid","stock":5}"#,
        r#"{"id":3,"status":"shipped"}"#,
    ];
    let bob = [
        r#"{"id":1,"status":"paid","stock":7}"#,
        r#"{"id":2,"note":"bob","status":"paid","stock":5}"#,
        r#"{"id":3,"status":"cancelled"}"#,
    ];
    let answers = run(&[
        flowfile(&[("uuid", "u1")], batch("ann", 1, Some(1), &ann)),
        flowfile(&[("uuid", "u2")], batch("bob", 1, Some(1), &bob)),
    ]);
    let told = |place: usize, name: &str| answers[place].0[name].clone();
    assert_eq!(
        (told(0, "sync.conflicts").as_str(), told(0, "sync.outcome").as_str()),
        ("0", "committed")
    );
    assert_eq!((told(1, "sync.conflicts").as_str(), told(1, "sync.parked").as_str()), ("3", "1"));
    let report = lines(&answers[1].1);
    let decided: Vec<_> = report
        .iter()
        .filter(|line| line["type"] == "conflict")
        .map(|line| {
            (
                line["key"].as_u64().unwrap(),
                line["rule"].as_str().unwrap(),
                line["winner"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        decided,
        [
            (1, "data/three-way", "merged"),
            (2, "data/three-way", "none"),
            (3, "data/what was shipped is locked", "head")
        ]
    );
    let record = |key: &str| {
        let line = on(&lab.repo(), "show", &["--object-store", "data", "--key", key], b"").done();
        serde_json::from_slice::<Value>(&line).unwrap()["value"].clone()
    };
    assert_eq!(record("1")["stock"], 5, "10 less 2 less 3");
    assert_eq!(
        (record("2")["note"].as_str(), record("3")["status"].as_str()),
        (Some("ann"), Some("shipped"))
    );

    let conflicts = |arguments: &[&str]| {
        let store = format!("git:{}", lab.repo().display());
        run_program(
            program(["conflicts", arguments[0], "--store", &store].iter().chain(&arguments[1..])),
            b"",
        )
        .done()
    };
    // Whoever is on duty looks, and lets bob's note stand.
    let listed = lines(conflicts(&["list"]));
    assert_eq!(listed.len(), 1, "{listed:?}");
    let id = listed[0]["id"].to_string();
    let resolve = ["resolve", &id, "--use", "incoming", "--received-at", "1700000000000"];
    let resolved = lines(conflicts(&resolve));
    let version = resolved.last().unwrap()["version"].as_u64().unwrap();
    assert_eq!(version, 3);
    assert_eq!(record("2")["note"], "bob");
    assert_eq!(conflicts(&["list"]), b"");

    // ann lost by it, bob won: both hear of it once they come again, whatever they send.
    let other = r#"{"id":4,"status":"new"}"#;
    for (source, base) in [("ann", 2), ("bob", 2)] {
        let answers = run(&[flowfile(&[("uuid", source)], batch(source, 4, Some(base), &[other]))]);
        let report = lines(&answers[0].1);
        let notices: Vec<_> = report.iter().filter(|line| line["type"] == "resolved").collect();
        assert_eq!(notices.len(), 1, "{source}: {report:?}");
        assert_eq!(
            (notices[0]["use"].as_str(), &notices[0]["line"]["value"]["note"]),
            (Some("incoming"), &"bob".into())
        );
    }
    // Once it has applied that version it is not told again.
    let answers = run(&[flowfile(
        &[("uuid", "later")],
        batch("ann", 5, Some(5), &[r#"{"id":4,"status":"old"}"#]),
    )]);
    let again = run(&[flowfile(
        &[("uuid", "latest")],
        batch("ann", 6, Some(6), &[r#"{"id":4,"status":"older"}"#]),
    )]);
    let kinds =
        |answer: &String| lines(answer).iter().filter(|line| line["type"] == "resolved").count();
    assert!(kinds(&answers[0].1) <= 1 && kinds(&again[0].1) == 0);
}
