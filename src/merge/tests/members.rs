//! Three-way merges, member by member and element by element.

use super::*;
use crate::policy::{Arrays, ThreeWay};

fn merged(arrays: Arrays, base: &str, head: &str, incoming: &str) -> (String, bool) {
    let policy = by(Resolver::ThreeWay(ThreeWay { arrays, ..ThreeWay::default() }));
    let case = update(base, head, incoming);
    (case.stands(&policy), case.resolved(&policy).rule.ends_with("-contested"))
}

/// Enumerates the 3-way cases of one member: absent or one of three values on each side.
#[test]
fn one_member_enumerated() {
    let values = [None, Some("1"), Some("2"), Some("3")];
    let object = |member: Option<&str>| {
        member.map_or("{}".to_owned(), |value| format!(r#"{{"m":{value}}}"#))
    };
    for b in values {
        for h in values {
            for i in values.into_iter().filter(|i| *i != h) {
                for (clock, newer) in [(Some(99), h), (Some(101), i)] {
                    let (base, head, incoming) = (object(b), object(h), object(i));
                    let case = Case { clock, ..update(&base, &head, &incoming) };
                    let (wanted, contested) = if i == b {
                        (h, false)
                    } else if h == b {
                        (i, false)
                    } else {
                        (newer, true)
                    };
                    let what = format!("base {b:?} head {h:?} incoming {i:?}");
                    let found = case.resolved(&StorePolicy::builtin());
                    assert_eq!(case.stands(&StorePolicy::builtin()), object(wanted), "{what}");
                    assert_eq!(found.rule.ends_with("-contested"), contested, "{what}");
                    assert_eq!(found.head_lost || found.incoming_lost, contested, "{what}");
                }
            }
        }
    }
}

#[test]
fn objects_are_merged_inside() {
    let found = merged(
        Arrays::Whole,
        r#"{"a":{"x":1,"y":1},"d":1}"#,
        r#"{"a":{"x":2,"y":1},"c":3}"#,
        r#"{"a":{"x":1,"y":2},"b":4,"d":1}"#,
    );
    assert_eq!(found, (r#"{"a":{"x":2,"y":2},"b":4,"c":3}"#.to_owned(), false));
}

#[test]
fn names_come_in_code_unit_order() {
    let found = merged(Arrays::Whole, "{}", r#"{"\uffff":1}"#, r#"{"\ud83d\ude00":2}"#);
    assert_eq!(found.0, r#"{"\ud83d\ude00":2,"\uffff":1}"#);
}

#[test]
fn dates_numbers_and_bytes_are_whole() {
    for value in [
        r#"{"~date":N}"#,
        r#"{"~bigint":"N"}"#,
        r#"{"~buffer":{"data":"AAAN"}}"#,
        r#"{"~boxed":N}"#,
        "[N]",
    ] {
        let object = |n: &str| format!(r#"{{"v":{}}}"#, value.replace('N', n));
        let found = merged(Arrays::Whole, &object("1"), &object("2"), &object("3"));
        assert_eq!(found, (object("3"), true), "{value}");
    }
}

#[test]
fn what_holds_references_is_whole() {
    let shared = r#"{"a":{"~id":[1,{}]},"b":{"~ref":1}}"#;
    let found = merged(Arrays::Whole, "{}", shared, r#"{"c":1}"#);
    assert_eq!(found.0, r#"{"c":1}"#);
}

#[test]
fn maps_are_merged_by_key_and_sets_by_element() {
    let (base, head, incoming) = (
        r#"{"m":{"~map":[["a",1],["b",{"x":1,"y":1}]]}}"#,
        r#"{"m":{"~map":[["b",{"x":2,"y":1}],["c",3]]}}"#,
        r#"{"m":{"~map":[["a",1],["b",{"x":1,"y":2}],["d",4]]}}"#,
    );
    let expected = r#"{"m":{"~map":[["b",{"x":2,"y":2}],["c",3],["d",4]]}}"#;
    assert_eq!(merged(Arrays::Whole, base, head, incoming), (expected.to_owned(), false));
    let set = |items: &str| format!(r#"{{"s":{{"~set":[{items}]}}}}"#);
    assert_eq!(
        merged(Arrays::Whole, &set("1,2"), &set("2,3"), &set("1,2,4")),
        (set("2,3,4"), false)
    );
    // An object used as a key has an identity that the text does not contain.
    let keyed = |n: u8| format!(r#"{{"m":{{"~map":[[{{}},{n}]]}}}}"#);
    assert_eq!(merged(Arrays::Whole, &keyed(1), &keyed(2), &keyed(3)), (keyed(3), true));
}

#[test]
fn arrays_by_the_declared_way() {
    let list = |items: &str| format!(r#"{{"l":[{items}]}}"#);
    let of = |arrays, base: &str, head: &str, incoming: &str| {
        let found = merged(arrays, &list(base), &list(head), &list(incoming));
        (found.0.trim_start_matches(r#"{"l":["#).trim_end_matches("]}").to_owned(), found.1)
    };
    assert_eq!(of(Arrays::Whole, "1", "1,2", "1,3"), ("1,3".to_owned(), true));
    assert_eq!(of(Arrays::Set, "1,2", "2,3", "1,2,4"), ("2,3,4".to_owned(), false));
    assert_eq!(of(Arrays::Append, "1", "1,2", "1,3"), ("1,2,3".to_owned(), false));
    assert_eq!(
        of(Arrays::Append, "1", "2", "1,3"),
        ("1,3".to_owned(), true),
        "head changed what was there"
    );
    let by_id = || Arrays::Key(path("id"));
    assert_eq!(
        of(
            by_id(),
            r#"{"id":1,"x":1,"y":1},{"id":2}"#,
            r#"{"id":1,"x":2,"y":1}"#,
            r#"{"id":3},{"id":1,"x":1,"y":2},{"id":2}"#
        ),
        (r#"{"id":1,"x":2,"y":2},{"id":3}"#.to_owned(), false)
    );
    assert_eq!(
        of(by_id(), r#"{"id":1,"x":1}"#, "", r#"{"id":1,"x":2}"#),
        (r#"{"id":1,"x":2}"#.to_owned(), true),
        "removed here, changed there: it stays, and head's removal is kept as a loss"
    );
    assert_eq!(of(by_id(), "1", "1,2", "1,3"), ("1,3".to_owned(), true), "no identity: whole");
    assert_eq!(
        of(by_id(), "", r#"{"id":1},{"id":1}"#, r#"{"id":2}"#),
        (r#"{"id":2}"#.to_owned(), true),
        "twice: whole"
    );
}
