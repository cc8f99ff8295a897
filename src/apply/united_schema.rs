//! Unites the schemas of head and of the batch.

use super::error::SyncError;
use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::ObjectStore;
use crate::snapshot::{Manifest, StoreManifest};

/// Returns head's manifest with the batch's schema: the newer database version describes an object
/// store, and no object store is lost. Also returns the object stores that a newer version deleted
/// and recreated, which is the only way in which a key path can change. Their old lines are still
/// in the manifest.
pub(crate) fn united(
    head: Option<&Manifest>,
    header: &BatchHeader,
) -> Result<(Manifest, Vec<DomString>), SyncError> {
    let Some(head) = head else {
        check_makeable(None, header)?;
        return Ok((Manifest::empty(&header.schema), Vec::new()));
    };
    if head.database != header.schema.name {
        return Err(SyncError::Mismatch(format!(
            "the flow holds database {}, the batch is of database {}: give another --flow, or the \
             right --database",
            head.database.to_canonical(),
            header.schema.name.to_canonical()
        )));
    }
    check_makeable(Some(head), header)?;
    // Bare records contain no schema except the key path. Input without the names of indexes
    // redefines an object store only if its version is newer.
    let newer = header.schema.version > head.database_version;
    let same = header.schema.version == head.database_version && header.dialect.names_indexes();
    let describes = header.dialect.has_schema() && (newer || same);
    let mut manifest = head.clone();
    if describes {
        manifest.database_version = header.schema.version;
    }
    let mut recreated = Vec::new();
    for store in &header.schema.stores {
        match manifest.stores.binary_search_by(|known| known.schema.name.cmp(&store.name)) {
            Err(place) => manifest.stores.insert(place, StoreManifest::empty(store.clone())),
            Ok(place) => {
                if unite(
                    &mut manifest.stores[place],
                    store,
                    describes,
                    newer && header.dialect.has_schema(),
                )? {
                    recreated.push(store.name.clone());
                }
            }
        }
    }
    Ok((manifest, recreated))
}

/// Refuses an object store that no browser can create. One that is already in head is accepted;
/// otherwise nothing could be written to that flow any more.
fn check_makeable(head: Option<&Manifest>, header: &BatchHeader) -> Result<(), SyncError> {
    for store in &header.schema.stores {
        let known = head
            .and_then(|head| head.store(&store.name))
            .map(|known| known.schema.faults())
            .unwrap_or_default();
        if let Some(fault) = store.faults().into_iter().find(|fault| !known.contains(fault)) {
            let by_options = !header.dialect.has_schema();
            return Err(SyncError::Unmakeable { what: fault.explain(&store.name), by_options });
        }
    }
    Ok(())
}

/// True if the object store was recreated.
fn unite(
    known: &mut StoreManifest,
    store: &ObjectStore,
    describes: bool,
    upgrades: bool,
) -> Result<bool, SyncError> {
    let path = |store: &ObjectStore| {
        store.key_path.as_ref().map_or("none".to_owned(), |path| path.to_json().to_string())
    };
    let other = known.schema.key_path != store.key_path;
    if other && known.record_count() > 0 && !upgrades {
        return Err(SyncError::Mismatch(format!(
            "object store {} has key path {}, the batch says {}: its keys would not be the same \
             keys; only an upgrade \
             can recreate an object store: give the newer database version, or another --flow",
            store.name.to_canonical(),
            path(&known.schema),
            path(store)
        )));
    }
    if describes || known.schema.key_path != store.key_path {
        known.schema = store.clone();
    }
    Ok(other)
}
