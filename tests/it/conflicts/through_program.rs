//! The same through the program.

use super::*;

pub(super) fn conflicts(repo: &Path, arguments: &[&str]) -> Ran {
    let store = store_of(repo);
    let (command, rest) = arguments.split_first().unwrap();
    let mut all = vec!["conflicts", command, "--store", &store];
    all.extend(rest);
    run(crate::program::program(all), b"")
}

pub(super) fn lines_of(ran: Ran) -> Vec<Value> {
    String::from_utf8(ran.done())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// From two sources that edit one record to the source that hears of it, all through the program.
#[test]
fn through_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("s.git");
    let sync = |source: &str, value: &str, at: u32| {
        let text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}],\
             \"source\":\"{source}\"}}\n{{\"op\":\"put\",\"store\":\"data\",\"at\":{at},\"value\":{value}}}\n\
             {{\"op\":\"end\",\"count\":1}}\n"
        );
        lines_of(on(&repo, "sync", &["--received-at", "1000"], text.as_bytes()))
    };
    sync("a", r#"{"id":1,"x":"a"}"#, 900);
    let report = sync("b", r#"{"id":1,"x":"b"}"#, 800);
    assert_eq!(report[0]["winner"], "head");

    assert_eq!(lines_of(conflicts(&repo, &["list"])).len(), 0, "none waits");
    let listed = lines_of(conflicts(
        &repo,
        &["list", "--state", "all", "--object-store", "data", "--source", "b"],
    ));
    let id = listed[0]["id"].to_string();
    assert_eq!(id, r#"[2,"data",1]"#);
    let text = String::from_utf8(
        conflicts(&repo, &["list", "--state", "decided", "--format", "text"]).done(),
    )
    .unwrap();
    assert_eq!(
        text,
        "decided   update-update            head      a < b  default/newer  [2,\"data\",1]\n"
    );
    let shown = lines_of(conflicts(&repo, &["show", "[ 2, \"data\", 1 ]"]));
    assert_eq!(
        (&shown[0]["incoming"]["value"]["x"], &shown[0]["now"]["value"]["x"]),
        (&"b".into(), &"a".into())
    );

    let refused = conflicts(&repo, &["resolve", "[9,\"data\",1]", "--use", "head"]);
    assert_eq!((refused.code(), refused.out.len()), (Some(2), 0));
    assert!(
        refused.err.contains("no conflict [9,\"data\",1]; version 2 of indexeddb/shop has 1"),
        "{}",
        refused.err
    );
    for wrong in [
        &["resolve", "[2,\"data\",1]"][..],
        &["resolve", "--use", "head"],
        &["resolve", "x", "--use", "head"],
        &["resolve", &id, "--use", "head", "--source", "b"],
        &["resolve", &id, "--use", "head", "--all-matching"],
        &["resolve", &id, "--use", "head", "--value", "x"],
        &["resolve", &id, "--value", "no-such-file"],
        &["list", "--type", "odd"],
        &["list", "--at", "7"],
        &["show", "[9,\"data\",1]"],
    ] {
        let ran = conflicts(&repo, wrong);
        assert_eq!((ran.code(), ran.out.len()), (Some(2), 0), "{wrong:?}: {}", ran.err);
    }

    let resolve = ["resolve", &id, "--use", "incoming", "--received-at", "2000"];
    let dry = lines_of(conflicts(&repo, &[&resolve[..], &["--dry-run"]].concat()));
    let done = lines_of(conflicts(&repo, &resolve));
    assert_eq!(dry, done);
    assert_eq!((&done[0]["line"]["value"]["x"], &done[1]["version"]), (&"b".into(), &3.into()));
    assert_eq!(lines_of(conflicts(&repo, &resolve)).pop().unwrap()["outcome"], "unchanged");
    // The source that lost hears of it on its next sync, once.
    let report = sync("a", r#"{"id":2}"#, 900);
    assert_eq!(
        (&report[0]["type"], &report[0]["line"]["value"]["x"]),
        (&"resolved".into(), &"b".into())
    );
    assert_eq!(sync("a", r#"{"id":3}"#, 900).len(), 1);

    // What changed since is a question.
    let report = sync("b", r#"{"id":1,"x":"c"}"#, 800);
    assert_eq!(report[0]["type"], "conflict", "{report:?}");
    let id = lines_of(conflicts(&repo, &["list", "--state", "decided"]))[0]["id"].to_string();
    sync("a", r#"{"id":1,"x":"d"}"#, 3000);
    let own = folder.path().join("own.json");
    std::fs::write(&own, "{\"x\": \"own\", \"id\": 1}\n").unwrap();
    let value = ["resolve", &id, "--value", own.to_str().unwrap()];
    let refused = conflicts(&repo, &value);
    assert_eq!(refused.code(), Some(6), "{}", refused.err);
    let done = lines_of(conflicts(&repo, &[&value[..], &["--even-if-changed"]].concat()));
    assert_eq!((&done[0]["use"], &done[0]["line"]["value"]["x"]), (&"value".into(), &"own".into()));
    on(&repo, "verify", &["--chain"], b"").done();
    fsck(&repo);
}

/// A policy file parks what two sources did offline; a person resolves it; who lost hears of it.
#[test]
fn a_policy_file_parks_and_a_person_resolves() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, policy) = (folder.path().join("s.git"), folder.path().join("policy.toml"));
    std::fs::write(&policy, "version = 1\n\n[stores.data]\nresolve = \"park\"\n").unwrap();
    let sync = |source: &str, header: &str, value: &str| {
        let line = format!(r#"{{"op":"put","store":"data","key":1,"value":{value}}}"#);
        let text = text_of(&format!(r#""source":"{source}"{header}"#), &[line]);
        lines_of(on(&repo, "sync", &["--policy", policy.to_str().unwrap()], text.as_bytes()))
    };
    sync("a", "", "1");
    sync("b", r#","base":1"#, "2");
    let report = sync("c", r#","base":1"#, "3");
    assert_eq!(
        (&report[0]["winner"], &report.last().unwrap()["parked"]),
        (&"none".into(), &1.into())
    );
    let waiting = lines_of(conflicts(
        &repo,
        &["list", "--type", "update-update", "--since", "3", "--rule", "data/park"],
    ));
    assert_eq!((waiting.len(), &waiting[0]["state"]), (1, &"parked".into()));
    let doctor =
        |flags: &[&str]| String::from_utf8(on(&repo, "doctor", flags, b"").done()).unwrap();
    let told = "  indexeddb/shop: 1 conflict waits for a person; conflicts list names it\n";
    assert!(
        doctor(&[]).ends_with(told) && doctor(&["--flow", "shop"]).ends_with(told),
        "{}",
        doctor(&[])
    );
    assert!(!doctor(&["--flow", "other"]).contains("waits"));
    let shown = lines_of(conflicts(&repo, &["show", &waiting[0]["id"].to_string()]));
    assert_eq!((&shown[0]["baseValue"], &shown[0]["head"]["value"]), (&1.into(), &2.into()));
    assert_eq!((&shown[0]["incoming"]["value"], &shown[0]["now"]["value"]), (&3.into(), &2.into()));
    let all = ["resolve", "--all-matching", "--source", "c", "--use", "incoming"];
    assert_eq!(lines_of(conflicts(&repo, &all))[0]["line"]["value"], 3);
    assert_eq!(lines_of(conflicts(&repo, &["list"])).len(), 0);
    assert!(!doctor(&[]).contains("waits"), "the others are decided");
    assert_eq!(lines_of(conflicts(&repo, &["list", "--at", "3"])).len(), 1, "as it was");
    let report = sync("b", r#","base":2"#, "2");
    assert_eq!(resolved_lines(&report)[0]["line"]["value"], 3, "{report:?}");
}

#[test]
fn a_package_tells_each_source() {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("s.git");
    four(&GitStore::new(&repo).unwrap());
    resolved(&GitStore::new(&repo).unwrap(), ids(&[r#"[2,"data",1]"#]), Choice::Incoming);
    let mut package = Vec::new();
    for (source, key) in [("a", 10), ("b", 1), ("c", 11), ("b", 12)] {
        let content = text_of(&format!(r#""source":"{source}""#), &[put(key, "\"new\"")]);
        let attributes: nifi_idb::flowfile::Attributes =
            [("uuid".to_owned(), format!("{source}{key}"))].into_iter().collect();
        nifi_idb::flowfile::write_head(&attributes, content.len() as u64, &mut package).unwrap();
        package.extend_from_slice(content.as_bytes());
    }
    let told = |package: &[u8]| {
        let lines =
            lines_of(on(&repo, "sync", &["--input", "flowfile-v3", "--report", "lines"], package));
        let count = |lines: &[Value]| {
            resolved_lines(lines).iter().map(|line| line["line"]["value"].to_string()).collect()
        };
        lines
            .split_inclusive(|line| line["type"] == "summary")
            .map(count)
            .collect::<Vec<Vec<String>>>()
    };
    let new = || vec!["\"new\"".to_owned()];
    assert_eq!(told(&package), [new(), new(), vec![], new(), vec![]]);
    assert_eq!(told(&package), [new(), new(), vec![], new(), vec![]], "replays");
}
