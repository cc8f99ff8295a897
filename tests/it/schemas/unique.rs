//! Unique indexes are kept without a policy: what two pages cannot both have is not in a version.

use std::path::{Path, PathBuf};

use nifi_idb::flowfile::{Attributes, write_head};
use serde_json::Value;

use crate::program::{Ran, on};

const MAIL: &str = r#"[{"name":"mail","keyPath":"mail","unique":true,"multiEntry":false}]"#;

/// A store on disk, and the indexes that object store `data` of flow `d` has.
struct Desk {
    folder: tempfile::TempDir,
    indexes: &'static str,
}

impl Desk {
    fn new(indexes: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), indexes }
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("s.git")
    }

    /// A batch of a source; `more` are members of the header, each with a comma before it.
    fn batch(&self, source: &str, more: &str, lines: &[&str]) -> Vec<u8> {
        let indexes = self.indexes;
        let store = format!(r#"{{"name":"data","keyPath":"id","indexes":{indexes}}}"#);
        let mut text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"source\":\"{source}\",\"stores\":[{store}]{more}}}\n"
        );
        for line in lines {
            text += &if line.contains("\"op\"") { format!("{line}\n") } else { put(line) };
        }
        text += &format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len());
        text.into_bytes()
    }

    /// Sends a batch; gives its summary and its report.
    fn send_with(&self, source: &str, more: &str, lines: &[&str]) -> (Value, Vec<Value>) {
        report(on(&self.repo(), "sync", &[], &self.batch(source, more, lines)))
    }

    /// Sends what has no conflict.
    #[track_caller]
    fn send(&self, source: &str, lines: &[&str]) {
        let (summary, report) = self.send_with(source, "", lines);
        assert_eq!(
            (&summary["conflicts"], &summary["outcome"]),
            (&0.into(), &"committed".into()),
            "{report:?}"
        );
    }

    /// Sends what is in conflict in one line, and gives that line.
    #[track_caller]
    fn parked(&self, source: &str, lines: &[&str]) -> Value {
        let (summary, report) = self.send_with(source, "", lines);
        assert_eq!(
            (&summary["conflicts"], &summary["parked"]),
            (&1.into(), &1.into()),
            "{report:?}"
        );
        let conflict = report.into_iter().find(|line| line["type"] == "conflict").unwrap();
        assert_eq!(
            (&conflict["kind"], &conflict["winner"]),
            (&"unique-index".into(), &"none".into())
        );
        assert_eq!(conflict["rule"], "default/park");
        conflict
    }

    /// The records of the newest version, one a line.
    fn records(&self) -> Vec<String> {
        records(&self.repo())
    }
}

fn records(repo: &Path) -> Vec<String> {
    let out = on(repo, "restore", &["--flow", "d", "--format", "records"], b"").out;
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn put(value: &str) -> String {
    format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{value}}}\n")
}

fn report(ran: Ran) -> (Value, Vec<Value>) {
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let text = String::from_utf8(ran.out.clone()).unwrap();
    (ran.summary(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

const A: &str = r#"{"id":"a","mail":"x"}"#;
const B: &str = r#"{"id":"b","mail":"x"}"#;
const DELETE_A: &str = r#"{"op":"delete","store":"data","key":"a"}"#;

#[test]
fn two_sources_that_store_one_value_are_in_conflict_without_a_policy() {
    let desk = Desk::new(MAIL);
    desk.send("one", &[A]);
    let conflict = desk.parked("two", &[B, r#"{"id":"c","mail":"y"}"#]);
    assert_eq!(
        (&conflict["key"], &conflict["other"]),
        (&"b".into(), &"a".into()),
        "both are named"
    );
    assert_eq!(desk.records(), [A, r#"{"id":"c","mail":"y"}"#], "a page can have all of it");
    let doctor = String::from_utf8(on(&desk.repo(), "doctor", &[], b"").done()).unwrap();
    assert!(doctor.contains("indexeddb/d: 1 conflict waits for a person"), "{doctor}");
    // The value is free again once its owner has another one.
    desk.send("one", &[r#"{"id":"a","mail":"z"}"#]);
    desk.send("two", &[B]);
    assert_eq!(desk.records(), [r#"{"id":"a","mail":"z"}"#, B, r#"{"id":"c","mail":"y"}"#]);
}

#[test]
fn a_source_is_not_told_to_delete_a_new_record_that_waits() {
    let desk = Desk::new(MAIL);
    desk.send("one", &[A]);
    for more in
        [r#","mode":"full","epoch":"e","first":1,"last":1"#, r#","epoch":"e","first":2,"last":2"#]
    {
        let (summary, report) = desk.send_with("two", more, &[B]);
        assert_eq!(summary["parked"], 1, "{report:?}");
        assert!(report.iter().all(|line| line["type"] != "change"), "{report:?}");
    }
    // Of a change of a record that is stored it hears what is stored.
    desk.send("two", &[r#"{"id":"b","mail":"y"}"#]);
    let (_, report) = desk.send_with("two", "", &[B]);
    let change = report.iter().find(|line| line["type"] == "change").unwrap();
    assert_eq!(change["line"]["value"]["mail"], "y");
}

#[test]
fn what_moves_within_one_batch_is_no_conflict() {
    let desk = Desk::new(MAIL);
    let mail = |id: &str, mail: &str| format!(r#"{{"id":"{id}","mail":"{mail}"}}"#);
    desk.send("one", &[&mail("a", "1"), &mail("b", "2"), &mail("c", "3")]);
    desk.send("one", &[&mail("a", "2"), &mail("b", "1")]);
    desk.send("one", &[&mail("a", "1"), &mail("b", "3"), &mail("c", "2")]);
    // Handed on to a record before and to one behind, by a deletion and by a range.
    desk.send("one", &[DELETE_A, &mail("d", "1")]);
    desk.send("one", &[&mail("a", "2"), r#"{"op":"delete","store":"data","key":"c"}"#]);
    let range = r#"{"op":"delete-range","store":"data","lower":"b","upper":"d"}"#;
    desk.send("one", &[DELETE_A, range, &mail("e", "1"), &mail("f", "2"), &mail("g", "3")]);
    assert_eq!(desk.records(), [mail("e", "1"), mail("f", "2"), mail("g", "3")]);
}

#[test]
fn of_two_in_one_batch_the_one_that_had_it_keeps_it() {
    let desk = Desk::new(MAIL);
    desk.send("one", &[r#"{"id":"m","mail":"x"}"#]);
    for thief in ["a", "z"] {
        let (own, taken) = (
            format!(r#"{{"id":"m","mail":"x","by":"{thief}"}}"#),
            format!(r#"{{"id":"{thief}","mail":"x"}}"#),
        );
        let conflict = desk.parked("one", &[&taken, &own]);
        assert_eq!((&conflict["key"], &conflict["other"]), (&thief.into(), &"m".into()));
        assert_eq!(
            desk.records(),
            [format!(r#"{{"by":"{thief}","id":"m","mail":"x"}}"#)],
            "its own change is stored"
        );
    }
    // New both: the first one.
    let conflict = desk.parked("one", &[r#"{"id":"p","mail":"n"}"#, r#"{"id":"q","mail":"n"}"#]);
    assert_eq!((&conflict["key"], &conflict["other"]), (&"q".into(), &"p".into()));
}

#[test]
fn every_kind_of_key_is_looked_for() {
    for (value, same) in [
        ("5", "5"),
        (r#"{"~number":"-0"}"#, "0"),
        (r#"{"~date":7}"#, r#"{"~date":7}"#),
        (r#""\u00e9$""#, r#""é$""#),
        (r#""\ud800""#, r#""\ud800""#),
        (r#"["a",1]"#, r#"["a",1]"#),
        (r#"[1,["b"]]"#, r#"{"~id":[1,[1,["b"]]]}"#),
        (
            r#"{"~buffer":{"data":"AQI="}}"#,
            r#"{"~view":{"buffer":{"~buffer":{"data":"AAEC"}},"length":2,"offset":1,"type":"Uint8Array"}}"#,
        ),
        (r#""""#, r#""""#),
    ] {
        let desk = Desk::new(MAIL);
        desk.send("one", &[&format!(r#"{{"id":1,"mail":{value}}}"#), r#"{"id":2,"mail":"other"}"#]);
        let conflict = desk.parked("two", &[&format!(r#"{{"id":3,"mail":{same}}}"#)]);
        assert_eq!(conflict["other"], 1, "{value}");
    }
}

#[test]
fn a_value_that_is_no_key_is_in_no_index() {
    let desk = Desk::new(MAIL);
    for value in ["null", "true", "{}", r#"{"~number":"NaN"}"#, "[null]", r#"{"~undefined":true}"#]
    {
        let (one, two) =
            (format!(r#"{{"id":1,"mail":{value}}}"#), format!(r#"{{"id":2,"mail":{value}}}"#));
        desk.send("one", &[&one, &two]);
    }
    desk.send("one", &[r#"{"id":1}"#, r#"{"id":2}"#]);
}

#[test]
fn lengths_texts_and_values_beside_their_chunk_are_looked_for() {
    let desk = Desk::new(
        r#"[{"name":"long","keyPath":"text.length","unique":true},{"name":"kind","keyPath":"file.type","unique":true}]"#,
    );
    let text = "x".repeat(100_000);
    desk.send(
        "one",
        &[&format!(r#"{{"id":1,"text":"{text}","file":{{"~blob":{{"data":"","type":"a/b"}}}}}}"#)],
    );
    assert_eq!(
        desk.parked("two", &[&format!(r#"{{"id":2,"text":"{}"}}"#, "y".repeat(100_000))])["other"],
        1
    );
    assert_eq!(
        desk.parked("two", &[r#"{"id":3,"file":{"~blob":{"data":"AQ==","type":"a/b"}}}"#])["other"],
        1
    );
    desk.send("two", &[r#"{"id":4,"text":"z"}"#]);
}

#[test]
fn several_entries_and_several_paths_of_an_index() {
    let desk = Desk::new(
        r#"[{"name":"tags","keyPath":"tags","unique":true,"multiEntry":true},{"name":"pair","keyPath":["a","b"],"unique":true}]"#,
    );
    desk.send(
        "one",
        &[
            r#"{"id":1,"tags":["x","x","y",null],"a":1,"b":1}"#,
            r#"{"id":2,"tags":["z"],"a":1,"b":2}"#,
        ],
    );
    assert_eq!(desk.parked("two", &[r#"{"id":3,"tags":["n","y"]}"#])["other"], 1);
    assert_eq!(desk.parked("two", &[r#"{"id":3,"a":1,"b":2}"#])["other"], 2);
    desk.send(
        "two",
        &[
            r#"{"id":3,"tags":["n"],"a":2,"b":1}"#,
            r#"{"id":4,"a":1}"#,
            r#"{"id":5,"a":1,"b":null}"#,
        ],
    );
    // It keeps one of its tags and wants one that is had.
    assert_eq!(desk.parked("two", &[r#"{"id":3,"tags":["n","z"],"a":2,"b":1}"#])["other"], 2);
}

#[test]
fn full_batches_give_keys_back_and_do_not_take_them() {
    let desk = Desk::new(MAIL);
    let full = |source: &str, lines: &[&str]| desk.send_with(source, r#","mode":"full""#, lines).0;
    full("one", &[A, r#"{"id":"c","mail":"y"}"#]);
    let summary = full("two", &[B, r#"{"id":"d","mail":"w"}"#]);
    assert_eq!((&summary["parked"], &summary["put"]), (&1.into(), &1.into()));
    // One record less of its own, and another has its value.
    let summary = full("one", &[r#"{"id":"c","mail":"y"}"#, r#"{"id":"e","mail":"x"}"#]);
    assert_eq!(
        (&summary["conflicts"], &summary["deleted"], &summary["put"]),
        (&0.into(), &1.into(), &1.into())
    );
}

#[test]
fn what_an_index_that_came_later_keeps_out_is_named_and_blocks_nothing() {
    let desk = Desk::new("[]");
    desk.send("one", &[A, r#"{"id":"n","mail":"m"}"#]);
    desk.send("two", &[B]);
    let desk = Desk { indexes: MAIL, ..desk };
    let (summary, _) =
        desk.send_with("one", r#","databaseVersion":2"#, &[r#"{"id":"n","mail":"o"}"#]);
    assert_eq!((&summary["outcome"], &summary["conflicts"]), (&"committed".into(), &0.into()));
    // A change that leaves the key as it is takes nothing from anybody.
    let (summary, _) =
        desk.send_with("two", r#","databaseVersion":2"#, &[r#"{"id":"b","mail":"x","n":1}"#]);
    assert_eq!((&summary["put"], &summary["conflicts"]), (&1.into(), &0.into()));

    let says = "object store \"data\": 1 record has a key in unique index \"mail\" that an earlier record has, too: a page cannot \
                hold it (the first is record \"b\")";
    let verified = on(&desk.repo(), "verify", &["--flow", "d"], b"");
    assert!(
        verified.code() == Some(0) && String::from_utf8_lossy(&verified.out).contains(says),
        "{verified:?}"
    );
    let doctor = String::from_utf8(on(&desk.repo(), "doctor", &[], b"").done()).unwrap();
    assert!(doctor.contains(&format!("  indexeddb/d: {says}")), "{doctor}");
    for format in ["changes", "records", "playwright", "dexie", "json", "flowfile-v3"] {
        let arguments = ["--flow", "d", "--format", format, "--origin", "https://a.example"];
        let restored = on(&desk.repo(), "restore", &arguments, b"");
        assert!(
            restored.code() == Some(0) && restored.err.contains(says),
            "{format}: {restored:?}"
        );
        assert!(
            String::from_utf8_lossy(&restored.out).matches("\"mail\"").count() >= 3,
            "{format}: all is there"
        );
    }
    for format in ["playwright", "dexie"] {
        let losses = desk.folder.path().join(format);
        let path = losses.to_str().unwrap();
        let arguments =
            ["--flow", "d", "--format", format, "--origin", "https://a.example", "--losses", path];
        assert_eq!(on(&desk.repo(), "restore", &arguments, b"").code(), Some(0));
        let told = std::fs::read_to_string(&losses).unwrap();
        assert!(
            told.contains(r#"{"count":1,"path":"data","type":"loss","what":"unique-index"}"#),
            "{format}: {told}"
        );
    }
    // It is mended by changing one of the two.
    desk.send_with("two", r#","databaseVersion":2"#, &[r#"{"id":"b","mail":"w"}"#]);
    assert!(
        !String::from_utf8_lossy(&on(&desk.repo(), "verify", &["--flow", "d"], b"").done())
            .contains("unique")
    );
    assert_eq!(on(&desk.repo(), "restore", &["--flow", "d"], b"").err, "");
}

#[test]
fn flowfiles_of_one_package_and_numbered_batches_are_looked_at_alike() {
    let desk = Desk::new(MAIL);
    let mut package = Vec::new();
    for batch in [desk.batch("one", "", &[A]), desk.batch("two", "", &[B])] {
        let attributes: Attributes =
            [("filename".to_owned(), "batch".to_owned())].into_iter().collect();
        write_head(&attributes, batch.len() as u64, &mut package).unwrap();
        package.extend_from_slice(&batch);
    }
    assert_eq!(on(&desk.repo(), "sync", &[], &package).code(), Some(0));
    assert_eq!(desk.records(), [A], "the second FlowFile meets what the first one made");
    // What is parked is acknowledged: its source is not held up.
    let (summary, report) = desk.send_with(
        "three",
        r#","epoch":"e","first":1,"last":1"#,
        &[r#"{"id":"c","mail":"x"}"#],
    );
    assert_eq!(summary["parked"], 1);
    assert!(
        report.iter().any(|line| line["type"] == "ack" && line["checkpoint"] == 1),
        "{report:?}"
    );
}

#[test]
fn a_version_that_is_restored_into_an_empty_flow_is_looked_at_too() {
    let desk = Desk::new("[]");
    desk.send("one", &[A, B]);
    let desk = Desk { indexes: MAIL, ..desk };
    desk.send_with("one", r#","databaseVersion":2"#, &[r#"{"id":"n","mail":"o"}"#]);
    let version = on(&desk.repo(), "restore", &["--flow", "d"], b"").out;
    let other = Desk::new(MAIL);
    let (summary, _) = report(on(&other.repo(), "sync", &[], &version));
    assert_eq!((&summary["put"], &summary["parked"]), (&2.into(), &1.into()));
    assert_eq!(other.records(), [A, r#"{"id":"n","mail":"o"}"#]);
}
