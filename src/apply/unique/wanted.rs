//! The first step: finds object stores in which an index key that is new to a record belongs to
//! another record too.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem::{Finder, find};

use super::{UniqueStores, entries_of};
use crate::apply::head_reader::HeadReader;
use crate::apply::walk::MergeSink;
use crate::chunk::{ChunkSink, ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::unique_index::{IndexEntry, UniqueIndexes};
use crate::snapshot::deletion_run::Deletion;
use crate::snapshot::{ChunkRef, Conflict, Line, LineState, List, Manifest, StoreManifest};
use crate::store::StoreError;

/// Limit on the texts that are searched for in a chunk before it is parsed.
const MAX_TEXTS: usize = 8;

/// A sink that collects 16 bytes for each index key that is new to a record, in object stores with
/// unique indexes.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    unique: &'a UniqueStores<'a>,
    base: &'a HeadReader<'a>,
    stores: BTreeMap<DomString, StoreWants>,
}

#[derive(Debug, Default)]
struct StoreWants {
    entries: Vec<IndexEntry>,
    texts: WantedTexts,
}

/// Canonical texts; the value of each record with one of the keys contains one of them.
#[derive(Debug)]
enum WantedTexts {
    Few(Vec<Vec<u8>>),
    /// Too many texts, or a key that need not occur as text.
    Unknown,
}

impl Default for WantedTexts {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl WantedTexts {
    fn add(&mut self, sortable: &[u8]) {
        let Self::Few(texts) = self else { return };
        match Key::from_sortable(sortable).ok().as_ref().and_then(string_in) {
            Some(text) if texts.len() < MAX_TEXTS => texts.push(text.to_canonical().into_bytes()),
            _ => *self = Self::Unknown,
        }
    }
}

/// Returns a string of the key. A string occurs unchanged in the value, while a number may be the
/// length of something, and bytes may be part of others.
fn string_in(key: &Key) -> Option<&DomString> {
    match key {
        Key::String(text) => Some(text),
        Key::Array(items) => items.iter().find_map(string_in),
        _ => None,
    }
}

impl<'a> Wanted<'a> {
    /// Creates an empty collection.
    pub(crate) fn new(unique: &'a UniqueStores<'a>, base: &'a HeadReader<'a>) -> Self {
        Self { unique, base, stores: BTreeMap::new() }
    }

    /// Returns the object stores in which two records may want the same index key. Reads all
    /// records of an object store in which any key is wanted; if there are few keys, parses only
    /// chunks that contain one of them as text.
    pub(crate) fn contested(self, head: &Manifest) -> Result<BTreeSet<DomString>, StoreError> {
        let mut contested = BTreeSet::new();
        for (name, mut wants) in self.stores {
            let (Some(indexes), Some(store)) = (self.unique.get(&name), head.store(&name)) else {
                continue;
            };
            wants.entries.sort_unstable();
            let twice = wants.entries.windows(2).any(|pair| pair[0] == pair[1]);
            if twice || is_held(&wants, indexes, store, self.base)? {
                contested.insert(name);
            }
        }
        Ok(contested)
    }
}

/// True if a record of head has one of the keys.
fn is_held(
    wants: &StoreWants,
    indexes: &UniqueIndexes,
    store: &StoreManifest,
    base: &HeadReader<'_>,
) -> Result<bool, StoreError> {
    let list = List::Records(store.schema.name.clone());
    let finders: Option<Vec<Finder<'_>>> = match &wants.texts {
        WantedTexts::Few(texts) => Some(texts.iter().map(Finder::new).collect()),
        WantedTexts::Unknown => None,
    };
    for chunk in store.records.iter().filter(|_| !wants.entries.is_empty()) {
        let text = base.read_chunk(&list, chunk)?;
        let may_hold = |finders: &Vec<Finder<'_>>| {
            // The text of a spilled value is stored elsewhere.
            find(&text, b"\"spilled\":").is_some()
                || finders.iter().any(|finder| finder.find(&text).is_some())
        };
        if !finders.as_ref().is_none_or(may_hold) {
            continue;
        }
        for line in lines_of(&list, chunk, &text)? {
            let held = entries_of(indexes, Some(&line), base)?;
            if held.iter().any(|entry| wants.entries.binary_search(entry).is_ok()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl ChunkSink for Wanted<'_> {
    fn write_chunk(
        &mut self,
        _list: &List,
        _chunk: &ChunkRef,
        _text: Vec<u8>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MergeSink for Wanted<'_> {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        Ok(state)
    }

    fn deleted(&mut self, _store: &DomString, _key: &SortableKey, _deletion: Deletion) {}

    fn conflict(&mut self, _conflict: Conflict) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn differs(&mut self, _store: &DomString, _line: &Line) -> Result<(), StoreError> {
        Ok(())
    }

    fn applied(
        &mut self,
        store: &DomString,
        head: Option<&Line>,
        line: &Line,
    ) -> Result<(), StoreError> {
        let (Some(indexes), LineState::Put(value)) = (self.unique.get(store), &line.state) else {
            return Ok(());
        };
        let had = entries_of(indexes, head, self.base)?;
        if !self.stores.contains_key(store) {
            self.stores.insert(store.clone(), StoreWants::default());
        }
        let Some(wants) = self.stores.get_mut(store) else { return Ok(()) };
        let mut gets = Vec::new();
        indexes.each(value, &mut |_, entry, sortable| {
            if had.binary_search(&entry).is_err() {
                gets.push(entry);
                wants.texts.add(sortable);
            }
        });
        // A record that contains one of its keys twice is in the index once.
        gets.sort_unstable();
        gets.dedup();
        wants.entries.append(&mut gets);
        Ok(())
    }
}
