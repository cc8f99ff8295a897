//! Records as programs join them, through the binary: every form gives the same records, and none is lost in silence.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store that does not exist yet.
pub(crate) struct Shop(TempDir);

impl Shop {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str], input: impl AsRef<[u8]>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nifi-idb"));
        command.env_clear().current_dir(self.0.path()).args(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref().to_vec());
        let sender = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        sender.join().unwrap().expect("standard input is read to its end");
        output
    }

    /// Syncs to the object store `data` with the key path `id`.
    pub(crate) fn records(&self, args: &[&str], input: impl AsRef<[u8]>) -> Output {
        let all = [
            "sync",
            "--store",
            "git:s.git",
            "--database",
            "shop",
            "--object-store",
            "data",
            "--key-path",
            "id",
        ];
        self.run(&[&all, args].concat(), input)
    }

    /// What is stored, a record a line.
    pub(crate) fn stored(&self) -> String {
        let output = self
            .run(&["restore", "--store", "git:s.git", "--flow", "shop", "--format", "records"], "");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The lines of a report.
pub(crate) fn report(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_form_is_stored_whole() {
    let forms = [
        "{\"id\":1}\n{\"id\":2}\n",
        "[{\"id\":1},{\"id\":2}]",
        "[ {\n  \"id\" : 1\n}, {\n  \"id\" : 2\n} ]",
        "{\"id\":1}{\"id\":2}",
        "{\"id\":1},\n{\"id\":2},\n",
        "{\n  \"id\": 1\n}\n{\n  \"id\": 2\n}\n",
        "\u{1e}{\"id\":1}\n\u{1e}{\"id\":2}\n",
    ];
    for form in forms {
        for input in ["auto", "records"] {
            let shop = Shop::new();
            let output = shop.records(&["--input", input], form);
            assert_eq!((output.status.code(), errors(&output).as_str()), (Some(0), ""), "{form:?}");
            assert_eq!(shop.stored(), "{\"id\":1}\n{\"id\":2}\n", "{form:?} {input}");
        }
    }
}

#[test]
fn a_full_batch_may_be_an_array() {
    let shop = Shop::new();
    let full = ["--source", "job", "--mode", "full"];
    let lines: String = (1..=8).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    assert_eq!(shop.records(&full, &lines).status.code(), Some(0));
    let array = format!("[{}]", lines.trim_end().replace('\n', ", "));
    let output = shop.records(&full, &array);
    assert_eq!(report(&output).last().unwrap()["outcome"], "unchanged");
    assert_eq!(shop.stored(), lines);
}

#[test]
fn a_rejected_element_names_its_line_and_byte_and_the_others_are_stored() {
    let shop = Shop::new();
    let text = "[\n  {\"id\": 1},\n  {\"id\": 2, \"price\": NaN},\n  {\"id\": 3, \"price\": -Infinity},\n  {\"id\": 4}\n]\n";
    let output = shop.records(&[], text);
    let lines = report(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(0), 3));
    for (line, word, place) in [(3, "NaN", "{\"id\": 2"), (4, "-Infinity", "{\"id\": 3")] {
        let found = &lines[line - 3];
        assert_eq!(
            (&found["line"], &found["offset"]),
            (&line.into(), &text.find(place).unwrap().into())
        );
        let message = found["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{word} is not JSON, at byte ")), "{message}");
        assert!(message.contains(&format!("{{\"~number\":\"{word}\"}}")), "{message}");
    }
    assert_eq!(shop.stored(), "{\"id\":1}\n{\"id\":4}\n");
}

#[test]
fn an_array_that_is_cut_or_broken_stores_nothing() {
    for (text, what) in [
        ("[{\"id\":1},{\"id\":2}", "the input ends inside a JSON array that begins in line 1"),
        ("[{\"id\":1}},{\"id\":2}]", "line 1 (byte 9): the JSON array is broken here"),
        ("{\n  \"id\": 1,\n", "the input ends inside a value that begins in line 1"),
    ] {
        let shop = Shop::new();
        let output = shop.records(&[], text);
        assert_eq!(output.status.code(), Some(5), "{text}");
        assert!(
            errors(&output).starts_with(&format!("nifi-idb: {what}")),
            "{text}: {}",
            errors(&output)
        );
        assert!(!shop.path("s.git").exists(), "{text}");
    }
}

#[test]
fn an_array_that_goes_to_no_object_store_says_what_is_missing() {
    let output = Shop::new().run(&["sync", "--store", "git:s.git"], "[{\"id\":1}]");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("--object-store"), "{}", errors(&output));
}

#[test]
fn a_long_array_in_one_line_takes_no_more_memory_than_its_records() {
    // Twice the longest line that is allowed.
    let shop = Shop::new();
    let record = |id: u32| format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(400));
    let array = format!("[{}]", (0..500).map(record).collect::<Vec<_>>().join(","));
    let output = shop.records(&["--max-line-bytes", "100000"], &array);
    assert_eq!(report(&output).last().unwrap()["put"], 500, "{}", errors(&output));
}
