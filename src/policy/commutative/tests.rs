//! Scopes that do not depend on the order of arrival, and reasons why others do.

use crate::policy::PolicyFile;
use crate::policy::commutative::why_not_commutative;

/// Returns the reasons for the defaults of this file, without `commutative`.
fn reasons(scope: &str) -> Vec<String> {
    let text = format!("version = 1\n[defaults]\n{scope}\n");
    let file = PolicyFile::read(&text).unwrap_or_else(|faults| panic!("{scope}: {faults:?}"));
    why_not_commutative(&file.policy.default).into_iter().map(|reason| reason.why).collect()
}

const DELETES: &str = "types.update-delete = \"delete-wins\"\ntypes.delete-update = \"delete-wins\"\n\
    types.update-recently-deleted = \"delete-wins\"\nresolve = \"lww\"\n";

#[test]
fn these_do_not_depend_on_it() {
    for scope in [
        "resolve = \"last-write-wins\"",
        DELETES,
        &DELETES.replace("delete-wins", "update-wins"),
        &format!(
            "{DELETES}fields = {{ a = \"max\", b = \"min\", c = \"set-union\", d = \"delta\", e = \"last-write-wins\" }}"
        ),
        &format!(
            "{DELETES}fields.a = {{ use = \"append-unique\", key = \"id\", order-by = \"at\" }}"
        ),
        &format!("{DELETES}fields.a = {{ use = \"order\", states = [1, 2] }}"),
        &format!(
            "{DELETES}groups = [{{ name = \"g\", fields = [\"a\", \"at\"], resolve = {{ use = \"max\", by = \"at\" }} }}]"
        ),
        &format!("{DELETES}fields = {{ a = {{ use = \"min\", by = \"at\" }}, at = \"min\" }}"),
        "resolve = \"lww\"\ntypes.unique-index = \"park\"",
        &format!(
            "{DELETES}types.update-missing = \"incoming-wins\"\non-unresolved = \"last-write-wins\""
        ),
    ] {
        assert_eq!(reasons(scope), Vec::<String>::new(), "{scope}");
    }
}

#[test]
fn these_do() {
    for (scope, part) in [
        ("", "three-way decides records"),
        ("resolve = \"incoming-wins\"", "what arrives last stands"),
        ("resolve = \"head-wins\"", "what arrives first stands"),
        ("resolve = \"park\"", "what arrives second waits"),
        ("resolve = \"max\"", "it is a rule for fields"),
        ("resolve = { use = \"cel\", value = \"head\" }", "the other way round"),
        (
            "resolve = \"lww\"\ntypes.insert-insert = \"three-way\"",
            "three-way decides insert-insert",
        ),
        (
            "resolve = \"lww\"\ntypes.insert-insert = \"first-write-wins\"",
            "first-write-wins decides insert-insert",
        ),
        (
            "resolve = \"lww\"\ntypes.update-delete = \"head-wins\"",
            "deletions are decided differently",
        ),
        ("resolve = \"first-write-wins\"", "only the latest clock of a record is kept"),
        (
            "resolve = \"lww\"\nfields.a = \"max\"",
            "a clock decides between a deletion and the record",
        ),
        (
            "resolve = \"lww\"\ntypes.update-missing = \"park\"",
            "a change that overtakes the insert",
        ),
        ("resolve = \"lww\"\ntypes.unique-index = \"head-wins\"", "head-wins decides unique-index"),
        ("resolve = \"lww\"\non-unresolved = \"head-wins\"", "on-unresolved lets head win"),
        (
            "resolve = \"lww\"\nrules = [{ name = \"r\", when = \"true\", then = \"lww\" }]",
            "the rule \"defaults/r\"",
        ),
        (&format!("{DELETES}fields.a = \"immutable\""), "immutable decides \"a\""),
        (&format!("{DELETES}fields.a = \"incoming-wins\""), "incoming-wins decides \"a\""),
        (&format!("{DELETES}fields.a = \"first-write-wins\""), "not the earliest"),
        (
            &format!("{DELETES}fields.a = {{ use = \"append-unique\", key = \"id\" }}"),
            "without order-by",
        ),
        (&format!("{DELETES}fields.a = {{ use = \"max\", by = \"at\" }}"), "put it into the group"),
        (
            &format!("{DELETES}fields = {{ a = {{ use = \"max\", by = \"at\" }}, at = \"min\" }}"),
            "put it into the group",
        ),
    ] {
        let found = reasons(scope);
        assert!(found.iter().any(|why| why.contains(part)), "{scope}: {found:?}");
    }
}
