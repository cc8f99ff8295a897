//! Change events of Debezium, one a line: `{"op","before","after","source","ts_ms"}`, with or
//! without a schema around it; and rows flattened by its `ExtractNewRecordState`.

use crate::decode::dialect::DialectSpec;
use crate::loss::what;
use std::collections::HashMap;

use super::row::{Row, Scales};
use super::tables::EventTable;
use super::{Event, KeyColumns, RowChange, clock, documents};
use crate::decode::options::DecodeOptions;
use crate::decode::raw_json::{self, Reject, broken};
use crate::decode::scan::{ScannedMember, ScannedMembers};
use crate::rejection::code;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "debezium",
    summary: "Change events of Debezium; needs --object-store and --key-path, or --key-path \
        TABLE=PATH for each",
    has_events: true,
    losses: &[what::DATABASE_TYPES, what::SCHEMA],
    ..DialectSpec::NONE
};

/// The prefix of columns that `ExtractNewRecordState` adds to a row (`add.fields`, and
/// `__deleted`).
const ADDED: &[u8] = b"__";

/// Members of an event's `source` that `add.fields` can add; it also adds `__source_…` and
/// `__transaction_…`.
const ADDED_NAMES: [&[u8]; 34] = [
    b"deleted",
    b"op",
    b"ts_ms",
    b"ts_us",
    b"ts_ns",
    b"version",
    b"connector",
    b"name",
    b"snapshot",
    b"db",
    b"schema",
    b"table",
    b"collection",
    b"sequence",
    b"txId",
    b"lsn",
    b"xmin",
    b"file",
    b"pos",
    b"row",
    b"gtid",
    b"server_id",
    b"thread",
    b"query",
    b"scn",
    b"commit_scn",
    b"lcr_position",
    b"rs_id",
    b"ssn",
    b"change_lsn",
    b"commit_lsn",
    b"event_serial_no",
    b"ord",
    b"rs",
];

/// A line in a stream of events.
#[derive(Clone, Copy, Debug)]
enum EventLine<'a> {
    /// A tombstone, heartbeat, transaction marker, schema change or message, which does not change
    /// a row.
    Passed,
    /// A change of a row, with the schema around it.
    Change(DebeziumEnvelope<'a>, Option<&'a [u8]>),
    /// A flattened row, with the schema around it.
    Flat(Flat<'a>, Option<&'a [u8]>),
}

/// The members of an event that are used.
#[derive(Clone, Copy, Debug, Default)]
struct DebeziumEnvelope<'a> {
    op: Option<&'a [u8]>,
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    ts_ms: Option<&'a [u8]>,
    patch: Option<&'a [u8]>,
    filter: Option<&'a [u8]>,
    update: Option<&'a [u8]>,
}

/// A flattened row, with the members that were added to it.
#[derive(Clone, Copy, Debug, Default)]
struct Flat<'a> {
    row: &'a [u8],
    deleted: Option<&'a [u8]>,
    op: Option<&'a [u8]>,
    ts_ms: Option<&'a [u8]>,
    source_ts_ms: Option<&'a [u8]>,
    database: Option<&'a [u8]>,
    schema: Option<&'a [u8]>,
    table: Option<&'a [u8]>,
}

/// The members that identify the kind of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Signs<'a> {
    payload: Option<&'a [u8]>,
    schema: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    /// The number of times: `ts_ms`, `ts_us`, `ts_ns`.
    times: usize,
    /// True if there is `ddl` or `tableChanges`.
    is_schema_change: bool,
    /// The number of members of a transaction marker: `id`, `event_count`, `data_collections`.
    transaction: usize,
    members: usize,
}

/// Classifies a line to detect the dialect, if it belongs to a stream of events: `Some(true)` for a
/// change of a row, `Some(false)` for a line that is skipped.
pub(super) fn look(line: &[u8], options: &DecodeOptions) -> Option<bool> {
    match classify(line, 1).ok()? {
        // A record may consist of only a time, if that is its key.
        EventLine::Passed if is_key_alone(line, options) => None,
        EventLine::Passed => Some(false),
        EventLine::Change(event, _) => {
            let is_op =
                matches!(event.op, Some(b"\"c\"" | b"\"u\"" | b"\"d\"" | b"\"r\"" | b"\"t\""));
            let rows = [event.before, event.after, event.patch, event.update];
            let has_row = rows.iter().any(Option::is_some) || event.op == Some(b"\"t\"");
            let has_source = event.source.is_some_and(|source| source.first() == Some(&b'{'));
            (is_op && has_source && event.ts_ms.is_some() && has_row).then_some(true)
        }
        EventLine::Flat(flat, _) => {
            let is_deleted = flat.deleted.is_some_and(|deleted| is_true(deleted).is_some());
            let is_op =
                matches!(flat.op, Some(b"\"c\"" | b"\"u\"" | b"\"d\"" | b"\"r\"" | b"\"t\""));
            (is_deleted || is_op).then_some(true)
        }
    }
}

fn is_key_alone(line: &[u8], options: &DecodeOptions) -> bool {
    use crate::indexeddb::schema::KeyPath;
    let is_time = |name: &str| matches!(name, "ts_ms" | "ts_us" | "ts_ns");
    let of_path = match &options.key_path {
        Some(KeyPath::Path(path)) => is_time(&path.to_string()),
        Some(KeyPath::Paths(paths)) => paths.iter().all(|path| is_time(&path.to_string())),
        None => false,
    };
    line != b"null" && (of_path || options.key_field.as_deref().is_some_and(is_time))
}

fn is_true(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" | b"\"true\"" => Some(true),
        b"false" | b"\"false\"" => Some(false),
        _ => None,
    }
}

/// Finds the members of a line; a `payload` inside is followed for `depth` levels.
fn classify(line: &[u8], depth: usize) -> Result<EventLine<'_>, Reject> {
    if line == b"null" {
        return Ok(EventLine::Passed);
    }
    let mut found = DebeziumEnvelope::default();
    let mut signs = Signs::default();
    let mut flat = Flat { row: line, ..Flat::default() };
    let mut members = ScannedMembers::of(line).map_err(broken)?;
    while let Some(ScannedMember { name, value }) = members.next().map_err(broken)? {
        let value = value.of(line);
        signs.members += 1;
        let place = match name.of(line) {
            b"op" => &mut found.op,
            b"before" => &mut found.before,
            b"after" => &mut found.after,
            b"source" => &mut found.source,
            b"patch" => &mut found.patch,
            b"filter" => &mut found.filter,
            b"updateDescription" => &mut found.update,
            b"ts_ms" => {
                signs.times += 1;
                &mut found.ts_ms
            }
            b"payload" => &mut signs.payload,
            b"schema" => &mut signs.schema,
            b"status" => &mut signs.status,
            b"__deleted" => &mut flat.deleted,
            b"__op" => &mut flat.op,
            b"__ts_ms" => &mut flat.ts_ms,
            b"__source_ts_ms" => &mut flat.source_ts_ms,
            b"__db" | b"__source_db" => &mut flat.database,
            b"__schema" | b"__source_schema" => &mut flat.schema,
            b"__table" | b"__collection" | b"__source_table" | b"__source_collection" => {
                &mut flat.table
            }
            name => {
                signs.times += usize::from(matches!(name, b"ts_us" | b"ts_ns"));
                signs.is_schema_change |= matches!(name, b"ddl" | b"tableChanges");
                signs.transaction +=
                    usize::from(matches!(name, b"id" | b"event_count" | b"data_collections"));
                continue;
            }
        };
        if place.replace(value).is_some() && !name.of(line).starts_with(ADDED) {
            return Err((code::DUPLICATE_MEMBER, "a member of the event is there twice"));
        }
    }
    if found.op == Some(b"\"m\"") {
        return Ok(EventLine::Passed);
    }
    // `op` decides first: a row before or after it may have columns with any of these names.
    match (found.op, signs.payload) {
        (Some(_), _) => Ok(EventLine::Change(found, None)),
        (None, Some(b"null")) => Ok(EventLine::Passed),
        (None, Some(payload)) if depth > 0 => Ok(match classify(payload, depth - 1)? {
            EventLine::Change(event, _) => EventLine::Change(event, signs.schema),
            EventLine::Flat(flat, _) => EventLine::Flat(flat, signs.schema),
            EventLine::Passed => EventLine::Passed,
        }),
        _ if signs.times > 0 && signs.times == signs.members => Ok(EventLine::Passed),
        _ if signs.is_schema_change && found.source.is_some() => Ok(EventLine::Passed),
        _ if is_marker(&signs) => Ok(EventLine::Passed),
        _ if flat.deleted.is_some() || flat.op.is_some() => Ok(EventLine::Flat(flat, None)),
        _ => Err((
            code::MISSING_MEMBER,
            "the line has no op, and no __op or __deleted as a flattened row: it is no event; for \
             bare rows the input \
             is records",
        )),
    }
}

/// True if a line marks the beginning or end of a transaction, and contains nothing else.
fn is_marker(signs: &Signs<'_>) -> bool {
    let of_status = matches!(signs.status, Some(b"\"BEGIN\"" | b"\"END\""));
    of_status && signs.transaction > 1 && 1 + signs.transaction + signs.times == signs.members
}

/// Reads a line; returns `None` if it does not change a row.
pub(super) fn read(
    line: &[u8],
    keys: &KeyColumns<'_>,
    schemas: &mut Schemas,
) -> Result<Option<Event>, Reject> {
    match classify(line, 1)? {
        EventLine::Passed => Ok(None),
        EventLine::Change(event, schema) => event.read(keys, schemas.of(schema)).map(Some),
        EventLine::Flat(flat, schema) => flat.read(keys, schemas.of(schema)).map(Some),
    }
}

impl DebeziumEnvelope<'_> {
    fn read(&self, keys: &KeyColumns<'_>, schema: Option<&RowSchemas>) -> Result<Event, Reject> {
        let kind = kind(self.op.unwrap_or_default())?;
        let row = |raw: Option<&[u8]>, scales: fn(&RowSchemas) -> &Scales| match raw {
            None | Some(b"null") => Ok(None),
            Some(text) if text.first() == Some(&b'"') => documents::read(text, keys).map(Some),
            Some(row) => Row::read(row, keys, schema.map(scales), |_| true).map(Some),
        };
        let mut before = row(self.before, |schema| &schema.before)?;
        let mut after = row(self.after, |schema| &schema.after)?;
        let partial = |raw: Option<&[u8]>| raw.is_some_and(|raw| raw != b"null");
        if kind == RowChange::Put
            && after.is_none()
            && (partial(self.patch) || partial(self.update))
        {
            after = Some(documents::patched(self.patch, self.filter, keys)?);
        }
        if kind == RowChange::Delete && before.is_none() && partial(self.filter) {
            before = documents::key_only(self.filter, keys)?;
        }
        let (at, table) = (clock(self.ts_ms)?, table(self.source)?);
        Ok(Event { kind, at, table, before, after, names_deletions: true })
    }
}

impl Flat<'_> {
    fn read(&self, keys: &KeyColumns<'_>, schema: Option<&RowSchemas>) -> Result<Event, Reject> {
        const DELETED: Reject = (code::INVALID_MEMBER, "__deleted must be true or false");
        let kind = self.op.map(kind).transpose()?;
        let is_deleted = self.deleted.map(|raw| is_true(raw).ok_or(DELETED)).transpose()?;
        let kind = match (is_deleted, kind) {
            (Some(true), _) => RowChange::Delete,
            (_, kind) => kind.unwrap_or(RowChange::Put),
        };
        let text = |raw: Option<&[u8]>| {
            raw.and_then(|raw| serde_json::from_slice::<Option<String>>(raw).ok().flatten())
        };
        let table = EventTable {
            database: text(self.database),
            schema: text(self.schema),
            name: text(self.table),
        };
        let row = if kind == RowChange::Clear {
            None
        } else {
            Some(Row::read(self.row, keys, schema.map(|schema| &schema.flat), |name| {
                !is_added(name)
            })?)
        };
        let table = Some(table).filter(|table| *table != EventTable::default());
        let at = clock(self.ts_ms.or(self.source_ts_ms))?;
        Ok(match kind {
            // A deleted row may contain only its key.
            RowChange::Delete => Event {
                kind,
                at,
                table,
                before: row.map(Row::key_only),
                after: None,
                names_deletions: true,
            },
            _ => Event {
                kind,
                at,
                table,
                before: None,
                after: row,
                names_deletions: self.deleted.is_some(),
            },
        })
    }
}

fn is_added(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(ADDED) else { return false };
    ADDED_NAMES.contains(&rest) || rest.starts_with(b"source_") || rest.starts_with(b"transaction_")
}

fn kind(op: &[u8]) -> Result<RowChange, Reject> {
    match op {
        b"\"c\"" => Ok(RowChange::Create),
        b"\"u\"" | b"\"r\"" => Ok(RowChange::Put),
        b"\"d\"" => Ok(RowChange::Delete),
        b"\"t\"" => Ok(RowChange::Clear),
        _ => Err((code::UNKNOWN_OP, "op must be c, u, d, r or t")),
    }
}

/// Returns the table that an event's `source` names.
fn table(source: Option<&[u8]>) -> Result<Option<EventTable>, Reject> {
    let Some(source) = source.filter(|source| *source != b"null") else { return Ok(None) };
    let mut table = EventTable::default();
    let mut members = ScannedMembers::of(source).map_err(broken)?;
    while let Some(ScannedMember { name, value }) = members.next().map_err(broken)? {
        let place = match name.of(source) {
            b"db" => &mut table.database,
            b"schema" => &mut table.schema,
            b"table" | b"collection" => &mut table.name,
            _ => continue,
        };
        let text =
            serde_json::from_slice::<String>(value.of(source)).ok().filter(|text| !text.is_empty());
        *place = text.or(place.take());
    }
    Ok(Some(table))
}

/// The decimal columns of an event's rows, from the event's schema.
#[derive(Debug, Default)]
pub(super) struct RowSchemas {
    before: Scales,
    after: Scales,
    flat: Scales,
}

/// The schema that was read last, because it is the same for most events of a table.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    text: Vec<u8>,
    found: RowSchemas,
}

impl Schemas {
    fn of(&mut self, text: Option<&[u8]>) -> Option<&RowSchemas> {
        let text = text.filter(|text| text.first() == Some(&b'{'))?;
        if self.text != text {
            self.text = text.to_vec();
            self.found = RowSchemas::read(text);
        }
        Some(&self.found)
    }
}

impl RowSchemas {
    fn read(text: &[u8]) -> Self {
        let Ok(schema) = serde_json::from_slice::<serde_json::Value>(text) else {
            return Self::default();
        };
        let of = |name: &str| {
            fields(&schema).find(|field| field["field"] == name).map(scales).unwrap_or_default()
        };
        Self { before: of("before"), after: of("after"), flat: scales(&schema) }
    }
}

fn fields(schema: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    schema["fields"].as_array().into_iter().flatten()
}

fn scales(schema: &serde_json::Value) -> Scales {
    let decimal = |field: &serde_json::Value| {
        let scale = field["parameters"]["scale"].as_str()?.parse().ok()?;
        let name = serde_json::to_vec(field["field"].as_str()?).ok()?;
        (field["name"] == "org.apache.kafka.connect.data.Decimal")
            .then(|| (raw_json::inside(&name).to_vec(), scale))
    };
    fields(schema).filter_map(decimal).collect::<HashMap<_, _>>()
}
