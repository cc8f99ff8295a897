//! Output of dexie-export-import, format version 1: the tables' description first, then the rows,
//! one at a time.

mod schema;
mod types;
mod value;

use crate::decode::dialect::{Beginning, DialectSpec, ValueSyntax};
use std::io::Read;

use serde_json::Value;

pub(crate) use value::{plain_value, record};

use crate::decode::dialect::Dialect;
use crate::decode::document_walk::{DocumentWalk, First};
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::incomplete::Incomplete;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::DecodeOptions;
use crate::decode::staged::RawRecord;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;
use crate::loss::{Losses, path, what};

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "dexie",
    summary: "An export of dexie-export-import",
    has_schema: true,
    is_whole: true,
    lacks_key_generators: true,
    values: ValueSyntax::Canonical,
    losses: &[what::BUFFER_MAX, what::NEGATIVE_ZERO, what::OWN_PROTO],
    beginnings: &[Beginning::only(&[b"{", b"\"formatName\"", b":", b"\"dexie\""])],
    ..DialectSpec::NONE
};

/// The information before the first row.
#[derive(Default)]
struct ExportHead {
    name: Option<DomString>,
    version: Option<u64>,
    tables: Option<Vec<ExportTable>>,
}

struct ExportTable {
    store: ObjectStore,
    rows: Option<u64>,
}

/// The reader's position in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowPosition {
    /// Between the tables' row lists.
    Tables(First),
    /// In the rows of one table.
    Rows(First),
    /// After the document.
    End,
}

/// The rows of a document, one at a time.
pub(crate) struct Rows {
    at: RowPosition,
    names: Vec<DomString>,
    /// For each table, the number of rows that the export declares and the number that were found;
    /// `None` for the latter if the export has no list of the table's rows.
    counts: Vec<(Option<u64>, Option<u64>)>,
    /// The table of the current rows.
    table: Option<usize>,
    in_line: bool,
    max_line_bytes: usize,
}

/// Reads the document up to its rows.
pub(crate) fn open<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<OpenedDocument<Rows>, DecodeError> {
    let mut pull = DocumentWalk(lines);
    let mut first = pull.open(b'{', "an export of Dexie")?;
    // The format is checked before the data, so that a different file is never read as an export.
    let (mut format, mut version) = (false, false);
    loop {
        match pull.member(&mut first)?.as_deref() {
            Some("formatName") if pull.text("formatName")? == "dexie" => format = true,
            Some("formatName") => return Err(pull.framing("formatName must be \"dexie\"")),
            Some("formatVersion") => {
                version = pull.value("formatVersion")?.as_u64() == Some(1);
                if !version {
                    return Err(
                        pull.framing("formatVersion must be 1; a newer release may read others")
                    );
                }
            }
            Some("data") if format && version => break,
            Some("data") => {
                return Err(pull.framing("formatName and formatVersion must stand before data"));
            }
            Some(_) => pull.skip()?,
            None => return Err(pull.framing("this is no export of Dexie: it has no data")),
        }
    }
    let mut first = pull.open(b'{', "data")?;
    let mut head = ExportHead::default();
    loop {
        match pull.member(&mut first)?.as_deref() {
            Some("databaseName") => {
                let name = DomString::from_json(&pull.value("databaseName")?);
                head.name =
                    Some(name.ok_or_else(|| pull.framing("databaseName must be a string"))?);
            }
            Some("databaseVersion") => {
                let version = pull.value("databaseVersion")?;
                let native = version.as_f64().map(|version| (version * 10.0).round());
                let native =
                    native.filter(|native| (1.0..9_007_199_254_740_992.0).contains(native));
                let what = "databaseVersion must be Dexie's version of the database: a tenth of \
                    the browser's";
                head.version = Some(native.ok_or_else(|| pull.framing(what))? as u64);
            }
            Some("tables") if head.tables.is_none() => head.tables = Some(tables(&mut pull)?),
            Some("data") => break,
            Some(_) => pull.skip()?,
            None => return Err(pull.framing("this is no export of Dexie: it has no rows")),
        }
    }
    let missing = "databaseName, databaseVersion and tables must stand before the rows";
    let (Some(name), Some(version), Some(tables)) = (head.name, head.version, head.tables) else {
        return Err(pull.framing(missing));
    };
    pull.open(b'[', "the list of rows")?;
    let names: Vec<_> = tables.iter().map(|table| table.store.name.clone()).collect();
    let counts = tables.iter().map(|table| (table.rows, None)).collect();
    let stores = tables.into_iter().map(|table| table.store).collect();
    let header = options.import_header(Dialect::Dexie, name, version, stores)?;
    let rows = Rows {
        at: RowPosition::Tables(true),
        names: names.clone(),
        counts,
        table: None,
        in_line: false,
        max_line_bytes: options.max_line_bytes,
    };
    Ok(OpenedDocument { header, names, records: rows })
}

fn tables<R: Read>(pull: &mut DocumentWalk<'_, R>) -> Result<Vec<ExportTable>, DecodeError> {
    let list = pull.value("tables")?;
    let list = list.as_array().ok_or_else(|| pull.framing("tables must be an array"))?;
    let table = |table: &Value| {
        let schema = table.get("schema").and_then(Value::as_str).ok_or("its schema is missing")?;
        let store = schema::parse(table.get("name").unwrap_or(&Value::Null), schema)?;
        Ok::<_, String>(ExportTable { store, rows: table.get("rowCount").and_then(Value::as_u64) })
    };
    let tables: Result<Vec<_>, _> = list.iter().map(table).collect();
    tables
        .map_err(|error| pull.framing(format!("a table is not described as it should be: {error}")))
}

impl Rows {
    /// True if the rows that were read last are values without separate keys.
    pub(crate) fn in_line(&self) -> bool {
        self.in_line
    }

    /// Finds the next row.
    pub(crate) fn next<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        raw: &mut Vec<u8>,
    ) -> Result<Option<RawRecord>, DecodeError> {
        let mut pull = DocumentWalk(lines);
        loop {
            match self.at {
                RowPosition::Tables(mut first) => {
                    if pull.item(&mut first)? {
                        self.table(&mut pull)?;
                    } else {
                        end(&mut pull)?;
                        self.at = RowPosition::End;
                    }
                }
                RowPosition::Rows(mut first) => {
                    if pull.item(&mut first)? {
                        self.at = RowPosition::Rows(first);
                        pull.peek()?;
                        let mark = pull.mark();
                        let whole = pull.copy(raw, self.max_line_bytes)?;
                        if let Some((_, count)) =
                            self.table.and_then(|table| self.counts.get_mut(table))
                        {
                            *count = Some(count.unwrap_or(0) + 1);
                        }
                        return Ok(Some(RawRecord { store: self.table, mark, too_long: !whole }));
                    }
                    rest(&mut pull)?;
                    self.at = RowPosition::Tables(false);
                }
                RowPosition::End => return Ok(None),
            }
        }
    }

    /// Reads a table's object up to its rows.
    fn table<R: Read>(&mut self, pull: &mut DocumentWalk<'_, R>) -> Result<(), DecodeError> {
        let mut first = pull.open(b'{', "a table's rows")?;
        let (mut name, mut in_line) = (None, None);
        loop {
            match pull.member(&mut first)?.as_deref() {
                Some("tableName") => name = DomString::from_json(&pull.value("tableName")?),
                Some("inbound") => in_line = pull.value("inbound")?.as_bool(),
                Some("rows") => break,
                Some(_) => pull.skip()?,
                None => {
                    self.at = RowPosition::Tables(false);
                    return Ok(());
                }
            }
        }
        let (Some(name), Some(in_line)) = (name, in_line) else {
            return Err(pull.framing("tableName and inbound must stand before a table's rows"));
        };
        self.table = self.names.iter().position(|known| *known == name);
        self.in_line = in_line;
        self.at = RowPosition::Rows(pull.open(b'[', "rows")?);
        if let Some((_, count)) = self.table.and_then(|table| self.counts.get_mut(table)) {
            count.get_or_insert(0);
        }
        Ok(())
    }

    /// Reports the rows that the document declares but does not contain.
    pub(crate) fn missing(&self, losses: &mut Losses) {
        for (name, (said, came)) in self.names.iter().zip(&self.counts) {
            let came = &came.unwrap_or(0);
            losses.add(&path(name, &[]), what::ROWS, said.unwrap_or(*came).abs_diff(*came));
        }
    }
}

impl Rows {
    /// Returns, for each table in the order of the document, the reason if its rows are incomplete.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = Option<Incomplete>> {
        self.counts.iter().map(|(said, came)| match came {
            None => Some(Incomplete::LeftOut),
            Some(came) => said.is_some_and(|said| said > *came).then_some(Incomplete::Filtered),
        })
    }
}

/// Skips the members after the rows, up to the end of their object.
fn rest<R: Read>(pull: &mut DocumentWalk<'_, R>) -> Result<(), DecodeError> {
    let mut first = false;
    while pull.member(&mut first)?.is_some() {
        pull.skip()?;
    }
    Ok(())
}

/// Reads the rest of `data` and of the document, after the list of all rows.
fn end<R: Read>(pull: &mut DocumentWalk<'_, R>) -> Result<(), DecodeError> {
    rest(pull)?;
    rest(pull)?;
    pull.finish()
}
