//! Decisions about whole records. For every resolver there is a case that an inactive resolver
//! would fail.

use super::*;
use crate::policy::{Arrays, Expression, Rule, ThreeWay, Unresolved, Wanted};

/// Enumerates the built-in default: head, incoming, incoming's clock, base → winner, rule, losing
/// sides.
#[test]
fn the_default_enumerated() {
    use ConflictType as T;
    let (b, x2, y2, x3) =
        (r#"{"x":1,"y":1}"#, r#"{"x":2,"y":1}"#, r#"{"x":1,"y":2}"#, r#"{"x":3,"y":1}"#);
    let rows = [
        (
            "other members",
            T::UpdateUpdate,
            b,
            x2,
            y2,
            None,
            r#"{"x":2,"y":2}"#,
            "default/three-way",
            "",
        ),
        (
            "one member, no clock",
            T::UpdateUpdate,
            b,
            x2,
            x3,
            None,
            x3,
            "default/three-way-contested",
            "head",
        ),
        (
            "one member, older",
            T::UpdateUpdate,
            b,
            x2,
            x3,
            Some(99),
            x2,
            "default/three-way-contested",
            "incoming",
        ),
        (
            "one member, newer",
            T::UpdateUpdate,
            b,
            x2,
            x3,
            Some(101),
            x3,
            "default/three-way-contested",
            "head",
        ),
        (
            "nothing changed since base",
            T::UpdateUpdate,
            b,
            x2,
            b,
            None,
            x2,
            "default/three-way",
            "",
        ),
        ("no base, no clock", T::UpdateUpdate, "", x2, y2, None, y2, "default/incoming", "head"),
        ("no base, older", T::UpdateUpdate, "", x2, y2, Some(99), x2, "default/newer", "incoming"),
        ("no base, newer", T::UpdateUpdate, "", x2, y2, Some(101), y2, "default/newer", "head"),
        ("inserted twice", T::InsertInsert, "!", x2, y2, None, y2, "default/incoming", "head"),
        (
            "incoming deletes, no clock",
            T::UpdateDelete,
            b,
            x2,
            "-",
            None,
            "-",
            "default/incoming",
            "head",
        ),
        (
            "incoming deletes, older",
            T::UpdateDelete,
            b,
            x2,
            "-",
            Some(99),
            x2,
            "default/newer",
            "incoming",
        ),
        (
            "head deleted, no clock",
            T::DeleteUpdate,
            b,
            "-",
            x2,
            None,
            x2,
            "default/incoming",
            "head",
        ),
        (
            "head deleted, older",
            T::DeleteUpdate,
            b,
            "-",
            x2,
            Some(99),
            "-",
            "default/newer",
            "incoming",
        ),
        (
            "no objects: whole",
            T::UpdateUpdate,
            "0",
            "1",
            "2",
            None,
            "2",
            "default/incoming",
            "head",
        ),
    ];
    for (what, kind, base, head, incoming, clock, stands, rule, lost) in rows {
        let case = Case { kind, base, head, incoming, clock };
        let found = case.resolved(&StorePolicy::builtin());
        assert_eq!(case.stands(&StorePolicy::builtin()), stands, "{what}");
        let lost_side = [(found.head_lost, "head"), (found.incoming_lost, "incoming")];
        let found_lost: String =
            lost_side.iter().filter(|(lost, _)| *lost).map(|(_, side)| *side).collect();
        assert_eq!((&*found.rule, found_lost.as_str()), (rule, lost), "{what}");
    }
}

#[test]
fn equal_clocks_are_decided_by_source_then_digest_on_both_sides_alike() {
    let policy = StorePolicy::builtin();
    for (a, b) in [("a", "b"), ("c", "c")] {
        let stands = |ours: (&str, &str), theirs: (&str, &str)| {
            let mut line = head(ours.0);
            line.meta.by = source(ours.1);
            let change = Incoming { by: source(theirs.1), ..incoming(theirs.0, Some(100)) };
            let (store, key) = ("data".into(), sortable_string("k"));
            let sides = Sides {
                kind: ConflictType::UpdateUpdate,
                store: &store,
                key: &key,
                head: Some(&line),
                head_value: Some(ours.0.as_bytes()),
                incoming: &change,
                base: Base::Unknown,
                received_at: 0,
            };
            if resolve(&policy, &sides, &mut |_| ()).winner == Winner::Head {
                ours.0.to_owned()
            } else {
                theirs.0.to_owned()
            }
        };
        assert_eq!(
            stands(("1", a), ("2", b)),
            stands(("2", b), ("1", a)),
            "the same side wins, whichever comes first"
        );
    }
}

#[test]
fn every_resolver_of_whole_records() {
    let by_field = |text| Some(path(text));
    let states = || vec![b"\"new\"".to_vec(), b"\"paid\"".to_vec(), b"\"sent\"".to_vec()];
    let rows = vec![
        (Resolver::LastWriteWins, "", "1", "2", Some(101), "2"),
        (Resolver::LastWriteWins, "", "1", "2", Some(99), "1"),
        (Resolver::FirstWriteWins, "", "1", "2", Some(101), "1"),
        (Resolver::FirstWriteWins, "", "1", "2", Some(99), "2"),
        (Resolver::FirstWriteWins, "", "1", "2", None, "1"),
        (Resolver::IncomingWins, "", "1", "2", Some(99), "2"),
        (Resolver::HeadWins, "", "1", "2", Some(101), "1"),
        (Resolver::Skip, "", "1", "2", Some(101), "1"),
        (Resolver::Park, "", "1", "2", Some(101), "?"),
        (Resolver::Delta, "10", "8", "7", None, "5"),
        (Resolver::Delta, "!", "8", "7", None, "15"),
        (Resolver::Delta, "", "8", "7", None, "?"),
        (Resolver::Max { by: None }, "9", "8", "7", None, "8"),
        (Resolver::Max { by: None }, "9", "8", "10", None, "10"),
        (Resolver::Min { by: None }, "9", "8", "7", None, "7"),
        (Resolver::Min { by: None }, "9", "8", "10", None, "8"),
        (
            Resolver::Max { by: by_field("p") },
            "",
            r#"{"p":2,"x":1}"#,
            r#"{"p":1,"x":2}"#,
            None,
            r#"{"p":2,"x":1}"#,
        ),
        (
            Resolver::Min { by: by_field("p") },
            "",
            r#"{"p":2,"x":1}"#,
            r#"{"p":1,"x":2}"#,
            None,
            r#"{"p":1,"x":2}"#,
        ),
        (Resolver::Max { by: by_field("q") }, "", r#"{"p":2}"#, r#"{"p":1}"#, None, "?"),
        (Resolver::SetUnion, "[]", "[3,1]", "[2,1]", None, "[1,2,3]"),
        (Resolver::SetUnion, "[]", "[3,1]", "1", None, "?"),
        (
            Resolver::AppendUnique { key: path("id"), order_by: None },
            "",
            r#"[{"id":2}]"#,
            r#"[{"id":1}]"#,
            None,
            r#"[{"id":2},{"id":1}]"#,
        ),
        (Resolver::AppendUnique { key: path("id"), order_by: None }, "", "[1]", "[2]", None, "?"),
        (Resolver::Order(states()), "", "\"sent\"", "\"paid\"", None, "\"sent\""),
        (Resolver::Order(states()), "", "\"new\"", "\"paid\"", None, "\"paid\""),
        (Resolver::Order(states()), "", "\"lost\"", "\"paid\"", None, "?"),
        (Resolver::Immutable, "1", "2", "3", None, "1"),
        (Resolver::Immutable, "", "2", "3", None, "2"),
        (
            Resolver::ThreeWay(ThreeWay::default()),
            "!",
            r#"{"a":1}"#,
            r#"{"b":2}"#,
            None,
            r#"{"a":1,"b":2}"#,
        ),
        (
            Resolver::ThreeWay(ThreeWay {
                arrays: Arrays::Whole,
                contested: Box::new(Resolver::Park),
            }),
            "",
            "1",
            "2",
            None,
            "?",
        ),
    ];
    for (resolver, base, head, incoming, clock, stands) in rows {
        let case = Case { clock, ..update(base, head, incoming) };
        let policy = by(resolver.clone());
        assert_eq!(case.stands(&policy), stands, "{resolver:?}: {base} {head} {incoming}");
        assert!(!case.resolved(&policy).refused);
    }
    assert!(update("", "1", "2").resolved(&by(Resolver::Fail)).refused);
}

#[test]
fn names_say_scope_and_resolver() {
    assert_eq!(&*update("", "1", "2").resolved(&by(Resolver::HeadWins)).rule, "data/head-wins");
    let three_way = by(Resolver::ThreeWay(ThreeWay::default()));
    assert_eq!(
        &*update("{}", r#"{"x":1}"#, r#"{"x":2}"#).resolved(&three_way).rule,
        "data/three-way-contested"
    );
    assert_eq!(
        &*update("", "1", "2").resolved(&three_way).rule,
        "data/last-write-wins",
        "no base: what is contested"
    );
}

#[test]
fn what_happens_when_nothing_decides() {
    let undecided = update("", "8", "7");
    for (unresolved, stands) in [
        (Unresolved::Park, "?"),
        (Unresolved::HeadWins, "8"),
        (Unresolved::IncomingWins, "7"),
        (Unresolved::LastWriteWins, "7"),
    ] {
        let policy = StorePolicy { unresolved, ..by(Resolver::Delta) };
        assert_eq!(undecided.stands(&policy), stands, "{unresolved:?}");
        let reason = undecided.resolved(&policy).reason;
        assert_eq!(reason, Some("delta needs to know what the change started from"));
    }
    let policy = StorePolicy { unresolved: Unresolved::Fail, ..by(Resolver::Delta) };
    assert!(undecided.resolved(&policy).refused);
}

#[test]
fn what_loses_is_kept() {
    let lost = |resolver, base: &str, head: &str, incoming: &str| {
        let found = update(base, head, incoming).resolved(&by(resolver));
        (found.head_lost, found.incoming_lost)
    };
    assert_eq!(lost(Resolver::HeadWins, "", "1", "2"), (false, true));
    assert_eq!(lost(Resolver::IncomingWins, "", "1", "2"), (true, false));
    assert_eq!(lost(Resolver::Park, "", "1", "2"), (false, true));
    assert_eq!(lost(Resolver::Skip, "", "1", "2"), (false, true));
    assert_eq!(
        lost(Resolver::Delta, "10", "8", "7"),
        (false, false),
        "both changes are in the sum"
    );
    assert_eq!(lost(Resolver::SetUnion, "", "[1]", "[2]"), (false, false));
    assert_eq!(lost(Resolver::Immutable, "1", "2", "3"), (true, true));
    assert_eq!(lost(Resolver::Max { by: None }, "", "1", "2"), (true, false));
    let two = Resolver::AppendUnique { key: path("id"), order_by: None };
    assert_eq!(lost(two, "", r#"[{"id":1,"x":1},{"id":2}]"#, r#"[{"id":1,"x":2}]"#), (true, true));
}

#[test]
fn the_first_rule_whose_condition_holds_decides() {
    let rule = |name: &str, types: &[ConflictType], then| Rule {
        name: name.into(),
        types: types.to_vec(),
        when: None,
        then,
    };
    let policy = StorePolicy {
        rules: vec![
            rule("data/deletes", &[ConflictType::UpdateDelete], Resolver::HeadWins),
            rule("data/first", &[ConflictType::UpdateUpdate], Resolver::HeadWins),
            rule("data/second", &[ConflictType::UpdateUpdate], Resolver::IncomingWins),
        ],
        ..by(Resolver::Park)
    };
    let found = update("", "1", "2").resolved(&policy);
    assert_eq!((found.winner, &*found.rule), (Winner::Head, "data/first"));
    let other = Case { kind: ConflictType::InsertInsert, ..update("", "1", "2") };
    assert_eq!(other.stands(&policy), "?", "no rule is for this type");
}

#[test]
fn a_condition_that_cannot_be_evaluated_decides_nothing() {
    let when = Some(Expression::compile("head.missing.deeper == 1.0", Wanted::Condition).unwrap());
    let rule = Rule {
        name: "data/odd".into(),
        types: vec![ConflictType::UpdateUpdate],
        when,
        then: Resolver::IncomingWins,
    };
    let policy = StorePolicy { rules: vec![rule], ..by(Resolver::IncomingWins) };
    let found = update("", "{}", r#"{"x":1}"#).resolved(&policy);
    assert_eq!((found.winner, &*found.rule), (Winner::Nobody, "data/odd"));
    assert!(found.reason.is_some());
}
