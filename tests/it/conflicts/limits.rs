//! Records at the limits: whatever can be stored can be in conflict, be parked, shown and resolved, and be told.

use nifi_idb::indexeddb::key::{MAX_KEY_BYTES, MAX_KEY_DEPTH};
use nifi_idb::indexeddb::value::MAX_DEPTH;

use super::through_program::{conflicts, lines_of};
use super::*;

/// One source after another changes one record from the same base; a person decides it; who lost hears of it.
fn parked_and_resolved(store: &str, key: &str, value: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (repo, policy) = (folder.path().join("s.git"), folder.path().join("policy.toml"));
    std::fs::write(&policy, "version = 1\n\n[defaults]\nresolve = \"park\"\n").unwrap();
    let sync = |source: &str, lines: &[String]| {
        let head = format!(
            r#"{{"format":"indexeddb-changes/1","database":"shop","source":"{source}","base":1,"#
        );
        let head = if source == "a" { head.replace(r#""base":1,"#, "") } else { head };
        let text = format!("{head}\"stores\":[{{\"name\":\"{store}\"}}]}}\n{}\n", lines.join("\n"));
        let text = text + &format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len());
        lines_of(on(&repo, "sync", &["--policy", policy.to_str().unwrap()], text.as_bytes()))
    };
    let put =
        |value: &str| format!(r#"{{"op":"put","store":"{store}","key":{key},"value":{value}}}"#);
    sync("a", &[put("1")]);
    sync(&"b".repeat(60), &[put("2")]);
    for (source, value) in [("c", "3"), ("d", value)] {
        let report = sync(source, &[put(value)]);
        assert_eq!(
            (&report[0]["winner"], &report.last().unwrap()["parked"]),
            (&"none".into(), &1.into())
        );
    }

    let listed = lines_of(conflicts(&repo, &["list", "--source", "d"]));
    let id = listed[0]["id"].to_string();
    assert_eq!((&listed[0]["key"].to_string(), listed.len()), (&key.to_owned(), 1));
    assert_eq!(lines_of(conflicts(&repo, &["list", "--key", key])).len(), 2);
    let shown = lines_of(conflicts(&repo, &["show", &id]));
    assert_eq!(
        (&shown[0]["incoming"]["value"].to_string(), &shown[0]["now"]["value"]),
        (&value.to_owned(), &2.into())
    );
    let done = lines_of(conflicts(&repo, &["resolve", &id, "--use", "incoming"]));
    assert_eq!(done[0]["line"]["value"].to_string(), value);
    // What stood is no side of the other one: its state becomes a line of its own.
    let other = lines_of(conflicts(&repo, &["list"]))[0]["id"].to_string();
    let done =
        lines_of(conflicts(&repo, &["resolve", &other, "--use", "base", "--even-if-changed"]));
    assert_eq!((&done[0]["line"]["value"], &done[1]["conflicts"]), (&1.into(), &1.into()));
    let sent: Value = serde_json::from_str(key).unwrap();
    for source in [&"b".repeat(60), "c", "d"] {
        let report = sync(source, &[]);
        let told = resolved_lines(&report);
        assert!(
            told.iter().all(|line| line["line"]["key"] == sent && line["line"]["value"] == 1),
            "{told:?}"
        );
        // It was the side of both that was stored.
        assert_eq!(told.len(), if source.starts_with('b') { 2 } else { 1 }, "{source}");
    }
    on(&repo, "verify", &["--chain"], b"").done();
    fsck(&repo);
}

#[test]
fn a_key_that_nests_as_deep_as_it_may() {
    parked_and_resolved(
        "data",
        &format!("{}1{}", "[".repeat(MAX_KEY_DEPTH), "]".repeat(MAX_KEY_DEPTH)),
        "4",
    );
    let empty = format!("{}{}", "[".repeat(MAX_KEY_DEPTH), "]".repeat(MAX_KEY_DEPTH));
    parked_and_resolved("data", &empty, "4");
}

#[test]
fn a_key_that_is_as_long_as_it_may_be() {
    // Its type and its end are two more bytes.
    parked_and_resolved("data", &format!("\"{}\"", "k".repeat(MAX_KEY_BYTES - 2)), "4");
}

#[test]
fn an_object_store_whose_name_is_longer_than_a_key() {
    parked_and_resolved(&"s".repeat(MAX_KEY_BYTES + 1), "1", "4");
}

#[test]
fn a_value_that_nests_as_deep_as_it_may() {
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let store = MemoryStore::default();
    from(&store, r#""source":"a""#, &[put(1, &deep)]);
    let incoming = deep.replacen("[]", "[1]", 1);
    park(&store, &[waiting(1, Some(&deep), Some(&deep), Some(&incoming))]);
    let id = id(r#"[2,"data",1]"#);
    let shown = show_conflict(&store, &flow(), &head(&store), &id).unwrap().unwrap();
    assert!(shown.contains(&deep) && shown.contains(&incoming));
    let options = ResolveOptions::new(Selection::Ids(vec![id.clone()]), Choice::Incoming, 5_000);
    assert_eq!(resolve(&store, &flow(), &options, &mut ReportLines::default()).unwrap().put, 1);
    let shown = show_conflict(&store, &flow(), &head(&store), &id).unwrap().unwrap();
    assert_eq!(shown.matches(&incoming).count(), 2, "as incoming, and as it stands now");
}
