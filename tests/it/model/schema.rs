//! The database as batches describe it: its version, its object stores, their key paths and their
//! unique indexes.

use serde_json::{Value, json};

use super::words::{DATA, EXTRA, ITEMS, Key};

/// A unique index: its name, the members that its keys are made of, and whether each element is a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    name: &'static str,
    members: &'static [&'static str],
    multi: bool,
}

/// An object store as a batch describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// The member that holds the key; `None`: keys are out of line.
    pub(super) key_path: Option<&'static str>,
    pub(super) unique: &'static [Index],
}

/// A database version and its object stores, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) version: u64,
    pub(super) stores: &'static [Shape],
}

/// The database versions that histories of one kind have.
pub(super) type World = &'static [Schema];

const BY_U: Index = Index { name: "by-u", members: &["u"], multi: false };
const BY_M: Index = Index { name: "by-m", members: &["m"], multi: true };
const BY_PAIR: Index = Index { name: "by-pair", members: &["a", "u"], multi: false };

const fn shape(
    name: &'static str,
    key_path: Option<&'static str>,
    unique: &'static [Index],
) -> Shape {
    Shape { name, key_path, unique }
}

const fn schema(version: u64, stores: &'static [Shape]) -> Schema {
    Schema { version, stores }
}

/// One version, no index.
pub(super) const PLAIN: World =
    &[schema(1, &[shape(DATA, None, &[]), shape(ITEMS, Some("id"), &[])])];

/// One version, unique indexes of all kinds.
pub(super) const UNIQUE: World =
    &[schema(1, &[shape(DATA, None, &[BY_PAIR, BY_U]), shape(ITEMS, Some("id"), &[BY_M, BY_U])])];

/// Indexes and object stores come and go, and keys come from elsewhere.
pub(super) const UPGRADES: World = &[
    schema(1, &[shape(DATA, None, &[]), shape(ITEMS, Some("id"), &[])]),
    schema(
        2,
        &[shape(DATA, None, &[BY_U]), shape(EXTRA, None, &[]), shape(ITEMS, Some("id"), &[])],
    ),
    schema(3, &[shape(DATA, None, &[BY_U]), shape(ITEMS, Some("k"), &[BY_M])]),
    schema(
        4,
        &[shape(DATA, None, &[]), shape(EXTRA, None, &[BY_U]), shape(ITEMS, Some("id"), &[])],
    ),
];

impl Default for Schema {
    fn default() -> Self {
        PLAIN[0]
    }
}

impl Schema {
    pub(super) fn store(&self, name: &str) -> Option<&'static Shape> {
        self.stores.iter().find(|shape| shape.name == name)
    }
}

impl Shape {
    /// Returns what a header says of it.
    pub(super) fn to_json(self) -> Value {
        let path = |members: &[&str]| match members {
            [only] => json!(only),
            several => json!(several),
        };
        let indexes = self.unique.iter().map(|index| {
            json!({"keyPath": path(index.members), "multiEntry": index.multi, "name": index.name, "unique": true})
        });
        json!({"autoIncrement": false, "indexes": indexes.collect::<Value>(), "keyPath": self.key_path, "name": self.name})
    }

    /// Returns the keys that a value has in the unique indexes, each with its index.
    pub(super) fn index_keys(&self, value: Option<&Value>) -> Vec<(&'static str, Key)> {
        let mut keys: Vec<_> = self.unique.iter().flat_map(|index| index.keys(value)).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

impl Index {
    fn keys(&self, value: Option<&Value>) -> Vec<(&'static str, Key)> {
        let found = |member: &&str| value?.get(member);
        let keys = match self.members {
            [only] => match found(only) {
                Some(Value::Array(elements)) if self.multi => {
                    elements.iter().filter_map(key_of).collect()
                }
                value => value.and_then(key_of).into_iter().collect(),
            },
            several => {
                let parts: Option<Vec<Key>> =
                    several.iter().map(|member| key_of(found(member)?)).collect();
                parts.map(Key::Array).into_iter().collect::<Vec<_>>()
            }
        };
        keys.into_iter().map(|key| (self.name, key)).collect()
    }
}

/// Returns the key that a value is, if it is one.
fn key_of(value: &Value) -> Option<Key> {
    match value {
        Value::Number(number) => number.as_i64().map(Key::Number),
        Value::String(text) => Some(Key::Text(text.clone())),
        Value::Array(elements) => {
            elements.iter().map(key_of).collect::<Option<_>>().map(Key::Array)
        }
        Value::Object(members) => members.get("~date").and_then(Value::as_i64).map(Key::Date),
        _ => None,
    }
}
