//! Events of NiFi's CaptureChangeMySQL: `{"type","timestamp","database","table_name","columns":[{"name","value","last_value"}]}`.

use super::row::Row;
use super::tables::EventTable;
use super::{Event, KeyColumns, RowChange, clock};
use crate::decode::dialect::DialectSpec;
use crate::decode::raw_json::{Reject, broken, tree};
use crate::decode::scan::{ScannedMember, ScannedMembers};
use crate::indexeddb::value::tree::Tree;
use crate::loss::what;
use crate::rejection::code;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "capture-change-mysql",
    summary: "Events of NiFi's CaptureChangeMySQL; needs what Debezium's events need",
    has_events: true,
    losses: &[what::DATABASE_TYPES, what::SCHEMA],
    ..DialectSpec::NONE
};

/// The members that are used.
#[derive(Clone, Copy, Debug, Default)]
struct EventMembers<'a> {
    kind: Option<&'a [u8]>,
    timestamp: Option<&'a [u8]>,
    database: Option<&'a [u8]>,
    table: Option<&'a [u8]>,
    columns: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
    /// The position in the database's log.
    position: Option<&'a [u8]>,
}

/// Classifies a line to detect the dialect, if the processor wrote it: `Some(true)` for a change of
/// a row, `Some(false)` for a line that is skipped.
pub(super) fn look(line: &[u8]) -> Option<bool> {
    let found = find(line).ok()?;
    found.position.or(found.table)?;
    found.timestamp?;
    match found.kind? {
        b"\"insert\"" | b"\"update\"" | b"\"delete\"" => found.columns.map(|_| true),
        b"\"begin\"" | b"\"commit\"" | b"\"ddl\"" | b"\"schema_change\"" => Some(false),
        _ => None,
    }
}

fn find(line: &[u8]) -> Result<EventMembers<'_>, Reject> {
    let mut found = EventMembers::default();
    let mut members = ScannedMembers::of(line).map_err(broken)?;
    while let Some(ScannedMember { name, value }) = members.next().map_err(broken)? {
        let place = match name.of(line) {
            b"type" => &mut found.kind,
            b"timestamp" => &mut found.timestamp,
            b"database" => &mut found.database,
            b"table_name" => &mut found.table,
            b"columns" => &mut found.columns,
            b"query" => &mut found.query,
            b"binlog_filename" | b"binlog_gtidset" => &mut found.position,
            _ => continue,
        };
        if place.replace(value.of(line)).is_some() {
            return Err((code::DUPLICATE_MEMBER, "a member of the event is there twice"));
        }
    }
    Ok(found)
}

/// Reads a line; returns `None` if it does not change a row.
pub(super) fn read(line: &[u8], keys: &KeyColumns<'_>) -> Result<Option<Event>, Reject> {
    let found = find(line)?;
    let kind = match found.kind.ok_or((code::MISSING_MEMBER, "the event has no type"))? {
        b"\"insert\"" => RowChange::Create,
        b"\"update\"" => RowChange::Put,
        b"\"delete\"" => RowChange::Delete,
        b"\"begin\"" | b"\"commit\"" | b"\"schema_change\"" => return Ok(None),
        b"\"ddl\"" if is_truncate(found.query) => {
            let what = "the event is a TRUNCATE, which names its table in SQL only: delete the \
                records yourself";
            return Err((code::UNKNOWN_OP, what));
        }
        b"\"ddl\"" => return Ok(None),
        _ => {
            return Err((
                code::UNKNOWN_OP,
                "type must be insert, update, delete, begin, commit, ddl or schema_change",
            ));
        }
    };
    let text = |raw: Option<&[u8]>| {
        raw.and_then(|raw| serde_json::from_slice::<Option<String>>(raw).ok().flatten())
    };
    let table =
        EventTable { database: text(found.database), schema: None, name: text(found.table) };
    let columns = found.columns.ok_or((code::MISSING_MEMBER, "the event has no columns"))?;
    let columns = tree(columns)?;
    let rows = |member| row(&columns, member, keys);
    let (before, after) = match kind {
        RowChange::Put => (Some(rows("last_value")?), Some(rows("value")?)),
        RowChange::Delete => (Some(rows("value")?), None),
        _ => (None, Some(rows("value")?)),
    };
    let (at, table) = (clock(found.timestamp)?, Some(table));
    Ok(Some(Event { kind, at, table, before, after, names_deletions: true }))
}

fn is_truncate(query: Option<&[u8]>) -> bool {
    let query =
        query.and_then(|raw| serde_json::from_slice::<String>(raw).ok()).unwrap_or_default();
    query.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("truncate"))
}

/// Reads one side of a row: the member with this name from each column.
fn row(columns: &Tree<'_>, member: &str, keys: &KeyColumns<'_>) -> Result<Row, Reject> {
    const COLUMNS: Reject =
        (code::INVALID_MEMBER, "columns must be an array of objects with the member value");
    const UNNAMED: Reject = (
        code::MISSING_MEMBER,
        "a column has no name: give the processor a Distributed Map Cache Client, or a user that \
         may read the schema",
    );
    let mut row = Row::default();
    for column in columns.items().ok_or(COLUMNS)? {
        column.members().ok_or(COLUMNS)?;
        let Some(Tree::String(name)) = column.get("name") else { return Err(UNNAMED) };
        row.push(name, column.get(member).ok_or(COLUMNS)?, keys, None);
    }
    Ok(row)
}
