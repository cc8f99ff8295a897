//! Checks that no record gets a key in a unique index that another record has.

use std::collections::{HashMap, HashSet};

use super::Facts;
use super::current_record::ConflictedRecord;
use super::selected_conflict::Chosen;
use crate::apply::error::SyncError;
use crate::chunk::{ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::unique_index::UniqueIndexes;
use crate::snapshot::List;
use crate::spool::Spool;

/// Checks the unique indexes of each object store that gets a value; reads all its records.
pub(super) fn check(
    facts: &Facts<'_>,
    records: &[ConflictedRecord],
    spool: &mut Spool,
) -> Result<(), SyncError> {
    for records in records.chunk_by(|a, b| a.store == b.store) {
        check_store(facts, records, spool)?;
    }
    Ok(())
}

/// Checks the records of one object store.
fn check_store(
    facts: &Facts<'_>,
    records: &[ConflictedRecord],
    spool: &mut Spool,
) -> Result<(), SyncError> {
    let Some(store) = records.first().and_then(|first| facts.head.manifest.store(&first.store))
    else {
        return Ok(());
    };
    let name = &store.schema.name;
    let Some(indexes) = UniqueIndexes::of(&store.schema) else { return Ok(()) };
    // A record takes nothing from others by keeping an index key that it has.
    let (mut taken, mut kept) = (HashMap::new(), HashMap::new());
    for record in records {
        let Some(Chosen::Put(place, _)) = record.change else { continue };
        let had = match record.standing.as_ref().and_then(|standing| standing.value) {
            Some(value) => indexes.entries(&spool.read(value)?),
            None => Vec::new(),
        };
        for entry in indexes.entries(&spool.read(place)?) {
            if had.binary_search(&entry).is_ok() {
                kept.insert(entry, &record.key);
            } else if let Some(other) = taken.insert(entry, &record.key) {
                return Err(collision(name, &record.key, other));
            }
        }
    }
    if let Some((other, key)) =
        kept.iter().find_map(|(entry, other)| Some((*other, *taken.get(entry)?)))
    {
        return Err(collision(name, key, other));
    }
    if taken.is_empty() {
        return Ok(());
    }
    let changes: HashSet<&SortableKey> =
        records.iter().filter(|record| record.change.is_some()).map(|record| &record.key).collect();
    let list = List::Records(name.clone());
    for chunk in &store.records {
        for line in lines_of(&list, chunk, &facts.base.read_chunk(&list, chunk)?)? {
            let Some(value) =
                facts.base.whole_value(&line.state)?.filter(|_| !changes.contains(&line.key))
            else {
                continue;
            };
            if let Some(key) =
                indexes.entries(&value).iter().find_map(|entry| taken.get(entry).copied())
            {
                return Err(collision(name, key, &line.key));
            }
        }
    }
    Ok(())
}

fn collision(store: &DomString, key: &SortableKey, other: &SortableKey) -> SyncError {
    let (store, key, other) = (store.to_canonical(), key.to_canonical(), other.to_canonical());
    SyncError::Mismatch(format!(
        "record {key} of object store {store} would have the same key in a unique index as record \
         {other}: sync a batch that \
         changes or deletes that one first, or decide otherwise"
    ))
}
