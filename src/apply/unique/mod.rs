//! Detects two records of one object store with the same key in a unique index, which a web page
//! cannot have.
//!
//! The check has two steps. [`wanted`] receives all changes and keeps 16 bytes for each index key
//! that is new to a record. If no other record has or gets any of them, the check ends. Otherwise
//! [`search`] decides, with more data about each change.

mod search;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use search::{Collision, Collisions, Outcomes, SearchEnd};
pub(crate) use wanted::Wanted;

use crate::apply::head_reader::HeadReader;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::unique_index::{IndexEntry, UniqueIndexes};
use crate::snapshot::{Line, LineState, Manifest};
use crate::store::StoreError;

/// The object stores that have unique indexes, by name.
#[derive(Debug, Default)]
pub(crate) struct UniqueStores<'a> {
    stores: BTreeMap<&'a DomString, UniqueIndexes>,
}

impl<'a> UniqueStores<'a> {
    /// Finds them among the object stores with these names.
    pub(crate) fn of(manifest: &'a Manifest, names: &[DomString]) -> Self {
        let named = manifest.stores.iter().filter(|store| names.contains(&store.schema.name));
        let found =
            named.filter_map(|store| Some((&store.schema.name, UniqueIndexes::of(&store.schema)?)));
        Self { stores: found.collect() }
    }

    /// Keeps only these.
    pub(crate) fn only(mut self, names: &BTreeSet<DomString>) -> Self {
        self.stores.retain(|name, _| names.contains(*name));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stores.is_empty()
    }

    pub(crate) fn contains(&self, name: &DomString) -> bool {
        self.stores.contains_key(name)
    }

    fn get(&self, name: &DomString) -> Option<&UniqueIndexes> {
        self.stores.get(name)
    }
}

/// Returns the index entries of a line's value; none for a deletion. Reads spilled values.
fn entries_of(
    indexes: &UniqueIndexes,
    line: Option<&Line>,
    base: &HeadReader<'_>,
) -> Result<Vec<IndexEntry>, StoreError> {
    match line.map(|line| &line.state) {
        None | Some(LineState::Delete) => Ok(Vec::new()),
        Some(LineState::Put(value)) => Ok(indexes.entries(value)),
        Some(state) => {
            Ok(base.whole_value(state)?.map(|value| indexes.entries(&value)).unwrap_or_default())
        }
    }
}

/// Returns a line without its value: values are large, and only clock and source are needed.
fn bare(line: &Line) -> Line {
    let state = if line.state == LineState::Delete {
        LineState::Delete
    } else {
        LineState::Put(Box::default())
    };
    Line { state, key: line.key.clone(), meta: line.meta.clone() }
}
