//! What users of other systems complain about, and input that is meant to do harm: the tests that the page of adversaries
//! names, and that it names no test which does not exist.

use std::fs;
use std::path::Path;

use nifi_idb::history::{At, open_version, verify};
use nifi_idb::policy::{Arrays, FieldPath, FieldRule, ThreeWay, Unresolved};
use nifi_idb::snapshot::FlowVersion;

use super::*;

fn field(name: &str, resolver: Resolver) -> FieldRule {
    FieldRule { name: name.into(), paths: vec![FieldPath::parse(name).unwrap()], resolver }
}

fn three_way(arrays: Arrays, fields: Vec<FieldRule>) -> Policy {
    let mut scope = StorePolicy { scope: "data".into(), fields, ..StorePolicy::unsaid() };
    let contested = Box::new(Resolver::Park);
    scope.types[ConflictType::UpdateUpdate as usize] =
        Some(Resolver::ThreeWay(ThreeWay { arrays, contested }));
    Policy { default: scope, ..Policy::default() }
}

fn based<'a>(source: &'a str, more: &'a str) -> From<'a> {
    From { more, ..from(source) }
}

/// One record, changed by two sources that both started from version 1: what stands, and the conflicts.
fn both(
    policy: Policy,
    base: &str,
    head: &str,
    incoming: &str,
) -> (String, BTreeMap<String, Value>) {
    let lab = Lab::with(policy);
    lab.ok(&from("first"), &[put(1, base)]);
    lab.ok(&based("a", r#","base":1"#), &[put(1, head)]);
    lab.ok(&based("b", r#","base":1"#), &[put(1, incoming)]);
    let version = open_version(&lab.store, &flow(), At::Latest).unwrap();
    verify(&lab.store, &flow(), &version, true).unwrap();
    (lab.data()["1"].clone(), lab.conflicts())
}

fn builtin() -> Policy {
    three_way(Arrays::Whole, Vec::new())
}

// ----- What others' users complain about -----

/// RxDB 7612.
#[test]
fn deleting_what_was_never_there_succeeds() {
    let lab = Lab::with(Policy::default());
    lab.ok(&from("a"), &[put(1, "1")]);
    let summary = lab.ok(&from("b"), &[delete(7, "")]);
    assert_eq!((summary.rejected, summary.conflicts, summary.parked), (0, 0, 0));
    assert_eq!(
        lab.ok(&from("b"), &[delete(7, "")]).outcome,
        nifi_idb::report::Outcome::Unchanged,
        "and again"
    );
    assert_eq!(
        lab.data(),
        map(&[("1", "1"), ("7", "-")]),
        "it stands against a put that comes late"
    );
}

/// RxDB 5843, and the audit of an application that lost tombstones: a checkpoint in time passes over what is older.
#[test]
fn what_is_pulled_goes_by_versions_and_not_by_clocks() {
    let lab = Lab::with(Policy::default());
    lab.ok(&from("a"), &[put_with(1, "1", r#""at":900"#), put_with(2, "2", r#""at":900"#)]);
    // What comes next says of itself that it is older than all that there is.
    lab.ok(&based("b", r#","base":1"#), &[delete(1, r#","at":5"#), put_with(3, "3", r#""at":5"#)]);
    let options = || SyncOptions { pull: true, ..SyncOptions::default() };
    let (_, pulled) = lab.send_with(&based("a", r#","base":1"#), &[], options()).unwrap();
    let lines: Vec<_> = pulled.iter().filter_map(|line| line.get("line")).collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["op"].as_str().unwrap(), line["key"].as_i64().unwrap()))
        .collect();
    assert_eq!(told, [("put", 3), ("delete", 1)], "tombstones come in the same stream");
    let (_, pulled) = lab.send_with(&based("a", r#","base":2"#), &[], options()).unwrap();
    assert!(pulled.iter().all(|line| line.get("line").is_none()), "and once");
}

/// RxDB 6439: conflicts are found by versions; clocks only break ties.
#[test]
fn clocks_that_are_all_wrong_lose_nothing() {
    for (at_a, at_b) in [(0, 0), (999, 1), (1, 999), (1_000, 8_640_000_000_000_000_i64)] {
        let lab = Lab::with(builtin());
        lab.ok(&from("first"), &[put(1, r#"{"x":0,"y":0}"#)]);
        lab.ok(
            &based("a", r#","base":1"#),
            &[put_with(1, r#"{"x":1,"y":0}"#, &format!(r#""at":{at_a}"#))],
        );
        lab.ok(
            &based("b", r#","base":1"#),
            &[put_with(1, r#"{"x":0,"y":2}"#, &format!(r#""at":{at_b}"#))],
        );
        assert_eq!(lab.data()["1"], r#"{"x":1,"y":2}"#, "{at_a} {at_b}");
    }
}

/// amplify-flutter 930 and amplify-js 10291: each save appended the list to itself.
#[test]
fn saving_a_list_again_and_again_does_not_grow_it() {
    let path = || FieldPath::parse("id").unwrap();
    let unique = Resolver::AppendUnique { key: path(), order_by: None };
    let policies = [
        ("whole", three_way(Arrays::Whole, Vec::new())),
        ("set", three_way(Arrays::Set, Vec::new())),
        ("append", three_way(Arrays::Append, Vec::new())),
        ("key", three_way(Arrays::Key(path()), Vec::new())),
        ("set-union", three_way(Arrays::Whole, vec![field("list", Resolver::SetUnion)])),
        ("append-unique", three_way(Arrays::Whole, vec![field("list", unique)])),
    ];
    for (name, policy) in policies {
        let lab = Lab::with(policy);
        let record = |n: u32| format!(r#"{{"list":[{{"id":1}},{{"id":2}}],"n":{n}}}"#);
        lab.ok(&from("first"), &[put(1, &record(0))]);
        for n in 1..20 {
            // Both save the whole record over and over, and neither has seen what the other saved.
            lab.ok(
                &based(if n % 2 == 0 { "a" } else { "b" }, r#","base":1"#),
                &[put(1, &record(n))],
            );
            let stored: Value = serde_json::from_str(&lab.data()["1"]).unwrap();
            assert_eq!(stored["list"].as_array().unwrap().len(), 2, "{name}, save {n}");
        }
    }
}

/// amplify-js 9979: "up to 10 % of the records missing", and the client said that all was synced.
#[test]
fn counts_tell_a_client_what_became_of_every_line() {
    let lab = Lab::deciding(ConflictType::UpdateUpdate, Resolver::Park);
    lab.ok(&from("first"), &(0..100).map(|key| put(key, r#"{"n":0}"#)).collect::<Vec<_>>());
    lab.ok(
        &based("a", r#","base":1"#),
        &(0..10).map(|key| put(key, r#"{"n":1}"#)).collect::<Vec<_>>(),
    );
    let lines: Vec<_> =
        (0..50).map(|key| put(key, if key < 20 { r#"{"n":2}"# } else { r#"{"n":0}"# })).collect();
    let (summary, report) =
        lab.send(&based("b", r#","base":1,"epoch":"e","first":1,"last":50"#), &lines).unwrap();
    assert_eq!(summary.received, 50);
    assert_eq!(
        summary.put + summary.deleted + summary.unchanged + summary.rejected,
        50,
        "{summary:?}"
    );
    assert_eq!(
        (summary.put, summary.unchanged, summary.parked),
        (10, 40, 10),
        "what is parked is not changed"
    );
    assert!(report.iter().any(|line| line["type"] == "ack" && line["checkpoint"] == 50));
    // The parked ones are not lost either, and the acknowledgement does not depend on them.
    assert_eq!(lab.conflicts().len(), 10);
}

// ----- Documents -----

#[test]
fn names_that_javascript_knows_are_names_like_others() {
    let base = r#"{"__proto__":{"admin":false},"constructor":1,"hasOwnProperty":1,"toString":1}"#;
    let head = r#"{"__proto__":{"admin":false},"constructor":2,"hasOwnProperty":1,"toString":1}"#;
    let incoming = r#"{"__proto__":{"admin":true},"constructor":1,"hasOwnProperty":1,"valueOf":1}"#;
    let (stands, conflicts) = both(builtin(), base, head, incoming);
    assert_eq!(
        stands,
        r#"{"__proto__":{"admin":true},"constructor":2,"hasOwnProperty":1,"valueOf":1}"#
    );
    assert_eq!(conflicts.into_values().next().unwrap()["winner"], "merged");
    // They can have resolvers of their own, too.
    let policy = three_way(Arrays::Whole, vec![field("__proto__.n", Resolver::Delta)]);
    let of = |n: u32| format!(r#"{{"__proto__":{{"n":{n}}}}}"#);
    assert_eq!(both(policy, &of(1), &of(3), &of(5)).0, of(7));
}

#[test]
fn minus_zero_is_a_value_and_no_sum() {
    let zero = |text: &str| format!(r#"{{"n":{text}}}"#);
    let minus = r#"{"~number":"-0"}"#;
    let delta = || three_way(Arrays::Whole, vec![field("n", Resolver::Delta)]);
    assert_eq!(both(delta(), &zero("1"), &zero(minus), &zero("1.5")).0, zero("0.5"));
    assert_eq!(both(delta(), &zero("1"), &zero(minus), &zero("0")).0, zero("-1"));
    // Max sees one number in two spellings, and both orders choose the same spelling.
    let max = || three_way(Arrays::Whole, vec![field("n", Resolver::Max { by: None })]);
    let (one, other) = (
        both(max(), &zero("-1"), &zero(minus), &zero("0")),
        both(max(), &zero("-1"), &zero("0"), &zero(minus)),
    );
    assert_eq!(one.0, other.0);
}

#[test]
fn lone_surrogates_are_kept_and_neither_repaired_nor_mixed_up() {
    // In a text: a value like any other.
    let of = |text: &str, n: u32| format!(r#"{{"n":{n},"text":"{text}"}}"#);
    let (stands, _) = both(builtin(), &of(r"\ud83d", 1), &of(r"\ud83d", 2), &of(r"\udbff", 1));
    assert_eq!(stands, r#"{"n":2,"text":{"~utf16":"/9s="}}"#);
    // In a name: the object is whole, so a conflict in it is nobody's guess, and both sides are kept.
    let names = |a: u32, b: u32| format!(r#"{{"\ud800":{a},"\udc00":{b}}}"#);
    let (stands, conflicts) = both(builtin(), &names(1, 1), &names(2, 1), &names(1, 2));
    assert_eq!(stands, r#"{"~entries":[[{"~utf16":"ANg="},2],[{"~utf16":"ANw="},1]]}"#);
    let conflict = conflicts.into_values().next().unwrap();
    assert_eq!(conflict["winner"], "none");
    assert_eq!(conflict["incoming"]["value"]["~entries"][1][1], 2);
}

#[test]
fn a_record_whose_parts_are_shared_is_never_taken_apart() {
    let shared = |n: u32| format!(r#"{{"a":{{"~id":[1,{{"n":{n}}}]}},"b":{{"~ref":1}},"c":{n}}}"#);
    let policy = || three_way(Arrays::Set, vec![field("a", Resolver::SetUnion)]);
    let (stands, conflicts) = both(policy(), &shared(0), &shared(1), &shared(2));
    assert_eq!(stands, shared(1), "head stands, whole");
    let conflict = conflicts.into_values().next().unwrap();
    assert_eq!(
        (&conflict["winner"], &conflict["incoming"]["value"]["c"]),
        (&Value::from("none"), &Value::from(2))
    );
    // A cycle is no trouble.
    let cyclic = |n: u32| format!(r#"{{"~id":[1,{{"n":{n},"self":{{"~ref":1}}}}]}}"#);
    assert_eq!(both(policy(), &cyclic(0), &cyclic(1), &cyclic(2)).0, cyclic(1));
}

#[test]
fn a_counter_at_the_end_of_whole_numbers_loses_no_step() {
    let of = |n: &str| format!(r#"{{"n":{n}}}"#);
    let delta = |unresolved| {
        let mut policy = three_way(Arrays::Whole, vec![field("n", Resolver::Delta)]);
        policy.default.unresolved = unresolved;
        policy
    };
    let (base, head, incoming) =
        (of("9007199254740989"), of("9007199254740990"), of("9007199254740991"));
    let (stands, conflicts) = both(delta(Unresolved::Park), &base, &head, &incoming);
    // 2^53 itself is a double.
    assert_eq!((stands, conflicts.len()), (of("9007199254740992"), 1));
    // One more is not: rather than a count that is short by one a person is asked.
    let (base, incoming) = (of("9007199254740988"), of("9007199254740991"));
    let (stands, conflicts) = both(delta(Unresolved::Park), &base, &head, &incoming);
    let conflict = conflicts.into_values().next().unwrap();
    assert_eq!((stands, &conflict["winner"]), (head, &Value::from("none")));
    // BigInts have no end.
    let big = |n: &str| of(&format!(r#"{{"~bigint":"{n}"}}"#));
    let sum = both(
        delta(Unresolved::Park),
        &big("9007199254740988"),
        &big("9007199254740990"),
        &big("9007199254740991"),
    )
    .0;
    assert_eq!(sum, big("9007199254740993"));
}

#[test]
fn money_is_added_up_in_decimals() {
    let of = |n: &str| format!(r#"{{"n":{n}}}"#);
    let delta = || three_way(Arrays::Whole, vec![field("n", Resolver::Delta)]);
    for (base, head, incoming, sum) in [
        ("0", "0.1", "0.2", "0.3"),
        ("1.1", "2.2", "3.3", "4.4"),
        ("0.3", "0.1", "0.2", "0"),
        ("19.99", "29.98", "21.99", "31.98"),
    ] {
        assert_eq!(both(delta(), &of(base), &of(head), &of(incoming)).0, of(sum));
    }
}

#[test]
fn sets_of_a_hundred_thousand_elements_are_united() {
    let numbers = |from: u32, to: u32| {
        let all: Vec<_> = (from..to).map(|n| n.to_string()).collect();
        format!(r#"{{"tags":[{}]}}"#, all.join(","))
    };
    let lab = Lab::with(three_way(Arrays::Whole, vec![field("tags", Resolver::SetUnion)]));
    lab.ok(&from("first"), &[put(1, &numbers(0, 10))]);
    lab.ok(&based("a", r#","base":1"#), &[put(1, &numbers(0, 60_000))]);
    lab.ok(&based("b", r#","base":1"#), &[put(1, &numbers(40_000, 100_000))]);
    let head = lab.store.head(&flow()).unwrap().unwrap().manifest;
    assert_eq!(head.version.get(), 3);
    // What is too large for its chunk lies beside it: the same value written at once has the same digest.
    let at_once = Lab::with(Policy::default());
    at_once.ok(&from("first"), &[put(1, &numbers(0, 100_000))]);
    assert_eq!(head.root(), at_once.store.head(&flow()).unwrap().unwrap().manifest.root());
}

#[test]
fn records_that_nest_as_deep_as_they_may_are_merged_at_their_bottom() {
    let nest = |x: u32, y: u32| {
        let deep = 500;
        format!(r#"{}{{"x":{x},"y":{y}}}{}"#, r#"{"a":"#.repeat(deep), "}".repeat(deep))
    };
    assert_eq!(both(builtin(), &nest(0, 0), &nest(1, 0), &nest(0, 2)).0, nest(1, 2));
}

#[test]
fn a_clock_in_the_year_9999_wins_for_the_allowed_skew_and_no_longer() {
    let lab = Lab { policy: None, ..Lab::with(Policy::default()) };
    let (noon, minute) = (1_767_268_800_000_i64, 60_000_i64);
    let from = |source, minutes: i64| From { received_at: noon + minutes * minute, ..from(source) };
    lab.ok(&from("broken", 0), &[put_with(1, "1", r#""at":253402300799000"#)]);
    let good = |minutes: i64| put_with(1, "2", &format!(r#""at":{}"#, noon + minutes * minute));
    lab.ok(&from("good", 4), &[good(4)]);
    assert_eq!(lab.data()["1"], "1");
    assert_eq!(
        lab.conflicts().into_values().next().unwrap()["incoming"]["value"],
        2,
        "and what lost is kept"
    );
    lab.ok(&from("good", 6), &[good(6)]);
    assert_eq!(lab.data()["1"], "2");
}

// ----- Sources -----

#[test]
fn a_source_that_lies_about_its_base_erases_nothing() {
    for lie in [r#""base":2"#, r#""base":{"value":{"x":1}}"#] {
        let lab = Lab::with(builtin());
        lab.ok(&from("first"), &[put(1, r#"{"x":0}"#)]);
        lab.ok(&based("a", r#","base":1"#), &[put(1, r#"{"x":1}"#)]);
        // It has not read version 2, and says that it has: so it is believed, like everybody who has.
        assert_eq!(lab.ok(&from("liar"), &[put_with(1, r#"{"x":9}"#, lie)]).conflicts, 0);
        assert_eq!(lab.data()["1"], r#"{"x":9}"#);
        // What it wrote over is in the version before, and that is there for ever.
        let before =
            open_version(&lab.store, &flow(), At::Version(FlowVersion::new(2).unwrap())).unwrap();
        verify(&lab.store, &flow(), &before, true).unwrap();
        let list = List::Records("data".into());
        let (_, chunk) = before.manifest.chunks().find(|(there, _)| *there == list).unwrap();
        let text = lab.store.read_chunk(&flow(), &before, &list, chunk).unwrap();
        assert!(String::from_utf8(text).unwrap().contains(r#""value":{"x":1}"#), "{lie}");
    }
    // A base value that nobody ever had is merged against, and what it makes lose is kept.
    let lab = Lab::with(builtin());
    lab.ok(&from("a"), &[put(1, r#"{"x":1,"y":1}"#)]);
    lab.ok(&from("liar"), &[put_with(1, r#"{"x":9,"y":1}"#, r#""base":{"value":{"x":7,"y":7}}"#)]);
    let conflict = lab.conflicts().into_values().next().unwrap();
    assert_eq!(
        (&conflict["winner"], &conflict["incoming"]["value"]["x"]),
        (&Value::from("none"), &Value::from(9))
    );
}

#[test]
fn two_sources_that_swap_unique_keys_lose_nothing() {
    let mail = |address: &str| format!(r#"{{"mail":"{address}"}}"#);
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::Park);
    let at_2 = |source| From { schema: 2, more: r#","base":1"#, ..from(source) };
    lab.ok(&From { schema: 2, ..from("first") }, &[put(1, &mail("x")), put(2, &mail("y"))]);
    // Each takes the key that the other one is about to give away.
    assert_eq!(lab.ok(&at_2("a"), &[put(1, &mail("y"))]).parked, 1);
    assert_eq!(lab.ok(&at_2("b"), &[put(2, &mail("x"))]).parked, 1);
    assert_eq!(lab.data(), map(&[("1", &mail("x")), ("2", &mail("y"))]));
    let wanted: Vec<_> =
        lab.conflicts().into_values().map(|it| it["incoming"]["value"]["mail"].clone()).collect();
    assert_eq!(wanted, ["y", "x"], "both wishes are kept whole");
    // Who sees both at once can do it.
    assert_eq!(lab.ok(&at_2("office"), &[put(1, &mail("y")), put(2, &mail("x"))]).conflicts, 0);
}

#[test]
fn a_record_that_is_parked_a_thousand_times_blocks_nothing() {
    let lab = Lab::deciding(ConflictType::UpdateUpdate, Resolver::Park);
    lab.ok(&from("first"), &[put(1, r#"{"n":0}"#)]);
    lab.ok(&based("a", r#","base":1"#), &[put(1, r#"{"n":-1}"#)]);
    for n in 1..=1_000_u32 {
        let summary = lab.ok(
            &based("b", r#","base":1"#),
            &[put(1, &format!(r#"{{"n":{n}}}"#)), put(2, &n.to_string())],
        );
        assert_eq!((summary.parked, summary.put), (1, 1), "{n}");
    }
    assert_eq!(lab.data(), map(&[("1", r#"{"n":-1}"#), ("2", "1000")]));
    let mut kept: Vec<_> = lab
        .conflicts()
        .into_values()
        .map(|it| it["incoming"]["value"]["n"].as_u64().unwrap())
        .collect();
    kept.sort_unstable();
    assert!(kept.into_iter().eq(1..=1_000), "each is kept once");
    let version = open_version(&lab.store, &flow(), At::Latest).unwrap();
    verify(&lab.store, &flow(), &version, true).unwrap();
}

#[test]
fn changes_that_come_backwards_do_not_undo_each_other() {
    let lab = Lab::with(builtin());
    for at in (1..=50).rev() {
        lab.ok(&from("a"), &[put_with(1, &at.to_string(), &format!(r#""at":{at}"#))]);
    }
    assert_eq!(lab.data()["1"], "50");
    assert_eq!(lab.conflicts().len(), 49, "and every one that was left out is kept");
}

#[test]
fn a_deletion_that_comes_again_after_months_takes_nothing_with_it() {
    let lab = Lab::with(builtin());
    let months = |n: i64, source| From { received_at: n * 30 * 86_400_000, ..from(source) };
    lab.ok(&months(1, "a"), &[put(1, r#"{"x":0}"#)]);
    let deletion = [delete(1, &format!(r#","base":1,"at":{}"#, 30 * 86_400_000_i64 + 5))];
    lab.ok(&months(1, "late"), &deletion);
    lab.ok(&From { more: r#","base":2"#, ..months(2, "b") }, &[put(1, r#"{"x":1}"#)]);
    let summary = lab.ok(&months(9, "late"), &deletion);
    assert_eq!((summary.conflicts, summary.deleted), (1, 0), "its clock is an old one");
    assert_eq!(lab.data()["1"], r#"{"x":1}"#);
}

// ----- The page -----

/// `a::b::test` of the library's own tests or of these, as `cargo test` writes it.
fn exists(path: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (module, test) = path.rsplit_once("::").unwrap();
    let file = module.replace("::", "/");
    let within = file.strip_suffix("/tests").unwrap_or(&file).to_owned();
    let places = [("src", &file), ("src", &within), ("tests/it", &file)].into_iter().flat_map(
        |(top, file)| {
            let file = root.join(top).join(file);
            [file.with_extension("rs"), file.join("mod.rs")]
        },
    );
    places.filter_map(|place| fs::read_to_string(place).ok()).any(|text| {
        let Some(at) = text.find(&format!("fn {test}(")) else { return false };
        let before: Vec<_> = text[..at].lines().rev().take(6).collect();
        before.iter().any(|line| line.trim() == "#[test]")
    })
}

#[test]
fn the_page_names_tests_that_there_are() {
    let page = include_str!("../../../doc/internals/adversaries.md");
    let (mut named, mut missing) = (0, Vec::new());
    for entry in page.split("\n- **").skip(1) {
        let title = entry.lines().next().unwrap();
        let tests =
            entry.split_once("\n  - Tests:").unwrap_or_else(|| panic!("no test proves: {title}")).1;
        // They end where the next section begins.
        let tests = tests.split("\n\n").next().unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            missing.extend((!exists(test)).then_some(test));
            named += 1;
        }
        assert!(tests.contains("::"), "no test proves: {title}");
    }
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
    assert!(named >= 90, "{named}");
    assert!(
        !exists("rules::adversaries::no_such_test")
            && exists("rules::adversaries::the_page_names_tests_that_there_are")
    );
}
