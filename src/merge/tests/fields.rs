//! Rules for single fields and for groups.

use super::*;
use crate::policy::{Arrays, ThreeWay};

fn with(resolver: Resolver, fields: Vec<FieldRule>) -> StorePolicy {
    StorePolicy { fields, ..by(resolver) }
}

fn three_way() -> Resolver {
    Resolver::ThreeWay(ThreeWay::default())
}

#[test]
fn every_resolver_of_fields() {
    let states = vec![b"\"new\"".to_vec(), b"\"paid\"".to_vec()];
    let rows: Vec<(Resolver, &str, &str, &str, &str)> = vec![
        (Resolver::LastWriteWins, "1", "2", "3", "3"),
        (Resolver::FirstWriteWins, "1", "2", "3", "2"),
        (Resolver::IncomingWins, "1", "2", "3", "3"),
        (Resolver::IncomingWins, "1", "2", "1", "2"),
        (Resolver::HeadWins, "1", "2", "3", "2"),
        (Resolver::HeadWins, "2", "2", "3", "3"),
        (Resolver::Delta, "10", "8", "7", "5"),
        (Resolver::Max { by: None }, "9", "7", "9", "9"),
        (Resolver::Min { by: None }, "1", "7", "9", "7"),
        (Resolver::SetUnion, "[1,2]", "[1]", "[2,3]", "[1,2,3]"),
        (Resolver::Order(states), "\"new\"", "\"paid\"", "\"new\"", "\"paid\""),
        (Resolver::Immutable, "1", "1", "2", "1"),
        (Resolver::Park, "1", "2", "3", "?"),
        (
            Resolver::ThreeWay(ThreeWay { arrays: Arrays::Set, ..ThreeWay::default() }),
            "[1,2]",
            "[2]",
            "[1,2,3]",
            "[2,3]",
        ),
    ];
    for (resolver, base, head, incoming, expected) in rows {
        let object = |value: &str| format!(r#"{{"f":{value},"z":1}}"#);
        let (base, head, incoming) = (object(base), object(head), object(incoming));
        let expected = if expected == "?" { "?".to_owned() } else { object(expected) };
        let case = update(&base, &head, &incoming);
        let policy = with(three_way(), vec![field("f", resolver.clone())]);
        assert_eq!(case.stands(&policy), expected, "{resolver:?}: {base} {head} {incoming}");
    }
    let failing = with(three_way(), vec![field("f", Resolver::Fail)]);
    assert!(update(r#"{"f":1}"#, r#"{"f":2}"#, r#"{"f":3}"#).resolved(&failing).refused);
}

#[test]
fn the_rest_goes_by_the_records_resolver() {
    let policy = with(
        Resolver::HeadWins,
        vec![field("stock", Resolver::Delta), field("a.b", Resolver::Max { by: None })],
    );
    let case = update(
        r#"{"a":{"b":1,"c":1},"note":"","stock":10}"#,
        r#"{"a":{"b":2,"c":2},"note":"h","stock":8}"#,
        r#"{"a":{"b":3,"c":3},"note":"i","stock":7}"#,
    );
    assert_eq!(case.stands(&policy), r#"{"a":{"b":3,"c":2},"note":"h","stock":5}"#);
    let found = case.resolved(&policy);
    let fields: Vec<_> =
        found.fields.iter().map(|it| (&*it.field, it.resolver, it.winner)).collect();
    assert_eq!(fields, [("a.b", "max", Winner::Incoming), ("stock", "delta", Winner::Merged)]);
    assert!(found.incoming_lost, "its note is not in it");
}

#[test]
fn a_field_without_a_base_needs_none_where_its_rule_needs_none() {
    let policy = with(three_way(), vec![field("tags", Resolver::SetUnion)]);
    let case = update("", r#"{"tags":[1],"x":1}"#, r#"{"tags":[2],"x":2}"#);
    assert_eq!(case.stands(&policy), r#"{"tags":[1,2],"x":2}"#);
}

#[test]
fn a_group_is_taken_from_one_side() {
    let group = |resolver| FieldRule {
        name: "address".into(),
        paths: vec![path("city"), path("street"), path("moved")],
        resolver,
    };
    let policy = with(three_way(), vec![group(Resolver::Max { by: Some(path("moved")) })]);
    let case = update(
        r#"{"city":"A","moved":1,"street":"a"}"#,
        r#"{"city":"B","moved":3,"street":"a"}"#,
        r#"{"city":"A","moved":2,"street":"c"}"#,
    );
    assert_eq!(
        case.stands(&policy),
        r#"{"city":"B","moved":3,"street":"a"}"#,
        "no street of one and city of the other"
    );
    // Only one side changed the group, so there is nothing to decide.
    let policy = with(three_way(), vec![group(Resolver::HeadWins)]);
    let alone = update(
        r#"{"city":"A","moved":1,"street":"a","x":1}"#,
        r#"{"city":"A","moved":1,"street":"a","x":2}"#,
        r#"{"city":"C","moved":2,"street":"c","x":1}"#,
    );
    assert_eq!(alone.stands(&policy), r#"{"city":"C","moved":2,"street":"c","x":2}"#);
    // A resolver that computes values is applied to each field separately.
    let policy = with(
        three_way(),
        vec![FieldRule { paths: vec![path("a"), path("b")], ..group(Resolver::Delta) }],
    );
    let sums = update(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":3}"#, r#"{"a":5,"b":7}"#);
    assert_eq!(sums.stands(&policy), r#"{"a":6,"b":9}"#);
}

#[test]
fn a_field_that_cannot_be_decided_parks_the_record_or_goes_by_the_unresolved_action() {
    let case = update(r#"{"n":1,"x":1}"#, r#"{"n":"a","x":2}"#, r#"{"n":"b","x":1}"#);
    let policy = with(three_way(), vec![field("n", Resolver::Delta)]);
    assert_eq!(case.stands(&policy), "?");
    let policy = StorePolicy { unresolved: crate::policy::Unresolved::HeadWins, ..policy };
    assert_eq!(case.stands(&policy), r#"{"n":"a","x":2}"#);
}

#[test]
fn the_same_change_twice_is_two_changes_to_a_sum() {
    let policy =
        with(three_way(), vec![field("stock", Resolver::Delta), field("a.n", Resolver::Delta)]);
    let case = update(
        r#"{"a":{"n":5},"stock":10,"x":1}"#,
        r#"{"a":{"n":4},"stock":8,"x":1}"#,
        r#"{"a":{"n":4},"stock":8,"x":1}"#,
    );
    assert_eq!(case.stands(&policy), r#"{"a":{"n":3},"stock":6,"x":1}"#);
    let none = update(r#"{"stock":8}"#, r#"{"stock":8}"#, r#"{"stock":8}"#);
    assert_eq!(none.stands(&policy), r#"{"stock":8}"#);
}

#[test]
fn fields_inside_keep_to_their_rules_where_the_object_is_new_or_on_one_side_only() {
    let policy = with(three_way(), vec![field("a.n", Resolver::Max { by: None })]);
    let inserted = Case {
        kind: ConflictType::InsertInsert,
        ..update("!", r#"{"a":{"n":9}}"#, r#"{"a":{"n":3}}"#)
    };
    assert_eq!(inserted.stands(&policy), r#"{"a":{"n":9}}"#);
    assert_eq!(
        update("{}", r#"{"a":{"n":9}}"#, r#"{"a":{"n":3}}"#).stands(&policy),
        r#"{"a":{"n":9}}"#
    );
    let whole = with(Resolver::IncomingWins, vec![field("a.n", Resolver::Max { by: None })]);
    assert_eq!(
        update("", r#"{"a":{"m":1,"n":9}}"#, r#"{"b":1}"#).stands(&whole),
        r#"{"a":{"n":9},"b":1}"#
    );
}

#[test]
fn an_object_of_many_contested_members_is_no_trap() {
    let many = |value: u8| {
        let members: Vec<_> = (0..20_000).map(|n| format!(r#""m{n:05}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let (base, head, incoming) = (many(0), many(1), many(2));
    let found = update(&base, &head, &incoming).resolved(&with(three_way(), Vec::new()));
    assert_eq!(found.fields.len(), crate::merge::MAX_DECISIONS);
}
