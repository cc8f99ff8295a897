//! Judges the deletions of a batch before anything is written.

use super::ground::Ground;
use super::{Attempt, Mode};
use crate::apply::error::SyncError;
use crate::apply::full_batch::Compared;
use crate::apply::guard::{Deletes, MAX_DELETES, Measure};
use crate::apply::head_reader::HeadReader;
use crate::apply::merging::Merging;
use crate::apply::own_changes::count_records;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::{Batch, Changes};
use crate::snapshot::deletion_run::{MAX_DELETES_BY_HAND, Run};
use crate::snapshot::{LineState, SourceId};

/// A batch whose deletions are to be judged.
pub(super) struct DeletionCheck<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) merging: &'a Merging<'a>,
    /// The comparison of a full batch with its source's view.
    pub(super) compared: Option<&'a Compared>,
    /// The source's recent deletions.
    pub(super) run: &'a Run,
}

impl Attempt<'_> {
    /// Refuses a batch that deletes too much. True if it is permitted only because a person
    /// confirmed it.
    pub(super) fn guard(
        &self,
        check: &DeletionCheck<'_>,
        changes: &Changes,
        head: &HeadReader<'_>,
    ) -> Result<bool, SyncError> {
        let DeletionCheck { ground, merging, compared, run } = check;
        let lost = [&ground.vanishing[..], &ground.recreated].concat();
        // The dry run of the merge reads chunks once more, so it is skipped for batches that cannot
        // delete enough to be refused.
        let is_judged = self.may_delete_much(changes.deletes, run)
            || merging.displaced() > 0
            || !changes.ranges.is_empty()
            || !lost.is_empty();
        if !is_judged {
            return Ok(false);
        }
        let mut deletes = Deletes::default();
        merging.count_deletions(&mut deletes)?;
        let stored = self.before().unwrap_or(&ground.manifest);
        for name in &ground.recreated {
            let records = stored.store(name).map(|store| store.records.as_slice());
            deletes.recreated(name, records.unwrap_or_default());
        }
        let source = self.batch.header.source.as_ref();
        let had = |name: &DomString, enough: u64| match compared {
            Some(compared) => Ok(compared.had_in(name)),
            None => count_records(head, stored, name, source, enough),
        };
        let is_empty = self.batch.header.mode == Mode::Full && self.batch.received == 0;
        let measure = Measure { head: stored, vanishing: &lost, is_empty, run, had: &had };
        deletes.check(&measure, self.options.confirm.as_deref(), || {
            let source = source.map_or("", SourceId::as_str);
            Ok(deletes.plan(source, &batch_digest(self.batch)?))
        })
    }

    /// True if this number of single deletions may exceed the limits of the guard.
    fn may_delete_much(&self, deletes: u64, run: &Run) -> bool {
        if self.batch.header.mode == Mode::Full {
            return deletes > 1 || (deletes == 1 && self.batch.received == 0);
        }
        deletes > MAX_DELETES || (deletes > MAX_DELETES_BY_HAND && !run.stores.is_empty())
    }
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
