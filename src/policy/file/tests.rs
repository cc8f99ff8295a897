//! Reader, schema and page have the same members, printing and reading are inverse, and scopes
//! override each other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::*;
use super::resolver::parameters;
use super::*;
use crate::policy::resolver::{Resolver, ResolverKind};
use crate::policy::rules::Detect;
use crate::snapshot::ConflictType;

const PAGE: &str = include_str!("../../../doc/reference/policy.md");

/// Returns the page's example.
fn example() -> &'static str {
    let start = PAGE.find("```toml\n").unwrap() + "```toml\n".len();
    &PAGE[start..start + PAGE[start..].find("```").unwrap()]
}

fn read(text: &str) -> PolicyFile {
    match PolicyFile::read(text) {
        Ok(file) => file,
        Err(faults) => {
            panic!("{}", faults.iter().map(|fault| fault.render("t", text)).collect::<String>())
        }
    }
}

fn faults(text: &str) -> Vec<String> {
    let faults = PolicyFile::read(text).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.message).collect()
}

#[test]
fn the_schema_has_the_members_that_the_reader_knows() {
    let schema: Value = serde_json::from_str(crate::policy::SCHEMA).unwrap();
    let members = |pointer: &str| -> BTreeSet<String> {
        let found =
            schema.pointer(pointer).unwrap_or_else(|| panic!("the schema has no {pointer}"));
        match found {
            Value::Object(members) => members.keys().cloned().collect(),
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
            }
            _ => panic!("{pointer}"),
        }
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for (pointer, names) in [
        ("/properties", TOP),
        ("/properties/tombstones/properties", TOMBSTONES),
        ("/properties/clock/properties", CLOCK),
        ("/$defs/scope/properties", SCOPE),
        ("/$defs/scope/properties/privacy/properties", PRIVACY),
        ("/$defs/scope/properties/on-unresolved/enum", UNRESOLVED),
        ("/$defs/detect/oneOf/1/properties", DETECT),
        ("/$defs/detect/oneOf/1/properties/use/enum", DETECTS),
        ("/$defs/group/properties", GROUP),
        ("/$defs/rule/properties", RULE),
        ("/$defs/case/properties", CASE),
        ("/$defs/resolver/anyOf/1/properties/arrays/oneOf/0/enum", ARRAYS_NAMES),
        ("/$defs/resolver/anyOf/1/properties/arrays/oneOf/1/properties", ARRAYS),
    ] {
        assert_eq!(members(pointer), set(names), "{pointer}");
    }
    assert_eq!(members("/$defs/type/enum"), set(&ConflictType::names().collect::<Vec<_>>()));
    assert_eq!(
        members("/$defs/resolver-name/anyOf/0/enum"),
        set(&ResolverKind::names().collect::<Vec<_>>())
    );
    let all: Vec<_> =
        ResolverKind::ALL.iter().copied().flat_map(parameters).copied().chain(["use"]).collect();
    assert_eq!(members("/$defs/resolver/anyOf/1/properties"), set(&all));
}

#[test]
fn the_page_names_every_member() {
    let all = [
        TOP,
        TOMBSTONES,
        CLOCK,
        SCOPE,
        GROUP,
        RULE,
        PRIVACY,
        CASE,
        DETECTS,
        UNRESOLVED,
        ARRAYS_NAMES,
    ];
    for name in all.into_iter().flatten() {
        let said = [
            format!("`{name}`"),
            format!("`\"{name}\"`"),
            format!("`{name}."),
            format!("use = \"{name}\""),
        ];
        assert!(said.iter().any(|said| PAGE.contains(said)), "the page does not say {name}");
    }
}

#[test]
fn the_example_of_the_page_is_what_it_says() {
    let file = read(example());
    let orders = file.policy.store(&"orders".into());
    assert_eq!((&*orders.scope, &orders.detect), ("orders", &Detect::ChangedFields));
    assert_eq!(orders.resolver(ConflictType::UpdateDelete), Some(&Resolver::HeadWins));
    assert_eq!(&*orders.rules[0].name, "orders/shipped orders are locked");
    assert_eq!(orders.fields.len(), 7);
    assert_eq!(file.cases.len(), 1);
}

/// Checks that a file that is printed, read and printed again is the same policy and the same text.
pub(in crate::policy) fn prints(text: &str) {
    let first = read(text);
    let printed = first.to_toml();
    let second = read(&printed);
    assert_eq!(format!("{:?}", second.policy), format!("{:?}", first.policy));
    assert_eq!(second.to_toml(), printed);
    let plain = |file: &PolicyFile| {
        file.cases.iter().map(|case| Case { place: 0..0, ..case.clone() }).collect::<Vec<_>>()
    };
    assert_eq!(plain(&second), plain(&first));
}

#[test]
fn printing_gives_the_same_policy() {
    prints(example());
    prints("version = 1\n");
    prints(
        r#"version = 1
        tombstones = { keep = "90d", longest-offline = "36h" }
        clock = { max-skew = "1500ms" }
        [defaults]
        detect = { use = "version-field", field = "a.\"b.c\"" }
        resolve = "theirs"
        on-unresolved = "manual"
        types = { insert-insert = "lww", unique-index = "park", delete-update = "delete-wins" }
        fields = { n = "USEDELTA", "a.b" = { use = "order", states = [1, 2.5, true, "x'\"\n", 1970-01-01T00:00:01Z, [1, { a = 1 }]] } }
        [[defaults.rules]]
        name = "it's \"quoted\""
        then = { use = "three-way", arrays = { key = "id" }, contested = { use = "min", by = "at" } }
        [stores.""]
        privacy = { redact = ["a[].b"] }
        [stores."ö ü"]
        resolve = { use = "cel", value = 'head.x + "y"' }
        groups = [{ name = "g", fields = ["x", "y"], resolve = { use = "priority-column", by = "p" } }]
        fields = { n = "max" }
        [[tests]]
        name = "t"
        store = "ö ü"
        base-absent = true
        head-deleted = true
        incoming-json = '{"a": "é"}'
        incoming-at = 1970-01-01T00:00:01Z
        expect-parked = true
        type = "delete-update"
        "#,
    );
}

#[test]
fn a_scope_is_the_defaults_overlaid_with_its_own() {
    let file = read(
        r#"version = 1
        tombstones = { keep = "1d", longest-offline = "1d" }
        [defaults]
        resolve = "head-wins"
        types = { insert-insert = "park", update-delete = "skip" }
        fields = { a = "max", b = "min", "c.d" = "delta" }
        rules = [{ name = "two", then = "fail" }]
        privacy = { exclude = ["x", "y"] }
        [stores.s]
        resolve = "incoming-wins"
        fields = { a = "delta", c = "set-union" }
        rules = [{ name = "one", when = "true", then = "park" }]
        privacy = { hash = ["x"] }
        "#,
    );
    let (default, s) = (&file.policy.default, file.policy.store(&"s".into()));
    assert_eq!(default.resolver(ConflictType::InsertInsert), Some(&Resolver::Park));
    assert_eq!(default.resolver(ConflictType::UpdateUpdate), Some(&Resolver::HeadWins));
    assert_eq!(
        default.resolver(ConflictType::UpdateMissing),
        Some(&Resolver::Park),
        "there are tombstones"
    );
    // The object store's own settings override all defaults.
    assert_eq!(s.resolver(ConflictType::InsertInsert), Some(&Resolver::IncomingWins));
    assert_eq!(s.resolver(ConflictType::UpdateDelete), Some(&Resolver::Skip));
    let names = |rules: Vec<&str>| rules.join(" ");
    assert_eq!(names(s.rules.iter().map(|rule| &*rule.name).collect()), "s/one defaults/two");
    assert_eq!(names(s.fields.iter().map(|rule| &*rule.name).collect()), "a c b");
    let private: Vec<_> =
        s.privacy.fields.iter().map(|(path, hide)| format!("{path} {hide:?}")).collect();
    assert_eq!(private, ["x Hash", "y Exclude"]);
    assert_eq!(&*file.policy.store(&"other".into()).scope, "defaults");
}

#[test]
fn aliases_are_read_and_mean_the_same() {
    for (alias, kind) in crate::policy::ALIASES {
        let resolver = match kind {
            ResolverKind::Max => format!("{{ use = {alias:?}, by = \"x\" }}"),
            _ => format!("{alias:?}"),
        };
        let conflict = if kind == ResolverKind::Accept {
            ConflictType::SchemaNewer
        } else {
            ConflictType::UpdateUpdate
        };
        let file =
            read(&format!("version = 1\n[defaults.types]\n{} = {resolver}\n", conflict.name()));
        let found = file.policy.default.resolver(conflict).map(Resolver::kind);
        assert_eq!(found, Some(kind), "{alias}");
    }
}

#[test]
fn files_are_bounded() {
    assert!(
        faults(&format!("version = 1\n{}", " ".repeat(MAX_FILE_BYTES)))[0]
            .contains("may have 1048576 bytes")
    );
    let many: String = (0..=MAX_FIELDS).map(|number| format!("f{number} = \"max\"\n")).collect();
    assert!(
        faults(&format!("version = 1\n[defaults.fields]\n{many}"))[0]
            .contains("10001 fields are too many")
    );
    let many = "[[defaults.rules]]\nname = \"a\"\nthen = \"park\"\n".repeat(MAX_RULES + 1);
    assert!(faults(&format!("version = 1\n{many}"))[0].contains("1001 rules are too many"));
    let deep = format!("version = 1\nx = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(!faults(&deep).is_empty());
}

/// Any damaged file can be read to the end, and every fault can be rendered.
#[test]
fn damaged_files_are_read_without_panic() {
    let text = example();
    for place in 0..text.len() {
        for damage in ["", "\"", "[", "=", "\n", "é"] {
            let Some((before, after)) = text.split_at_checked(place) else { continue };
            let after: String = after.chars().skip(1).collect();
            let damaged = format!("{before}{damage}{after}");
            for fault in PolicyFile::read(&damaged).err().unwrap_or_default() {
                assert!(!fault.render("t", &damaged).is_empty());
            }
        }
    }
}
