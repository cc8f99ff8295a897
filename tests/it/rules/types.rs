//! For every type of conflict: the lines that make it, and what each resolver that may serve it leaves behind.

use super::*;

/// Lines of source `a` in one batch, then of `b` in another, and what stands of record 1; `-` is a tombstone, nothing is
/// nothing. The conflict's line must say who won, and hold what lost.
struct Scenario {
    kind: ConflictType,
    before: Vec<(From<'static>, Vec<String>)>,
    last: (From<'static>, Vec<String>),
    head: &'static str,
    incoming: &'static str,
}

fn scenarios() -> Vec<Scenario> {
    use ConflictType as T;
    let base_1 = From { more: r#","base":1"#, ..from("b") };
    let (a, b) = (|| from("a"), || from("b"));
    vec![
        Scenario {
            kind: T::InsertInsert,
            before: vec![(a(), vec![put(1, r#"{"x":1}"#)])],
            last: (b(), vec![put_with(1, r#"{"x":2}"#, r#""base":{"absent":true}"#)]),
            head: r#"{"x":1}"#,
            incoming: r#"{"x":2}"#,
        },
        Scenario {
            kind: T::UpdateUpdate,
            before: vec![
                (a(), vec![put(1, r#"{"x":0}"#)]),
                (from("c"), vec![put_with(1, r#"{"x":1}"#, r#""base":1"#)]),
            ],
            last: (base_1.clone(), vec![put(1, r#"{"x":2}"#)]),
            head: r#"{"x":1}"#,
            incoming: r#"{"x":2}"#,
        },
        Scenario {
            kind: T::UpdateDelete,
            before: vec![
                (a(), vec![put(1, "0")]),
                (from("c"), vec![put_with(1, "1", r#""base":1"#)]),
            ],
            last: (base_1.clone(), vec![delete(1, "")]),
            head: "1",
            incoming: "-",
        },
        Scenario {
            kind: T::DeleteUpdate,
            before: vec![(a(), vec![put(1, "0")]), (from("c"), vec![delete(1, r#","base":1"#)])],
            last: (base_1.clone(), vec![put(1, "2")]),
            head: "-",
            incoming: "2",
        },
        Scenario {
            kind: T::UpdateRecentlyDeleted,
            before: vec![(a(), vec![put(1, "0")]), (a(), vec![delete(1, "")])],
            last: (b(), vec![put(1, "2")]),
            head: "-",
            incoming: "2",
        },
        Scenario {
            kind: T::UpdateMissing,
            before: vec![(a(), vec![put(9, "9")])],
            last: (b(), vec![put_with(1, "2", r#""base":{"value":1}"#)]),
            head: "",
            incoming: "2",
        },
        Scenario {
            kind: T::DeleteMissing,
            before: vec![(a(), vec![put(9, "9")])],
            last: (b(), vec![delete(1, "")]),
            head: "",
            incoming: "-",
        },
        Scenario {
            kind: T::SchemaNewer,
            before: vec![(a(), vec![put(1, "1")])],
            last: (From { schema: 2, more: r#","base":1"#, ..b() }, vec![put(1, "2")]),
            head: "1",
            incoming: "2",
        },
        Scenario {
            kind: T::SchemaOlder,
            before: vec![(From { schema: 2, ..a() }, vec![put(1, "1")])],
            last: (From { schema: 1, more: r#","base":1"#, ..b() }, vec![put(1, "2")]),
            head: "1",
            incoming: "2",
        },
        Scenario {
            kind: T::OutOfOrder,
            before: vec![(b(), vec![put_with(1, "1", r#""at":500"#)])],
            last: (b(), vec![put_with(1, "2", r#""at":400"#)]),
            head: "1",
            incoming: "2",
        },
    ]
}

/// What stands of record 1, what is kept of the conflict, whether the batch was refused.
fn play(
    scenario: &Scenario,
    resolver: Resolver,
) -> Result<(String, Option<Value>, Lab), SyncError> {
    let lab = Lab::deciding(scenario.kind, resolver);
    for (from, lines) in &scenario.before {
        assert_eq!(lab.ok(from, lines).conflicts, 0, "{}", scenario.kind.name());
    }
    let (from, lines) = &scenario.last;
    let version = lab.send(from, lines)?.0.version.unwrap();
    let conflict = lab.conflicts().remove(&format!(r#"[{version},"data",1]"#));
    Ok((lab.data().remove("1").unwrap_or_default(), conflict, lab))
}

#[test]
fn every_type_and_every_resolver_that_leaves_a_whole_side() {
    for scenario in scenarios() {
        let kind = scenario.kind;
        let (head, incoming) = (scenario.head, scenario.incoming);
        for (resolver, stands, winner) in [
            (Resolver::IncomingWins, incoming, "incoming"),
            (Resolver::HeadWins, head, "head"),
            (Resolver::Skip, head, "head"),
            (Resolver::Park, head, "none"),
        ] {
            if !resolver.kind().serves(kind) {
                continue;
            }
            let name = resolver.kind().name();
            let (found, conflict, _) = play(&scenario, resolver).unwrap();
            assert_eq!(found, stands, "{} by {name}", kind.name());
            let conflict =
                conflict.unwrap_or_else(|| panic!("{} by {name} leaves no line", kind.name()));
            assert_eq!(conflict["type"], kind.name());
            assert_eq!(
                (conflict["winner"].as_str(), conflict["rule"].as_str()),
                (Some(winner), Some(&*format!("data/{name}")))
            );
            let (lost, side) =
                if winner == "incoming" { (head, "head") } else { (incoming, "incoming") };
            let kept = &conflict[side]["value"];
            let expected: Value = if matches!(lost, "" | "-") {
                Value::Null
            } else {
                serde_json::from_str(lost).unwrap()
            };
            assert_eq!(*kept, expected, "{} by {name}: the losing side is whole", kind.name());
        }
        if Resolver::LastWriteWins.kind().serves(kind) {
            // Without a clock what arrives is later; with one, both are looked at.
            let later = if kind == ConflictType::OutOfOrder { head } else { incoming };
            assert_eq!(
                play(&scenario, Resolver::LastWriteWins).unwrap().0,
                later,
                "{}",
                kind.name()
            );
            let earlier = if kind == ConflictType::OutOfOrder { incoming } else { head };
            assert_eq!(
                play(&scenario, Resolver::FirstWriteWins).unwrap().0,
                earlier,
                "{}",
                kind.name()
            );
        }
        let refused = play(&scenario, Resolver::Fail);
        let Err(SyncError::Policy { kind: named, .. }) = refused.map(|_| ()) else {
            panic!("{} does not fail", kind.name())
        };
        assert_eq!(named, kind.name());
    }
}

#[test]
fn every_type_but_the_index_has_a_scenario() {
    let played: Vec<_> = scenarios().iter().map(|scenario| scenario.kind).collect();
    let missing: Vec<_> = ConflictType::ALL.iter().filter(|kind| !played.contains(kind)).collect();
    assert_eq!(missing, [&ConflictType::UniqueIndex]);
}

#[test]
fn a_schema_that_is_accepted_is_merged_by_the_ordinary_rules() {
    for scenario in scenarios() {
        if !Resolver::Accept.kind().serves(scenario.kind) {
            continue;
        }
        let (stands, conflict, lab) = play(&scenario, Resolver::Accept).unwrap();
        assert_eq!((stands.as_str(), conflict), ("2", None), "{}", scenario.kind.name());
        assert_eq!(lab.store.head(&flow()).unwrap().unwrap().manifest.database_version, 2);
    }
}

#[test]
fn a_schema_that_is_parked_does_not_come_in() {
    let lab = Lab::deciding(ConflictType::SchemaNewer, Resolver::Park);
    lab.ok(&from("a"), &[put(1, "1"), put(2, "2")]);
    let clear = r#"{"op":"clear","store":"data"}"#.to_owned();
    let summary = lab.ok(&From { schema: 2, ..from("b") }, &[clear, put(3, "3")]);
    assert_eq!((summary.conflicts, summary.parked, summary.deleted, summary.put), (3, 3, 0, 0));
    let head = lab.store.head(&flow()).unwrap().unwrap().manifest;
    assert_eq!((head.database_version, head.stores[0].schema.indexes.len()), (1, 0));
    assert_eq!(lab.data(), map(&[("1", "1"), ("2", "2")]));
}

#[test]
fn parked_records_block_nothing_else() {
    let lab = Lab::deciding(ConflictType::UpdateUpdate, Resolver::Park);
    lab.ok(&from("a"), &[put(1, r#"{"x":0}"#), put(2, r#"{"x":0}"#)]);
    lab.ok(&From { more: r#","base":1"#, ..from("c") }, &[put(1, r#"{"x":1}"#)]);
    let (summary, report) = lab
        .send(
            &From { more: r#","base":1"#, ..from("b") },
            &[put(1, r#"{"x":2}"#), put(2, r#"{"x":2}"#)],
        )
        .unwrap();
    assert_eq!((summary.put, summary.conflicts, summary.parked), (1, 1, 1));
    assert_eq!(lab.data(), map(&[("1", r#"{"x":1}"#), ("2", r#"{"x":2}"#)]));
    let parked = &report[0];
    assert_eq!(
        (parked["type"].as_str(), parked["winner"].as_str()),
        (Some("conflict"), Some("none"))
    );
    assert_eq!(parked["reason"], "the policy leaves it to a person");
    // The source hears what stands.
    assert_eq!(report[1]["line"]["value"]["x"], 1);
    let conflict = &lab.conflicts()[r#"[3,"data",1]"#];
    assert_eq!(
        conflict["baseValue"]["x"], 0,
        "what both started from is there for whoever decides"
    );
}

/// Two records of `a` and `b` would have one mail address.
fn mail(address: &str) -> String {
    format!(r#"{{"mail":"{address}"}}"#)
}

#[test]
fn a_key_in_a_unique_index_is_had_once() {
    for (resolver, stands, winner, parked) in [
        (Resolver::HeadWins, map(&[("1", &mail("x")), ("3", &mail("z"))]), "head", 0),
        (Resolver::Park, map(&[("1", &mail("x")), ("3", &mail("z"))]), "none", 1),
        (
            Resolver::IncomingWins,
            map(&[("1", "-"), ("2", &mail("x")), ("3", &mail("z"))]),
            "incoming",
            0,
        ),
        (
            Resolver::LastWriteWins,
            map(&[("1", "-"), ("2", &mail("x")), ("3", &mail("z"))]),
            "incoming",
            0,
        ),
        (Resolver::FirstWriteWins, map(&[("1", &mail("x")), ("3", &mail("z"))]), "head", 0),
    ] {
        let name = resolver.kind().name();
        let lab = Lab::deciding(ConflictType::UniqueIndex, resolver);
        lab.ok(&From { schema: 2, received_at: 900, ..from("a") }, &[put(1, &mail("x"))]);
        let summary =
            lab.ok(&From { schema: 2, ..from("b") }, &[put(2, &mail("x")), put(3, &mail("z"))]);
        assert_eq!(lab.data(), stands, "{name}");
        assert_eq!((summary.conflicts, summary.parked), (1, parked), "{name}");
        let conflicts = lab.conflicts();
        let (_, conflict) = conflicts.first_key_value().unwrap();
        assert_eq!(
            (conflict["type"].as_str(), conflict["winner"].as_str()),
            (Some("unique-index"), Some(winner))
        );
        let side = if winner == "incoming" { "head" } else { "incoming" };
        assert_eq!(conflict[side]["value"]["mail"], "x", "{name}: what lost is whole");
        assert_eq!(
            conflict["other"],
            if winner == "incoming" { 2 } else { 1 },
            "{name}: who has the index key"
        );
    }
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::Fail);
    lab.ok(&From { schema: 2, ..from("a") }, &[put(1, &mail("x"))]);
    let refused = lab.send(&From { schema: 2, ..from("b") }, &[put(2, &mail("x"))]).map(|_| ());
    assert!(matches!(refused, Err(SyncError::Policy { kind: "unique-index", .. })));
}

#[test]
fn index_keys_that_move_are_no_collision_and_what_stays_behind_is_one() {
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::HeadWins);
    let a = From { schema: 2, more: r#","base":1"#, ..from("a") };
    lab.ok(
        &From { schema: 2, ..from("a") },
        &[put(1, &mail("x")), put(2, &mail("y")), put(3, &mail("z"))],
    );
    assert_eq!(lab.ok(&a, &[put(1, &mail("y")), put(2, &mail("x"))]).conflicts, 0, "swapped");
    assert_eq!(lab.ok(&a, &[delete(3, ""), put(4, &mail("z"))]).conflicts, 0, "handed on");
    // 5 may not have x, which 2 has: so 2's new address is free, but its old one is not given up by 6's wish.
    let summary = lab.ok(&a, &[put(2, &mail("y")), put(5, &mail("x"))]);
    assert_eq!(summary.conflicts, 2, "2 may not have y, so it keeps x, and 5 may not have it");
    assert_eq!(
        lab.data(),
        map(&[("1", &mail("y")), ("2", &mail("x")), ("3", "-"), ("4", &mail("z"))])
    );
    // Two of one batch.
    assert_eq!(lab.ok(&a, &[put(7, &mail("n")), put(8, &mail("n"))]).conflicts, 1);
    assert_eq!((lab.data().get("7"), lab.data().get("8")), (Some(&mail("n")), None));
    assert_eq!(lab.conflicts().last_key_value().unwrap().1["other"], 7);
}

#[test]
fn without_a_word_in_the_policy_what_comes_second_waits() {
    for (policy, rule) in
        [(StorePolicy::unsaid(), "defaults/park"), (StorePolicy::builtin(), "default/park")]
    {
        let lab = Lab::with(Policy { default: policy, ..Policy::default() });
        lab.ok(&From { schema: 2, ..from("a") }, &[put(1, &mail("x"))]);
        assert_eq!(lab.ok(&From { schema: 2, ..from("b") }, &[put(2, &mail("x"))]).parked, 1);
        let conflicts = lab.conflicts();
        assert_eq!(conflicts[r#"[2,"data",2]"#]["rule"], rule);
        // A page whose schema has no such index yet is held to head's.
        assert_eq!(lab.ok(&from("c"), &[put(3, &mail("x"))]).parked, 1);
    }
}

#[test]
fn a_change_takes_all_index_keys_that_it_wants_or_none() {
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::LastWriteWins);
    let value = |mail: &str, tel: &str| format!(r#"{{"mail":"{mail}","tel":"{tel}"}}"#);
    let two = |source, received_at| From { schema: 3, received_at, ..from(source) };
    lab.ok(
        &two("a", 2_000),
        &[
            put_with(1, &value("e1", "p1"), r#""at":1"#),
            put_with(2, &value("e2", "p2"), r#""at":100"#),
        ],
    );
    // It is later than 1, and earlier than 2.
    let summary = lab.ok(&two("b", 2_000), &[put_with(9, &value("e1", "p2"), r#""at":50"#)]);
    assert_eq!((summary.conflicts, summary.deleted, summary.put), (1, 0, 0));
    assert_eq!(lab.data().len(), 2, "1 did not give way to what was refused");
}

#[test]
fn a_chain_of_index_keys_is_followed_to_its_end() {
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::HeadWins);
    let a = From { schema: 2, more: r#","base":1"#, ..from("a") };
    let count = 5_000;
    let all: Vec<_> = (0..count).map(|key| put(key, &mail(&key.to_string()))).collect();
    lab.ok(&From { schema: 2, ..from("a") }, &all);
    // Each wants the key of the next one, and the last one stays: so nobody can move.
    let moved: Vec<_> = (0..count - 1).map(|key| put(key, &mail(&(key + 1).to_string()))).collect();
    let summary = lab.ok(&a, &moved);
    assert_eq!((summary.conflicts, summary.put), (u64::from(count) - 1, 0));
}

#[test]
fn what_gives_way_in_an_index_is_counted_by_the_guard() {
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::IncomingWins);
    let of = |from: u32| {
        (from..from + 50).map(|key| put(key, &mail(&(key % 50).to_string()))).collect::<Vec<_>>()
    };
    lab.ok(&From { schema: 2, ..from("a") }, &of(0));
    let refused = lab.send(&From { schema: 2, ..from("b") }, &of(50)).map(|_| ());
    assert!(matches!(refused, Err(SyncError::Guard { .. })), "{refused:?}");
}

#[test]
fn what_is_redacted_is_no_key_of_an_index() {
    let lab = Lab::deciding(ConflictType::UniqueIndex, Resolver::LastWriteWins);
    lab.ok(&From { schema: 2, ..from("a") }, &[put(1, &mail("[redacted]"))]);
    assert_eq!(
        lab.ok(&From { schema: 2, ..from("b") }, &[put(2, &mail("[redacted]"))]).conflicts,
        0
    );
}
