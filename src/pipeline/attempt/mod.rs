//! One attempt: turns a batch and head into a draft, and passes new data to the store's writer.
//!
//! [`Attempt::run`] names the steps in their order. Each file here has one of them.

mod draft;
mod ground;
mod guarded;
mod merged;
mod old_view;
mod replayed;
mod source_record;
mod standing;

use super::SyncOptions;
use crate::apply::conflict_log::ConflictLog;
use crate::apply::counts::Counts;
use crate::apply::error::SyncError;
use crate::apply::full_batch::{Compared, Comparison};
use crate::apply::head_reader::HeadReader;
use crate::apply::merging::{DueChanges, Merging};
use crate::apply::recorder::{ChunkOutput, ConflictList, Recorder};
use crate::apply::walk::BatchFacts;
use crate::decode::Mode;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::Batch;
use crate::report::{Ack, ReportLines};
use crate::snapshot::deletion_run::Run;
use crate::snapshot::sources::{Delivery, SourceState, Sources};
use crate::snapshot::{FlowName, FlowVersion, Manifest, Meta};
use crate::store::{SnapshotStore, StoredVersion, VersionWriter};
use ground::Ground;
use guarded::DeletionCheck;
use merged::{Merged, report_kept, schema_differs};
use old_view::OldView;
use standing::SourceStanding;

pub(crate) use draft::{DraftLabel, read_sources, seal};

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

impl Planned {
    /// Creates the result of a batch that needs no version.
    fn unchanged(counts: Counts, ack: Option<Ack>, is_known: bool) -> Self {
        Self { manifest: None, counts, touched: Vec::new(), ack, is_known }
    }
}

/// A full batch, compared with the records that its source last sent in full.
struct FullBatch<'a> {
    comparison: &'a Comparison<'a>,
    compared: Compared,
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
        self.check_base()?;
        let id = self.batch.header.source.as_ref();
        let delivery = self.delivery();
        let (skip, mut state) = match self.standing(sources, delivery.as_ref())? {
            SourceStanding::Due { skip, state } => (skip, state),
            SourceStanding::Committed(ack) => {
                self.report_replayed(None, lines)?;
                let counts = Counts { unchanged: self.batch.received, ..Counts::default() };
                return Ok(Planned::unchanged(counts, ack, true));
            }
        };
        let is_known = skip > 0 || id.is_some_and(|id| sources.last_seen(id).is_some());
        if skip > 0 {
            self.report_replayed(Some(skip), lines)?;
        }

        let head = HeadReader::new(self.store, self.flow, self.head);
        let ground = self.ground(sources, &mut state)?;
        let old = OldView::read(self, &state, &ground)?;
        let own = old.own_changes(&state, id, &head, &ground.manifest);
        let comparison = old.comparison(&state, own.as_ref())?;
        let full = match &comparison {
            None => None,
            Some(comparison) => {
                let compared = comparison.compare(self.options.temp_folder.clone())?;
                Some(FullBatch { comparison, compared })
            }
        };
        // A batch that is to be remembered makes a version, even if it changes no record.
        let is_remembered = delivery.is_some() || self.is_unheard(sources);
        if let Some(FullBatch { compared, .. }) = &full
            && !is_remembered
            && self.repeats_view(compared, &state, &ground)
        {
            report_kept(&compared.kept, lines)?;
            let kept = compared.kept.iter().map(|kept| kept.count).sum();
            let counts = Counts { unchanged: compared.unchanged, kept, ..Counts::default() };
            return Ok(Planned::unchanged(counts, None, is_known));
        }

        let incoming = self.incoming(full.as_ref(), skip);
        let facts = self.facts();
        let merging = Merging::new(&ground.manifest, &incoming, &facts, &ground.rules, &head)?;
        let mut run = sources.run(id, self.batch.received_at);
        let compared = full.as_ref().map(|full| &full.compared);
        let check = DeletionCheck { ground: &ground, merging: &merging, compared, run: &run };
        let is_confirmed = self.guard(&check, incoming.changes, &head)?;

        let mut output = ChunkOutput::new(writer, self.before());
        let conflicts = ConflictList { before: &ground.manifest.conflicts, logged, reader: &head };
        let mut recorder = Recorder::new(&mut output, conflicts, lines, facts.version);
        recorder.report_changes = !self.options.withholds_values;
        let mut merged = Merged::run(&merging, &ground, recorder)?;
        if let Some(compared) = compared {
            report_kept(&compared.kept, lines)?;
            merged.count_compared(compared);
        }
        merged.count_recreated(self.before(), &ground.recreated);
        merged.remove_vanished(&ground.vanishing);
        merged.raise_key_generators(&self.batch.header);
        ground.rules.keep_schema(self.before(), &mut merged.manifest);

        let is_recorded = self.record_source(
            sources,
            &mut state,
            full.as_ref(),
            &mut merged.manifest,
            &mut output,
        )?;
        let differs = is_remembered
            || is_recorded
            || merged.counts.changes_something()
            || self.before().is_none_or(|head| schema_differs(head, &merged.manifest));
        if !differs {
            return Ok(Planned::unchanged(merged.counts, self.ack(), is_known));
        }
        self.settle_source(sources, state);
        self.forget_stores(sources, &ground.recreated, &merged.gone);
        // A confirmed run of deletions ends, so that the next one is judged anew.
        if is_confirmed {
            run = Run::default();
        } else {
            run.add(self.batch.received_at, &merged.deletions);
        }
        sources.set_run(id, &run, &self.meta());
        self.advance_retention(sources, ground.rules.forget);
        if let Some(delivery) = &delivery {
            sources.add_delivery(delivery, &self.meta());
        }
        self.keep_views(sources, &mut merged.manifest);
        let Merged { manifest, counts, touched, .. } = merged;
        Ok(Planned { manifest: Some(manifest), counts, touched, ack: self.ack(), is_known })
    }

    /// Returns head's manifest.
    fn before(&self) -> Option<&Manifest> {
        self.head.map(|head| &head.manifest)
    }

    /// Returns the facts about the batch that every merged record needs.
    fn facts(&self) -> BatchFacts {
        let header = &self.batch.header;
        BatchFacts {
            version: FlowVersion::after(self.committed),
            by: header.source.clone(),
            base: header.base,
            is_full: header.mode == Mode::Full,
            received_at: self.batch.received_at,
            deadline: self.options.deadline,
        }
    }

    /// Returns the meta data of lines that the batch writes.
    fn meta(&self) -> Meta {
        let BatchFacts { version, by, received_at, .. } = self.facts();
        Meta { at: received_at, by, rev: version }
    }

    /// Returns the changes of a full batch's comparison, or the batch's own.
    fn incoming<'b>(&'b self, full: Option<&'b FullBatch<'_>>, skip: u64) -> DueChanges<'b> {
        match full {
            Some(FullBatch { compared, .. }) => {
                DueChanges { changes: &compared.changes, names: compared.names.clone(), skip: 0 }
            }
            None => {
                let stores = &self.batch.header.schema.stores;
                let names = stores.iter().map(|store| store.name.clone()).collect();
                DueChanges { changes: &self.batch.changes, names, skip }
            }
        }
    }

    /// True if a full batch repeats its source's view, so that no merge is needed: nothing else
    /// about it has to be stored, such as a checkpoint, a schema or a key generator.
    fn repeats_view(&self, compared: &Compared, state: &SourceState, ground: &Ground<'_>) -> bool {
        let header = &self.batch.header;
        compared.same
            && state.view.is_some()
            && header.sequence.is_none()
            && ground.recreated.is_empty()
            && header.key_generators.iter().all(Option::is_none)
            && self.before().is_some_and(|head| !schema_differs(head, &ground.manifest))
    }
}
