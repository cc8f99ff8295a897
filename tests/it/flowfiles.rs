//! Packages through the binary: many FlowFiles in one call, one version a flow, a verdict for each.

use std::collections::BTreeMap;
use std::path::Path;

use nifi_idb::flowfile::{Attributes, PackageReader, write_head};
use tempfile::TempDir;

use crate::program::{Ran, on, run};

/// A FlowFile: attributes and content.
pub(crate) type FlowFile = (BTreeMap<String, String>, String);

/// A FlowFile of a test.
pub(crate) fn flowfile(pairs: &[(&str, &str)], content: impl Into<String>) -> FlowFile {
    let all = pairs
        .iter()
        .chain(&[("path", "./")])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    (all.collect(), content.into())
}

/// A stream of packages.
pub(crate) fn package(flowfiles: &[FlowFile]) -> Vec<u8> {
    let mut out = Vec::new();
    for (attributes, content) in flowfiles {
        let attributes: Attributes = attributes.clone().into_iter().collect();
        write_head(&attributes, content.len() as u64, &mut out).unwrap();
        out.extend_from_slice(content.as_bytes());
    }
    out
}

/// The FlowFiles of a stream of packages.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<FlowFile> {
    let mut reader = PackageReader::new(bytes);
    let mut all = Vec::new();
    while let Some(head) = reader.next_head().unwrap() {
        let mut content = Vec::new();
        reader.content(&head, &mut content).unwrap().unwrap();
        all.push((head.attributes.into_iter().collect(), String::from_utf8(content).unwrap()));
    }
    all
}

/// A batch of database `db`; `header` are members of its first line.
fn batch(db: &str, header: &str, lines: &[String]) -> String {
    let stores = r#""stores":[{"name":"data","keyPath":"id"}]"#;
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let count = lines.lines().count();
    format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"{db}\",{stores}{header}}}\n{lines}{{\"op\":\"end\",\"count\":{count}}}\n"
    )
}

fn put(id: u32, text: &str) -> String {
    format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"t":"{text}"}}}}"#)
}

fn numbered(db: &str, source: &str, first: u32, texts: &[&str]) -> String {
    let last = first + texts.len() as u32 - 1;
    let lines: Vec<_> = texts.iter().zip(first..).map(|(text, id)| put(id, text)).collect();
    batch(db, &format!(r#","source":"{source}","epoch":"e","first":{first},"last":{last}"#), &lines)
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn repo(&self) -> std::path::PathBuf {
        self.0.path().join("s.git")
    }

    fn sync(&self, args: &[&str], flowfiles: &[FlowFile]) -> Ran {
        let all = [&["--received-at", "1700000000000"], args].concat();
        on(&self.repo(), "sync", &all, &package(flowfiles))
    }

    fn records(&self, flow: &str) -> Vec<String> {
        restored(&self.repo(), flow)
    }

    fn versions(&self, flow: &str) -> usize {
        let log = on(&self.repo(), "log", &["--flow", flow, "--format", "json"], b"").done();
        log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count()
    }
}

fn restored(repo: &Path, flow: &str) -> Vec<String> {
    let out = on(repo, "restore", &["--flow", flow, "--format", "records"], b"").done();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn outcomes(flowfiles: &[FlowFile]) -> Vec<(&str, &str)> {
    flowfiles
        .iter()
        .map(|(attributes, _)| (&*attributes["sync.outcome"], &*attributes["sync.status"]))
        .collect()
}

#[test]
fn every_flowfile_has_its_own_outcome_and_a_flow_one_version() {
    let place = Place::new();
    let ran = place.sync(
        &[],
        &[flowfile(
            &[("uuid", "u0")],
            batch("shop", "", &(0..100).map(|id| put(id, "x")).collect::<Vec<_>>()),
        )],
    );
    assert_eq!(outcomes(&unpack(&ran.done())), [("committed", "0")]);

    let clear = batch("shop", "", &[r#"{"op":"clear","store":"data"}"#.to_owned()]);
    let whole = batch("shop", "", &[put(200, "y"), "no json".to_owned()]);
    let cut = whole[..whole.len() - 5].to_owned();
    let all = [
        flowfile(
            &[("uuid", "u1"), ("mine", "ключ"), ("sync.error", "old"), ("filename", "a.ndjson")],
            whole.clone(),
        ),
        flowfile(&[("uuid", "u2"), ("mime.type", "text/x")], cut.clone()),
        flowfile(&[("uuid", "u3")], clear.clone()),
        flowfile(&[("uuid", "u4")], batch("other", "", &[put(1, "z")])),
        flowfile(&[("uuid", "u5"), ("indexeddb.mode", "odd")], whole),
        flowfile(
            &[
                ("uuid", "u6"),
                ("indexeddb.database", "bare"),
                ("indexeddb.object.store", "s é"),
                ("indexeddb.key.path", r#"["a","b"]"#),
            ],
            "{\"a\":1,\"b\":2}\n",
        ),
    ];
    let answer = unpack(&place.sync(&[], &all).done());
    assert_eq!(
        outcomes(&answer),
        [
            ("committed", "0"),
            ("failed", "5"),
            ("refused", "6"),
            ("committed", "0"),
            ("failed", "2"),
            ("committed", "0")
        ]
    );
    assert_eq!(
        (place.versions("shop"), place.versions("other"), place.records("shop").len()),
        (2, 1, 101)
    );

    let (done, report) = &answer[0];
    for (name, value) in [
        ("mine", "ключ"),
        ("uuid", "u1"),
        ("filename", "a.ndjson"),
        ("mime.type", "application/x-ndjson"),
        ("registry.bucket", "indexeddb"),
        ("registry.flow", "shop"),
        ("registry.flow.version", "2"),
        ("indexeddb.database", "shop"),
        ("indexeddb.object.store", "data"),
        ("sync.received", "2"),
        ("sync.put", "1"),
        ("sync.rejected", "1"),
    ] {
        assert_eq!(done.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!done.contains_key("sync.error") && done["sync.root"].len() == 64);
    let types: Vec<_> = report
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, ["header", "rejected", "summary"]);
    assert!(report.contains("\"text\":\"no json\""), "{report}");

    // What is not done comes back as it was, with the reason.
    let (failed, content) = &answer[1];
    assert_eq!((content, failed["mime.type"].as_str()), (&cut, "text/x"));
    assert!(
        failed["sync.error"].contains("send it again, whole")
            && !failed.contains_key("registry.flow.version"),
        "{failed:?}"
    );
    let (guarded, content) = &answer[2];
    assert_eq!((content, guarded["sync.plan"].len()), (&clear, 32));
    assert_eq!(answer[4].0["sync.error"], "attribute indexeddb.mode must be delta or full");
    assert_eq!(answer[5].0["indexeddb.object.store"], "s%20%C3%A9");

    // The guard's plan, confirmed; the rest of the package is a replay.
    let again = place.sync(&["--confirm", &guarded["sync.plan"]], &all);
    assert_eq!(
        outcomes(&unpack(&again.done()))[..4],
        [("unchanged", "0"), ("failed", "5"), ("committed", "0"), ("unchanged", "0")]
    );
    assert_eq!(place.records("shop"), Vec::<String>::new());
}

#[test]
fn batches_are_folded_in_the_order_of_their_sequence() {
    let place = Place::new();
    let all = [
        flowfile(&[], batch("shop", "", &[put(1, "unsequenced comes last")])),
        flowfile(&[], numbered("shop", "kiosk", 3, &["c"])),
        flowfile(&[], numbered("shop", "kiosk", 1, &["a", "b"])),
        flowfile(&[], numbered("shop", "kiosk", 9, &["gap"])),
    ];
    let ran = place.sync(&[], &all);
    assert_eq!(ran.code(), Some(4));
    assert!(
        ran.err.starts_with(
            "nifi-idb: 1 of 4 FlowFiles are to come again; the first: gap in the sequence"
        ),
        "{}",
        ran.err
    );
    let answer = unpack(&ran.out);
    assert_eq!(
        outcomes(&answer),
        [("committed", "0"), ("committed", "0"), ("committed", "0"), ("refused", "4")]
    );
    assert_eq!(
        (answer[1].0["sync.checkpoint"].as_str(), answer[2].0["sync.checkpoint"].as_str()),
        ("3", "2")
    );
    assert_eq!((answer[3].0["sync.resync"].as_str(), answer[3].1 == all[3].1), ("true", true));
    assert_eq!(place.versions("shop"), 1);
    assert_eq!(place.records("shop")[0], r#"{"id":1,"t":"unsequenced comes last"}"#);
    // A retry of the whole: what was numbered is a replay, what had no name is applied again.
    let ran = place.sync(&[], &all);
    assert_eq!(
        (ran.code(), outcomes(&unpack(&ran.out))),
        (Some(4), [("unchanged", "0"); 3].into_iter().chain([("refused", "4")]).collect())
    );
    assert_eq!(place.versions("shop"), 1);
}

#[test]
fn full_batches_of_several_sources_in_one_version_keep_their_views_apart() {
    let place = Place::new();
    let full = |source: &str, ids: &[u32]| {
        let lines: Vec<_> = ids.iter().map(|id| put(*id, source)).collect();
        flowfile(&[], batch("shop", &format!(r#","source":"{source}","mode":"full""#), &lines))
    };
    place.sync(&[], &[full("a", &[1, 2, 3]), full("b", &[11, 12])]).done();
    assert_eq!(place.records("shop").len(), 5);
    let again = unpack(&place.sync(&[], &[full("b", &[11, 12]), full("a", &[1, 2, 3])]).done());
    assert_eq!(outcomes(&again), [("unchanged", "0"), ("unchanged", "0")]);
    assert_eq!(place.versions("shop"), 1);
    // Each deletes only what itself had.
    place.sync(&[], &[full("a", &[1, 3]), full("b", &[12, 13])]).done();
    let ids: Vec<_> = place
        .records("shop")
        .iter()
        .map(|record| record.split([':', ',']).nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["1", "3", "12", "13"]);
    on(&place.repo(), "verify", &["--chain"], b"").done();
}

#[test]
fn a_package_gives_what_its_batches_give_one_by_one() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (packed, single) = (Place::new(), Place::new());
    for round in 0..6 {
        let flowfiles: Vec<_> = (0..8)
            .map(|number| {
                let lines: Vec<_> = (0..random(6) + 1)
                    .map(|_| match random(5) {
                        0 => format!(r#"{{"op":"delete","store":"data","key":{}}}"#, random(40)),
                        // Some are spilled.
                        1 => put(random(40) as u32, &"long ".repeat(20_000)),
                        _ => put(random(40) as u32, &format!("{round}-{number}-{}", random(3))),
                    })
                    .collect();
                let source = format!(r#","source":"s{}""#, random(3));
                flowfile(&[("uuid", &format!("{round}-{number}"))], batch("shop", &source, &lines))
            })
            .collect();
        packed.sync(&[], &flowfiles).done();
        for one in &flowfiles {
            single.sync(&[], std::slice::from_ref(one)).done();
        }
        assert_eq!(packed.records("shop"), single.records("shop"), "round {round}");
    }
    assert_eq!(packed.versions("shop"), 6);
    on(&packed.repo(), "verify", &["--chain"], b"").done();
}

#[test]
fn every_conflict_of_a_version_is_kept() {
    let place = Place::new();
    on(&place.repo(), "sync", &[], batch("shop", r#","source":"s""#, &[put(1, "base")]).as_bytes())
        .done();
    on(&place.repo(), "sync", &[], batch("shop", r#","source":"s""#, &[put(1, "head")]).as_bytes())
        .done();
    let all = ["a", "b", "c"].map(|source| {
        flowfile(
            &[],
            batch("shop", &format!(r#","source":"{source}","base":1"#), &[put(1, source)]),
        )
    });
    let answer = unpack(&place.sync(&[], &all).done());
    assert!(answer.iter().all(|(attributes, _)| attributes["sync.conflicts"] == "1"), "{answer:?}");
    let manifest = on(&place.repo(), "show", &[], b"").done();
    let manifest = String::from_utf8(manifest).unwrap();
    let conflicts =
        manifest.split_once("{\"list\":\"conflicts\"}\n").unwrap().1.lines().next().unwrap();
    assert!(conflicts.contains("\"count\":3"), "{manifest}");
    on(&place.repo(), "verify", &["--chain"], b"").done();
}

#[test]
fn a_name_for_the_package_names_each_flowfile() {
    let place = Place::new();
    let all = [1, 2, 1].map(|id| flowfile(&[], batch("shop", "", &[put(id, "x")])));
    let deliver = |args: &[&str]| {
        let answer = unpack(&place.sync(args, &all).done());
        answer.iter().map(|(attributes, _)| attributes["sync.outcome"].clone()).collect::<Vec<_>>()
    };
    // The third changes nothing, and its name is remembered.
    assert_eq!(deliver(&["--batch-id", "p"]), ["committed"; 3]);
    on(&place.repo(), "sync", &[], batch("shop", "", &[put(2, "later")]).as_bytes()).done();
    assert_eq!(
        deliver(&["--batch-id", "p"]),
        ["unchanged"; 3],
        "a replay does not undo what came later"
    );
    assert_eq!(deliver(&["--batch-id", "q"]), ["committed"; 3]);
    on(&place.repo(), "sync", &[], batch("shop", "", &[put(1, "later")]).as_bytes()).done();
    assert_eq!(deliver(&["--batch-id", "q"]), ["unchanged"; 3]);
}

#[test]
fn packages_at_once_lose_nothing() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let flowfiles: Vec<_> = (0..5)
                    .map(|number| {
                        flowfile(&[], batch("shop", "", &[put(writer * 10 + number, "x")]))
                    })
                    .collect();
                let answer = unpack(&place.sync(&[], &flowfiles).done());
                assert_eq!(outcomes(&answer), [("committed", "0"); 5]);
            });
        }
    });
    assert_eq!((place.records("shop").len(), place.versions("shop")), (20, 4));
}

#[test]
fn lost_framing_writes_nothing() {
    let place = Place::new();
    let bytes = package(&[
        flowfile(&[], batch("shop", "", &[put(1, "a")])),
        flowfile(&[], batch("shop", "", &[put(2, "b")])),
    ]);
    for end in [3, 40, bytes.len() - 1] {
        let ran = on(&place.repo(), "sync", &["--input", "flowfile-v3"], &bytes[..end]);
        assert_eq!((ran.code(), ran.out.len()), (Some(5), 0), "{end}: {}", ran.err);
        assert!(
            ran.err.starts_with("nifi-idb: FlowFile ")
                && ran.err.ends_with("nothing was written\n"),
            "{}",
            ran.err
        );
    }
    let ran = on(&place.repo(), "sync", &["--expect-bytes", "9"], &bytes);
    assert_eq!(ran.code(), Some(5), "{}", ran.err);
    assert!(!place.repo().exists());
}

#[test]
fn other_reports_of_a_package() {
    let place = Place::new();
    let all =
        [flowfile(&[], batch("shop", "", &[put(1, "a"), "bad".into()])), flowfile(&[], "cut")];
    let lines =
        String::from_utf8(place.sync(&["--report", "lines", "--dry-run"], &all).done()).unwrap();
    let types: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, ["header", "rejected", "summary", "summary", "package"]);
    assert!(!place.repo().exists(), "a dry run writes nothing");
    let summary = place.sync(&["--report", "summary"], &all).summary();
    assert_eq!(
        summary.to_string(),
        r#"{"committed":1,"failed":1,"flowfiles":2,"received":2,"refused":0,"transient":0,"type":"package","unchanged":0}"#
    );
    // A batch that is no package, with attributes all the same.
    let ran = on(
        &place.repo(),
        "sync",
        &["--report", "flowfile-v3"],
        batch("shop", "", &[put(1, "b")]).as_bytes(),
    );
    let [(attributes, report)] = unpack(&ran.done()).try_into().unwrap();
    assert_eq!((attributes["registry.flow.version"].as_str(), report.lines().count()), ("2", 1));
}

#[test]
fn a_source_pulls_what_it_lacks() {
    let place = Place::new();
    let sync = |header: &str, lines: &[String]| {
        let out = on(
            &place.repo(),
            "sync",
            &["--pull", "--received-at", "1000"],
            batch("shop", header, lines).as_bytes(),
        )
        .done();
        let lines: Vec<serde_json::Value> = out
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let changes = lines.iter().filter(|line| line["type"] == "change");
        changes
            .map(|line| format!("{} {}", line["line"]["op"].as_str().unwrap(), line["line"]["key"]))
            .collect::<Vec<_>>()
    };
    let long = "long ".repeat(20_000);
    assert_eq!(
        sync(r#","source":"a""#, &[put(1, "a"), put(2, "a"), put(3, &long)]),
        ["put 1", "put 2", "put 3"],
        "it begins with nothing"
    );
    assert_eq!(
        sync(
            r#","source":"b","base":1"#,
            &[put(2, "b"), put(4, "b"), r#"{"op":"delete","store":"data","key":1}"#.into()]
        ),
        [""; 0]
    );
    assert_eq!(sync(r#","source":"a","base":1"#, &[put(5, "a")]), ["put 2", "put 4", "delete 1"]);
    assert_eq!(sync(r#","source":"a","base":3"#, &[put(5, "a")]), [""; 0]);
    assert_eq!(sync(r#","source":"c""#, &[]), ["put 2", "put 3", "put 4", "put 5"]);
}

#[test]
fn a_source_asks_where_it_stands() {
    let place = Place::new();
    let ask =
        |args: &[&str]| String::from_utf8(on(&place.repo(), "sources", args, b"").done()).unwrap();
    let unknown = |version: &str| {
        format!(
            "{{\"checkpoint\":0,\"epoch\":null,\"source\":\"new\",\"type\":\"source\",\"version\":{version}}}\n"
        )
    };
    assert_eq!(ask(&["--flow", "shop", "--source", "new"]), unknown("null"));
    place.sync(&[], &[flowfile(&[], numbered("shop", "kiosk", 1, &["a", "b"]))]).done();
    assert_eq!(ask(&["--source", "new"]), unknown("1"));
    let known = "{\"checkpoint\":2,\"epoch\":\"e\",\"source\":\"kiosk\",\"type\":\"source\",\"version\":1}\n";
    assert_eq!(
        (ask(&["--source", "kiosk"]).as_str(), ask(&["--source", ""]).as_str()),
        (known, known)
    );
}

#[test]
fn a_version_comes_out_as_flowfiles_that_go_in_again() {
    let (place, copy) = (Place::new(), Place::new());
    let two = r#"{"format":"indexeddb-changes/1","database":"shop","stores":[{"name":"a/é","keyPath":null},{"name":"data","keyPath":"id"}]}
{"op":"put","store":"a/é","key":1,"value":"x"}
{"op":"put","store":"data","value":{"id":7}}
{"op":"end","count":2}
"#;
    let root = on(&place.repo(), "sync", &[], two.as_bytes()).summary()["root"].clone();
    let out = on(&place.repo(), "restore", &["--format", "flowfile-v3"], b"").done();
    let flowfiles = unpack(&out);
    let names: Vec<_> =
        flowfiles.iter().map(|(attributes, _)| attributes["filename"].as_str()).collect();
    assert_eq!(names, ["shop-1-a%2F%C3%A9.ndjson", "shop-1-data.ndjson"]);
    assert!(flowfiles.iter().all(
        |(attributes, _)| attributes["sync.root"] == root && attributes["record.count"] == "1"
    ));
    let answer = unpack(&copy.sync(&[], &flowfiles).done());
    assert_eq!(
        (outcomes(&answer), answer[1].0["sync.root"] == root),
        (vec![("committed", "0"); 2], true)
    );
}

#[test]
fn an_empty_word_after_an_option_is_no_value() {
    let place = Place::new();
    let store = format!("git:{}", place.repo().display());
    let args = [
        "sync",
        "--store",
        &store,
        "--flow",
        "",
        "--database",
        "",
        "--object-store",
        "data",
        "--key-path",
        "id",
        "--token-file",
        "",
    ];
    assert_eq!(run(crate::program::program(args), b"{\"id\":1}\n").summary()["flow"], "default");
    let ran = run(crate::program::program(["sync", "--store", &store, "--flow="]), b"");
    assert_eq!(ran.code(), Some(2), "{}", ran.err);
    let ran = run(crate::program::program(["sync", "--store", &store, "--dry-run", ""]), b"");
    assert_eq!(ran.code(), Some(2), "a flag takes no value away: {}", ran.err);
}
