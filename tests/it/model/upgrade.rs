//! The flow's schema after a batch: object stores that come, go, or are created again.

use super::answer::Refusal;
use super::flow::{Draft, live};
use super::words::Batch;

/// The effect of an upgrade on object stores.
pub(super) struct Upgrade {
    /// The batch's database version is newer than the flow's.
    pub(super) is_newer: bool,
    /// Object stores whose keys are other keys now.
    pub(super) recreated: Vec<&'static str>,
    /// Object stores that a full batch of a newer version has not any more.
    vanishing: Vec<&'static str>,
    version: u32,
    /// The source whose batch it is.
    by: Option<String>,
}

impl Upgrade {
    /// Returns true for an object store that is missing from a newer schema, or recreated.
    pub(super) fn is_gone(&self, store: &str) -> bool {
        self.recreated.contains(&store) || self.vanishing.contains(&store)
    }

    /// Leaves out object stores that have vanished, unless somebody still has records there.
    pub(super) fn drop_empty(&self, draft: &mut Draft) {
        for &store in &self.vanishing {
            if live(&draft.records, store).is_empty() {
                draft.stores.remove(store);
                forget(draft, store, self);
            }
        }
    }
}

/// Describes the object stores as the newer database version does; version `version` is being made.
pub(super) fn unite(draft: &mut Draft, batch: &Batch, version: u32) -> Result<Upgrade, Refusal> {
    let (known, schema) = (draft.database_version, batch.schema);
    let is_newer = known.is_some_and(|known| schema.version > known);
    let describes = known.is_none_or(|known| schema.version >= known);
    let by = batch.source.clone();
    let mut upgrade =
        Upgrade { is_newer, recreated: Vec::new(), vanishing: Vec::new(), version, by };
    for shape in schema.stores.iter().filter(|shape| batch.has(shape.name)) {
        let Some(known) = draft.stores.get_mut(shape.name) else {
            draft.stores.insert(shape.name, *shape);
            continue;
        };
        let other = known.key_path != shape.key_path;
        if other && !is_newer && !live(&draft.records, shape.name).is_empty() {
            return Err(Refusal::Mismatch);
        }
        if other {
            upgrade.recreated.push(shape.name);
        }
        if other || describes {
            *known = *shape;
        }
    }
    if describes {
        draft.database_version = Some(schema.version);
    }
    if is_newer && batch.full {
        upgrade.vanishing =
            draft.stores.keys().copied().filter(|store| !batch.has(store)).collect();
    }
    Ok(upgrade)
}

/// Empties the object stores that are made anew; returns how many records that takes.
pub(super) fn begin_anew(draft: &mut Draft, upgrade: &Upgrade) -> u64 {
    let mut gone = 0;
    for store in &upgrade.recreated {
        gone += live(&draft.records, store).len() as u64;
        forget(draft, store, upgrade);
    }
    gone
}

/// The keys of an object store mean other records from this upgrade on.
fn forget(draft: &mut Draft, store: &'static str, upgrade: &Upgrade) {
    draft.records.retain(|(of, _), _| of != store);
    draft.recreated.insert(store, (upgrade.version, upgrade.by.clone()));
    for known in draft.sources.values_mut() {
        if let Some(view) = &mut known.view {
            view.records.retain(|(of, _), _| of != store);
        }
    }
}
