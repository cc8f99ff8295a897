//! One attempt: turns a batch and head into a draft, and passes new data to the store's writer.

use super::old_view::{OldView, upgrades};
use super::{NewEpoch, SyncOptions};
use crate::apply::conflict_log::ConflictLog;
use crate::apply::counts::Counts;
use crate::apply::error::SyncError;
use crate::apply::full_batch::{Compared, Comparison, KeptRecords};
use crate::apply::guard::{Deletes, MAX_DELETES, Measure};
use crate::apply::head_reader::HeadReader;
use crate::apply::lookup::Lookup;
use crate::apply::merging::Merging;
use crate::apply::own_changes::count_records;
use crate::apply::recorder::{ChunkOutput, Recorder};
use crate::apply::rules::Rules;
use crate::apply::united_schema::united;
use crate::apply::walk::BatchFacts;
use crate::chunk::{ChunkSource, lines_of};
use crate::decode::{BatchHeader, Mode, Sequence};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::name_to_json;
use crate::normalize::{Batch, Folds, RangeSweep};
use crate::report::{Ack, ReportLines};
use crate::report_line::ReportLine;
use crate::snapshot::deletion_run::MAX_DELETES_BY_HAND;
use crate::snapshot::deletion_run::Run;
use crate::snapshot::sources::{
    Delivery, Recognition, Replay, SourceState, Sources, View, add_text, replay,
};
use crate::snapshot::{
    Digest, FlowName, FlowVersion, LineState, List, Manifest, Meta, SourceId, StoreManifest,
};
use crate::store::{
    SnapshotReader, SnapshotStore, StoreError, StoredVersion, VersionDraft, VersionWriter,
};

/// The input of an attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) store: &'a dyn SnapshotStore,
    pub(crate) flow: &'a FlowName,
    pub(crate) batch: &'a Batch,
    pub(crate) options: &'a SyncOptions,
    /// The version that the batch is merged into: head, or head with the earlier batches of the
    /// same version.
    pub(crate) head: Option<&'a StoredVersion>,
    /// The newest committed version.
    pub(crate) committed: Option<FlowVersion>,
    /// True if no other batch follows in the same version, so that a view may be that version.
    pub(crate) last: bool,
}

/// The result of an attempt.
pub(crate) struct Planned {
    /// The new version without its sources and numbers; `None` if nothing differs from head.
    pub(crate) manifest: Option<Manifest>,
    /// The counts of the changes.
    pub(crate) counts: Counts,
    /// The object stores that differ.
    pub(crate) touched: Vec<DomString>,
    /// The acknowledgement, valid once the version is durable.
    pub(crate) ack: Option<Ack>,
    /// True if the source is known, or its batch is a replay, so that it may have records that a
    /// new source cannot have.
    pub(crate) is_known: bool,
}

/// The relation of a batch to its source's history.
struct SourceStanding {
    /// The number of the first change that is not committed yet.
    skip: u64,
    /// The source's state before this batch; with `keep`, its view is empty and its checkpoint
    /// reset.
    state: SourceState,
}

impl Attempt<'_> {
    /// Merges, guards, and passes new data to `writer`; without a writer it only plans. Changes
    /// `sources` only if there is a new version. `logged` is the known part of the conflict log,
    /// shared by all batches of a version.
    pub(crate) fn run(
        &self,
        sources: &mut Sources,
        logged: &mut ConflictLog,
        writer: Option<&mut (dyn VersionWriter + '_)>,
        lines: &mut ReportLines,
    ) -> Result<Planned, SyncError> {
        let header = &self.batch.header;
        let base = HeadReader::new(self.store, self.flow, self.head);
        let before = self.head.map(|head| &head.manifest);
        let known = self.committed;
        if let Some(claimed) =
            header.base.filter(|claimed| known.is_none_or(|known| *claimed > known))
        {
            let head = known
                .map_or("no version yet".to_owned(), |known| format!("versions up to {known}"));
            return Err(SyncError::Diverged { base: claimed, flow: self.flow.clone(), head });
        }
        self.check_states(known)?;
        let all_unchanged = Counts { unchanged: self.batch.received, ..Counts::default() };
        let delivery = self.delivery();
        let unchanged = |counts, ack, is_known| Planned {
            manifest: None,
            counts,
            touched: Vec::new(),
            ack,
            is_known,
        };
        let mut standing = match self.standing(sources, delivery.as_ref())? {
            Ok(standing) => standing,
            Err(ack) => {
                self.tell_replayed(None, lines)?;
                return Ok(unchanged(all_unchanged, ack, true));
            }
        };
        let heard = header.source.as_ref().is_some_and(|id| sources.last_seen(id).is_some());
        let is_known = heard || standing.skip > 0;
        if standing.skip > 0 {
            self.tell_replayed(Some(standing.skip), lines)?;
        }
        let (mut manifest, mut recreated) = united(before, header)?;
        let policy = self.options.rules();
        let retention = sources.retention();
        let forget = policy
            .tombstones
            .and_then(|policy| retention.due(policy.keep_ms, self.batch.received_at));
        let seen = header.source.as_ref().and_then(|id| sources.last_seen(id));
        let rules = Rules::new(policy, before, header, &retention, seen, forget);
        if !rules.accepts_schema() {
            recreated.clear();
        }
        if let Some(View::Chunks(stores)) = &mut standing.state.view {
            stores.retain(|(name, _)| !recreated.contains(name));
        }
        let mut since = sources.recreated();
        since.extend(recreated.iter().map(|name| (name.clone(), FlowVersion::after(known))));
        let rules = rules.with_recreated(since);
        manifest
            .stores
            .iter_mut()
            .filter(|store| recreated.contains(&store.schema.name))
            .for_each(begin_anew);
        let started = manifest.clone();
        let old = OldView::read(self, &standing.state, &started, before, &rules)?;
        let own = old.own_changes(&standing.state, header.source.as_ref(), &base, &started);
        let comparison = old.comparison(&standing.state, own.as_ref())?;
        let folder = self.options.temp_folder.clone();
        let compared =
            comparison.as_ref().map(|comparison| comparison.compare(folder)).transpose()?;
        let kept = compared.as_ref().map(|compared| compared.kept.as_slice()).unwrap_or_default();
        let kept_count = kept.iter().map(|kept| kept.count).sum();
        // A full batch that repeats its view needs no merge, unless it must store a checkpoint or a
        // delivery.
        if let Some(compared) = &compared
            && compared.same
            && standing.state.view.is_some()
            && header.sequence.is_none()
            && delivery.is_none()
            && recreated.is_empty()
            && !self.is_unheard(sources)
            && header.key_generators.iter().all(Option::is_none)
            && before.is_some_and(|head| !schema_differs(head, &started))
        {
            report_kept(kept, lines)?;
            let counts =
                Counts { unchanged: compared.unchanged, kept: kept_count, ..Counts::default() };
            return Ok(unchanged(counts, None, is_known));
        }
        let (changes, names, skip) = match &compared {
            Some(compared) => (&compared.changes, compared.names.clone(), 0),
            None => (
                &self.batch.changes,
                header.schema.stores.iter().map(|store| store.name.clone()).collect(),
                standing.skip,
            ),
        };
        let facts = BatchFacts {
            version: FlowVersion::after(known),
            by: header.source.clone(),
            base: header.base,
            is_full: header.mode == Mode::Full,
            received_at: self.batch.received_at,
            deadline: self.options.deadline,
        };
        let vanishing = if rules.accepts_schema() { self.vanishing(before) } else { Vec::new() };
        let merging = Merging::new(&started, changes, &names, skip, &facts, &rules, &base)?;
        let mut run = sources.run(header.source.as_ref(), self.batch.received_at);
        let lost = [&vanishing[..], &recreated].concat();
        // A dry run of the merge counts the deletions for the guard. It reads chunks once more, so
        // it is skipped for batches that cannot delete enough to be refused.
        let judged = self.may_delete_much(changes.deletes, &run)
            || merging.displaced() > 0
            || !changes.ranges.is_empty()
            || !lost.is_empty();
        let mut confirmed = false;
        if judged {
            let mut deletes = Deletes::default();
            merging.run(&mut started.clone(), &mut deletes)?;
            let stored = before.unwrap_or(&started);
            let records = |name: &DomString| {
                stored.store(name).map(|store| store.records.as_slice()).unwrap_or_default()
            };
            recreated.iter().for_each(|name| deletes.recreated(name, records(name)));
            let had = |name: &DomString, enough: u64| match &compared {
                Some(compared) => Ok(compared.had_in(name)),
                None => count_records(&base, stored, name, header.source.as_ref(), enough),
            };
            let is_empty = facts.is_full && self.batch.received == 0;
            let measure =
                Measure { head: stored, vanishing: &lost, is_empty, run: &run, had: &had };
            let source = header.source.as_ref().map_or("", SourceId::as_str);
            confirmed = deletes.check(&measure, self.options.confirm.as_deref(), || {
                Ok(deletes.plan(source, &batch_digest(self.batch)?))
            })?;
        }
        let mut output = ChunkOutput::new(writer, before);
        let log = &started.conflicts;
        let mut recorder = Recorder::new(&mut output, log, logged, &base, lines, facts.version);
        recorder.report_changes = !self.options.withholds_values;
        let (mut counts, mut touched) = merging.run(&mut manifest, &mut recorder)?;
        let (conflicts, mut deletions) = recorder.finish()?;
        manifest.conflicts = conflicts;
        report_kept(kept, lines)?;
        counts.kept = kept_count;
        counts.unchanged += compared.as_ref().map_or(0, |compared| compared.unchanged);
        for name in &recreated {
            let gone =
                before.and_then(|before| before.store(name)).map_or(0, StoreManifest::record_count);
            deletions.entry(name.clone()).or_default().bulk += gone;
            counts.deleted += gone;
            if gone > 0 && !touched.contains(name) {
                touched.push(name.clone());
            }
        }
        // An object store that the new schema lacks disappears with its last record.
        // An object store that the new schema lacks disappears with its last record.
        let vanished = |store: &StoreManifest| {
            vanishing.contains(&store.schema.name) && store.records.is_empty()
        };
        let gone: Vec<_> = manifest
            .stores
            .iter()
            .filter(|store| vanished(store))
            .map(|store| store.schema.name.clone())
            .collect();
        manifest.stores.retain(|store| !vanished(store));
        for (place, generator) in header.key_generators.iter().enumerate() {
            let name = &header.schema.stores[place].name;
            if let Some(store) = manifest.stores.iter_mut().find(|store| store.schema.name == *name)
            {
                store.key_generator = store.key_generator.max(*generator);
            }
        }
        rules.keep_schema(before, &mut manifest);
        let meta =
            Meta { at: self.batch.received_at, by: header.source.clone(), rev: facts.version };
        let compared = comparison.as_ref().zip(compared.as_ref());
        let (state, recorded) =
            self.record_source(sources, standing, compared, &mut manifest, &meta, &mut output)?;
        // A source that only sends known data is still active, and must not be treated as one that
        // was away.
        let differs = self.is_unheard(sources)
            || delivery.is_some()
            || counts.changes_something()
            || recorded
            || before.is_none_or(|head| schema_differs(head, &manifest));
        if !differs {
            return Ok(unchanged(counts, self.ack(), is_known));
        }
        self.settle_source(sources, state, &meta);
        // For a recreated object store, the data of a full batch becomes its source's view.
        let own = header.source.as_ref().filter(|_| facts.is_full);
        recreated.iter().for_each(|name| sources.forget_store(name, own, &meta));
        gone.iter().for_each(|name| sources.forget_store(name, None, &meta));
        if confirmed {
            run = Run::default();
        } else {
            run.add(self.batch.received_at, &deletions);
        }
        sources.set_run(header.source.as_ref(), &run, &meta);
        if let Some(policy) = policy.tombstones {
            let mut retention = retention;
            retention.advance(policy.keep_ms, facts.version, self.batch.received_at, forget);
            sources.set_retention(&retention, &meta);
            header.source.iter().for_each(|id| sources.set_seen(id, &meta));
        }
        if let Some(delivery) = &delivery {
            sources.add_delivery(delivery, &meta);
        }
        self.keep_views(sources, before, &mut manifest);
        Ok(Planned { manifest: Some(manifest), counts, touched, ack: self.ack(), is_known })
    }

    /// True if deletions are forgotten after a time, and the source's presence was not stored
    /// recently.
    fn is_unheard(&self, sources: &Sources) -> bool {
        let source = self.batch.header.source.as_ref();
        self.options.rules().tombstones.zip(source).is_some_and(|(policy, id)| {
            sources
                .seen_at(id)
                .is_none_or(|at| self.batch.received_at.saturating_sub(at) > policy.keep_ms / 4)
        })
    }

    /// Checks that every version that a base names with its state has that state.
    fn check_states(&self, committed: Option<FlowVersion>) -> Result<(), SyncError> {
        let header = &self.batch.header;
        let named =
            header.base.zip(header.base_state).into_iter().chain(self.batch.states.iter().copied());
        for (base, state) in named {
            let stored = match self
                .head
                .filter(|head| committed == Some(base) && head.manifest.version == base)
            {
                Some(head) => Some(head.state),
                None if committed.is_some_and(|committed| base <= committed) => {
                    self.store.version(self.flow, base)?.map(|stored| stored.state)
                }
                None => None,
            };
            if stored != Some(state) {
                return Err(SyncError::OtherState { base, flow: self.flow.clone() });
            }
        }
        Ok(())
    }

    /// Reports to a pulling source the current state of changes that are not merged again: all, or
    /// those numbered below `skip`. It gets changes by others since its base in any case.
    fn tell_replayed(&self, skip: Option<u64>, lines: &mut ReportLines) -> Result<(), SyncError> {
        let BatchHeader { schema, source, base, .. } = &self.batch.header;
        let pulls = self.options.pull && !self.options.withholds_values;
        let (Some(base), Some(head), true) = (base, self.head, pulls) else { return Ok(()) };
        let mut lookup = Lookup::new(self.store, self.flow, head);
        let mut judged = skip.map(|skip| self.batch.changes.folds(skip)).transpose()?;
        let mut next = judged.as_mut().map_or(Ok(None), Folds::next)?;
        // A range among the later changes also decides the keys that it covers.
        let ranges_in = |store: usize| {
            skip.map(|skip| self.batch.changes.ranges_of(store, skip)).unwrap_or_default()
        };
        let mut ranges = (0, RangeSweep::new(ranges_in(0)));
        let mut folds = self.batch.changes.folds(0)?;
        while let Some(change) = folds.next()? {
            let place = (change.store, &change.key);
            if ranges.0 != change.store {
                ranges = (change.store, RangeSweep::new(ranges_in(change.store)));
            }
            ranges.1.advance(&change.key);
            while next.as_ref().is_some_and(|next| (next.store, &next.key) < place) {
                next = judged.as_mut().map_or(Ok(None), Folds::next)?;
            }
            let is_named = next.as_ref().is_some_and(|next| (next.store, &next.key) == place);
            let is_judged = is_named || ranges.1.last().is_some();
            let Some(name) =
                schema.stores.get(change.store).map(|store| &store.name).filter(|_| !is_judged)
            else {
                continue;
            };
            let Some(line) = lookup.find(name, &change.key)? else { continue };
            let own = line.meta.by.is_some() && line.meta.by == *source;
            if (line.meta.rev <= *base || own) && !line.state.same(&change.state) {
                lines.push(&ReportLine::Change { line: &lookup.text(name, &line)? })?;
            }
        }
        Ok(())
    }

    /// Returns the relation of the batch to its source. The inner error means that all of it is
    /// committed already, with the acknowledgement.
    fn standing(
        &self,
        sources: &Sources,
        delivery: Option<&Delivery>,
    ) -> Result<Result<SourceStanding, Option<Ack>>, SyncError> {
        let header = &self.batch.header;
        // Without a sequence, only a delivery id can identify a replay.
        let Some(sequence) = &header.sequence else {
            let state =
                header.source.as_ref().and_then(|id| sources.source(id)).unwrap_or_default();
            return match delivery.map(|delivery| (sources.recognize(delivery), delivery.id())) {
                Some((Recognition::Replay, _)) => Ok(Err(None)),
                Some((Recognition::OtherContent, id)) => {
                    Err(SyncError::OtherContent { id: id.to_owned() })
                }
                Some((Recognition::New, _)) | None => Ok(Ok(SourceStanding { skip: 0, state })),
            };
        };
        let Some(id) = &header.source else {
            return Ok(Ok(SourceStanding { skip: 0, state: SourceState::default() }));
        };
        let mut state = sources.source(id).unwrap_or_default();
        let Sequence { epoch, first, last } = sequence;
        let full = header.mode == Mode::Full;
        let mut found = replay(Some(&state), epoch, *first, *last, full);
        if found == Replay::Epoch {
            let known = state.epoch.clone().unwrap_or_default();
            match self.options.new_epoch {
                None => {
                    return Err(SyncError::Epoch { id: id.clone(), known, epoch: epoch.clone() });
                }
                Some(NewEpoch::Mirror) if !full => {
                    let what =
                        "--new-epoch mirror needs a full batch: only that says what is missing";
                    return Err(SyncError::Mismatch(what.to_owned()));
                }
                Some(NewEpoch::Keep) => (state.view, state.full, state.own) = (None, None, None),
                Some(NewEpoch::Mirror) => {}
            }
            // Numbers start again in a new epoch, so the old checkpoint is not valid there.
            (state.epoch, state.checkpoint) = (Some(epoch.clone()), 0);
            found = replay(Some(&state), epoch, *first, *last, full);
        }
        match found {
            Replay::From(skip) => Ok(Ok(SourceStanding { skip, state })),
            Replay::Gap(checkpoint) => {
                Err(SyncError::Gap { id: id.clone(), checkpoint, first: *first })
            }
            Replay::Whole | Replay::Epoch => Ok(Err(Some(Ack {
                source: id.clone(),
                epoch: epoch.clone(),
                checkpoint: state.checkpoint,
            }))),
        }
    }

    /// Returns the batch's delivery, if it has an id and no sequence.
    fn delivery(&self) -> Option<Delivery> {
        let SyncOptions { client, delivery, .. } = self.options;
        let id = delivery.as_ref().filter(|_| self.batch.header.sequence.is_none())?;
        let source = self.batch.header.source.as_ref();
        Some(Delivery::new(client.as_deref(), source, id, content_digest(self.batch)))
    }

    fn ack(&self) -> Option<Ack> {
        let header = &self.batch.header;
        let (source, Sequence { epoch, last, .. }) =
            header.source.clone().zip(header.sequence.as_ref())?;
        Some(Ack { source, epoch: epoch.clone(), checkpoint: *last })
    }

    /// True if this number of single deletions may exceed the limits of the guard.
    fn may_delete_much(&self, deletes: u64, run: &Run) -> bool {
        if self.batch.header.mode == Mode::Full {
            return deletes > 1 || (deletes == 1 && self.batch.received == 0);
        }
        deletes > MAX_DELETES || (deletes > MAX_DELETES_BY_HAND && !run.stores.is_empty())
    }

    /// Returns the object stores that a full batch with a newer schema no longer has.
    fn vanishing(&self, before: Option<&Manifest>) -> Vec<DomString> {
        let header = &self.batch.header;
        let newer = before.filter(|before| header.mode == Mode::Full && upgrades(header, before));
        let stores = newer.map(|before| before.stores.as_slice()).unwrap_or_default();
        let gone = stores.iter().filter(|store| header.schema.store(&store.schema.name).is_none());
        gone.map(|store| store.schema.name.clone()).collect()
    }

    /// Sets and returns the state of the batch's source; true if it differs from before.
    fn record_source(
        &self,
        sources: &mut Sources,
        standing: SourceStanding,
        compared: Option<(&Comparison<'_>, &Compared)>,
        manifest: &mut Manifest,
        meta: &Meta,
        output: &mut ChunkOutput<'_, '_>,
    ) -> Result<(SourceState, bool), SyncError> {
        let mut state = standing.state;
        let Some(id) = &self.batch.header.source else { return Ok((state, false)) };
        if let Some(sequence) = &self.batch.header.sequence {
            (state.epoch, state.checkpoint) = (Some(sequence.epoch.clone()), sequence.last);
        }
        match compared {
            Some((comparison, compared)) if !compared.alike || state.view.is_none() => {
                // The view is also set if only the source's own changes since are new in it,
                // because other sources may change those in head before the next batch.
                state.view = Some(self.new_view(comparison, compared, manifest, meta, output)?);
                state.full = Some(meta.rev);
            }
            _ if state.epoch.is_none() && state.view.is_none() => return Ok((state, false)),
            _ => {}
        }
        let recorded = sources.set_source(id, &state, meta);
        Ok((state, recorded))
    }

    /// Stores, for a batch that makes a version, its relation to the source's last full batch.
    fn settle_source(&self, sources: &mut Sources, mut state: SourceState, meta: &Meta) {
        let Some(id) = self.batch.header.source.as_ref().filter(|_| state.view.is_some()) else {
            return;
        };
        if self.batch.header.mode == Mode::Full {
            (state.full, state.own) = (Some(meta.rev), None);
            sources.put_source(id, &state, meta);
        } else if state.own.is_none() {
            state.own = Some(meta.rev);
            sources.set_source(id, &state, meta);
        }
    }

    fn new_view(
        &self,
        comparison: &Comparison<'_>,
        compared: &Compared,
        manifest: &mut Manifest,
        meta: &Meta,
        output: &mut ChunkOutput<'_, '_>,
    ) -> Result<View, SyncError> {
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
        let view = comparison.store_view(compared, &stored, meta, output)?;
        manifest.views.extend(view.iter().flat_map(|(_, chunks)| chunks.iter().cloned()));
        Ok(View::Chunks(
            view.into_iter()
                .map(|(name, chunks)| (name, chunks.iter().map(|chunk| chunk.full).collect()))
                .collect(),
        ))
    }

    /// Keeps in `~views` the chunks that any view refers to, once each, sorted by digest.
    fn keep_views(
        &self,
        sources: &mut Sources,
        before: Option<&Manifest>,
        manifest: &mut Manifest,
    ) {
        let named = sources.view_chunks();
        manifest.views.extend(before.into_iter().flat_map(|before| before.views.iter().cloned()));
        manifest.views.retain(|chunk| named.contains_key(&chunk.full));
        manifest.views.sort_by_key(|chunk| chunk.full);
        manifest.views.dedup_by_key(|chunk| chunk.full);
    }
}

/// Reads `~sources` of head.
pub(crate) fn read_sources(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    head: Option<&StoredVersion>,
) -> Result<Sources, StoreError> {
    let base = HeadReader::new(store, flow, head);
    let mut lines = Vec::new();
    for chunk in head.map(|head| head.manifest.sources.as_slice()).unwrap_or_default() {
        lines.extend(lines_of(&List::Sources, chunk, &base.read_chunk(&List::Sources, chunk)?)?);
    }
    // The value of a source with a large view may be spilled.
    for line in &mut lines {
        if let Some(value) = base.whole_value(&line.state)? {
            line.state = LineState::Put(value);
        }
    }
    Ok(Sources::from_lines(lines))
}

/// Returns the draft of the version after `head`, with its sources and its comment.
pub(crate) fn seal(
    mut manifest: Manifest,
    sources: &Sources,
    head: Option<&StoredVersion>,
    writer: Option<&mut (dyn VersionWriter + '_)>,
    summary: &str,
    timestamp_ms: i64,
) -> Result<Box<VersionDraft>, StoreError> {
    let mut output = ChunkOutput::new(writer, head.map(|head| &head.manifest));
    manifest.sources = output.list(&List::Sources, sources.lines())?;
    manifest.version = FlowVersion::after(head.map(|head| head.manifest.version));
    manifest.previous = head.map(|head| head.state);
    let (_, state) = manifest.to_text();
    let comment = format!("{summary}\n\nroot={} state={state}", manifest.root());
    Ok(Box::new(VersionDraft { manifest, comment, timestamp_ms }))
}

/// Empties an object store that was recreated.
fn begin_anew(store: &mut StoreManifest) {
    store.records.clear();
    store.tombstones.clear();
    store.key_generator = None;
}

fn report_kept(kept: &[KeptRecords], lines: &mut ReportLines) -> Result<(), SyncError> {
    for KeptRecords { store, reason, count } in kept {
        lines.push(&ReportLine::Kept {
            count: *count,
            reason: reason.name(),
            store: name_to_json(store),
        })?;
    }
    Ok(())
}

fn schema_differs(before: &Manifest, after: &Manifest) -> bool {
    let generators = |manifest: &Manifest| {
        manifest.stores.iter().map(|store| store.key_generator).collect::<Vec<_>>()
    };
    before.schema() != after.schema() || generators(before) != generators(after)
}

/// Returns the digest of a batch's content for the guard, without its time of receipt.
fn batch_digest(batch: &Batch) -> Result<blake3::Hash, SyncError> {
    let mut hasher = blake3::Hasher::new();
    let mut folds = batch.changes.folds(0)?;
    while let Some(change) = folds.next()? {
        hasher.update(&(change.store as u64).to_le_bytes());
        hasher
            .update(&(change.key.as_bytes().len() as u64).to_le_bytes())
            .update(change.key.as_bytes());
        hasher
            .update(&[u8::from(change.state == LineState::Delete)])
            .update(change.state.content_digest().as_bytes());
    }
    for range in &batch.changes.ranges {
        for bound in [&range.lower, &range.upper] {
            let bytes = bound.as_ref().map(|bound| bound.key.as_bytes()).unwrap_or_default();
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
            hasher.update(&[u8::from(bound.as_ref().is_some_and(|bound| bound.open))]);
        }
    }
    Ok(hasher.finalize())
}

/// Returns what identifies a batch's content beside its delivery id; `None` if the batch was not read
/// from bytes. The content of bare records does not contain the object store, so the digest does.
fn content_digest(batch: &Batch) -> Option<Digest> {
    let BatchHeader { schema, mode, .. } = &batch.header;
    let bytes = batch.content?;
    let only = match schema.stores.as_slice() {
        [only] => Some(only.name.to_canonical()),
        _ => None,
    };
    let mut content = blake3::Hasher::new();
    content.update(bytes.as_bytes());
    add_text(&mut content, Some(&schema.name.to_canonical()));
    add_text(&mut content, Some(mode.name()));
    add_text(&mut content, only.as_deref());
    Some(content.finalize().into())
}
