//! Walking commits. One branch holds all flows, and people may commit and merge there too: what is not ours is passed by.

use std::collections::{BinaryHeap, HashSet};

use gix::ObjectId;

use super::error::damaged;
use super::message::{Commit, Trailer, trailer};
use super::repo::Repo;
use crate::snapshot::FlowName;
use crate::store::StoreError;

/// A commit that made a version.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) id: ObjectId,
    pub(super) commit: Commit,
    pub(super) trailer: Trailer,
    /// No other commit is waiting to be looked at: what comes now lies before this one.
    pub(super) alone: bool,
}

/// The commits that made versions of one flow, from a commit on backwards, children before parents along each line.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    repo: &'a Repo,
    flow: String,
    /// By committer's time, newest first.
    waiting: BinaryHeap<(i64, ObjectId)>,
    seen: HashSet<ObjectId>,
    start: Option<ObjectId>,
}

impl<'a> Walk<'a> {
    /// Starts at `start`.
    pub(super) fn new(repo: &'a Repo, flow: &FlowName, start: ObjectId) -> Self {
        Self { repo, flow: flow.to_string(), waiting: BinaryHeap::new(), seen: HashSet::new(), start: Some(start) }
    }

    /// The next commit of the flow.
    pub(super) fn next(&mut self) -> Result<Option<Step>, StoreError> {
        while let Some(id) = self.start.take().or_else(|| self.waiting.pop().map(|(_, id)| id)) {
            let Some(bytes) = self.repo.try_object(id, gix::object::Kind::Commit)? else {
                if self.repo.is_shallow() {
                    continue;
                }
                return Err(damaged(format!("git commit {id} is missing in {}", self.repo.path().display())));
            };
            let commit = Commit::parse(&bytes).ok_or_else(|| damaged(format!("git commit {id} cannot be read")))?;
            let alone = self.waiting.is_empty();
            self.follow(&commit)?;
            match trailer(&commit.message) {
                Some(trailer) if trailer.flow == self.flow => {
                    return Ok(Some(Step { id, commit, trailer, alone }));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn follow(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if let ([parent], true) = (commit.parents.as_slice(), self.waiting.is_empty()) {
            // A single line needs no order, and so no look at the parent's time, and cannot meet itself.
            self.start = Some(*parent);
            return Ok(());
        }
        for parent in &commit.parents {
            if self.seen.insert(*parent) {
                let bytes = self.repo.try_object(*parent, gix::object::Kind::Commit)?;
                let time = bytes.as_deref().and_then(Commit::parse).map_or(i64::MIN, |commit| commit.committer_seconds);
                self.waiting.push((time, *parent));
            }
        }
        Ok(())
    }
}
