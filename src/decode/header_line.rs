//! The first line of `indexeddb-changes/1`, which describes its batch.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::error::DecodeError;
use super::header::{BatchHeader, Mode, Sequence};
use super::options::DecodeOptions;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{Database, ObjectStore, SchemaError};
use crate::indexeddb::text;
use crate::snapshot::id::{FlowVersion, SourceId, StateId};

/// The required value of `format`.
pub(crate) const FORMAT: &str = "indexeddb-changes/1";

/// A member and its expected form.
type Wrong = (String, String);

fn wrong(member: &str, expected: &str) -> Wrong {
    (member.to_owned(), expected.to_owned())
}

/// Parses the header in line `line` of the stream.
pub(crate) fn parse(
    text: &[u8],
    line: u64,
    options: &DecodeOptions,
) -> Result<BatchHeader, DecodeError> {
    let header = read(text, options).map_err(|(member, expected)| {
        // The message must be a single line, whatever the member's name is.
        let member = text::canonical_text(&member.chars().take(80).collect::<String>());
        DecodeError::Header { line, member: member.trim_matches('"').to_owned(), expected }
    })?;
    agrees(&header, options)?;
    Ok(header)
}

fn read(text: &[u8], options: &DecodeOptions) -> Result<BatchHeader, Wrong> {
    let Strict(value) = serde_json::from_slice(text).map_err(|error| {
        // Only the position is taken from serde's messages, because they may repeat the line's
        // content.
        let what =
            if error.to_string().starts_with(TWICE) { "has a member twice" } else { "is not JSON" };
        wrong(FORMAT, &format!("{what}, near byte {} of the line", error.column()))
    })?;
    let members = value.as_object().ok_or_else(|| wrong(FORMAT, "must be an object"))?;
    let version = members.get("format").and_then(Value::as_str);
    if version != Some(FORMAT) {
        return Err(wrong(
            "format",
            &format!("must be \"{FORMAT}\"; a newer release may read others"),
        ));
    }
    const KNOWN: [&str; 10] = [
        "format",
        "database",
        "databaseVersion",
        "stores",
        "source",
        "epoch",
        "first",
        "last",
        "base",
        "mode",
    ];
    if let Some(name) =
        members.keys().find(|name| !KNOWN.contains(&name.as_str()) && !name.starts_with("x-"))
    {
        return Err(wrong(name, "is not a member that the header has (your own begin with x-)"));
    }
    let source = source(members)?.or_else(|| options.source.clone());
    let mode = mode(members)?.or(options.mode).unwrap_or_default();
    if mode == Mode::Full && source.is_none() {
        return Err(wrong("source", "is needed, because the batch is full"));
    }
    let sequence = sequence(members)?;
    if sequence.is_some() && source.is_none() {
        return Err(wrong("source", "is needed, because the batch is sequenced"));
    }
    let (schema, key_generators) = schema(members, options)?;
    let (base, base_state) = base(members)?;
    let dialect = Dialect::Changes;
    Ok(BatchHeader { dialect, schema, key_generators, source, sequence, base, base_state, mode })
}

fn agrees(header: &BatchHeader, options: &DecodeOptions) -> Result<(), DecodeError> {
    let differs = |what: &str| {
        Err(DecodeError::Usage(format!("the input's header and the options name another {what}")))
    };
    match options {
        _ if options.source.is_some() && options.source != header.source => {
            Err(DecodeError::OtherSource)
        }
        _ if options.mode.is_some_and(|mode| mode != header.mode) => differs("mode"),
        _ if options.database.as_ref().is_some_and(|name| *name != header.schema.name) => {
            differs("database")
        }
        _ => Ok(()),
    }
}

fn source(members: &Map<String, Value>) -> Result<Option<SourceId>, Wrong> {
    let Some(value) = members.get("source") else { return Ok(None) };
    let source = value.as_str().and_then(|text| text.parse().ok());
    source.map(Some).ok_or_else(|| wrong("source", "must be 1 to 64 of A-Z a-z 0-9 . _ : -"))
}

/// Parses a flow version, with or without its state.
fn base(members: &Map<String, Value>) -> Result<(Option<FlowVersion>, Option<StateId>), Wrong> {
    let Some(value) = members.get("base") else { return Ok((None, None)) };
    let version = |value: &Value| value.as_u64().and_then(FlowVersion::new);
    let expected = || {
        wrong(
            "base",
            "must be a flow version (a number from 1), or {\"version\":…,\"state\":\"…\"}",
        )
    };
    let Some(named) = value.as_object() else {
        return Ok((Some(version(value).ok_or_else(expected)?), None));
    };
    let state = named.get("state").and_then(Value::as_str).and_then(|state| state.parse().ok());
    let base = named.get("version").and_then(version).zip(state).filter(|_| named.len() == 2);
    base.map(|(version, state)| (Some(version), Some(state))).ok_or_else(expected)
}

fn mode(members: &Map<String, Value>) -> Result<Option<Mode>, Wrong> {
    match members.get("mode").map(Value::as_str) {
        None => Ok(None),
        Some(Some("delta")) => Ok(Some(Mode::Delta)),
        Some(Some("full")) => Ok(Some(Mode::Full)),
        Some(_) => Err(wrong("mode", "must be \"delta\" or \"full\"")),
    }
}

fn sequence(members: &Map<String, Value>) -> Result<Option<Sequence>, Wrong> {
    let (epoch, first, last) = (members.get("epoch"), members.get("first"), members.get("last"));
    let (Some(epoch), Some(first), Some(last)) = (epoch, first, last) else {
        let none = epoch.is_none() && first.is_none() && last.is_none();
        return if none {
            Ok(None)
        } else {
            Err(wrong("epoch, first, last", "come together or not at all"))
        };
    };
    // An epoch has the same form as a source id.
    let epoch = epoch.as_str().and_then(|text| text.parse::<SourceId>().ok());
    let epoch = epoch.ok_or_else(|| wrong("epoch", "must be 1 to 64 of A-Z a-z 0-9 . _ : -"))?;
    let number = |member: &str, value: &Value| {
        let number = value.as_u64().filter(|number| (1..1 << 53).contains(number));
        number.ok_or_else(|| wrong(member, "must be an integer from 1 to 9007199254740991"))
    };
    let (first, last) = (number("first", first)?, number("last", last)?);
    if last < first {
        return Err(wrong("last", "must not be below first"));
    }
    Ok(Some(Sequence { epoch: epoch.as_str().to_owned(), first, last }))
}

fn schema(
    members: &Map<String, Value>,
    options: &DecodeOptions,
) -> Result<(Database, Vec<Option<u64>>), Wrong> {
    let name = match members.get("database") {
        None => options.database.clone(),
        Some(value) => DomString::from_json(value),
    };
    let name = name.ok_or_else(|| wrong("database", "must be the database's name, a string"))?;
    let version = match members.get("databaseVersion") {
        None => options.database_version.unwrap_or(1),
        // The schema refuses 0.
        Some(value) => value.as_u64().unwrap_or(0),
    };
    let list = members.get("stores").and_then(Value::as_array);
    let list = list.ok_or_else(|| wrong("stores", "must be an array of object stores"))?;
    let mut stores = list.iter().map(store).collect::<Result<Vec<_>, _>>()?;
    // The schema sorts its object stores, so their generators must be sorted with them.
    stores.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let (stores, generators) = stores.into_iter().unzip();
    Ok((Database::new(name, version, stores).map_err(of_schema)?, generators))
}

fn store(value: &Value) -> Result<(ObjectStore, Option<u64>), Wrong> {
    const KNOWN: [&str; 5] = ["name", "keyPath", "autoIncrement", "indexes", "keyGenerator"];
    let members = value.as_object().ok_or_else(|| wrong("stores", "must hold objects"))?;
    if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(wrong(&format!("stores[].{name}"), "is not a member that an object store has"));
    }
    let store = ObjectStore::from_json(members).map_err(of_schema)?;
    let generator = match members.get("keyGenerator") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let number = value.as_u64().filter(|number| (1..=1 << 53).contains(number));
            let expected = "must be an integer from 1 to 9007199254740992, or null";
            Some(number.ok_or_else(|| wrong("stores[].keyGenerator", expected))?)
        }
    };
    Ok((store.clone(), generator.filter(|_| store.auto_increment)))
}

fn of_schema(error: SchemaError) -> Wrong {
    let text = error.to_string();
    let (member, expected) = text.rsplit_once(": ").unwrap_or(("stores", &text));
    wrong(member, expected)
}

/// JSON in which no object has a duplicate member; `serde_json` itself would keep the last one.
struct Strict(Value);

const TWICE: &str = "a member twice";

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, _>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Strict(members.into()))
    }
}
