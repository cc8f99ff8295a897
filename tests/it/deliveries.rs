//! Deliveries that come again, through the binary: what names one, how long it is remembered, and what a base may name.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::flowfiles::{FlowFile, flowfile, package, unpack};
use crate::program::{Ran, on};

struct Flow(TempDir);

impl Flow {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn repo(&self) -> PathBuf {
        self.0.path().join("s.git")
    }

    fn sync(&self, arguments: &[&str], batch: &str) -> Ran {
        let all = [&["--received-at", "1700000000000"], arguments].concat();
        on(&self.repo(), "sync", &all, batch.as_bytes())
    }

    /// The outcome of a batch that is done.
    #[track_caller]
    fn outcome(&self, arguments: &[&str], batch: &str) -> String {
        let ran = self.sync(arguments, batch);
        assert_eq!(ran.code(), Some(0), "{}", ran.err);
        ran.summary()["outcome"].as_str().unwrap().to_owned()
    }

    fn package(&self, flowfiles: &[FlowFile]) -> Vec<FlowFile> {
        let all = ["--received-at", "1700000000000"];
        let ran = on(&self.repo(), "sync", &all, &package(flowfiles));
        assert_eq!(ran.code(), Some(0), "{}", ran.err);
        unpack(&ran.out)
    }

    /// The value of record 1.
    fn value(&self) -> String {
        let out = on(&self.repo(), "restore", &["--flow", "d", "--format", "records"], b"").done();
        let text = String::from_utf8(out).unwrap();
        let records: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found = records.iter().find(|record| record["id"] == 1);
        found.map_or_else(String::new, |record| record["v"].as_str().unwrap().to_owned())
    }

    fn state(&self) -> (u64, String) {
        let ran = self.sync(&["--dry-run"], &batch("", &[]));
        let summary = ran.summary();
        (summary["version"].as_u64().unwrap(), summary["state"].as_str().unwrap().to_owned())
    }
}

/// A batch of database `d`; `header` are members of its first line, each with its comma in front.
fn batch(header: &str, lines: &[String]) -> String {
    let all: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let stores = r#""stores":[{"name":"s","keyPath":"id"}]"#;
    let count = lines.len();
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",{stores}{header}}}\n{all}{{\"op\":\"end\",\"count\":{count}}}\n"
    )
}

fn put(value: &str) -> String {
    format!(r#"{{"op":"put","store":"s","value":{{"id":1,"v":"{value}"}}}}"#)
}

fn of(source: &str, value: &str) -> String {
    batch(&format!(r#","source":"{source}""#), &[put(value)])
}

#[test]
fn a_delivery_that_changed_nothing_does_not_come_back_and_undo_what_came_after() {
    for mode in ["", r#","mode":"full""#] {
        let flow = Flow::new();
        let from_a = |value: &str| batch(&format!(r#","source":"a"{mode}"#), &[put(value)]);
        flow.outcome(&[], &from_a("old"));
        assert_eq!(
            flow.outcome(&["--batch-id", "u1"], &from_a("old")),
            "committed",
            "it holds the id{mode}"
        );
        assert_eq!(flow.outcome(&["--batch-id", "u2"], &from_a("new")), "committed");
        assert_eq!(flow.outcome(&["--batch-id", "u1"], &from_a("old")), "unchanged");
        assert_eq!(flow.value(), "new", "{mode}");
        let (version, _) = flow.state();
        assert_eq!(version, 3);
    }
}

#[test]
fn a_package_that_comes_again_is_a_replay_as_a_whole() {
    let flow = Flow::new();
    let flowfiles = ["1", "1", "2", "2", "1", "2"];
    let flowfiles: Vec<_> = flowfiles
        .iter()
        .zip(0..)
        .map(|(value, id)| flowfile(&[("uuid", &format!("u{id}"))], of("a", value)))
        .collect();
    for round in 0..2 {
        let answers = flow.package(&flowfiles);
        let outcomes: Vec<_> =
            answers.iter().map(|(attributes, _)| attributes["sync.outcome"].as_str()).collect();
        assert_eq!(outcomes, [["committed"; 6], ["unchanged"; 6]][round]);
        assert_eq!((flow.value().as_str(), flow.state().0), ("2", 1), "round {round}");
    }
    // Somebody else has written since.
    flow.outcome(&[], &of("b", "3"));
    flow.package(&flowfiles);
    assert_eq!(flow.value(), "3");
    // Nothing of a package changes anything, and its names are remembered all the same.
    let later =
        [flowfile(&[("uuid", "x")], of("b", "3")), flowfile(&[("uuid", "y")], of("b", "3"))];
    flow.package(&later);
    flow.outcome(&[], &of("b", "4"));
    flow.package(&later);
    assert_eq!(flow.value(), "4");
}

#[test]
fn an_id_counts_for_its_source_and_with_its_content() {
    let flow = Flow::new();
    assert_eq!(flow.outcome(&["--batch-id", "1"], &of("a", "of a")), "committed");
    assert_eq!(
        flow.outcome(&["--batch-id", "1"], &of("b", "of b")),
        "committed",
        "another source's"
    );
    assert_eq!(
        flow.outcome(&["--batch-id", "1"], &batch("", &[put("nameless")])),
        "committed",
        "of no source"
    );
    assert_eq!(flow.value(), "nameless");
    let before = flow.state();
    let other = flow.sync(&["--batch-id", "1"], &of("a", "other"));
    assert_eq!(other.code(), Some(2), "{}", other.err);
    assert!(
        other.err.contains("delivery id \"1\" was used before for other content"),
        "{}",
        other.err
    );
    assert_eq!(flow.state(), before, "nothing was written");
    assert_eq!(
        flow.outcome(&["--batch-id", "1"], &of("a", "of a")),
        "unchanged",
        "the replay still is one"
    );
    // The content is what the bytes say, and where bare records go.
    let records = |store: &str| {
        ["--batch-id", "r", "--database", "d", "--object-store", store, "--key-path", "id"]
            .map(str::to_owned)
    };
    let sent = |store: &str, text: &str| {
        let arguments = records(store);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        flow.sync(&arguments, text).code()
    };
    let line = "{\"id\":9}\n";
    assert_eq!(
        [sent("s", line), sent("s", line), sent("other", line), sent("s", "{\"id\":8}\n")]
            .map(Option::unwrap),
        [0, 0, 2, 2]
    );
}

#[test]
fn in_a_package_only_the_flowfile_that_uses_an_id_again_is_refused() {
    let flow = Flow::new();
    let flowfiles =
        [("u", of("a", "1")), ("u", of("a", "2")), ("u", of("a", "1")), ("v", of("a", "3"))];
    let answers = flow.package(&flowfiles.map(|(id, content)| flowfile(&[("uuid", id)], content)));
    let told: Vec<_> = answers
        .iter()
        .map(|(attributes, _)| {
            (attributes["sync.status"].as_str(), attributes["sync.outcome"].as_str())
        })
        .collect();
    assert_eq!(
        told,
        [("0", "committed"), ("2", "refused"), ("0", "unchanged"), ("0", "committed")]
    );
    assert_eq!(flow.value(), "3");
    assert_eq!(answers[1].1, of("a", "2"), "it keeps its content");
}

#[test]
fn an_id_has_at_most_256_bytes() {
    let flow = Flow::new();
    let (long, longer) = ("ü".repeat(128), "ü".repeat(128) + "x");
    assert_eq!(flow.outcome(&["--batch-id", &long], &of("a", "1")), "committed");
    let ran = flow.sync(&["--batch-id", &longer], &of("a", "2"));
    assert_eq!(ran.code(), Some(2));
    assert!(ran.err.contains("longer than 256 bytes"), "{}", ran.err);
    for name in ["uuid", "idempotency-key"] {
        let answers = flow.package(&[flowfile(&[(name, &longer)], of("a", "3"))]);
        assert_eq!(answers[0].0["sync.status"], "2", "{name}");
    }
    assert_eq!(flow.value(), "1");
}

#[test]
fn the_list_of_sources_stays_as_small_whatever_ids_are_like() {
    let size = |id: &dyn Fn(usize) -> String| {
        let flow = Flow::new();
        let flowfiles: Vec<_> = (0..50)
            .map(|number| flowfile(&[("uuid", &id(number))], of("a", &number.to_string())))
            .collect();
        flow.package(&flowfiles);
        let files = std::process::Command::new("git")
            .args([
                "-C",
                flow.repo().to_str().unwrap(),
                "cat-file",
                "--batch-check=%(objectsize)",
                "--batch-all-objects",
            ])
            .output()
            .unwrap();
        String::from_utf8(files.stdout)
            .unwrap()
            .lines()
            .map(|line| line.parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let (short, long) =
        (size(&|number| number.to_string()), size(&|number| format!("{number:0>256}")));
    assert!(long < short + 200, "{short} {long}");
}

#[test]
fn a_stale_event_loses_by_the_clock_with_and_without_a_source() {
    let event = |value: &str, at: u32| {
        format!(
            r#"{{"before":null,"after":{{"id":1,"v":"{value}"}},"source":{{"connector":"postgresql","db":"shop","schema":"public","table":"s"}},"op":"u","ts_ms":{at}}}"#
        ) + "\n"
    };
    for source in [&[][..], &["--source", "pg"]] {
        let flow = Flow::new();
        let policy = flow.0.path().join("clock.toml");
        std::fs::write(
            &policy,
            "version = 1\n[defaults]\ndetect = \"clock\"\nresolve = \"last-write-wins\"\n",
        )
        .unwrap();
        let to = [
            "--policy",
            policy.to_str().unwrap(),
            "--database",
            "d",
            "--object-store",
            "s",
            "--key-path",
            "id",
        ];
        let arguments = [&to, source].concat();
        flow.outcome(&arguments, &event("new", 20));
        let stale = flow.sync(&arguments, &event("stale", 10));
        assert_eq!(flow.value(), "new", "{source:?}");
        let report = String::from_utf8(stale.out).unwrap();
        assert!(report.contains("\"out-of-order\""), "{report}");
        // Of two events of one millisecond the one that comes later is later.
        flow.outcome(&arguments, &event("same time", 20));
        assert_eq!(flow.value(), "same time", "{source:?}");
        flow.outcome(&arguments, &event("newer", 30));
        assert_eq!(flow.value(), "newer", "{source:?}");
    }
}

#[test]
fn a_base_may_name_the_state_of_its_version() {
    let flow = Flow::new();
    flow.outcome(&[], &of("a", "1"));
    let (first, state) = flow.state();
    flow.outcome(&[], &of("a", "2"));
    let (second, newest) = flow.state();
    assert_eq!((first, second), (1, 2));
    let base =
        |version: u64, state: &str| format!(r#","base":{{"version":{version},"state":"{state}"}}"#);
    let header = |base: &str| batch(&format!(r#","source":"b"{base}"#), &[put("3")]);
    let line =
        |base: &str| batch(r#","source":"b""#, &[put("3").replace("}}", &format!("}}{base}}}"))]);
    let other = "0".repeat(64);
    let before = flow.state();
    for (version, state) in
        [(1, newest.as_str()), (2, &state), (2, &other), (3, &newest), (9, &other)]
    {
        for text in [header(&base(version, state)), line(&base(version, state))] {
            let ran = flow.sync(&[], &text);
            assert_eq!(ran.code(), Some(6), "{version} {state}: {}", ran.err);
            assert!(ran.err.contains("the source knows another history"), "{}", ran.err);
            // Of a package only that FlowFile.
            let answers = flow.package(&[flowfile(&[], text), flowfile(&[], of("a", "2"))]);
            assert_eq!([&answers[0].0["sync.status"], &answers[1].0["sync.status"]], ["6", "0"]);
        }
    }
    assert_eq!(flow.state(), before, "nothing was written");
    for (text, conflicts) in [
        (line(&base(1, &state)), 1),
        (header(&base(2, &newest)).replace("\"3\"", "\"4\""), 0),
        (line(&base(2, &newest)).replace("\"b\"", "\"c\""), 1),
    ] {
        let ran = flow.sync(&[], &text);
        assert_eq!(
            (ran.code(), ran.summary()["conflicts"].as_u64()),
            (Some(0), Some(conflicts)),
            "{text} {}",
            ran.err
        );
    }
    for bad in [
        r#"{"version":1}"#,
        r#"{"state":"x"}"#,
        r#"{"version":1,"state":"x"}"#,
        r#"{"version":0,"state":""}"#,
    ] {
        assert_eq!(flow.sync(&[], &header(&format!(r#","base":{bad}"#))).code(), Some(5), "{bad}");
    }
}
