//! The manifest: the list of all chunks of a version. See `doc/internals/format.md`.

use serde_json::{Map, Value};

use super::id::{Digest, FlowVersion, RootId, StateId};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::schema::{Database, ObjectStore, name_to_json};

/// The format that this release writes.
pub const FORMAT: &str = "nifi-idb-snapshot/1";

/// A reference to a spilled value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpilledRef {
    /// The digest of its canonical text.
    pub digest: Digest,
    /// The length of its canonical text, in bytes.
    pub bytes: u64,
}

/// A reference to a chunk, with everything that is known about the chunk without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    /// The key of its first line.
    pub first: SortableKey,
    /// The number of its lines.
    pub count: u64,
    /// The length of its text, in bytes.
    pub bytes: u64,
    /// The digest of its text, which is also the chunk's name.
    pub full: Digest,
    /// The digest of keys and values alone.
    pub content: Digest,
    /// The spilled values that its lines refer to, sorted by digest, without duplicates.
    pub spilled: Vec<SpilledRef>,
}

/// The name of one of the lists of chunks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Live records of an object store.
    Records(DomString),
    /// Tombstones of an object store.
    Tombstones(DomString),
    /// Conflicts, decided or parked.
    Conflicts,
    /// Sources and delivery ids.
    Sources,
    /// Records as one source sent them, if no chunk of records equals them.
    Views,
}

/// An object store of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreManifest {
    /// The object store's schema.
    pub schema: ObjectStore,
    /// The next key that the key generator would produce.
    pub key_generator: Option<u64>,
    /// Chunks of live records, by first key.
    pub records: Vec<ChunkRef>,
    /// Chunks of tombstones, by first key.
    pub tombstones: Vec<ChunkRef>,
}

/// The contents of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The database's name.
    pub database: DomString,
    /// The version that IndexedDB gives the database.
    pub database_version: u64,
    /// The flow version.
    pub version: FlowVersion,
    /// The state of the previous version.
    pub previous: Option<StateId>,
    /// The object stores, in code-unit order of their names.
    pub stores: Vec<StoreManifest>,
    /// The system list `~conflicts`.
    pub conflicts: Vec<ChunkRef>,
    /// The system list `~sources`.
    pub sources: Vec<ChunkRef>,
    /// The system list `~views`.
    pub views: Vec<ChunkRef>,
}

/// The error for text that is not a manifest in a format that this release reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("manifest, line {line}: {reason}")]
pub struct ManifestError {
    line: usize,
    reason: String,
}

impl List {
    /// The name of the list of conflicts.
    pub const CONFLICTS: &str = "~conflicts";
    /// The name of the list of sources.
    pub const SOURCES: &str = "~sources";
    /// The name of the list of views.
    pub const VIEWS: &str = "~views";

    /// True for lists that contain no live records.
    pub fn is_system(&self) -> bool {
        !matches!(self, Self::Records(_))
    }
}

impl StoreManifest {
    /// Returns an object store without records.
    pub fn empty(schema: ObjectStore) -> Self {
        Self { schema, key_generator: None, records: Vec::new(), tombstones: Vec::new() }
    }

    /// Returns the number of live records.
    pub fn record_count(&self) -> u64 {
        self.records.iter().map(|chunk| chunk.count).sum()
    }
}

impl ChunkRef {
    fn to_json(&self) -> Value {
        let mut members = self.content_json();
        members.insert("bytes".into(), self.bytes.into());
        members.insert("full".into(), self.full.to_string().into());
        let spilled = self.spilled.iter().map(|spilled| {
            let mut members = Map::new();
            members.insert("bytes".into(), spilled.bytes.into());
            members.insert("digest".into(), spilled.digest.to_string().into());
            Value::Object(members)
        });
        members.insert("spilled".into(), spilled.collect());
        Value::Object(members)
    }

    /// Returns the members of a chunk's entry that the root covers.
    fn content_json(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("content".into(), self.content.to_string().into());
        members.insert("count".into(), self.count.into());
        // A canonical key is always JSON.
        members.insert(
            "first".into(),
            serde_json::from_str(&self.first.to_canonical()).unwrap_or(Value::Null),
        );
        members
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let number = |name: &str| value[name].as_u64().ok_or_else(|| format!("no number {name}"));
        let digest = |value: &Value| -> Result<Digest, String> {
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| "no digest where one belongs".to_owned())
        };
        let first = Key::list_key_from_json(&value["first"]).and_then(|key| key.to_list_key());
        let spilled = value["spilled"].as_array().ok_or("no list spilled")?.iter().map(|item| {
            let bytes = item["bytes"].as_u64().ok_or("no number bytes in spilled")?;
            Ok::<_, String>(SpilledRef { digest: digest(&item["digest"])?, bytes })
        });
        Ok(Self {
            first: first.map_err(|error| format!("first: {error}"))?,
            count: number("count")?,
            bytes: number("bytes")?,
            full: digest(&value["full"])?,
            content: digest(&value["content"])?,
            spilled: spilled.collect::<Result<_, _>>()?,
        })
    }
}

/// Writes one canonical line. All texts in a manifest are ASCII except names. `serde_json` would
/// write those without escapes, so strings are written in canonical form here.
fn push_line(members: &Value, out: &mut String) {
    write_canonical(members, out);
    out.push('\n');
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(&crate::indexeddb::text::canonical_text(text)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // `serde_json` sorts members by UTF-8. All names here are ASCII, so that is the
            // canonical order.
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&crate::indexeddb::text::canonical_text(name));
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &serde_json::Number) -> String {
    if let Some(integer) = number.as_u64() {
        return integer.to_string();
    }
    let mut out = Vec::new();
    crate::indexeddb::number::write_canonical(number.as_f64().unwrap_or(0.0), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the canonical text of small JSON whose member names are ASCII.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

impl Manifest {
    /// Returns the manifest of an empty database, before its first version.
    pub fn empty(schema: &Database) -> Self {
        Self {
            database: schema.name.clone(),
            database_version: schema.version,
            version: FlowVersion::FIRST,
            previous: None,
            stores: schema.stores.iter().cloned().map(StoreManifest::empty).collect(),
            conflicts: Vec::new(),
            sources: Vec::new(),
            views: Vec::new(),
        }
    }

    /// Returns the schema that the manifest contains.
    pub fn schema(&self) -> Database {
        let stores = self.stores.iter().map(|store| store.schema.clone()).collect();
        Database { name: self.database.clone(), version: self.database_version, stores }
    }

    /// Finds an object store by name.
    pub fn store(&self, name: &DomString) -> Option<&StoreManifest> {
        let place = self.stores.binary_search_by(|store| store.schema.name.cmp(name)).ok()?;
        self.stores.get(place)
    }

    /// Returns all chunks, each with the list that contains it, in the manifest's order.
    pub fn chunks(&self) -> impl Iterator<Item = (List, &ChunkRef)> {
        let stores = self.stores.iter().flat_map(|store| {
            let name = &store.schema.name;
            let records = store.records.iter().map(|chunk| (List::Records(name.clone()), chunk));
            records
                .chain(store.tombstones.iter().map(|chunk| (List::Tombstones(name.clone()), chunk)))
        });
        let system = [
            (List::Conflicts, &self.conflicts),
            (List::Sources, &self.sources),
            (List::Views, &self.views),
        ];
        stores.chain(
            system
                .into_iter()
                .flat_map(|(list, chunks)| chunks.iter().map(move |chunk| (list.clone(), chunk))),
        )
    }

    /// Returns the id of the data: two versions with the same data have the same root.
    pub fn root(&self) -> RootId {
        let mut text = String::from("nifi-idb root 1\n");
        push_line(&self.database_line(), &mut text);
        for store in &self.stores {
            push_line(&Value::Object(store.schema.to_json()), &mut text);
            store
                .records
                .iter()
                .for_each(|chunk| push_line(&Value::Object(chunk.content_json()), &mut text));
        }
        RootId(Digest::of(text.as_bytes()))
    }

    fn database_line(&self) -> Value {
        let mut members = Map::new();
        members.insert("database".into(), name_to_json(&self.database));
        members.insert("databaseVersion".into(), self.database_version.into());
        Value::Object(members)
    }

    /// Returns the manifest's text and its digest, the state.
    pub fn to_text(&self) -> (String, StateId) {
        self.text_with(self.root())
    }

    /// Returns the text and the state of the manifest that has this root.
    pub(super) fn text_with(&self, root: RootId) -> (String, StateId) {
        let mut text = String::new();
        let mut head = self.database_line();
        head["format"] = FORMAT.into();
        head["previous"] = self.previous.map_or(Value::Null, |state| state.to_string().into());
        head["root"] = root.to_string().into();
        head["version"] = self.version.get().into();
        push_line(&head, &mut text);
        for store in &self.stores {
            let mut line = store.schema.to_json();
            line.insert(
                "keyGenerator".into(),
                store.key_generator.map_or(Value::Null, Value::from),
            );
            line.insert("list".into(), "records".into());
            push_line(&Value::Object(line), &mut text);
            store.records.iter().for_each(|chunk| push_line(&chunk.to_json(), &mut text));
            let mut line = Map::new();
            line.insert("name".into(), name_to_json(&store.schema.name));
            push_list("tombstones", line, &store.tombstones, &mut text);
        }
        push_list("conflicts", Map::new(), &self.conflicts, &mut text);
        push_list("sources", Map::new(), &self.sources, &mut text);
        push_list("views", Map::new(), &self.views, &mut text);
        let state = StateId(Digest::of(text.as_bytes()));
        (text, state)
    }

    /// Parses a manifest and checks its root; the caller checks its state.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().ok_or_else(|| at(1, "empty"))?;
        let head: Value = serde_json::from_str(first).map_err(|error| at(1, error))?;
        let format = head["format"].as_str().unwrap_or("none");
        if format != FORMAT {
            return Err(at(
                1,
                format!("format {format}: this release reads {FORMAT}; a newer one may read it"),
            ));
        }
        let database = DomString::from_json(&head["database"])
            .ok_or_else(|| at(1, "no name of a database"))?;
        let schema_error = |error| at(1, error);
        let empty =
            Database::new(database, head["databaseVersion"].as_u64().unwrap_or(0), Vec::new());
        let mut manifest = Self::empty(&empty.map_err(schema_error)?);
        manifest.version = head["version"]
            .as_u64()
            .and_then(FlowVersion::new)
            .ok_or_else(|| at(1, "no flow version"))?;
        manifest.previous = match &head["previous"] {
            Value::String(state) => Some(state.parse().map_err(|error| at(1, error))?),
            Value::Null => None,
            _ => return Err(at(1, "previous is no state")),
        };
        let mut list = None;
        for (index, line) in lines {
            let value: Value = serde_json::from_str(line).map_err(|error| at(index + 1, error))?;
            if value.get("list").is_some() {
                list = Some(manifest.open_list(&value).map_err(|error| at(index + 1, error))?);
                continue;
            }
            let chunk = ChunkRef::from_json(&value).map_err(|error| at(index + 1, error))?;
            let list =
                list.as_ref().ok_or_else(|| at(index + 1, "a chunk before the first list"))?;
            let chunks =
                manifest.list_mut(list).ok_or_else(|| at(index + 1, "a chunk of no list"))?;
            // Views of several sources share a list, so their keys begin anew.
            if chunks.last().is_some_and(|last| last.first >= chunk.first) && *list != List::Views {
                return Err(at(index + 1, "chunks are not in order"));
            }
            chunks.push(chunk);
        }
        if head["root"].as_str() != Some(manifest.root().to_string().as_str()) {
            return Err(at(1, "the root is not that of the chunks below it"));
        }
        Ok(manifest)
    }

    fn open_list(&mut self, line: &Value) -> Result<List, String> {
        let name = || DomString::from_json(&line["name"]).ok_or("no name of an object store");
        match line["list"].as_str() {
            Some("records") => {
                let members = line.as_object().ok_or("no object")?;
                let schema = ObjectStore::from_json(members).map_err(|error| error.to_string())?;
                if self.stores.last().is_some_and(|last| last.schema.name >= schema.name) {
                    return Err("object stores are not in order".to_owned());
                }
                let mut store = StoreManifest::empty(schema);
                store.key_generator = line["keyGenerator"].as_u64();
                let list = List::Records(store.schema.name.clone());
                self.stores.push(store);
                Ok(list)
            }
            Some("tombstones") => Ok(List::Tombstones(name()?)),
            Some("conflicts") => Ok(List::Conflicts),
            Some("sources") => Ok(List::Sources),
            Some("views") => Ok(List::Views),
            _ => Err("a list that this release does not know".to_owned()),
        }
    }

    /// Returns the chunks of a list, or `None` if the object store does not exist.
    pub fn list_mut(&mut self, list: &List) -> Option<&mut Vec<ChunkRef>> {
        let find = |stores: &[StoreManifest], name: &DomString| {
            stores.binary_search_by(|store| store.schema.name.cmp(name)).ok()
        };
        match list {
            List::Records(name) => {
                find(&self.stores, name).map(|place| &mut self.stores[place].records)
            }
            List::Tombstones(name) => {
                find(&self.stores, name).map(|place| &mut self.stores[place].tombstones)
            }
            List::Conflicts => Some(&mut self.conflicts),
            List::Sources => Some(&mut self.sources),
            List::Views => Some(&mut self.views),
        }
    }
}

fn push_list(name: &str, mut line: Map<String, Value>, chunks: &[ChunkRef], text: &mut String) {
    if chunks.is_empty() {
        return;
    }
    line.insert("list".into(), name.into());
    push_line(&Value::Object(line), text);
    chunks.iter().for_each(|chunk| push_line(&chunk.to_json(), text));
}

fn at(line: usize, reason: impl ToString) -> ManifestError {
    ManifestError { line, reason: reason.to_string() }
}
