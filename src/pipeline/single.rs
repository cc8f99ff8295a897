//! Merges one batch into one version, writing directly to the store.

use super::SyncOptions;
use super::commit::{Round, Stand, commit};
use super::notices::{self, ForSource};
use super::pull::{PulledVersion, pull};
use crate::apply::conflict_log::ConflictLog;
use crate::apply::counts::Counts;
use crate::apply::error::SyncError;
use crate::decode::BatchHeader;
use crate::normalize::Batch;
use crate::pipeline::attempt::{Attempt, DraftLabel, Planned, read_sources, seal};
use crate::report::{Outcome, ReportLines, Summary, comment_summary};
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::{SnapshotStore, StoredVersion, VersionDraft, VersionWriter};

/// Merges a batch into a flow and commits it as one version, or reports that nothing differs.
///
/// # Errors
///
/// Nothing of the batch is visible then. The one exception: the store's response to the commit was
/// lost, and head could not be read again.
pub fn sync(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    batch: &Batch,
    options: &SyncOptions,
    lines: &mut ReportLines,
) -> Result<Summary, SyncError> {
    let mut single = Single {
        store,
        flow,
        batch,
        options,
        lines,
        counts: Counts::default(),
        said: ForSource::default(),
        differs: false,
    };
    let stand = commit(store, flow, options, &mut single)?;
    let Single { counts, said, differs, lines, .. } = single;
    let mut summary = summary(flow, batch, &counts, differs);
    let completion = Completion { store, options, stand };
    completion.finish(&mut summary, &batch.header, said, lines)?;
    Ok(summary)
}

struct Single<'a> {
    store: &'a dyn SnapshotStore,
    flow: &'a FlowName,
    batch: &'a Batch,
    options: &'a SyncOptions,
    lines: &'a mut ReportLines,
    counts: Counts,
    said: ForSource,
    differs: bool,
}

impl Round for Single<'_> {
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        mut writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError> {
        // Rejections of the batch precede these lines and belong to the caller.
        self.lines.clear()?;
        let Self { store, flow, batch, options, .. } = *self;
        let committed = head.map(|head| head.manifest.version);
        let attempt = Attempt { store, flow, batch, options, head, committed, last: true };
        let mut sources = read_sources(store, flow, head)?;
        let Planned { manifest, counts, touched, ack, is_known } = attempt.run(
            &mut sources,
            &mut ConflictLog::default(),
            writer.as_deref_mut(),
            self.lines,
        )?;
        let notices = notices::of_batch(
            &mut sources,
            batch,
            manifest.as_ref().map(|_| FlowVersion::after(committed)),
        );
        (self.counts, self.said, self.differs) =
            (counts, ForSource { ack, notices, is_known }, manifest.is_some());
        let Some(manifest) = manifest else { return Ok(None) };
        let Counts { inserted, updated, deleted, .. } = counts;
        let summary =
            comment_summary(inserted, updated, deleted, &touched, batch.header.source.as_ref());
        let label = DraftLabel { summary, timestamp_ms: batch.received_at };
        Ok(Some(seal(manifest, &sources, head, writer, label)?))
    }
}

/// Returns the summary of a batch that is done, without the version.
pub(super) fn summary(flow: &FlowName, batch: &Batch, counts: &Counts, differs: bool) -> Summary {
    let outcome = if differs { Outcome::Committed } else { Outcome::Unchanged };
    Summary {
        received: batch.received,
        put: counts.inserted + counts.updated,
        deleted: counts.deleted,
        unchanged: counts.unchanged,
        rejected: batch.rejected,
        conflicts: counts.conflicts,
        parked: counts.parked,
        kept: counts.kept,
        ..Summary::new(outcome, Some(flow.clone()))
    }
}

/// Completes reports after a commit.
#[derive(Clone, Copy)]
pub(super) struct Completion<'a> {
    pub(super) store: &'a dyn SnapshotStore,
    pub(super) options: &'a SyncOptions,
    /// The newest version; `None` if there is none.
    pub(super) stand: Option<Stand>,
}

impl Completion<'_> {
    /// Adds the version, the records that a pulling source lacks, people's decisions, and the
    /// acknowledgement.
    pub(super) fn finish(
        &self,
        summary: &mut Summary,
        header: &BatchHeader,
        said: ForSource,
        lines: &mut ReportLines,
    ) -> Result<(), SyncError> {
        let Self { store, options, stand } = *self;
        if let Some(Stand { version, root, state }) = stand {
            (summary.version, summary.root, summary.state) =
                (Some(version), Some(root), Some(state));
            // A version that was only planned cannot be read.
            if let (false, Some(flow)) = (options.dry_run, &summary.flow) {
                if options.pull && !options.withholds_values {
                    let now = PulledVersion { store, flow, version };
                    pull(&now, header, said.is_known, lines)?;
                }
                if options.withholds_values {
                    notices::tell_without_values(&said.notices, lines)?;
                } else {
                    notices::tell(store, flow, version, &said.notices, lines)?;
                }
            }
        }
        let ack = said.ack;
        if let Some(ack) = &ack {
            lines.push(&ack.line())?;
        }
        summary.ack = ack;
        Ok(())
    }
}
