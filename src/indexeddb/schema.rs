//! Schema: what `indexedDB.open` and `createObjectStore` were told.

use serde_json::{Map, Value, json};

use super::dom_string::DomString;

/// Where a key or an index value is found in a record's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPath {
    /// A dotted path; `""` is the value itself.
    Path(DomString),
    /// Several paths: the key is an array.
    Paths(Vec<DomString>),
}

/// An index, as a page declares it. Its entries can be derived and are never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: DomString,
    /// What it indexes.
    pub key_path: KeyPath,
    /// Two records may not share a key.
    pub unique: bool,
    /// An array gives one entry an item.
    pub multi_entry: bool,
}

/// An object store's schema, without its key generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStore {
    /// Its name.
    pub name: DomString,
    /// Where the key stands in the value; `None` for out-of-line keys.
    pub key_path: Option<KeyPath>,
    /// Whether it has a key generator.
    pub auto_increment: bool,
    /// Its indexes, sorted by name.
    pub indexes: Vec<Index>,
}

/// A database's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its name; may be empty.
    pub name: DomString,
    /// IndexedDB's own version of it, 1 to 2^53 − 1.
    pub version: u64,
    /// Its object stores, sorted by name in code-unit order.
    pub stores: Vec<ObjectStore>,
}

/// What is wrong with a schema in JSON: the member, and what it should be.
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
    // A canonical name is JSON.
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
    /// Reads `"a.b"`, or an array of such.
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

    /// The JSON form.
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
    /// An object store of which only this is known.
    pub fn new(name: DomString, key_path: Option<KeyPath>) -> Self {
        Self { name, key_path, auto_increment: false, indexes: Vec::new() }
    }

    /// Reads the members `name`, `keyPath`, `autoIncrement`, `indexes` of an object; others are left to the caller.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self, SchemaError> {
        let name = members.get("name").and_then(DomString::from_json);
        let key_path = match members.get("keyPath") {
            None | Some(Value::Null) => None,
            Some(value) => Some(KeyPath::from_json(value)?),
        };
        let indexes = match members.get("indexes") {
            None => Vec::new(),
            Some(Value::Array(indexes)) => indexes.iter().map(Index::from_json).collect::<Result<_, _>>()?,
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

    /// The JSON form: members `autoIncrement`, `indexes`, `keyPath` (null for out-of-line keys), `name`.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("autoIncrement".into(), self.auto_increment.into());
        members.insert("indexes".into(), self.indexes.iter().map(Index::to_json).collect());
        members.insert("keyPath".into(), self.key_path.as_ref().map_or(Value::Null, KeyPath::to_json));
        members.insert("name".into(), name_json(&self.name));
        members
    }
}

impl Database {
    /// Puts object stores in order; refuses two of one name, and a version that IndexedDB would not take.
    pub fn new(name: DomString, version: u64, mut stores: Vec<ObjectStore>) -> Result<Self, SchemaError> {
        if version == 0 || version >= 1 << 53 {
            return Err(wrong("databaseVersion", "must be an integer from 1 to 9007199254740991"));
        }
        stores.sort_by(|a, b| a.name.cmp(&b.name));
        if stores.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(wrong("stores", "must have different names"));
        }
        Ok(Self { name, version, stores })
    }

    /// Finds an object store and its place in code-unit order.
    pub fn store(&self, name: &DomString) -> Option<(usize, &ObjectStore)> {
        let place = self.stores.binary_search_by(|store| store.name.cmp(name)).ok()?;
        Some((place, &self.stores[place]))
    }
}

/// The canonical JSON form of a name as a value.
pub fn name_to_json(name: &DomString) -> Value {
    name_json(name)
}
