//! Private fields from end to end: nothing of them is in any object of a git store, in reports or in what is given back.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nifi_idb::decode::DecodeOptions;
use nifi_idb::exit_status::ExitStatus;
use nifi_idb::flowfile::{Attributes, write_head};
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{Delivered, IntakeOptions, Review, SyncOptions, deliver, deliver_package};
use nifi_idb::policy::{FieldPath, HashKey, Hide, Policy};
use nifi_idb::report::Outcome;
use nifi_idb::store::git::GitStore;

use crate::batches::restored;
use crate::program::{has_git, on};

const FIELDS: [(&str, Hide); 5] = [
    ("card", Hide::Exclude),
    ("who.mail", Hide::Hash),
    ("notes[]", Hide::Redact),
    ("contacts[].phone", Hide::Exclude),
    ("scan", Hide::Exclude),
];

fn policy() -> Policy {
    let mut policy = Policy::default();
    let mut store = policy.default.clone();
    store.privacy.fields =
        FIELDS.iter().map(|(path, hide)| (FieldPath::parse(path).unwrap(), *hide)).collect();
    policy.stores.insert("data".into(), store);
    policy
}

fn options(received_at: i64) -> IntakeOptions {
    let policy = Arc::new(policy());
    IntakeOptions {
        bucket: "indexeddb".into(),
        flow: Some("shop".into()),
        decode: DecodeOptions::default(),
        normalize: NormalizeOptions {
            policy: Some(policy.clone()),
            hash_key: HashKey::from_secret("the secret of these tests"),
            ..NormalizeOptions::received_at(received_at)
        },
        sync: SyncOptions { policy: Some(policy), pull: true, ..SyncOptions::default() },
        review: Review::default(),
        rejected_text: false,
        admission: None,
        trusts_received_at: true,
    }
}

/// A record's value; every private part of it holds the word `seCret`.
fn value(id: u32, n: u32) -> String {
    let scan = "seCretScan".repeat(8_000);
    format!(
        r#"{{"id":{id},"n":{n},"card":"seCret-card","who":{{"name":"ann","mail":"seCret{n}@example.org"}},"notes":["seCret-a",{{"b":"seCret-b"}}],"contacts":[{{"name":"bob","phone":"seCret-phone"}},{{"phone":"seCret-phone"}}],"scan":"{scan}"}}"#
    )
}

/// A batch of `data`, whose key path is `id`; `header` are members beside it.
fn batch(header: &str, lines: &[String]) -> String {
    let start = r#"{"format":"indexeddb-changes/1","database":"shop","stores":[{"name":"data","keyPath":"id"}]"#;
    format!(
        "{start}{header}}}\n{}\n{{\"op\":\"end\",\"count\":{}}}\n",
        lines.join("\n"),
        lines.len()
    )
}

fn put(value: &str, rest: &str) -> String {
    format!(r#"{{"op":"put","store":"data","value":{value}{rest}}}"#)
}

/// Delivers; nothing that is said of it holds a secret. Gives the report.
fn send(store: &GitStore, at: i64, text: &str) -> (Delivered, String) {
    let mut delivered = deliver(store, &options(at), &Attributes::default(), text.as_bytes());
    let mut report = Vec::new();
    delivered.report.copy_to(&mut report).unwrap();
    let report = String::from_utf8(report).unwrap();
    let said = format!("{report}{:?}{:?}", delivered.verdict, delivered.verdict.attributes());
    assert!(!said.contains("seCret"), "{said}");
    (delivered, report)
}

/// Every object of a repository, inflated, by stock git.
fn objects(repo: &Path) -> Vec<u8> {
    let output = Command::new("git")
        .args(["-c", "safe.bareRepository=all", "cat-file", "--batch-all-objects", "--batch"])
        .current_dir(repo)
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn nothing_private_is_in_any_object_or_word() {
    if !has_git() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("repo");
    let store = GitStore::new(&repo).unwrap();

    let (first, report) =
        send(&store, 1_000, &batch("", &[put(&value(1, 0), ""), put(&value(2, 0), "")]));
    assert_eq!(first.verdict.summary.outcome, Outcome::Committed, "{report}");
    let mut lines = report.lines();
    assert_eq!(lines.next().unwrap(), r#"{"excluded":8,"hashed":2,"redacted":4,"type":"privacy"}"#);
    // A source without a base is told all that there is.
    let rest: Vec<_> = lines.map(|line| line.contains("\"summary\"")).collect();
    assert_eq!(rest, [false, false, true], "{report}");

    // Two sources changed the record, each from the first version: a conflict, with a losing side.
    for (source, n, at) in [("a", 1, 2_000), ("b", 2, 1_500)] {
        let base = format!(r#","at":{at},"base":{{"value":{}}}"#, value(1, 0));
        let (delivered, report) = send(
            &store,
            3_000,
            &batch(&format!(r#","source":"{source}""#), &[put(&value(1, n), &base)]),
        );
        assert!(delivered.verdict.is_done(), "{report}");
        assert_eq!(delivered.verdict.summary.conflicts > 0, source == "b", "{report}");
    }
    // A full batch twice: the view; the second deletes, and its tombstone follows.
    let full = |ids: &[u32]| {
        let lines: Vec<_> = ids.iter().map(|id| put(&value(*id, 3), "")).collect();
        batch(r#","source":"c","mode":"full""#, &lines)
    };
    for ids in [&[5, 6][..], &[5]] {
        assert!(send(&store, 4_000, &full(ids)).0.verdict.is_done());
    }
    // What cannot be hidden is rejected, and the rest goes on.
    let shared = r#"{"id":7,"all":{"~id":[1,{"mail":"seCret@example.org"}]},"who":{"~ref":1}}"#;
    let (delivered, report) =
        send(&store, 5_000, &batch("", &[put(shared, ""), put(&value(8, 0), "")]));
    assert_eq!(
        (delivered.verdict.summary.rejected, delivered.verdict.summary.put),
        (1, 1),
        "{report}"
    );
    assert!(
        report.starts_with("{\"line\":2,\"message\":\"a private field cannot be hidden: "),
        "{report}"
    );
    assert!(report.lines().nth(1).unwrap().contains("\"privacy\""), "{report}");

    let all = objects(&repo);
    assert!(!holds(&all, "seCret"));
    for there in ["ann", "bob", "[redacted]", "blake3:", "conflict"] {
        assert!(holds(&all, there), "{there}");
    }
    let text = restored(&store, &crate::batches::flow(), None);
    let record = text.lines().find(|line| line.contains(r#""id":8"#)).unwrap();
    let key = HashKey::from_secret("the secret of these tests").unwrap();
    let digest = key.digest(br#""seCret0@example.org""#).to_hex();
    let expected = format!(
        r#"{{"contacts":[{{"name":"bob"}},{{}}],"id":8,"n":0,"notes":["[redacted]","[redacted]"],"who":{{"mail":"blake3:{digest}","name":"ann"}}}}"#
    );
    assert!(record.contains(&expected), "{record}");
    // What was given back comes in again as it is, and nothing differs.
    let (again, report) = send(&store, 6_000, &text);
    assert_eq!(again.verdict.summary.outcome, Outcome::Unchanged, "{report}");
    assert!(!report.contains("\"privacy\""), "{report}");
}

#[test]
fn every_flowfile_of_a_package_counts_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("repo");
    let store = GitStore::new(&repo).unwrap();
    let mut input = Vec::new();
    for (id, ends) in [(1, true), (2, false), (3, true)] {
        let text = batch("", &[put(&value(id, id), "")]);
        let text = if ends { text } else { text.replace(r#"{"op":"end","count":1}"#, "") };
        let attributes = [("uuid".to_owned(), id.to_string())].into_iter().collect();
        write_head(&attributes, text.len() as u64, &mut input).unwrap();
        input.extend_from_slice(text.as_bytes());
    }
    let mut package = deliver_package(&store, &options(1_000), &input[..]).unwrap();
    let mut report = Vec::new();
    package.write_lines(&mut report).unwrap();
    let report = String::from_utf8(report).unwrap();
    let counted =
        report.matches(r#"{"excluded":4,"hashed":1,"redacted":2,"type":"privacy"}"#).count();
    assert_eq!(counted, 2, "what is not done hid nothing: {report}");
    assert!(!report.contains("seCret"), "{report}");
    if has_git() {
        assert!(!holds(&objects(&repo), "seCret"));
    }
}

#[test]
fn a_policy_that_hashes_needs_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = GitStore::new(&folder.path().join("repo")).unwrap();
    let mut options = options(1_000);
    options.normalize.hash_key = None;
    let text = batch("", &[put(&value(1, 0), "")]);
    let delivered = deliver(&store, &options, &Attributes::default(), text.as_bytes());
    assert_eq!(delivered.verdict.status, ExitStatus::Usage);
    let message = delivered.verdict.failure.unwrap().message;
    assert!(message.contains("--hash-key-file") && !message.contains("seCret"), "{message}");

    let file = folder.path().join("key");
    std::fs::write(&file, "seCret").unwrap();
    let ran = on(
        &folder.path().join("repo"),
        "sync",
        &["--hash-key-file", file.to_str().unwrap()],
        text.as_bytes(),
    );
    assert_eq!(ran.code(), Some(2));
    assert!(
        ran.err.contains("a key has at least 16 bytes") && !ran.err.contains("seCret"),
        "{}",
        ran.err
    );
}
