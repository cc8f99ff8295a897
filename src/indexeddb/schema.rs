//! Schemas: the arguments of `indexedDB.open`, `createObjectStore` and `createIndex`.

use serde_json::{Map, Value, json};

use super::dom_string::DomString;

/// The place of a key or an index key in a record's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPath {
    /// A dotted path; `""` is the value itself.
    Path(DomString),
    /// Several paths, whose keys form an array.
    Paths(Vec<DomString>),
}

/// An index as a page declares it. Its entries can be derived, so they are never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The index's name.
    pub name: DomString,
    /// The key path that is indexed.
    pub key_path: KeyPath,
    /// True if two records may not have the same key.
    pub unique: bool,
    /// True if each item of an array is an entry.
    pub multi_entry: bool,
}

/// An object store's schema, without its key generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStore {
    /// The object store's name.
    pub name: DomString,
    /// The place of the key in the value; `None` for out-of-line keys.
    pub key_path: Option<KeyPath>,
    /// True if the object store has a key generator.
    pub auto_increment: bool,
    /// The indexes, sorted by name.
    pub indexes: Vec<Index>,
}

/// A database's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The database's name, which may be empty.
    pub name: DomString,
    /// The version that IndexedDB gives the database, 1 to 2^53 − 1.
    pub version: u64,
    /// The object stores, sorted by name in code-unit order.
    pub stores: Vec<ObjectStore>,
}

/// The error for an invalid schema in JSON: the member and its expected form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {expected}")]
pub struct SchemaError {
    member: String,
    expected: &'static str,
}

fn wrong(member: &str, expected: &'static str) -> SchemaError {
    SchemaError { member: member.to_owned(), expected }
}

fn name_json(name: &DomString) -> Value {
    // A canonical name is always JSON.
    serde_json::from_str(&name.to_canonical()).unwrap_or(Value::Null)
}

fn boolean(members: &Map<String, Value>, member: &str) -> Result<bool, SchemaError> {
    match members.get(member) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong(member, "must be true or false")),
    }
}

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), SchemaError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(wrong(name, "is not a member that the schema has")),
    }
}

impl KeyPath {
    /// Reads `"a.b"`, or an array of such strings.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let error = || wrong("keyPath", "must be a string or a non-empty array of strings");
        match value {
            Value::Array(paths) if !paths.is_empty() => {
                let paths = paths.iter().map(DomString::from_json).collect::<Option<Vec<_>>>();
                paths.map(Self::Paths).ok_or_else(error)
            }
            _ => DomString::from_json(value).map(Self::Path).ok_or_else(error),
        }
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Path(path) => name_json(path),
            Self::Paths(paths) => Value::Array(paths.iter().map(name_json).collect()),
        }
    }
}

impl Index {
    fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let members = value.as_object().ok_or_else(|| wrong("indexes", "must hold objects"))?;
        known(members, &["keyPath", "multiEntry", "name", "unique"])?;
        let name = members.get("name").and_then(DomString::from_json);
        Ok(Self {
            name: name.ok_or_else(|| wrong("indexes[].name", "must be a string"))?,
            key_path: KeyPath::from_json(members.get("keyPath").unwrap_or(&Value::Null))?,
            unique: boolean(members, "unique")?,
            multi_entry: boolean(members, "multiEntry")?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "keyPath": self.key_path.to_json(),
            "multiEntry": self.multi_entry,
            "name": name_json(&self.name),
            "unique": self.unique,
        })
    }
}

impl ObjectStore {
    /// Returns an object store with this name and key path, without key generator or indexes.
    pub fn new(name: DomString, key_path: Option<KeyPath>) -> Self {
        Self { name, key_path, auto_increment: false, indexes: Vec::new() }
    }

    /// Reads the members `name`, `keyPath`, `autoIncrement` and `indexes` of an object, and ignores
    /// all others.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self, SchemaError> {
        let name = members.get("name").and_then(DomString::from_json);
        let key_path = match members.get("keyPath") {
            None | Some(Value::Null) => None,
            Some(value) => Some(KeyPath::from_json(value)?),
        };
        let indexes = match members.get("indexes") {
            None => Vec::new(),
            Some(Value::Array(indexes)) => {
                indexes.iter().map(Index::from_json).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong("indexes", "must be an array")),
        };
        let store = Self {
            name: name.ok_or_else(|| wrong("stores[].name", "must be a string"))?,
            key_path,
            auto_increment: boolean(members, "autoIncrement")?,
            indexes,
        };
        store.sorted()
    }

    fn sorted(mut self) -> Result<Self, SchemaError> {
        self.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        if self.indexes.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(wrong("indexes", "must have different names"));
        }
        Ok(self)
    }

    /// Returns the JSON form: members `autoIncrement`, `indexes`, `keyPath` (null for out-of-line
    /// keys) and `name`.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("autoIncrement".into(), self.auto_increment.into());
        members.insert("indexes".into(), self.indexes.iter().map(Index::to_json).collect());
        members
            .insert("keyPath".into(), self.key_path.as_ref().map_or(Value::Null, KeyPath::to_json));
        members.insert("name".into(), name_json(&self.name));
        members
    }
}

impl Database {
    /// Returns a schema with its object stores sorted. Refuses two object stores with one name, and
    /// a version that IndexedDB does not allow.
    pub fn new(
        name: DomString,
        version: u64,
        mut stores: Vec<ObjectStore>,
    ) -> Result<Self, SchemaError> {
        if version == 0 || version >= 1 << 53 {
            return Err(wrong("databaseVersion", "must be an integer from 1 to 9007199254740991"));
        }
        stores.sort_by(|a, b| a.name.cmp(&b.name));
        if stores.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(wrong("stores", "must have different names"));
        }
        Ok(Self { name, version, stores })
    }

    /// Finds an object store and its position in code-unit order.
    pub fn store(&self, name: &DomString) -> Option<(usize, &ObjectStore)> {
        let place = self.stores.binary_search_by(|store| store.name.cmp(name)).ok()?;
        Some((place, &self.stores[place]))
    }
}

/// Returns the canonical JSON form of a name, as a value.
pub fn name_to_json(name: &DomString) -> Value {
    name_json(name)
}
