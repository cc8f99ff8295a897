//! Object stores that an upgrade deleted and made again with another key path.

use super::*;
use crate::program::on;

const OLD: &str = r#"[{"name":"data","keyPath":"id"}]"#;
const NEW: &str = r#"[{"name":"data","keyPath":"v"}]"#;

fn of_version(header: &str, version: u64) -> String {
    format!(r#"{header},"databaseVersion":{version}"#)
}

fn values(lab: &Lab) -> Vec<String> {
    lab.records("data").into_values().collect()
}

#[test]
fn a_newer_version_may_recreate_an_object_store_with_another_key_path() {
    for mode in [full("a"), delta("a")] {
        let mut lab = Lab::default();
        lab.of_stores(OLD, &full("a"), &[put(1, 10), put(2, 20)]);
        lab.of_stores(OLD, &delta("b"), &[put(3, 1)]);
        lab.of_stores(OLD, &full("c"), &[put(1, 10), put(5, 50)]);
        lab.of_stores(OLD, &delta("b"), &[delete(5)]);
        let header = of_version(&mode, 2);
        // The keys of the new records are keys of old ones, too: 1 and 5.
        let lines = [put(9, 1), put(8, 5)];
        let asked = lab.of_stores(NEW, &header, &lines);
        assert_eq!(asked.status, ExitStatus::Guard, "{}", asked.message);
        assert!(
            asked.message.contains("3 of 3 records of object store \"data\""),
            "{}",
            asked.message
        );
        lab.sync.confirm = asked.plan;
        let sent = lab.of_stores(NEW, &header, &lines);
        assert_eq!((sent.put_and_deleted(), sent.conflicts().len()), ((2, 3), 0));
        lab.sync.confirm = None;
        assert_eq!(values(&lab), [r#"{"id":9,"v":1}"#, r#"{"id":8,"v":5}"#]);
        // Who has not upgraded is told so, and loses nothing.
        let old = lab.of_stores(OLD, &full("c"), &[put(1, 10)]);
        assert_eq!(old.status, ExitStatus::Usage);
        assert!(
            old.message.contains("only an upgrade can recreate an object store"),
            "{}",
            old.message
        );
        // And then finds its old records out of the way: neither in its view, nor by an older base.
        let sent = lab.of_stores(NEW, &of_version(&full("c"), 2), &[put(7, 70)]);
        assert_eq!((sent.put_and_deleted(), sent.conflicts().len()), ((1, 0), 0));
        let based = lab.of_stores(NEW, &of_version(r#","source":"d","base":1"#, 2), &[put(8, 1)]);
        assert_eq!((based.put_and_deleted(), based.conflicts()), ((1, 0), vec!["update-update"]));
        assert_eq!(
            values(&lab)[0],
            r#"{"id":8,"v":1}"#,
            "not merged with what had this key before"
        );
    }
}

/// A batch for the program; `lines` are its changes.
fn program_batch(stores: &str, header: &str, lines: &[String]) -> Vec<u8> {
    let head = format!(
        r#"{{"format":"indexeddb-changes/1","database":"shop","stores":{stores}{header}}}"#
    );
    let end = format!(r#"{{"op":"end","count":{}}}"#, lines.len());
    [std::slice::from_ref(&head), lines, &[end, String::new()]].concat().join("\n").into_bytes()
}

/// The `reset` and the keys of the `change` lines of a report.
fn told(report: &[u8]) -> Vec<String> {
    let lines = report.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let told = |line: Value| match line["type"].as_str() {
        Some("reset") => Some("reset".to_owned()),
        Some("change") => Some(line["line"]["value"].to_string()),
        _ => None,
    };
    lines.filter_map(told).collect()
}

#[test]
fn a_source_that_pulls_with_an_older_base_drops_the_old_records() {
    let dir = tempfile::tempdir().unwrap();
    let pull = |source: &str, more: &str, lines: &[String], stores: &str, arguments: &[&str]| {
        let header = format!(r#","source":"{source}"{more}"#);
        let all = [&["--flow", "shop", "--pull"], arguments].concat();
        on(dir.path(), "sync", &all, &program_batch(stores, &header, lines))
    };
    let (one, two) = (r#","databaseVersion":1"#, r#","databaseVersion":2"#);
    pull("a", one, &[put(1, 10), put(2, 20)], OLD, &[]).done();
    pull("b", &format!(r#"{one},"base":1"#), &[put(3, 30)], OLD, &[]).done();
    let numbered = |number: u32| format!(r#","epoch":"e","first":{number},"last":{number}"#);
    pull("c", &format!("{one}{}", numbered(1)), &[put(4, 40)], OLD, &[]).done();
    let upgrade =
        |arguments: &[&str]| pull("a", &format!(r#"{two},"base":3"#), &[put(9, 1)], NEW, arguments);
    let asked = upgrade(&[]);
    assert_eq!(asked.code(), Some(6), "{}", asked.err);
    let plan = asked.err.split("--confirm ").nth(1).unwrap().split_whitespace().next().unwrap();
    // Who made the object store anew has none of the old records.
    assert_eq!(told(&upgrade(&["--confirm", plan]).done()), Vec::<String>::new());
    // No line can name the old records: their keys are no keys of the object store any more.
    let with =
        |source, base: &str| told(&pull(source, &format!("{two}{base}"), &[], NEW, &[]).done());
    assert_eq!(with("b", r#","base":2"#), ["reset", r#"{"id":9,"v":1}"#]);
    assert_eq!(with("b", r#","base":4"#), Vec::<String>::new());
    assert_eq!(with("a", r#","base":2"#), Vec::<String>::new());
    assert_eq!(with("new", ""), [r#"{"id":9,"v":1}"#]);
    // Known, without a base: nobody knows what it has.
    let known = pull("c", &format!("{two}{}", numbered(2)), &[put(8, 2)], NEW, &[]).done();
    assert_eq!(told(&known), ["reset", r#"{"id":9,"v":1}"#, r#"{"id":8,"v":2}"#]);
}

#[test]
fn at_the_same_or_an_older_version_it_is_refused() {
    let lab = Lab::default();
    lab.of_stores(OLD, &of_version(&full("a"), 2), &[put(1, 10)]);
    for version in [1, 2] {
        let sent = lab.of_stores(NEW, &of_version(&full("a"), version), &[put(1, 10)]);
        assert_eq!(sent.status, ExitStatus::Usage);
    }
    assert_eq!(values(&lab), [r#"{"id":1,"v":10}"#]);
}

#[test]
fn an_empty_object_store_takes_another_key_path_and_forgets_its_deletions() {
    let lab = Lab::default();
    lab.of_stores(OLD, &delta("a"), &[put(1, 10)]);
    lab.of_stores(OLD, &delta("a"), &[delete(1)]);
    let sent = lab.of_stores(NEW, &delta("b"), &[put(7, 1)]);
    assert_eq!((sent.put_and_deleted(), sent.conflicts().len()), ((1, 0), 0));
}

#[test]
fn a_newer_version_may_recreate_it_without_records() {
    let mut lab = Lab::default();
    lab.of_stores(OLD, &full("a"), &puts(0..3));
    let header = of_version(&full("a"), 2);
    let asked = lab.of_stores(NEW, &header, &[]);
    assert_eq!(asked.status, ExitStatus::Guard);
    lab.sync.confirm = asked.plan;
    assert_eq!(lab.of_stores(NEW, &header, &[]).put_and_deleted(), (0, 3));
}
