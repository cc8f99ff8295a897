//! Assigns an event's table to an object store, so that tables with the same name in two schemas
//! are never mixed.

use crate::decode::header::BatchHeader;
use crate::decode::options::DecodeOptions;
use crate::decode::raw_json::Reject;
use crate::indexeddb::dom_string::DomString;
use crate::rejection::code;

/// A table as an event names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EventTable {
    /// The database of the table or collection.
    pub(super) database: Option<String>,
    /// The schema, if the database has schemas.
    pub(super) schema: Option<String>,
    /// The name of the table or collection.
    pub(super) name: Option<String>,
}

/// The database and schema of each object store's first event.
#[derive(Debug, Default)]
pub(super) struct Tables(Vec<Option<EventTable>>);

impl EventTable {
    /// Returns the possible names of an object store for this table, the most qualified first.
    fn names(&self) -> Vec<String> {
        let Some(name) = &self.name else { return Vec::new() };
        let qualifiers: [Option<Vec<&String>>; 4] = [
            self.database
                .as_ref()
                .zip(self.schema.as_ref())
                .map(|(database, schema)| vec![database, schema]),
            self.schema.as_ref().map(|schema| vec![schema]),
            self.database.as_ref().map(|database| vec![database]),
            Some(Vec::new()),
        ];
        let join = |parts: Vec<&String>| {
            parts.into_iter().chain([name]).cloned().collect::<Vec<_>>().join(".")
        };
        qualifiers.into_iter().flatten().map(join).collect()
    }

    fn same_schema(&self, other: &Self) -> bool {
        (&self.database, &self.schema) == (&other.database, &other.schema)
    }
}

impl Tables {
    /// Returns the position of this table's object store.
    pub(super) fn place(
        &mut self,
        table: Option<&EventTable>,
        header: &BatchHeader,
        options: &DecodeOptions,
    ) -> Result<usize, Reject> {
        let (place, qualified) = if options.object_store.is_some() {
            (0, false)
        } else {
            const NONE: Reject = (code::MISSING_MEMBER, "the event names no table");
            const UNKNOWN: Reject = (code::UNKNOWN_STORE, "no --key-path names the event's table");
            let names =
                table.map(EventTable::names).filter(|names| !names.is_empty()).ok_or(NONE)?;
            let find = |name: &String| {
                header.schema.store(&DomString::from(name.as_str())).map(|(place, _)| place)
            };
            let found = names
                .iter()
                .enumerate()
                .find_map(|(rank, name)| Some((find(name)?, rank + 1 < names.len())));
            found.ok_or(UNKNOWN)?
        };
        let Some(table) = table.filter(|_| !qualified) else { return Ok(place) };
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        match self.0.get_mut(place) {
            Some(Some(first)) if !first.same_schema(table) => {
                let what = "the event's table is of another schema or database than the first \
                    event's: give \
                            --key-path SCHEMA.TABLE=PATH for each";
                Err((code::UNKNOWN_STORE, what))
            }
            Some(first) => {
                first.get_or_insert_with(|| table.clone());
                Ok(place)
            }
            None => Ok(place),
        }
    }
}
