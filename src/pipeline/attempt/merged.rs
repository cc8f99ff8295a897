//! The result of merging a batch into head.

use std::collections::BTreeMap;

use super::ground::Ground;
use crate::apply::counts::Counts;
use crate::apply::error::SyncError;
use crate::apply::full_batch::{Compared, KeptRecords};
use crate::apply::merging::Merging;
use crate::apply::recorder::Recorder;
use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::name_to_json;
use crate::report::ReportLines;
use crate::report_line::ReportLine;
use crate::snapshot::deletion_run::Deletions;
use crate::snapshot::{Manifest, StoreManifest};

/// The new lists, and what was counted on the way.
pub(super) struct Merged {
    pub(super) manifest: Manifest,
    pub(super) counts: Counts,
    /// The object stores that differ.
    pub(super) touched: Vec<DomString>,
    pub(super) deletions: BTreeMap<DomString, Deletions>,
    /// The object stores that the manifest no longer has.
    pub(super) gone: Vec<DomString>,
}

impl Merged {
    /// Merges the changes, and passes the new data and the report's lines to `recorder`.
    pub(super) fn run(
        merging: &Merging<'_>,
        ground: &Ground<'_>,
        mut recorder: Recorder<'_, '_, '_>,
    ) -> Result<Self, SyncError> {
        let mut manifest = ground.manifest.clone();
        let (counts, touched) = merging.run(&mut manifest, &mut recorder)?;
        let (conflicts, deletions) = recorder.finish()?;
        manifest.conflicts = conflicts;
        Ok(Self { manifest, counts, touched, deletions, gone: Vec::new() })
    }

    /// Adds the counts of a full batch's comparison.
    pub(super) fn count_compared(&mut self, compared: &Compared) {
        self.counts.kept = compared.kept.iter().map(|kept| kept.count).sum();
        self.counts.unchanged += compared.unchanged;
    }

    /// Counts the records of recreated object stores as deleted.
    pub(super) fn count_recreated(&mut self, before: Option<&Manifest>, recreated: &[DomString]) {
        for name in recreated {
            let store = before.and_then(|before| before.store(name));
            let gone = store.map_or(0, StoreManifest::record_count);
            self.deletions.entry(name.clone()).or_default().bulk += gone;
            self.counts.deleted += gone;
            if gone > 0 && !self.touched.contains(name) {
                self.touched.push(name.clone());
            }
        }
    }

    /// Removes an object store that the new schema lacks once its last record is gone: records of
    /// others may remain in it.
    pub(super) fn remove_vanished(&mut self, vanishing: &[DomString]) {
        let (gone, stores) = std::mem::take(&mut self.manifest.stores)
            .into_iter()
            .partition(|store| vanishing.contains(&store.schema.name) && store.records.is_empty());
        let gone: Vec<StoreManifest> = gone;
        self.manifest.stores = stores;
        self.gone = gone.into_iter().map(|store| store.schema.name).collect();
    }

    /// Raises the key generators to those of the batch. They never fall, because the browser never
    /// gives a key twice.
    pub(super) fn raise_key_generators(&mut self, header: &BatchHeader) {
        for (described, generator) in header.schema.stores.iter().zip(&header.key_generators) {
            let mut stores = self.manifest.stores.iter_mut();
            if let Some(store) = stores.find(|store| store.schema.name == described.name) {
                store.key_generator = store.key_generator.max(*generator);
            }
        }
    }
}

/// Reports the records that a full batch neither contains nor deletes.
pub(super) fn report_kept(kept: &[KeptRecords], lines: &mut ReportLines) -> Result<(), SyncError> {
    for KeptRecords { store, reason, count } in kept {
        lines.push(&ReportLine::Kept {
            count: *count,
            reason: reason.name(),
            store: name_to_json(store),
        })?;
    }
    Ok(())
}

/// True if the schemas or the key generators differ.
pub(super) fn schema_differs(before: &Manifest, after: &Manifest) -> bool {
    let generators = |manifest: &Manifest| {
        manifest.stores.iter().map(|store| store.key_generator).collect::<Vec<_>>()
    };
    before.schema() != after.schema() || generators(before) != generators(after)
}
