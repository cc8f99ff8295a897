//! Walks commits. One branch contains all flows, and people may commit and merge there too: commits
//! that are not ours are skipped.

use std::collections::{BinaryHeap, HashSet};

use gix::ObjectId;

use super::error::damaged;
use super::message::{Commit, Trailer, trailer};
use super::repo::Repo;
use crate::snapshot::FlowName;
use crate::store::StoreError;

/// A commit that made a version.
#[derive(Clone, Debug)]
pub(super) struct VersionCommit {
    pub(super) id: ObjectId,
    pub(super) commit: Commit,
    pub(super) trailer: Trailer,
}

/// Iterates over the commits that made versions of one flow, backwards from a start commit,
/// children before parents along each line.
#[derive(Debug)]
pub(super) struct HistoryWalk<'a> {
    repo: &'a Repo,
    flow: String,
    /// By committer's time, newest first.
    waiting: BinaryHeap<(i64, ObjectId)>,
    seen: HashSet<ObjectId>,
    start: Option<ObjectId>,
    plain: bool,
}

impl<'a> HistoryWalk<'a> {
    /// Starts at `start`.
    pub(super) fn new(repo: &'a Repo, flow: &FlowName, start: ObjectId) -> Self {
        Self {
            repo,
            flow: flow.to_string(),
            waiting: BinaryHeap::new(),
            seen: HashSet::new(),
            start: Some(start),
            plain: true,
        }
    }

    /// True while every commit so far is one of ours with at most one parent. Then nobody else has
    /// touched a flow, and its versions follow one another.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The next commit of the flow.
    pub(super) fn next(&mut self) -> Result<Option<VersionCommit>, StoreError> {
        while let Some(id) = self.start.take().or_else(|| self.waiting.pop().map(|(_, id)| id)) {
            let Some(commit) = self.repo.try_commit(id)? else {
                if self.repo.is_shallow() {
                    continue;
                }
                return Err(damaged(format!(
                    "git commit {id} is missing in {}",
                    self.repo.path().display()
                )));
            };
            self.follow(&commit)?;
            self.plain &= commit.parents.len() <= 1;
            match trailer(&commit.message) {
                Some(trailer) if trailer.flow == self.flow => {
                    return Ok(Some(VersionCommit { id, commit, trailer }));
                }
                Some(_) => {}
                None => self.plain = false,
            }
        }
        Ok(None)
    }

    fn follow(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if let ([parent], true) = (commit.parents.as_slice(), self.waiting.is_empty()) {
            // A single line needs no ordering, so the parent's time is not read, and it cannot meet
            // itself.
            self.start = Some(*parent);
            return Ok(());
        }
        for parent in &commit.parents {
            if self.seen.insert(*parent) {
                let time = self
                    .repo
                    .try_commit(*parent)?
                    .map_or(i64::MIN, |commit| commit.committer_seconds);
                self.waiting.push((time, *parent));
            }
        }
        Ok(())
    }
}
