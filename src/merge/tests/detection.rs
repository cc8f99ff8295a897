//! Tests of detection: which change is in conflict, and of which type.

use super::super::{Base, Detection, Judgement, Sides, Standing, detect, judge};
use super::*;
use crate::normalize::Claim;
use crate::policy::Detect;

/// Enumerates the truth table of the built-in default: head × incoming × source × claim.
#[test]
fn base_revision_enumerated() {
    let policy = StorePolicy::builtin();
    let heads = ["", "1", "-"];
    let states = ["1", "2", "-"];
    let claims = [
        Claim::None,
        Claim::Version(version(4)),
        Claim::Version(version(5)),
        Claim::Version(version(6)),
        Claim::Value(b"1".as_slice().into()),
        Claim::Value(b"3".as_slice().into()),
        Claim::Absent,
    ];
    // One row for each head and state, one column for each claim by another source: E equal, F
    // fast-forward, C conflict.
    let expected = [
        ["FFFFFFF", "FFFFFFF", "FFFFFFF"],
        ["EEEEEEE", "CCFFFCC", "CCFFFCC"],
        ["CCFFCCF", "CCFFCCF", "EEEEEEE"],
    ];
    for (head_text, rows) in heads.iter().zip(expected) {
        for (text, row) in states.iter().zip(rows) {
            for (claim, letter) in claims.iter().zip(row.chars()) {
                let line = (!head_text.is_empty()).then(|| head(head_text));
                let found = |by| {
                    let change = Incoming { by: source(by), ..incoming(text, None) };
                    detect(&policy, line.as_ref(), &change, claim, &Standing::default())
                };
                let wanted = match letter {
                    'E' => Detection::Equal,
                    'F' => Detection::FastForward,
                    _ => Detection::Suspect { follows: false },
                };
                assert_eq!(found("a"), wanted, "head {head_text} incoming {text} claim {claim:?}");
                // The source that wrote head is never in conflict with itself.
                let wanted =
                    if wanted == Detection::Equal { wanted } else { Detection::FastForward };
                assert_eq!(
                    found("b"),
                    wanted,
                    "own: head {head_text} incoming {text} claim {claim:?}"
                );
            }
        }
    }
}

/// Returns the combined result of [`detect`] and [`judge`]; `base` is what the claim refers to.
fn judged(
    policy: &StorePolicy,
    head_text: &str,
    change: &Incoming,
    claim: &Claim,
    base: Base<'_>,
    standing: &Standing,
) -> String {
    let line = (!head_text.is_empty()).then(|| head(head_text));
    let follows = match detect(policy, line.as_ref(), change, claim, standing) {
        Detection::Equal => return "equal".to_owned(),
        Detection::FastForward => return "follows".to_owned(),
        Detection::Suspect { follows } => follows,
    };
    let (store, key) = ("data".into(), sortable_string("k"));
    let sides = Sides {
        kind: ConflictType::UpdateUpdate,
        store: &store,
        key: &key,
        head: line.as_ref(),
        head_value: line.as_ref().and_then(|line| {
            if let LineState::Put(value) = &line.state { Some(&**value) } else { None }
        }),
        incoming: change,
        base,
        received_at: 1_000,
    };
    match judge(policy, &sides, claim, standing, follows) {
        Judgement::FastForward => "follows".to_owned(),
        Judgement::Merged(value) => String::from_utf8(value).unwrap(),
        Judgement::Conflict { kind, .. } => kind.name().to_owned(),
    }
}

#[test]
fn types() {
    let policy = by(Resolver::Park);
    let none = Standing::default();
    let v = Claim::Version(version(4));
    let judge = |head: &str, change: &str, claim: &Claim, base| {
        judged(&policy, head, &incoming(change, None), claim, base, &none)
    };
    assert_eq!(judge("1", "2", &v, Base::Value(b"0")), "update-update");
    assert_eq!(judge("1", "2", &Claim::None, Base::Unknown), "update-update");
    assert_eq!(judge("1", "2", &v, Base::Absent), "insert-insert");
    assert_eq!(judge("1", "2", &Claim::Absent, Base::Absent), "insert-insert");
    assert_eq!(judge("1", "-", &v, Base::Value(b"0")), "update-delete");
    assert_eq!(judge("-", "2", &v, Base::Value(b"0")), "delete-update");
    assert_eq!(judge("-", "2", &Claim::None, Base::Unknown), "update-recently-deleted");
    assert_eq!(judge("", "-", &Claim::None, Base::Unknown), "delete-missing");
    assert_eq!(
        judge("", "2", &Claim::Value(b"0".as_slice().into()), Base::Value(b"0")),
        "update-missing"
    );
    assert_eq!(judge("", "2", &Claim::None, Base::Unknown), "follows", "an insertion");
    assert_eq!(judge("", "2", &v, Base::Value(b"0")), "follows", "nothing was forgotten");
}

#[test]
fn what_was_forgotten_is_not_inserted_again() {
    let policy = by(Resolver::Park);
    let standing = Standing { forgotten: Some(version(10)), stale: true, ..Standing::default() };
    let judge =
        |claim: &Claim, base| judged(&policy, "", &incoming("2", None), claim, base, &standing);
    assert_eq!(judge(&Claim::Version(version(4)), Base::Value(b"0")), "update-missing");
    assert_eq!(judge(&Claim::Version(version(4)), Base::Unknown), "update-missing");
    assert_eq!(
        judge(&Claim::Version(version(4)), Base::Absent),
        "follows",
        "it was not there in version 4"
    );
    assert_eq!(
        judge(&Claim::Version(version(10)), Base::Value(b"0")),
        "follows",
        "nothing after it is forgotten"
    );
    assert_eq!(
        judge(&Claim::None, Base::Unknown),
        "update-missing",
        "the source was away for too long"
    );
    assert_eq!(judge(&Claim::Absent, Base::Absent), "follows", "it says that it inserts");
    let fresh = Standing { stale: false, ..standing };
    assert_eq!(
        judged(&policy, "", &incoming("2", None), &Claim::None, Base::Unknown, &fresh),
        "follows"
    );
}

#[test]
fn a_schema_that_is_not_accepted_comes_first() {
    let policy = by(Resolver::Park);
    for kind in [ConflictType::SchemaNewer, ConflictType::SchemaOlder] {
        let standing = Standing { schema: Some(kind), ..Standing::default() };
        for (head, change) in [("1", "2"), ("", "2"), ("", "-"), ("-", "2")] {
            let change = incoming(change, None);
            assert_eq!(
                judged(&policy, head, &change, &Claim::None, Base::Unknown, &standing),
                kind.name()
            );
        }
        assert_eq!(
            judged(&policy, "1", &incoming("1", None), &Claim::None, Base::Unknown, &standing),
            "equal"
        );
    }
}

#[test]
fn a_sources_own_earlier_change_is_out_of_order() {
    let policy = by(Resolver::Park);
    let own = |clock| Incoming { by: source("b"), ..incoming("2", clock) };
    let judge = |policy, change: &Incoming, standing: &Standing| {
        judged(policy, "1", change, &Claim::None, Base::Unknown, standing)
    };
    let none = Standing::default();
    assert_eq!(judge(&policy, &own(Some(99)), &none), "out-of-order");
    assert_eq!(judge(&policy, &own(Some(100)), &none), "follows");
    assert_eq!(judge(&policy, &own(None), &none), "follows");
    assert_eq!(
        judge(&policy, &own(Some(99)), &Standing { sequenced: true, ..none.clone() }),
        "follows"
    );
    assert_eq!(judge(&StorePolicy::builtin(), &own(Some(99)), &none), "follows");
}

#[test]
fn changed_fields_conflict_only_where_both_changed_one() {
    let policy = StorePolicy { detect: Detect::ChangedFields, ..StorePolicy::unsaid() };
    let judge = |head: &str, change: &str, base| {
        judged(
            &policy,
            head,
            &incoming(change, None),
            &Claim::Version(version(4)),
            base,
            &Standing::default(),
        )
    };
    let base = Base::Value(br#"{"x":1,"y":1}"#);
    assert_eq!(judge(r#"{"x":2,"y":1}"#, r#"{"x":1,"y":2}"#, base), r#"{"x":2,"y":2}"#);
    assert_eq!(judge(r#"{"x":2,"y":1}"#, r#"{"x":3,"y":2}"#, base), "update-update");
    assert_eq!(judge(r#"{"x":2,"y":1}"#, r#"{"x":1,"y":2}"#, Base::Unknown), "update-update");
    assert_eq!(judge(r#"{"x":2,"y":1}"#, "-", base), "update-delete");
}

#[test]
fn changed_fields_keep_groups_and_sums_together() {
    let group = FieldRule {
        name: "address".into(),
        paths: vec![path("x"), path("y")],
        resolver: Resolver::HeadWins,
    };
    let judge = |rule: FieldRule, head: &str, change: &str| {
        let policy = StorePolicy {
            detect: Detect::ChangedFields,
            fields: vec![rule],
            ..StorePolicy::unsaid()
        };
        let base = Base::Value(br#"{"x":1,"y":1,"z":1}"#);
        let claim = Claim::Version(version(4));
        judged(&policy, head, &incoming(change, None), &claim, base, &Standing::default())
    };
    let (head, change) = (r#"{"x":2,"y":1,"z":1}"#, r#"{"x":1,"y":2,"z":1}"#);
    assert_eq!(judge(group, head, change), "update-update", "one changed x, one y, of one group");
    let stock = || field("x", Resolver::Delta);
    assert_eq!(judge(stock(), r#"{"x":2,"y":1,"z":1}"#, r#"{"x":2,"y":1,"z":2}"#), "update-update");
    assert_eq!(judge(stock(), r#"{"x":2,"y":1,"z":1}"#, r#"{"x":2,"y":1,"z":1}"#), "update-update");
    assert_eq!(
        judge(stock(), r#"{"x":2,"y":1,"z":1}"#, r#"{"x":1,"y":1,"z":2}"#),
        r#"{"x":2,"y":1,"z":2}"#
    );
}

#[test]
fn clocks_and_fields_that_say_what_follows() {
    let none = Standing::default();
    let v = Claim::Version(version(5));
    let of = |detect: Detect, head: &str, change: &str, clock, claim: &Claim, base| {
        judged(
            &StorePolicy { detect, ..StorePolicy::unsaid() },
            head,
            &incoming(change, clock),
            claim,
            base,
            &none,
        )
    };
    // Head was written at time 100.
    assert_eq!(of(Detect::Clock, "1", "2", Some(101), &Claim::None, Base::Unknown), "follows");
    assert_eq!(
        of(Detect::Clock, "1", "2", Some(100), &v, Base::Value(b"1")),
        "update-update",
        "its base does not count"
    );
    assert_eq!(
        of(Detect::Clock, "1", "2", None, &v, Base::Value(b"1")),
        "follows",
        "without a clock its base does"
    );
    let number = |head: &str, change: &str, base| {
        of(Detect::VersionField(path("v")), head, change, None, &v, base)
    };
    assert_eq!(number(r#"{"v":5}"#, r#"{"v":6}"#, Base::Unknown), "follows");
    assert_eq!(number(r#"{"v":5}"#, r#"{"v":7}"#, Base::Unknown), "update-update");
    assert_eq!(number(r#"{"v":5}"#, r#"{"v":5,"x":1}"#, Base::Unknown), "update-update");
    assert_eq!(
        number(r#"{"v":5}"#, r#"{"v":7}"#, Base::Value(br#"{"v":5}"#)),
        "follows",
        "two changes offline"
    );
    assert_eq!(number(r#"{"v":5}"#, r#"{"v":6}"#, Base::Value(br#"{"v":4}"#)), "update-update");
    assert_eq!(number(r#"{"v":5}"#, "{}", Base::Unknown), "follows", "no number: its base counts");
    let time = |head: &str, change: &str, base| {
        of(Detect::TimestampField(path("t")), head, change, None, &Claim::None, base)
    };
    let at = |ms: u8| format!(r#"{{"t":{{"~date":{ms}}}}}"#);
    assert_eq!(time(&at(5), &at(6), Base::Unknown), "follows");
    assert_eq!(time(&at(6), &at(5), Base::Unknown), "update-update");
    let before = at(4);
    assert_eq!(time(&at(5), &at(9), Base::Value(before.as_bytes())), "update-update");
    assert_eq!(time(&at(5), r#"{"t":9}"#, Base::Unknown), "update-update", "a number is no Date");
}

#[test]
fn immutable_fields_are_looked_at_in_every_change() {
    let policy =
        StorePolicy { fields: vec![field("id", Resolver::Immutable)], ..StorePolicy::unsaid() };
    let judge = |change: &str| {
        let claim = Claim::Version(version(5));
        judged(
            &policy,
            r#"{"id":1,"x":1}"#,
            &incoming(change, None),
            &claim,
            Base::Value(br#"{"id":1,"x":1}"#),
            &Standing::default(),
        )
    };
    assert_eq!(judge(r#"{"id":1,"x":2}"#), "follows");
    assert_eq!(judge(r#"{"id":2,"x":1}"#), "update-update");
    assert_eq!(judge(r#"{"x":1}"#), "update-update");
}

#[test]
fn commutative_policies_judge_every_change() {
    let policy = StorePolicy { commutative: true, ..by(Resolver::LastWriteWins) };
    let own = Incoming { by: source("b"), ..incoming("2", Some(99)) };
    let claim = Claim::Version(version(9));
    assert_eq!(
        judged(&policy, "1", &own, &claim, Base::Value(b"1"), &Standing::default()),
        "update-update"
    );
}
