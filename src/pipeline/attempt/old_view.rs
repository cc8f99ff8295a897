//! The records that a source last sent in full: where they are stored, and how a full batch is
//! compared with them.

use super::ground::{Ground, upgrades};
use super::{Attempt, SyncError};
use crate::apply::full_batch::{Comparison, SourceView, ViewChunks, ViewSource};
use crate::apply::head_reader::{HeadReader, read_whole};
use crate::apply::own_changes::OwnChanges;
use crate::chunk::parse_chunk;
use crate::decode::Mode;
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::sources::{SourceState, View};
use crate::snapshot::{ChunkRef, Digest, Line, LineState, List, Manifest, SourceId, StoreManifest};
use crate::store::{StoreError, StoreErrorKind, StoredVersion};

/// The records that a source last sent in full, and their location. Empty for a delta batch.
pub(super) struct OldView<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    /// The version that contains them, if it is not head.
    pub(super) version: Option<StoredVersion>,
    /// `None`: the source never sent a full batch.
    pub(super) chunks: Option<ViewChunks>,
    pub(super) in_views: bool,
    /// True if the batch's schema is newer than head's.
    pub(super) upgrades: bool,
}

impl<'a> OldView<'a> {
    /// Reads the view. Omits object stores that now have another key path, because their keys
    /// denote other records.
    pub(super) fn read(
        attempt: &'a Attempt<'a>,
        state: &SourceState,
        ground: &Ground<'_>,
    ) -> Result<Self, SyncError> {
        let Ground { manifest: now, rules, .. } = ground;
        let before = attempt.before();
        let header = &attempt.batch.header;
        let upgrades = before.is_some_and(|before| upgrades(header, before));
        let mut old = Self { attempt, version: None, chunks: None, in_views: false, upgrades };
        if header.mode != Mode::Full {
            return Ok(old);
        }
        match &state.view {
            None => {}
            // Nothing but this version has the view, so it cannot be done without.
            Some(View::Version(version)) => {
                if before.map(|before| before.version) != Some(*version) {
                    let missing = || {
                        let flow = attempt.flow;
                        let what = format!(
                            "version {version} of {flow}, which is this source's view, is missing"
                        );
                        StoreError::new(StoreErrorKind::Damaged, what)
                    };
                    old.version =
                        Some(attempt.store.version(attempt.flow, *version)?.ok_or_else(missing)?);
                }
                let stores = old
                    .stored()
                    .map(|version| version.manifest.stores.as_slice())
                    .unwrap_or_default();
                let has_same_keys = |store: &&StoreManifest| {
                    let name = &store.schema.name;
                    now.store(name).is_none_or(|now| now.schema.key_path == store.schema.key_path)
                        && !rules.is_before_recreation(*version, name)
                };
                let chunks =
                    |store: &StoreManifest| (store.schema.name.clone(), store.records.clone());
                old.chunks = Some(stores.iter().filter(has_same_keys).map(chunks).collect());
            }
            Some(View::Chunks(stores)) => {
                let views = before.map(|before| before.views.as_slice()).unwrap_or_default();
                let mut chunks = view_chunks(stores, views)?;
                let has_same_keys = |name: &DomString| {
                    let then = before.and_then(|before| before.store(name));
                    let pair = then.zip(now.store(name));
                    pair.is_none_or(|(then, now)| then.schema.key_path == now.schema.key_path)
                };
                chunks.retain(|(name, _)| has_same_keys(name));
                (old.chunks, old.in_views) = (Some(chunks), true);
            }
        }
        Ok(old)
    }

    /// Returns the version that contains the chunks.
    pub(super) fn stored(&self) -> Option<&StoredVersion> {
        self.version.as_ref().or(self.attempt.head)
    }

    /// Returns the source's own changes since.
    pub(super) fn own_changes<'b>(
        &self,
        state: &SourceState,
        by: Option<&'b SourceId>,
        base: &'b HeadReader<'b>,
        head: &'b Manifest,
    ) -> Option<OwnChanges<'b>> {
        let (since, by, _) = (state.own?, by?, self.chunks.as_ref()?);
        let viewed = self.stored().filter(|_| !self.in_views);
        let older = viewed.into_iter().flat_map(|version| version.manifest.chunks());
        let older = older.map(|(_, chunk)| chunk.full).collect();
        Some(OwnChanges { base, head, by, since, older })
    }

    /// Returns the comparison of the batch with the view; `None` for a delta batch.
    pub(super) fn comparison<'b>(
        &'b self,
        state: &SourceState,
        own: Option<&'b OwnChanges<'b>>,
    ) -> Result<Option<Comparison<'b>>, StoreError> {
        let header = &self.attempt.batch.header;
        if header.mode != Mode::Full || header.source.is_none() {
            return Ok(None);
        }
        let view = SourceView { chunks: self.chunks.as_ref(), full: state.full, own, source: self };
        Comparison::new(self.attempt.batch, view, self.upgrades).map(Some)
    }
}

impl ViewSource for OldView<'_> {
    fn lines(&self, store: &DomString, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError> {
        let Some(version) = self.stored() else { return Ok(Vec::new()) };
        let list = if self.in_views { List::Views } else { List::Records(store.clone()) };
        let text = self.attempt.store.read_chunk(self.attempt.flow, version, &list, chunk)?;
        parse_chunk(&text, store.to_canonical().as_bytes()).map_err(|error| {
            StoreError::new(StoreErrorKind::Damaged, format!("chunk {}", chunk.full)).because(error)
        })
    }

    fn whole(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError> {
        match self.stored() {
            Some(version) => read_whole(self.attempt.store, self.attempt.flow, version, state),
            None => Ok(None),
        }
    }
}

fn view_chunks(
    stores: &[(DomString, Vec<Digest>)],
    views: &[ChunkRef],
) -> Result<ViewChunks, StoreError> {
    let find = |digest: &Digest| {
        let missing = || {
            StoreError::new(
                StoreErrorKind::Damaged,
                format!("chunk {digest} of a view is not in {}", List::VIEWS),
            )
        };
        views.iter().find(|chunk| chunk.full == *digest).cloned().ok_or_else(missing)
    };
    let store = |(name, chunks): &(DomString, Vec<_>)| {
        chunks.iter().map(find).collect::<Result<Vec<_>, _>>().map(|chunks| (name.clone(), chunks))
    };
    stores.iter().map(store).collect()
}
