//! The policy files in `examples/policies`: each is right, its cases come true, and the documented examples of other systems
//! give the documented records through the pipeline as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nifi_idb::decide::{ResolveOptions, Selection, resolve};
use nifi_idb::indexeddb::key::{Key, SortableKey};
use nifi_idb::merge::{run_case, unreached};
use nifi_idb::policy::{ALIASES, ExpectedDetection, PolicyFile};
use nifi_idb::snapshot::logged_conflict::Choice;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies")
}

fn read(name: &str) -> PolicyFile {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let faults = |faults: Vec<nifi_idb::policy::Fault>| {
        faults.iter().map(|fault| fault.render(name, &text)).collect::<Vec<_>>().join("\n")
    };
    PolicyFile::read(&text).map_err(faults).unwrap_or_else(|faults| panic!("{faults}"))
}

fn files() -> Vec<String> {
    let entries = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

#[test]
fn every_file_is_right_and_its_cases_come_true() {
    let mut wrong = Vec::new();
    for name in files() {
        let file = read(&name);
        assert!(!file.cases.is_empty(), "{name} has no cases");
        let ran: Vec<_> =
            file.cases.iter().map(|case| (case, run_case(&file.policy, case))).collect();
        for (case, ran) in ran.iter().filter(|(_, ran)| !ran.mismatches.is_empty()) {
            wrong.push(format!("{name}: {}: {:?}", case.name, ran.mismatches));
        }
        let left = unreached(
            &file.policy,
            &ran.iter().map(|(case, ran)| (*case, ran)).collect::<Vec<_>>(),
        );
        wrong.extend(
            left.rules.iter().map(|rule| format!("{name}: no case reaches the rule {rule}")),
        );
        // A source's own changes in the wrong order are the same everywhere.
        let types = left.types.iter().filter(|conflict| **conflict != ConflictType::OutOfOrder);
        wrong.extend(
            types.map(|conflict| format!("{name}: no case reaches the type {}", conflict.name())),
        );
        wrong.extend(
            left.fields.iter().map(|field| format!("{name}: no case reaches the field {field}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_systems_that_people_come_from_are_there() {
    assert_eq!(
        files(),
        ["goldengate.toml", "pgd.toml", "shop.toml", "sql-server.toml", "symmetricds.toml"]
    );
    let cases = read("pgd.toml").cases;
    // Its types in its words; the three that are not about one record are tested below.
    for theirs in [
        "insert_exists",
        "update_differing",
        "update_origin_change",
        "update_missing",
        "update_recently_deleted",
        "delete_recently_updated",
        "delete_missing",
    ] {
        assert!(cases.iter().any(|case| case.name.starts_with(theirs)), "no case for {theirs}");
    }
    let found = |kind| {
        cases.iter().any(|case| case.expect.detection == Some(ExpectedDetection::Conflict(kind)))
    };
    use ConflictType as T;
    for kind in [
        T::InsertInsert,
        T::UpdateUpdate,
        T::UpdateDelete,
        T::DeleteUpdate,
        T::UpdateMissing,
        T::DeleteMissing,
    ] {
        assert!(found(kind), "{}", kind.name());
    }
}

/// A flow whose object store `data` goes by the rules of one object store of a file.
fn lab(name: &str, store: Option<&str>) -> Lab {
    let policy = read(name).policy;
    let scope = store.map_or(&policy.default, |store| &policy.stores[&store.into()]);
    Lab::with(Policy { default: scope.clone(), ..Policy::default() })
}

#[test]
fn goldengates_third_example_through_the_pipeline() {
    let lab = lab("goldengate.toml", Some("example-3"));
    let row = |phone, address, salary, balance, comment: Option<&str>, hour: i64| {
        let comment = comment.map_or("null".to_owned(), |comment| format!("\"{comment}\""));
        let time = 1_283_299_200_000 + hour * 3_600_000;
        format!(
            r#"{{"address":"{address}","balance":{balance},"comment":{comment},"last_mod_time":{{"~date":{time}}},"name":"Mary","phone":"{phone}","salary":{salary}}}"#
        )
    };
    lab.ok(&from("loader"), &[put(1, &row("1234567890", "Oracle Pkwy", 100, 100, None, 3))]);
    let base_1 = |source| From { more: r#","base":1"#, ..from(source) };
    lab.ok(&base_1("target"), &[put(1, &row("1234567890", "Ralston", 600, 600, Some("com"), 4))]);
    let (_, report) = lab
        .send(&base_1("source"), &[put(1, &row("222222", "Holly", 200, 100, Some("new"), 5))])
        .unwrap();
    assert_eq!(lab.data()["1"], row("1234567890", "Holly", 700, 600, Some("com"), 5));
    assert_eq!(
        (report[0]["rule"].as_str(), report[0]["winner"].as_str()),
        (Some("example-3/head-wins"), Some("merged"))
    );
    let conflict = lab.conflicts().into_values().next().unwrap();
    assert_eq!(
        conflict["incoming"]["value"]["phone"], "222222",
        "what IGNORE left out is not lost"
    );
}

#[test]
fn pgds_unique_index_and_its_missing_columns_and_tables() {
    let pgd = || lab("pgd.toml", None);
    let mail = |name: &str, at: i64| format!(r#"{{"mail":"x","name":"{name}"}},"at":{at}"#);
    let newer = pgd();
    newer.ok(&From { schema: 2, ..from("a") }, &[put(1, &mail("old", 500))]);
    newer.ok(&From { schema: 2, ..from("b") }, &[put(2, &mail("new", 600))]);
    assert_eq!(newer.data(), map(&[("1", "-"), ("2", r#"{"mail":"x","name":"new"}"#)]));
    let kept = newer.conflicts().into_values().next().unwrap();
    assert_eq!(
        (kept["type"].as_str(), kept["head"]["value"]["name"].as_str()),
        (Some("unique-index"), Some("old"))
    );
    let older = pgd();
    older.ok(&From { schema: 2, ..from("a") }, &[put(1, &mail("new", 600))]);
    older.ok(&From { schema: 2, ..from("b") }, &[put(2, &mail("old", 500))]);
    assert_eq!(older.data(), map(&[("1", r#"{"mail":"x","name":"new"}"#)]));

    // A column that the target lacks comes in; one that the source lacks stays out; nothing stops.
    let columns = pgd();
    columns.ok(&from("a"), &[put(1, r#"{"name":"a"}"#)]);
    let summary = columns.ok(
        &From { schema: 2, more: r#","base":1"#, ..from("b") },
        &[put(1, r#"{"mail":"x","name":"b"}"#)],
    );
    assert_eq!((summary.conflicts, summary.put), (0, 1));
    let summary = columns
        .ok(&From { schema: 1, more: r#","base":2"#, ..from("c") }, &[put(2, r#"{"name":"c"}"#)]);
    assert_eq!((summary.conflicts, summary.put), (0, 1));
    assert_eq!(
        columns.data(),
        map(&[("1", r#"{"mail":"x","name":"b"}"#), ("2", r#"{"name":"c"}"#)])
    );
    assert_eq!(columns.store.head(&flow()).unwrap().unwrap().manifest.database_version, 2);
}

#[test]
fn symmetricds_manual_case_from_the_conflict_to_the_persons_word() {
    let lab = lab("symmetricds.toml", Some("sale_transaction"));
    lab.ok(&from("store-1"), &[put(1, r#"{"total":10}"#), put(2, r#"{"total":10}"#)]);
    let base_1 = |source| From { more: r#","base":1"#, ..from(source) };
    lab.ok(&base_1("store-2"), &[put(1, r#"{"total":12}"#)]);
    let summary =
        lab.ok(&base_1("store-3"), &[put(1, r#"{"total":11}"#), put(2, r#"{"total":20}"#)]);
    assert_eq!((summary.parked, summary.put), (1, 1), "the rest of the batch does not wait");
    assert_eq!(lab.data(), map(&[("1", r#"{"total":12}"#), ("2", r#"{"total":20}"#)]));
    let waiting = lab.conflicts().into_values().next().unwrap();
    let totals = (
        &waiting["baseValue"]["total"],
        &waiting["incoming"]["value"]["total"],
        &waiting["winner"],
    );
    assert_eq!(
        totals,
        (&Value::from(10), &Value::from(11), &Value::from("none")),
        "old, new; and current is stored"
    );
    let one = Selection::Ids(lab.list(&List::Conflicts).keys().map(|id| sortable(id)).collect());
    let mut options = ResolveOptions::new(one, Choice::Value, 2_000);
    options.value = Some(br#"{"total":13}"#.to_vec());
    options.policy = lab.policy.clone();
    let summary = resolve(&lab.store, &flow(), &options, &mut ReportLines::default()).unwrap();
    assert_eq!((summary.put, summary.parked), (1, 0));
    assert_eq!(lab.data()["1"], r#"{"total":13}"#);
    // The ping back: the source that lost hears of it.
    let (_, report) = lab.send(&From { more: r#","base":3"#, ..from("store-3") }, &[]).unwrap();
    assert!(report.iter().any(|line| line["type"] == "resolved"), "{report:?}");
}

/// A line of the page that gives a name which policy files understand says what that is.
#[test]
fn the_page_for_those_who_come_from_elsewhere_is_right() {
    let page = include_str!("../../../doc/guide/coming-from.md");
    let quoted =
        |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut checked = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let ours = quoted(cells[1]);
        for theirs in quoted(cells[0]) {
            let Some((_, kind)) = ALIASES.into_iter().find(|(alias, _)| *alias == theirs) else {
                continue;
            };
            assert_eq!(ours.first().map(String::as_str), Some(kind.name()), "{line}");
            checked.insert(theirs);
        }
    }
    for alias in
        ["USEDELTA", "DISCARD", "insert_or_skip", "ignore", "FALLBACK", "MANUAL", "source-wins"]
    {
        assert!(checked.contains(alias), "{alias} is not on the page");
    }
}

fn sortable(id: &str) -> SortableKey {
    Key::from_json(&serde_json::from_str(id).unwrap()).unwrap().to_sortable().unwrap()
}
