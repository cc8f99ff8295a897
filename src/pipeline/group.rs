//! Several batches of one flow, one version: each is merged into what the ones before it made, and is in it whole or not at
//! all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::SyncOptions;
use super::commit::{Round, Stand, commit};
use super::error::SyncError;
use super::single::{finish, summary};
use super::staging::{Staging, StagingWriter};
use super::sync::{Attempt, Planned};
use super::walk::Counts;
use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::Batch;
use crate::report::{Ack, ReportLines, Summary, comment_summary};
use crate::snapshot::{FlowName, Manifest, SourceId};
use crate::spool::{Place, Spool};
use crate::store::{SnapshotStore, StoredVersion, VersionDraft, VersionWriter};

/// Gives the batches of a flow, in the order in which they are merged. A lost race asks for them again.
pub(super) trait Batches {
    /// How many there are.
    fn count(&self) -> usize;

    /// Reads one, and how its delivery is named; `None` if it cannot be read, which is noted where the batches come from.
    fn read(&mut self, place: usize) -> Option<(Batch, Option<String>)>;
}

/// How one batch ended, and where its report lies, without rejects and summary.
pub(super) type Ended = Result<(Summary, Place), SyncError>;

/// Merges batches into a flow and commits them as one version; gives how each that could be read ended, and their reports.
///
/// # Errors
///
/// What concerns them all: nothing of any batch is visible then, but as for a single batch.
pub(super) fn sync_group(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    batches: &mut dyn Batches,
    options: &SyncOptions,
    folder: Option<PathBuf>,
) -> Result<(Vec<Option<Ended>>, Spool), SyncError> {
    let mut group =
        Group { store, flow, batches, options, spool: Spool::new(folder.as_deref()), members: Vec::new(), folder };
    let stand = commit(store, flow, options, &mut group)?;
    let Group { mut spool, members, .. } = group;
    let mut end = |member| end(store, options, stand, &mut spool, member);
    let ended = members.into_iter().map(|member| member.map(&mut end).transpose()).collect::<Result<_, _>>()?;
    Ok((ended, spool))
}

fn end(
    store: &dyn SnapshotStore,
    options: &SyncOptions,
    stand: Option<Stand>,
    spool: &mut Spool,
    member: Member,
) -> Result<Ended, SyncError> {
    let Merged { mut summary, header, ack, lines } = match member {
        Ok(merged) => merged,
        Err(error) => return Ok(Err(error)),
    };
    let mut report = ReportLines::default();
    report.push_all(&spool.read(lines)?)?;
    finish(store, &mut summary, &header, options, stand, ack, &mut report)?;
    let report = spool.append_with(|mut out| report.copy_to(&mut out))?;
    Ok(Ok((summary, report)))
}

/// One batch that was merged; its changes are not kept.
struct Merged {
    summary: Summary,
    header: BatchHeader,
    ack: Option<Ack>,
    lines: Place,
}

type Member = Result<Merged, SyncError>;

struct Group<'a> {
    store: &'a dyn SnapshotStore,
    flow: &'a FlowName,
    batches: &'a mut dyn Batches,
    options: &'a SyncOptions,
    /// Reports.
    spool: Spool,
    members: Vec<Option<Member>>,
    folder: Option<PathBuf>,
}

/// What the version becomes, batch by batch.
#[derive(Default)]
struct Growing {
    head: Option<StoredVersion>,
    total: Counts,
    touched: BTreeSet<DomString>,
    sources: BTreeSet<Option<SourceId>>,
    received_at: i64,
    differs: bool,
}

impl Round for Group<'_> {
    fn plan(
        &mut self,
        head: Option<&StoredVersion>,
        writer: Option<&mut (dyn VersionWriter + '_)>,
    ) -> Result<Option<Box<VersionDraft>>, SyncError> {
        self.members.clear();
        self.spool.clear()?;
        let staging = Staging::new(self.store, head, self.folder.as_deref());
        let mut growing = Growing { head: head.cloned(), ..Growing::default() };
        let count = self.batches.count();
        for place in 0..count {
            let member = match self.batches.read(place) {
                None => None,
                Some((batch, delivery)) => {
                    Some(self.merge(&staging, head, &batch, delivery, place + 1 == count, &mut growing)?)
                }
            };
            self.members.push(member);
        }
        let Some(manifest) = growing.head.filter(|_| growing.differs).map(|head| head.manifest) else {
            return Ok(None);
        };
        if let Some(writer) = writer {
            staging.transfer(&manifest, writer)?;
        }
        let comment = comment(&growing.total, &growing.touched, &growing.sources, &manifest);
        Ok(Some(Box::new(VersionDraft { manifest, comment, timestamp_ms: growing.received_at })))
    }
}

impl Group<'_> {
    /// Merges one more batch; the outer error ends the round.
    fn merge(
        &mut self,
        staging: &Staging<'_>,
        head: Option<&StoredVersion>,
        batch: &Batch,
        delivery: Option<String>,
        last: bool,
        growing: &mut Growing,
    ) -> Result<Member, SyncError> {
        let options = SyncOptions { delivery, ..self.options.clone() };
        let committed = head.map(|head| (head.manifest.version, head.state));
        let attempt = Attempt {
            store: staging,
            flow: self.flow,
            batch,
            options: &options,
            head: growing.head.as_ref(),
            committed,
            last,
        };
        let mut lines = ReportLines::default();
        let planned = match attempt.run(Some(&mut StagingWriter(staging)), &mut lines) {
            Ok(planned) => planned,
            Err(error) if error.concerns_all() => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let Planned { draft, counts, touched, ack } = planned;
        let summary = summary(self.flow, batch, &counts, draft.is_some());
        if let Some(draft) = draft {
            growing.take(*draft, head, batch, &counts, touched);
        }
        let lines = self.spool.append_with(|mut out| lines.copy_to(&mut out))?;
        Ok(Ok(Merged { summary, header: batch.header.clone(), ack, lines }))
    }
}

impl Growing {
    fn take(
        &mut self,
        draft: VersionDraft,
        head: Option<&StoredVersion>,
        batch: &Batch,
        counts: &Counts,
        touched: Vec<DomString>,
    ) {
        let (_, state) = draft.manifest.to_text();
        self.head = Some(StoredVersion {
            manifest: draft.manifest,
            state,
            comment: String::new(),
            author: String::new(),
            timestamp_ms: draft.timestamp_ms,
            // What the store needs to read head's chunks.
            inner: head.map(|head| head.inner.clone()).unwrap_or_default(),
        });
        self.total.add(counts);
        self.touched.extend(touched);
        self.sources.insert(batch.header.source.clone());
        self.received_at = self.received_at.max(batch.received_at);
        self.differs = true;
    }
}

fn comment(
    counts: &Counts,
    touched: &BTreeSet<DomString>,
    sources: &BTreeSet<Option<SourceId>>,
    manifest: &Manifest,
) -> String {
    let touched: Vec<_> = touched.iter().cloned().collect();
    let named: Vec<_> = sources.iter().flatten().collect();
    let by = if sources.len() == 1 { named.first().copied() } else { None };
    let mut summary = comment_summary(counts.inserted, counts.updated, counts.deleted, &touched, by);
    if sources.len() > 1 {
        summary = format!("{summary}, from {} sources", sources.len());
    }
    let (_, state) = manifest.to_text();
    format!("{summary}\n\nroot={} state={state}", manifest.root())
}
