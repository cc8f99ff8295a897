//! The state of a batch's source, as the new version stores it.

use super::{Attempt, ChunkOutput, FullBatch, Mode, SyncError};
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::sources::{SourceState, Sources, View};
use crate::snapshot::{FlowVersion, Manifest, StoreManifest};

impl Attempt<'_> {
    /// True if deletions are forgotten after a time, and the source's presence was not stored
    /// recently.
    pub(super) fn is_unheard(&self, sources: &Sources) -> bool {
        let source = self.batch.header.source.as_ref();
        self.options.rules().tombstones.zip(source).is_some_and(|(policy, id)| {
            sources
                .seen_at(id)
                .is_none_or(|at| self.batch.received_at.saturating_sub(at) > policy.keep_ms / 4)
        })
    }

    /// Sets the state of the batch's source; true if it differs from before.
    pub(super) fn record_source(
        &self,
        sources: &mut Sources,
        state: &mut SourceState,
        full: Option<&FullBatch<'_>>,
        manifest: &mut Manifest,
        output: &mut ChunkOutput<'_, '_>,
    ) -> Result<bool, SyncError> {
        let Some(id) = &self.batch.header.source else { return Ok(false) };
        if let Some(sequence) = &self.batch.header.sequence {
            (state.epoch, state.checkpoint) = (Some(sequence.epoch.clone()), sequence.last);
        }
        match full {
            Some(full) if !full.compared.alike || state.view.is_none() => {
                // The view is also set if only the source's own changes since are new in it,
                // because other sources may change those in head before the next batch.
                state.view = Some(self.new_view(full, manifest, output)?);
                state.full = Some(self.meta().rev);
            }
            _ if state.epoch.is_none() && state.view.is_none() => return Ok(false),
            _ => {}
        }
        Ok(sources.set_source(id, state, &self.meta()))
    }

    /// Stores, for a batch that makes a version, its relation to the source's last full batch.
    pub(super) fn settle_source(&self, sources: &mut Sources, mut state: SourceState) {
        let Some(id) = self.batch.header.source.as_ref().filter(|_| state.view.is_some()) else {
            return;
        };
        let meta = self.meta();
        if self.batch.header.mode == Mode::Full {
            (state.full, state.own) = (Some(meta.rev), None);
            sources.put_source(id, &state, &meta);
        } else if state.own.is_none() {
            state.own = Some(meta.rev);
            sources.set_source(id, &state, &meta);
        }
    }

    /// Returns the view of a full batch: the new version, if its records are exactly those;
    /// otherwise chunks, of which those that no list of the version has go to `~views`.
    fn new_view(
        &self,
        full: &FullBatch<'_>,
        manifest: &mut Manifest,
        output: &mut ChunkOutput<'_, '_>,
    ) -> Result<View, SyncError> {
        let FullBatch { comparison, compared } = full;
        let meta = self.meta();
        let contents = |name: &DomString| {
            let place = compared.names.binary_search(name).ok();
            place
                .and_then(|place| compared.contents.get(place))
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let equal = |store: &StoreManifest| {
            let contents = contents(&store.schema.name);
            contents.len() == store.records.len()
                && contents.iter().zip(&store.records).all(|(a, b)| a.is(b))
        };
        if self.last && manifest.stores.iter().all(equal) {
            return Ok(View::Version(meta.rev));
        }
        let (records, views) = (manifest.stores.clone(), manifest.views.clone());
        let stored = |name: &DomString, content: &crate::chunk::ContentRef| {
            let of_store = records.iter().find(|store| store.schema.name == *name);
            let chunks = of_store.map(|store| store.records.as_slice()).unwrap_or_default();
            chunks.iter().chain(&views).find(|chunk| content.is(chunk)).cloned()
        };
        let view = comparison.store_view(compared, &stored, &meta, output)?;
        manifest.views.extend(view.iter().flat_map(|(_, chunks)| chunks.iter().cloned()));
        Ok(View::Chunks(
            view.into_iter()
                .map(|(name, chunks)| (name, chunks.iter().map(|chunk| chunk.full).collect()))
                .collect(),
        ))
    }

    /// Stores which object stores were recreated or removed.
    pub(super) fn forget_stores(
        &self,
        sources: &mut Sources,
        recreated: &[DomString],
        gone: &[DomString],
    ) {
        let meta = self.meta();
        // For a recreated object store, the data of a full batch becomes its source's view.
        let header = &self.batch.header;
        let own = header.source.as_ref().filter(|_| header.mode == Mode::Full);
        recreated.iter().for_each(|name| sources.forget_store(name, own, &meta));
        gone.iter().for_each(|name| sources.forget_store(name, None, &meta));
    }

    /// Stores up to which version deletions are forgotten, if the policy forgets them.
    pub(super) fn advance_retention(&self, sources: &mut Sources, forget: Option<FlowVersion>) {
        let Some(policy) = self.options.rules().tombstones else { return };
        let meta = self.meta();
        let mut retention = sources.retention();
        retention.advance(policy.keep_ms, meta.rev, self.batch.received_at, forget);
        sources.set_retention(&retention, &meta);
        if let Some(id) = &self.batch.header.source {
            sources.set_seen(id, &meta);
        }
    }

    /// Keeps in `~views` the chunks that any view refers to, once each, sorted by digest.
    pub(super) fn keep_views(&self, sources: &mut Sources, manifest: &mut Manifest) {
        let named = sources.view_chunks();
        let known = self.before().map(|before| before.views.as_slice()).unwrap_or_default();
        manifest.views.extend_from_slice(known);
        manifest.views.retain(|chunk| named.contains_key(&chunk.full));
        manifest.views.sort_by_key(|chunk| chunk.full);
        manifest.views.dedup_by_key(|chunk| chunk.full);
    }
}
