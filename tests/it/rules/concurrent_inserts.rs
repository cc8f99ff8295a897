//! Sums in a commutative object store: what several sources insert and change at once is added up, equal or not, in any order.

use nifi_idb::policy::PolicyFile;
use proptest::prelude::*;

use super::*;

/// A policy that is marked commutative: it is refused where that is not proved.
fn policy(deletes_win: bool) -> Policy {
    let deletes = if deletes_win { "delete-wins" } else { "update-wins" };
    let text = format!(
        "version = 1\n[defaults]\ncommutative = true\nresolve = \"last-write-wins\"\n\
         types.update-delete = \"{deletes}\"\ntypes.delete-update = \"{deletes}\"\n\
         types.update-recently-deleted = \"{deletes}\"\n\
         fields = {{ stock = \"delta\", \"deep.sold\" = \"delta\", most = \"max\" }}\n"
    );
    PolicyFile::read(&text).unwrap_or_else(|faults| panic!("{faults:?}")).policy
}

/// What one source does: it inserts the record, then changes what it has itself.
#[derive(Clone, Debug)]
struct Writer {
    /// Some have no stock at first.
    stock: Option<i64>,
    sold: i64,
    most: i64,
    steps: Vec<(i64, i64, i64)>,
}

fn value(stock: Option<i64>, sold: i64, most: i64) -> String {
    let stock = stock.map_or_else(String::new, |stock| format!(r#","stock":{stock}"#));
    format!(r#"{{"deep":{{"sold":{sold}}},"most":{most}{stock}}}"#)
}

impl Writer {
    /// Its lines, each with what it started from.
    fn lines(&self, number: usize) -> Vec<String> {
        let Self { mut stock, mut sold, mut most, .. } = *self;
        let mut last = value(stock, sold, most);
        let mut lines =
            vec![put_with(1, &last, &format!(r#""at":{number},"base":{{"absent":true}}"#))];
        for (place, (more, another, greater)) in self.steps.iter().enumerate() {
            stock = Some(stock.unwrap_or(0) + more);
            (sold, most) = (sold + another, most + greater);
            let next = value(stock, sold, most);
            let at = 10 * (place + 1) + number;
            lines.push(put_with(1, &next, &format!(r#""at":{at},"base":{{"value":{last}}}"#)));
            last = next;
        }
        lines
    }
}

fn writers() -> impl Strategy<Value = Vec<Writer>> {
    let step = (-2_i64..3, -2_i64..3, 0_i64..2);
    // Few values, so that equal ones are inserted at once.
    let stock = prop::option::weighted(0.8, 0_i64..4);
    let writer = (stock, 0_i64..3, 0_i64..3, prop::collection::vec(step, 0..3));
    prop::collection::vec(
        writer.prop_map(|(stock, sold, most, steps)| Writer { stock, sold, most, steps }),
        2..5,
    )
}

/// The records after all lines, in this order of turns; each source's own lines come in their order, numbered.
fn play(policy: &Policy, writers: &[Writer], turns: &[usize]) -> BTreeMap<String, String> {
    let lab = Lab::with(policy.clone());
    let mut lines: Vec<_> = writers
        .iter()
        .enumerate()
        .map(|(number, writer)| writer.lines(number).into_iter())
        .collect();
    let mut sent = vec![0; writers.len()];
    let all: Vec<usize> = turns.iter().map(|turn| turn % writers.len()).collect();
    let rest = (0..writers.len()).flat_map(|who| std::iter::repeat_n(who, 4));
    for who in all.into_iter().chain(rest) {
        let Some(line) = lines[who].next() else { continue };
        sent[who] += 1;
        let (source, number) = (format!("s{who}"), sent[who]);
        let more = format!(r#","epoch":"e","first":{number},"last":{number}"#);
        // Every batch comes twice: the second one is known by its number.
        for _ in 0..2 {
            lab.ok(&From { more: &more, ..from(&source) }, std::slice::from_ref(&line));
        }
    }
    lab.data()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_gives_the_same_sum(
        writers in writers(),
        orders in prop::collection::vec(prop::collection::vec(0_usize..24, 0..12), 3),
        deletes_win in any::<bool>(),
    ) {
        let policy = policy(deletes_win);
        let expected = play(&policy, &writers, &[]);
        let sum = |of: fn(&Writer) -> i64, step: fn(&(i64, i64, i64)) -> i64| {
            writers.iter().map(|writer| of(writer) + writer.steps.iter().map(step).sum::<i64>()).sum::<i64>()
        };
        let record: Value = serde_json::from_str(&expected["1"]).unwrap();
        prop_assert_eq!(record["deep"]["sold"].as_i64(), Some(sum(|writer| writer.sold, |step| step.1)));
        let stock = sum(|writer| writer.stock.unwrap_or(0), |step| step.0);
        prop_assert_eq!(record["stock"].as_i64().unwrap_or(0), stock);
        for order in &orders {
            prop_assert_eq!(&play(&policy, &writers, order), &expected, "order {:?}", order);
        }
    }
}

#[test]
fn equal_and_different_inserts_are_added_up_in_a_field_as_for_whole_records() {
    let whole = || {
        let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
        for kind in [ConflictType::InsertInsert, ConflictType::UpdateUpdate] {
            scope.types[kind as usize] = Some(Resolver::Delta);
        }
        Policy { default: scope, ..Policy::default() }
    };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let sum = |policy: Policy, value: fn(i64) -> String| {
            let lab = Lab::with(policy);
            for place in order {
                let line =
                    put_with(1, &value([10, 7, 10][place]), r#""at":5,"base":{"absent":true}"#);
                lab.ok(&from(&format!("s{place}")), &[line]);
            }
            lab.data()["1"].clone()
        };
        assert_eq!(
            sum(policy(true), |stock| format!(r#"{{"stock":{stock}}}"#)),
            r#"{"stock":27}"#,
            "{order:?}"
        );
        assert_eq!(sum(whole(), |stock| stock.to_string()), "27", "{order:?}");
    }
}
