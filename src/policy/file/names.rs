//! The members that each table of the file may have. Tests compare them with the reader, the JSON
//! Schema and the page.

pub(crate) const TOP: &[&str] = &["version", "defaults", "stores", "tombstones", "clock", "tests"];
pub(crate) const TOMBSTONES: &[&str] = &["keep", "longest-offline"];
pub(crate) const CLOCK: &[&str] = &["max-skew"];
pub(crate) const SCOPE: &[&str] = &[
    "detect",
    "resolve",
    "types",
    "fields",
    "groups",
    "rules",
    "on-unresolved",
    "clock",
    "commutative",
    "privacy",
];
pub(crate) const DETECT: &[&str] = &["use", "field"];
pub(crate) const GROUP: &[&str] = &["name", "fields", "resolve"];
pub(crate) const RULE: &[&str] = &["name", "types", "when", "then"];
pub(crate) const PRIVACY: &[&str] = &["exclude", "redact", "hash"];
pub(crate) const ARRAYS: &[&str] = &["key"];
pub(crate) const CASE: &[&str] = &[
    "name",
    "store",
    "key",
    "base",
    "head",
    "incoming",
    "expect",
    "base-json",
    "head-json",
    "incoming-json",
    "expect-json",
    "base-absent",
    "head-deleted",
    "incoming-deleted",
    "expect-deleted",
    "expect-absent",
    "head-at",
    "incoming-at",
    "received-at",
    "head-by",
    "incoming-by",
    "expect-parked",
    "expect-failed",
    "type",
    "rule",
];

/// The ways to detect a conflict.
pub(crate) const DETECTS: &[&str] =
    &["base-revision", "changed-fields", "clock", "version-field", "timestamp-field"];

/// The ways in which three-way merges arrays, by name.
pub(crate) const ARRAYS_NAMES: &[&str] = &["whole", "set", "append"];

/// The resolvers of last resort.
pub(crate) const UNRESOLVED: &[&str] =
    &["park", "head-wins", "incoming-wins", "last-write-wins", "fail"];
