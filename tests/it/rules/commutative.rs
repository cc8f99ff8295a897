//! Policies that are marked commutative: the same batches in any order of arrival leave the same records.

use nifi_idb::policy::{FieldPath, FieldRule};
use proptest::prelude::*;

use super::*;

fn field(name: &str, resolver: Resolver) -> FieldRule {
    FieldRule { name: name.into(), paths: vec![FieldPath::parse(name).unwrap()], resolver }
}

/// A policy of last write wins, with these fields; a deletion is decided by `deletes`.
fn commutative(fields: Vec<FieldRule>, deletes: [Resolver; 2]) -> Policy {
    let mut scope =
        StorePolicy { scope: "data".into(), commutative: true, fields, ..StorePolicy::unsaid() };
    let [update_delete, delete_update] = deletes;
    for kind in [ConflictType::InsertInsert, ConflictType::UpdateUpdate] {
        scope.types[kind as usize] = Some(Resolver::LastWriteWins);
    }
    scope.types[ConflictType::UpdateDelete as usize] = Some(update_delete);
    for kind in [ConflictType::DeleteUpdate, ConflictType::UpdateRecentlyDeleted] {
        scope.types[kind as usize] = Some(delete_update.clone());
    }
    Policy { default: scope, ..Policy::default() }
}

fn joined_fields() -> Vec<FieldRule> {
    let states = ["new", "paid", "sent"].map(|state| format!("\"{state}\"").into_bytes()).to_vec();
    let log = Resolver::AppendUnique {
        key: FieldPath::parse("id").unwrap(),
        order_by: Some(FieldPath::parse("at").unwrap()),
    };
    vec![
        field("most", Resolver::Max { by: None }),
        field("least", Resolver::Min { by: None }),
        field("tags", Resolver::SetUnion),
        field("state", Resolver::Order(states)),
        field("deep.log", log),
        field("named", Resolver::LastWriteWins),
    ]
}

fn last_write_wins() -> Policy {
    commutative(Vec::new(), [Resolver::LastWriteWins, Resolver::LastWriteWins])
}

fn deletes_win() -> Policy {
    commutative(joined_fields(), [Resolver::IncomingWins, Resolver::HeadWins])
}

fn updates_win() -> Policy {
    commutative(joined_fields(), [Resolver::HeadWins, Resolver::IncomingWins])
}

#[derive(Clone, Debug)]
struct Change {
    key: u32,
    /// `None`: it deletes.
    value: Option<[u8; 6]>,
    at: i64,
}

#[derive(Clone, Debug)]
struct Sent {
    source: u8,
    changes: Vec<Change>,
}

fn batches() -> impl Strategy<Value = Vec<Sent>> {
    let value = prop::option::weighted(0.8, prop::array::uniform6(0_u8..4));
    let change = (0_u32..3, value, 0_i64..6).prop_map(|(key, value, at)| Change { key, value, at });
    // One change of a key in a batch: within a batch the order is the source's own.
    let changes = prop::collection::vec(change, 1..4).prop_map(|mut changes| {
        changes.sort_by_key(|change| change.key);
        changes.dedup_by_key(|change| change.key);
        changes
    });
    prop::collection::vec(
        (0_u8..4, changes).prop_map(|(source, changes)| Sent { source, changes }),
        2..7,
    )
}

fn line(change: &Change) -> String {
    let at = change.at;
    match change.value {
        None => delete(change.key, &format!(r#","at":{at}"#)),
        Some([note, most, least, tag, state, log]) => {
            let state = ["new", "paid", "sent", "paid"][usize::from(state)];
            // Some have nothing deep.
            let deep = match log {
                3 => String::new(),
                _ => format!(r#""deep":{{"log":[{{"at":{log},"id":{log}}}],"n":{note}}},"#),
            };
            let value = format!(
                r#"{{{deep}"least":{least},"most":{most},"named":{note},"state":"{state}","tags":[{tag}]}}"#
            );
            put_with(change.key, &value, &format!(r#""at":{at}"#))
        }
    }
}

fn result(
    policy: &Policy,
    order: &[usize],
    sent: &[Sent],
) -> (BTreeMap<String, String>, Option<String>) {
    let lab = Lab::with(policy.clone());
    for place in order {
        let Sent { source, changes } = &sent[*place];
        let lines: Vec<_> = changes.iter().map(line).collect();
        lab.ok(&from(&format!("s{source}")), &lines);
    }
    let root = lab.store.head(&flow()).unwrap().map(|head| head.manifest.root().to_string());
    (lab.data(), root)
}

fn any_order_gives_the_same(
    policy: &Policy,
    sent: &[Sent],
    shuffled: &[usize],
) -> Result<(), TestCaseError> {
    let straight: Vec<_> = (0..sent.len()).collect();
    let backward: Vec<_> = straight.iter().rev().copied().collect();
    let expected = result(policy, &straight, sent);
    for order in [backward.as_slice(), shuffled] {
        prop_assert_eq!(&result(policy, order, sent), &expected, "order {:?}", order);
    }
    Ok(())
}

fn shuffled_batches() -> impl Strategy<Value = (Vec<Sent>, Vec<usize>)> {
    batches().prop_flat_map(|sent| {
        let places: Vec<usize> = (0..sent.len()).collect();
        (Just(sent), Just(places).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whole_records_by_the_last_write((sent, order) in shuffled_batches()) {
        any_order_gives_the_same(&last_write_wins(), &sent, &order)?;
    }

    #[test]
    fn fields_where_a_deletion_always_wins((sent, order) in shuffled_batches()) {
        any_order_gives_the_same(&deletes_win(), &sent, &order)?;
    }

    #[test]
    fn fields_where_a_deletion_always_loses((sent, order) in shuffled_batches()) {
        any_order_gives_the_same(&updates_win(), &sent, &order)?;
    }

    /// Each change names the value that it started from, beside it.
    #[test]
    fn sums(changes in prop::collection::vec((0_u8..4, prop_oneof![Just(1_000_i64), 0_i64..100], -3_i64..3), 2..7), seed in any::<u64>()) {
        let policy = commutative(vec![field("stock", Resolver::Delta)], [Resolver::IncomingWins, Resolver::HeadWins]);
        let stock = |cents: i64| format!(r#"{{"stock":{}}}"#, cents as f64 / 100.0);
        let run = |order: &[usize]| {
            let lab = Lab::with(policy.clone());
            lab.ok(&from("first"), &[put_with(1, &stock(1_000), r#""at":0"#)]);
            for place in order {
                let (source, was, change) = changes[*place];
                let line = put_with(1, &stock(was + change), &format!(r#""at":{place},"base":{{"value":{}}}"#, stock(was)));
                // The same change again, of one source, would be a repetition.
                lab.ok(&from(&format!("s{source}-{place}")), &[line]);
            }
            lab.data()["1"].clone()
        };
        let straight: Vec<_> = (0..changes.len()).collect();
        let mut order = straight.clone();
        order.sort_by_key(|place| seed.rotate_left(7 * *place as u32) % 1_009);
        let total: i64 = 1_000 + changes.iter().map(|(_, _, change)| change).sum::<i64>();
        prop_assert_eq!(run(&straight), stock(total));
        prop_assert_eq!(run(&order), stock(total));
    }
}

#[test]
fn the_default_is_not_commutative() {
    let sent = [(0, "1"), (1, "2")].map(|(source, _)| Sent {
        source,
        changes: vec![Change { key: 1, value: Some([source, 0, 0, 0, 0, 0]), at: 0 }],
    });
    let without_clocks = |order: [usize; 2]| {
        let lab = Lab { policy: None, ..Lab::with(Policy::default()) };
        order.iter().for_each(|place| {
            drop(lab.ok(&from(&format!("s{place}")), &[put(1, &sent[*place].source.to_string())]))
        });
        lab.data()
    };
    assert_ne!(without_clocks([0, 1]), without_clocks([1, 0]));
}

#[test]
fn a_change_without_a_clock_decides_nothing() {
    let lab = Lab::with(last_write_wins());
    lab.ok(&from("a"), &[put_with(1, "1", r#""at":5"#)]);
    let summary = lab.ok(&from("b"), &[put(1, "2")]);
    assert_eq!((summary.parked, summary.put), (1, 0));
    assert_eq!(lab.data(), map(&[("1", "1")]));
}

#[test]
fn a_broken_clock_does_not_win_for_ever() {
    let lab = Lab::with(last_write_wins());
    let year = 365 * 24 * 3_600_000_i64;
    lab.ok(
        &From { received_at: year, ..from("broken") },
        &[put_with(1, "1", &format!(r#""at":{}"#, 900 * year))],
    );
    // Four minutes later it still wins, six minutes later it does not.
    let minutes = |n: i64| year + n * 60_000;
    let good = |n| {
        (
            From { received_at: minutes(n), ..from("good") },
            put_with(1, "2", &format!(r#""at":{}"#, minutes(n))),
        )
    };
    let (from_good, line) = good(4);
    lab.ok(&from_good, &[line]);
    assert_eq!(lab.data()["1"], "1");
    let (from_good, line) = good(6);
    lab.ok(&from_good, &[line]);
    assert_eq!(lab.data()["1"], "2");
}
