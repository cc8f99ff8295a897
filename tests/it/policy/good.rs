//! Good files: checked, tested, printed in canonical form, and held against a schema.

use std::fs;

use serde_json::Value;

use super::{fixtures, names, policy};
use crate::program::{program, run};

#[test]
fn good_files_are_good_and_so_is_what_is_printed() {
    let folder = fixtures();
    let printed = tempfile::tempdir().unwrap();
    for name in names(&folder, ".toml") {
        let file = format!("{name}.toml");
        let told = String::from_utf8(policy(&folder, &["check", &file]).done()).unwrap();
        assert!(told.contains(&format!("{file}: good, ")), "{told}");
        let cases = String::from_utf8(policy(&folder, &["test", &file]).done()).unwrap();
        assert!(cases.ends_with(", 0 failed\n") && !cases.starts_with("0 "), "{cases}");
        let canonical = policy(&folder, &["print", &file]).done();
        fs::write(printed.path().join(&file), &canonical).unwrap();
        assert_eq!(policy(printed.path(), &["print", &file]).done(), canonical, "{name}");
        let again = String::from_utf8(policy(printed.path(), &["test", &file]).done()).unwrap();
        assert_eq!(again, cases, "{name}");
    }
}

#[test]
fn a_store_that_holds_nothing_yet_gives_no_schema() {
    let told = String::from_utf8(
        policy(&fixtures(), &["check", "aliases.toml", "--store", "memory:"]).done(),
    )
    .unwrap();
    assert!(told.contains("aliases.toml: good, "), "{told}");
}

#[test]
fn aliases_are_shown_by_their_canonical_names() {
    let text = String::from_utf8(policy(&fixtures(), &["print", "aliases.toml"]).done()).unwrap();
    for line in [
        "resolve = \"last-write-wins\"",
        "on-unresolved = \"park\"",
        "update-missing = \"incoming-wins\"",
        "update-delete = \"skip\"",
        "delete-update = \"incoming-wins\"",
        "salary = \"delta\"",
        "address = { use = \"max\", by = \"rank\" }",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
}

/// Every member of every file stands in the schema: it allows no others.
#[test]
fn files_agree_with_the_schema() {
    let schema: Value = serde_json::from_slice(&policy(&fixtures(), &["schema"]).done()).unwrap();
    for name in names(&fixtures(), ".toml") {
        let text = fs::read_to_string(fixtures().join(format!("{name}.toml"))).unwrap();
        let file: toml::Table = text.parse().unwrap();
        agrees(&schema, &schema, &toml::Value::Table(file), &name);
    }
}

/// As far as objects and their members go.
fn agrees(root: &Value, schema: &Value, value: &toml::Value, place: &str) {
    let schema = resolved(root, schema);
    for any in ["anyOf", "oneOf"] {
        if let Some(options) = schema[any].as_array() {
            let wanted = if value.is_table() { "object" } else { "" };
            let fits = |option: &&Value| {
                resolved(root, option)["type"].as_str().unwrap_or_default() == wanted
            };
            match options.iter().find(fits) {
                Some(option) if value.is_table() => return agrees(root, option, value, place),
                _ => return,
            }
        }
    }
    match value {
        toml::Value::Table(members) if schema["type"] == "object" => {
            for (name, member) in members {
                let place = format!("{place}.{name}");
                let found = &schema["properties"][name];
                let found = if found.is_null() { &schema["additionalProperties"] } else { found };
                assert!(found.is_object(), "{place} is not in the schema");
                agrees(root, found, member, &place);
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
            }
        }
        toml::Value::Array(items) => {
            items.iter().for_each(|item| agrees(root, &schema["items"], item, place))
        }
        _ => {}
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(pointer) => resolved(root, root.pointer(pointer.strip_prefix('#').unwrap()).unwrap()),
        None => schema,
    }
}

#[test]
fn failed_cases_say_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"version = 1
[stores.s.fields]
n = "delta"
m = "max"
[[stores.s.rules]]
name = "never asked"
types = ["update-delete"]
then = "park"
[[tests]]
name = "wrong sum"
store = "s"
base = { n = 1 }
head = { n = 2 }
incoming = { n = 3 }
expect = { n = 5 }
rule = "s/three-way"
type = "insert-insert"
[[tests]]
name = "right"
store = "s"
incoming = { n = 3 }
type = "fast-forward"
"#;
    fs::write(folder.path().join("p.toml"), text).unwrap();
    let ran = policy(folder.path(), &["test", "p.toml"]);
    assert_eq!(
        (ran.code(), ran.err.as_str()),
        (Some(3), "nifi-idb: 1 of 2 cases failed; the first: wrong sum\n")
    );
    let out = String::from_utf8(ran.out).unwrap();
    let failed = "FAILED wrong sum: expected {\"n\":5}, got {\"n\":4}; type: expected insert-insert, got update-update \
                  (update-update, rule s/three-way)";
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..3], [failed, "ok right", "no case reaches the rule s/never asked"]);
    assert!(lines.contains(&"no case reaches the field s: m") && !out.contains("s: n"), "{out}");
    assert_eq!(lines.last(), Some(&"2 cases, 1 failed"));
    let ran = policy(folder.path(), &["test", "p.toml", "--report", "json"]);
    let lines: Vec<Value> = String::from_utf8(ran.out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["ok"], &lines[0]["result"]["value"]["n"]), (&false.into(), &4.into()));
    assert_eq!(lines[2]["rules"], serde_json::json!(["s/never asked"]));
    assert_eq!((&lines[3]["cases"], &lines[3]["failed"]), (&2.into(), &1.into()));
}

const HEADER: &str = r#"{"format":"indexeddb-changes/1","database":"shop","databaseVersion":1,"stores":[{"name":"orders","keyPath":"id","indexes":[{"name":"number","keyPath":"no","unique":true}]},{"name":"people","keyPath":["address.zip","id"]}]}"#;

/// Against a header in a file, and against what is stored.
#[test]
fn a_file_is_held_against_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version = 1\n[stores.order]\nresolve = \"head-wins\"\n[stores.people.privacy]\nexclude = [\"address\"]\n\
                [stores.orders.privacy]\nhash = [\"no\"]\n";
    fs::write(folder.path().join("p.toml"), text).unwrap();
    fs::write(folder.path().join("header.ndjson"), format!("{HEADER}\n")).unwrap();
    let check = |arguments: &[&str]| {
        let ran = policy(folder.path(), &[&["check", "p.toml"], arguments].concat());
        assert_eq!(ran.code(), Some(2), "{}", ran.err);
        String::from_utf8(ran.out).unwrap()
    };
    let by_header = check(&["--schema", "header.ndjson"]);
    assert!(
        by_header.contains("p.toml:2:1: there is no object store \"order\"\n2 | [stores.order]\n"),
        "{by_header}"
    );
    assert!(by_header.contains("help: write [stores.orders]\n"), "{by_header}");
    let key =
        "p.toml:5:12: the key of \"people\" is \"address.zip\": \"address\" cannot be left out\n";
    assert!(by_header.contains(key), "{by_header}");
    assert!(
        by_header.contains("note: the index \"number\" of \"orders\" is unique"),
        "{by_header}"
    );
    let mut command = program(["sync", "--store", "git:s.git"]);
    command.current_dir(folder.path());
    let put = r#"{"op":"put","store":"orders","value":{"id":1,"no":2}}"#;
    let batch = format!("{HEADER}\n{put}\n{{\"op\":\"end\",\"count\":1}}\n");
    run(command, batch.as_bytes()).done();
    assert_eq!(check(&["--store", "git:s.git", "--flow", "shop"]), by_header);
}

/// A policy decides what sync does, and the flag's file is the environment's too.
#[test]
fn sync_goes_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), "version = 1\n[stores.s]\nresolve = \"head-wins\"\n")
        .unwrap();
    let sync = |source: &str, n: u8, policy: bool| {
        let mut command =
            program(["sync", "--store", "git:s.git", "--database", "d", "--object-store", "s"]);
        command.args(["--key-path", "id", "--source", source]).current_dir(folder.path());
        if policy {
            command.env("NIFI_IDB_POLICY", "p.toml");
        }
        String::from_utf8(run(command, format!("{{\"id\":1,\"n\":{n}}}\n").as_bytes()).done())
            .unwrap()
    };
    sync("a", 1, false);
    let out = sync("b", 2, true);
    assert!(
        out.contains("\"rule\":\"s/head-wins\"") && out.contains("\"winner\":\"head\""),
        "{out}"
    );
    assert!(sync("b", 3, false).contains("\"winner\":\"incoming\""));
}

/// The guide's policy is good, and its case too.
#[test]
fn the_guide_shows_a_policy_that_works() {
    let page = include_str!("../../../doc/guide/policies.md");
    let start = page.find("```toml\n").unwrap() + "```toml\n".len();
    let text = &page[start..start + page[start..].find("```").unwrap()];
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    policy(folder.path(), &["check", "policy.toml"]).done();
    let out = String::from_utf8(policy(folder.path(), &["test", "policy.toml"]).done()).unwrap();
    assert!(out.starts_with("ok both sell from the same stock\n"), "{out}");
}
