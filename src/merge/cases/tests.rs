//! Cases run like a merge, and unreached parts are reported.

use super::*;
use crate::policy::PolicyFile;

fn read(text: &str) -> PolicyFile {
    PolicyFile::read(text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Covers every kind of detection, and every outcome.
#[test]
fn each_finding_and_each_outcome() {
    let file = read(
        r#"version = 1
        clock = { max-skew = "1s" }
        [defaults]
        detect = "changed-fields"
        resolve = "three-way"
        clock = "at"
        types = { update-missing = "skip", delete-missing = "fail", update-delete = "park" }
        [stores.s]
        [[tests]]
        name = "equal"
        store = "s"
        head = { n = 1 }
        incoming = { n = 1 }
        expect = { n = 1 }
        type = "equal"
        [[tests]]
        name = "follows"
        store = "s"
        base = { n = 1 }
        head = { n = 1 }
        incoming = { n = 2 }
        expect = { n = 2 }
        type = "fast-forward"
        [[tests]]
        name = "its own source follows itself"
        store = "s"
        head = { n = 1 }
        head-by = "incoming"
        incoming-deleted = true
        expect-deleted = true
        type = "fast-forward"
        [[tests]]
        name = "merged"
        store = "s"
        base = { n = 1, m = 1 }
        head = { n = 2, m = 1 }
        incoming = { n = 1, m = 2 }
        expect = { n = 2, m = 2 }
        type = "merged"
        [[tests]]
        name = "skipped"
        store = "s"
        base = { n = 1 }
        incoming = { n = 1 }
        expect-absent = true
        type = "update-missing"
        rule = "s/skip"
        [[tests]]
        name = "refused"
        store = "s"
        incoming-deleted = true
        expect-failed = true
        [[tests]]
        name = "parked"
        store = "s"
        head = { n = 1 }
        incoming-deleted = true
        expect-parked = true
        [[tests]]
        name = "the clock in the value wins"
        store = "s"
        head = { n = 1 }
        head-at = 5
        incoming = { n = 2, at = 6 }
        expect = { n = 2, at = 6 }
        [[tests]]
        name = "a clock that is set back does not"
        store = "s"
        head = { n = 1 }
        head-at = 5_000
        incoming = { n = 2, at = 9_000 }
        received-at = 3_000
        expect = { n = 1 }
        [[tests]]
        name = "out of order"
        store = "s"
        head = { n = 1 }
        head-at = 5
        head-by = "incoming"
        incoming = { n = 2 }
        incoming-at = 4
        expect = { n = 1 }
        type = "out-of-order"
        "#,
    );
    for case in &file.cases {
        assert_eq!(run_case(&file.policy, case).mismatches, [], "{}", case.name);
    }
}

#[test]
fn what_no_case_reaches() {
    let file = read(
        r#"version = 1
        [defaults]
        fields = { a = "max", b = "min" }
        rules = [{ name = "deleted", types = ["update-delete"], then = "park" }, { name = "not asked", types = ["delete-update"], then = "park" }]
        [stores.s]
        fields = { b = "max", c = "delta" }
        groups = [{ name = "g", fields = ["d", "e"], resolve = "last-write-wins" }]
        [[tests]]
        name = "fields"
        store = "s"
        base = { a = 1, d = 1 }
        head = { a = 2, d = 2 }
        incoming = { a = 3, d = 3 }
        type = "update-update"
        [[tests]]
        name = "rule"
        store = "s"
        head = { a = 2 }
        incoming-deleted = true
        type = "update-delete"
        "#,
    );
    let ran: Vec<_> = file.cases.iter().map(|case| (case, run_case(&file.policy, case))).collect();
    let left =
        unreached(&file.policy, &ran.iter().map(|(case, ran)| (*case, ran)).collect::<Vec<_>>());
    assert_eq!(left.rules.iter().map(|rule| &**rule).collect::<Vec<_>>(), ["defaults/not asked"]);
    assert_eq!(left.fields, ["defaults: b", "s: b", "s: c"]);
    let types: Vec<_> = left.types.iter().map(|conflict| conflict.name()).collect();
    assert_eq!(
        types,
        ["insert-insert", "delete-update", "update-recently-deleted", "out-of-order"]
    );
}
