//! The parts of a version that no web page can create: schemas that browsers refuse, and records
//! that violate a unique index.
//!
//! Such parts occur in versions from earlier releases, and in versions older than a schema with a
//! new index. They stay readable, and are reported.

use std::collections::BTreeSet;

use super::HistoryError;
use super::reader::{CheckedChunk, VersionReader};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::unique_index::{IndexEntry, UniqueIndexes};
use crate::snapshot::{FlowName, Line, List, StoreManifest};
use crate::store::{SnapshotReader, StoreError, StoredVersion};

/// Limit on the characters of a record's key in a message.
const MAX_KEY_CHARS: usize = 80;

/// The parts of a version that no web page can create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmakeable {
    /// Object stores whose schema browsers refuse, each with a sentence for people.
    pub schemas: Vec<(DomString, String)>,
    /// Unique indexes that records violate.
    pub clashes: Vec<IndexClash>,
    /// Object stores that were not checked because they exceed the limit on records.
    pub skipped: Vec<DomString>,
}

/// Records that have the same key in a unique index as an earlier record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexClash {
    /// The object store.
    pub store: DomString,
    /// The index.
    pub index: DomString,
    /// The number of such records.
    pub records: u64,
    /// The first such record.
    pub first: SortableKey,
}

impl Unmakeable {
    /// Returns a line for people for each part, without line ends. Lines about records contain the
    /// first one's key, but no value.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let clash = |clash: &IndexClash| {
            let (store, index) = (clash.store.to_canonical(), clash.index.to_canonical());
            let (records, have, keep) = match clash.records {
                1 => ("1 record".to_owned(), "has", "it"),
                many => (format!("{many} records"), "have", "them"),
            };
            let mut first: String =
                clash.first.to_canonical().chars().take(MAX_KEY_CHARS + 1).collect();
            if first.len() > MAX_KEY_CHARS {
                first.truncate(MAX_KEY_CHARS);
                first.push_str("...");
            }
            format!(
                "object store {store}: {records} {have} a key in unique index {index} that an earlier record has, too: a page \
                 cannot hold {keep} (the first is record {first}); change or delete one of each"
            )
        };
        let skipped = |store: &DomString| {
            format!(
                "object store {}: too many records to look for such here; verify does",
                store.to_canonical()
            )
        };
        let schemas =
            self.schemas.iter().map(|(_, what)| format!("no browser can make this: {what}"));
        schemas.chain(self.clashes.iter().map(clash)).chain(self.skipped.iter().map(skipped))
    }
}

/// Finds the parts of a version, or of one of its object stores, that no web page can create. Reads
/// all records of each object store that has unique indexes and at most `most` records. Uses 16
/// bytes for each key in such an index.
///
/// # Errors
///
/// Fails if the version cannot be read, or is damaged.
pub fn unmakeable(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    only: Option<&DomString>,
    most: u64,
) -> Result<Unmakeable, HistoryError> {
    let reader = VersionReader { store, flow, version };
    let mut found = Unmakeable::default();
    let wanted = |store: &&StoreManifest| only.is_none_or(|only| store.schema.name == *only);
    for store in version.manifest.stores.iter().filter(wanted) {
        let name = &store.schema.name;
        found
            .schemas
            .extend(store.schema.faults().iter().map(|fault| (name.clone(), fault.explain(name))));
        let Some(indexes) = UniqueIndexes::of(&store.schema) else { continue };
        if store.record_count() > most {
            found.skipped.push(name.clone());
        } else {
            found.clashes.extend(clashes(&reader, store, &indexes)?);
        }
    }
    Ok(found)
}

/// Reads an object store once, and a second time if a key occurs twice.
fn clashes(
    reader: &VersionReader<'_>,
    store: &StoreManifest,
    indexes: &UniqueIndexes,
) -> Result<Vec<IndexClash>, HistoryError> {
    let mut all: Vec<IndexEntry> = Vec::new();
    each_record(reader, store, |_, value| all.append(&mut indexes.entries(value)))?;
    all.sort_unstable();
    let twice: BTreeSet<IndexEntry> =
        all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    drop(all);
    if twice.is_empty() {
        return Ok(Vec::new());
    }
    let mut held = BTreeSet::new();
    let mut found: Vec<Option<(u64, SortableKey)>> = vec![None; indexes.names().count()];
    each_record(reader, store, |line, value| {
        let mut places = BTreeSet::new();
        let mut own = Vec::new();
        indexes.each(value, &mut |place, entry, _| {
            if held.contains(&entry) {
                places.insert(place);
            } else if twice.contains(&entry) {
                own.push(entry);
            }
        });
        // A web page could not have this record, so it does not exclude others.
        if places.is_empty() {
            held.extend(own);
        }
        for place in places {
            if let Some(clash) = found.get_mut(place) {
                clash.get_or_insert_with(|| (0, line.key.clone())).0 += 1;
            }
        }
    })?;
    let named = found.into_iter().zip(indexes.names()).filter_map(|(clash, index)| {
        let (records, first) = clash?;
        Some(IndexClash { store: store.schema.name.clone(), index: index.clone(), records, first })
    });
    Ok(named.collect())
}

fn each_record(
    reader: &VersionReader<'_>,
    store: &StoreManifest,
    mut each: impl FnMut(&Line, &[u8]),
) -> Result<(), StoreError> {
    let mut list = reader.list(List::Records(store.schema.name.clone()), &store.records);
    while let Some(CheckedChunk { lines, .. }) = list.advance()? {
        for line in &lines {
            if let Some(value) = reader.whole(&line.state)? {
                each(line, &value);
            }
        }
    }
    Ok(())
}
