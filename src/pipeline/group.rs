//! Merges several batches of one flow into one version. Each is merged into the result of the
//! previous ones, and is applied as a whole or not at all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::SyncOptions;
use super::commit::{Round, commit};
use super::notices::{self, ForSource};
use super::single::{Completion, summary};
use super::staging::{Staging, StagingWriter};
use crate::apply::conflict_log::ConflictLog;
use crate::apply::counts::Counts;
use crate::apply::error::SyncError;
use crate::apply::head_reader::HeadReader;
use crate::apply::recorder::ChunkOutput;
use crate::chunk::ListEditor;
use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::Batch;
use crate::pipeline::attempt::{Attempt, DraftLabel, Planned, read_sources, seal};
use crate::report::{ReportLines, Summary, comment_summary};
use crate::snapshot::sources::Sources;
use crate::snapshot::{Digest, FlowName, FlowVersion, List, Manifest, SourceId, StateId};
use crate::spool::{Place, Spool};
use crate::store::{SnapshotStore, StoredVersion, VersionDraft, VersionWriter};

/// The batches of a flow, in the order in which they are merged. They are read again after a lost
/// race.
pub(super) trait Batches {
    /// Returns the number of batches.
    fn count(&self) -> usize;

    /// Reads a batch, and its delivery id; `None` if it cannot be read, which the implementation
    /// records.
    fn read(&mut self, place: usize) -> Option<(Batch, Option<String>)>;
}

/// The result of one batch, and the place of its report, which has neither rejects nor summary.
pub(super) type Ended = Result<(Summary, Place), SyncError>;

/// Merges batches into a flow and commits them as one version. Returns the results of all batches
/// that could be read, and their reports.
///
/// # Errors
///
/// Errors that concern all batches. Nothing of any batch is visible then, with the same exception
/// as for a single batch.
pub(super) fn sync_group(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    batches: &mut dyn Batches,
    options: &SyncOptions,
    folder: Option<PathBuf>,
) -> Result<(Vec<Option<Ended>>, Spool), SyncError> {
    let mut group = FlowGroup {
        store,
        flow,
        batches,
        options,
        spool: Spool::new(folder.as_deref()),
        members: Vec::new(),
        folder,
    };
    let stand = commit(store, flow, options, &mut group)?;
    let FlowGroup { mut spool, members, .. } = group;
    let completion = Completion { store, options, stand };
    let mut end = |member| end(completion, &mut spool, member);
    let ended = members
        .into_iter()
        .map(|member| member.map(&mut end).transpose())
        .collect::<Result<_, _>>()?;
    Ok((ended, spool))
}

fn end(
    completion: Completion<'_>,
    spool: &mut Spool,
    member: GroupMember,
) -> Result<Ended, SyncError> {
    let MergedBatch { mut summary, header, said, lines } = match member {
        Ok(merged) => merged,
        Err(error) => return Ok(Err(error)),
    };
    let mut report = ReportLines::new(completion.options.temp_folder.as_deref());
    report.push_all(&spool.read(lines)?)?;
    completion.finish(&mut summary, &header, said, &mut report)?;
    let report = spool.append_with(|mut out| report.copy_to(&mut out))?;
    Ok(Ok((summary, report)))
}

/// The next batch to merge.
struct NextBatch<'a> {
    batch: &'a Batch,
    delivery: Option<String>,
    /// True if no other follows in the same version.
    is_last: bool,
}

/// A merged batch, without its changes.
struct MergedBatch {
    summary: Summary,
    header: BatchHeader,
    said: ForSource,
    lines: Place,
}

type GroupMember = Result<MergedBatch, SyncError>;

struct FlowGroup<'a> {
    store: &'a dyn SnapshotStore,
    flow: &'a FlowName,
    batches: &'a mut dyn Batches,
    options: &'a SyncOptions,
    /// The reports.
    spool: Spool,
    members: Vec<Option<GroupMember>>,
    folder: Option<PathBuf>,
}

/// The version, as it grows with each batch.
#[derive(Default)]
struct Growing {
    head: Option<StoredVersion>,
    known: Sources,
    logged: ConflictLog,
    total: Counts,
    touched: BTreeSet<DomString>,
    sources: BTreeSet<Option<SourceId>>,
    received_at: i64,
    differs: bool,
}

impl Round for FlowGroup<'_> {
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        mut writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError> {
        self.members.clear();
        self.spool.clear()?;
        let staging = Staging::new(self.store, head, self.folder.as_deref());
        let known = read_sources(self.store, self.flow, head)?;
        let logged = ConflictLog::of_several();
        let mut growing = Growing { head: head.cloned(), known, logged, ..Growing::default() };
        let count = self.batches.count();
        for place in 0..count {
            let member = match self.batches.read(place) {
                None => None,
                Some((batch, delivery)) => {
                    let next = NextBatch { batch: &batch, delivery, is_last: place + 1 == count };
                    Some(self.merge(&staging, head, next, &mut growing)?)
                }
            };
            self.members.push(member);
        }
        growing.write_conflicts(&staging, self.flow, true)?;
        let summary = growing.comment();
        let Growing { head: grown, known, received_at, differs, .. } = growing;
        let Some(manifest) = grown.filter(|_| differs).map(|grown| grown.manifest) else {
            return Ok(None);
        };
        // The list of sources is written last, because head's list is not part of the new version.
        let manifest = Manifest { sources: Vec::new(), ..manifest };
        if let Some(writer) = writer.as_deref_mut() {
            staging.transfer(&manifest, writer)?;
        }
        let label = DraftLabel { summary, timestamp_ms: received_at };
        Ok(Some(seal(manifest, &known, head, writer, label)?))
    }
}

impl FlowGroup<'_> {
    /// Merges the next batch; the outer error ends the round.
    fn merge(
        &mut self,
        staging: &Staging<'_>,
        head: Option<&StoredVersion>,
        next: NextBatch<'_>,
        growing: &mut Growing,
    ) -> Result<GroupMember, SyncError> {
        let NextBatch { batch, delivery, is_last: last } = next;
        let options = SyncOptions { delivery, ..self.options.clone() };
        let committed = head.map(|head| head.manifest.version);
        let grown = growing.head.take();
        let attempt = Attempt {
            store: staging,
            flow: self.flow,
            batch,
            options: &options,
            head: grown.as_ref(),
            committed,
            last,
        };
        let mut lines = ReportLines::new(options.temp_folder.as_deref());
        let Growing { known, logged, .. } = growing;
        logged.begin();
        let planned =
            match attempt.run(known, logged, Some(&mut StagingWriter(staging)), &mut lines) {
                Ok(planned) => planned,
                Err(error) if error.concerns_all() => return Err(error),
                // Only this batch fails: what it logged so far must not reach the version.
                Err(error) => {
                    growing.head = grown;
                    growing.logged.undo();
                    return Ok(Err(error));
                }
            };
        let Planned { manifest, counts, touched, ack, is_known } = planned;
        let makes = manifest.as_ref().map(|_| FlowVersion::after(committed));
        let notices = notices::of_batch(&mut growing.known, batch, makes);
        let summary = summary(self.flow, batch, &counts, manifest.is_some());
        growing.head = grown;
        if let Some(manifest) = manifest {
            growing.take(manifest, head, batch, &counts, touched);
            growing.write_conflicts(staging, self.flow, false)?;
        }
        let lines = self.spool.append_with(|mut out| lines.copy_to(&mut out))?;
        Ok(Ok(MergedBatch {
            summary,
            header: batch.header.clone(),
            said: ForSource { ack, notices, is_known },
            lines,
        }))
    }
}

impl Growing {
    fn take(
        &mut self,
        mut manifest: Manifest,
        head: Option<&StoredVersion>,
        batch: &Batch,
        counts: &Counts,
        touched: Vec<DomString>,
    ) {
        manifest.version = FlowVersion::after(head.map(|head| head.manifest.version));
        self.head = Some(StoredVersion {
            manifest,
            // The state is not known before the version is complete, and nothing reads it.
            state: StateId(Digest::of(b"")),
            comment: String::new(),
            author: String::new(),
            timestamp_ms: batch.received_at,
            // The store needs this to read head's chunks.
            coordinates: head.map(|head| head.coordinates.clone()).unwrap_or_default(),
        });
        self.total.add(counts);
        self.touched.extend(touched);
        self.sources.insert(batch.header.source.clone());
        self.received_at = self.received_at.max(batch.received_at);
        self.differs = true;
    }

    /// Writes the waiting conflicts if `at_end` or if there are many.
    fn write_conflicts(
        &mut self,
        staging: &Staging<'_>,
        flow: &FlowName,
        at_end: bool,
    ) -> Result<(), SyncError> {
        let Some(waiting) = self.logged.take_waiting(at_end) else { return Ok(()) };
        let Some(mut grown) = self.head.take() else { return Ok(()) };
        let base = HeadReader::new(staging, flow, Some(&grown));
        let mut writer = StagingWriter(staging);
        let mut output = ChunkOutput::new(Some(&mut writer), Some(&grown.manifest));
        let mut list = ListEditor::new(List::Conflicts, &grown.manifest.conflicts, &base);
        for line in waiting.values() {
            list.put(line, &mut output)?;
        }
        let conflicts = list.finish(&mut output)?;
        grown.manifest.conflicts = conflicts;
        self.head = Some(grown);
        Ok(())
    }

    fn comment(&self) -> String {
        let Counts { inserted, updated, deleted, .. } = self.total;
        let touched: Vec<_> = self.touched.iter().cloned().collect();
        let only =
            self.sources.first().filter(|_| self.sources.len() == 1).and_then(Option::as_ref);
        let summary = comment_summary(inserted, updated, deleted, &touched, only);
        match self.sources.len() {
            0 | 1 => summary,
            several => format!("{summary}, from {several} sources"),
        }
    }
}
