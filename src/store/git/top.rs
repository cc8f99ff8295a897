//! The trees above a flow, and the commit: the parts that depend on the position of `main`.

use std::sync::Arc;

use gix::ObjectId;
use gix::object::Kind;

use super::layout;
use super::message::Commit;
use super::object::{Deflater, id_of};
use super::pending::PendingObjects;
use super::repo::Repo;
use super::sink::Sink;
use super::tree::{DIRECTORY, FILE, GitTree};
use crate::snapshot::FlowName;
use crate::store::{StoreError, StoreErrorKind};

/// An object that is not compressed yet.
pub(super) type Object = (Kind, Vec<u8>);

/// The parts of the new version that do not depend on `main`.
pub(super) struct Version<'a> {
    pub(super) repo: &'a Repo,
    pub(super) flow: &'a FlowName,
    pub(super) author: &'a str,
    pub(super) flow_tree: ObjectId,
    pub(super) rendering: ObjectId,
    pub(super) message: String,
    pub(super) seconds: i64,
}

impl Version<'_> {
    /// The trees of bucket and repository and the commit, on top of `main`; also the commit's id.
    pub(super) fn on_top_of(
        &self,
        main: Option<ObjectId>,
    ) -> Result<(Vec<Object>, ObjectId), StoreError> {
        let mut top = match main {
            Some(main) => self.repo.tree(self.repo.commit(main)?.tree)?.as_ref().clone(),
            None => GitTree::default(),
        };
        let mut bucket = match top.get(self.flow.bucket().as_bytes()) {
            Some(entry) if entry.is_directory() => self.repo.tree(entry.id)?.as_ref().clone(),
            Some(_) => return Err(taken(self.flow.bucket())),
            None => GitTree::default(),
        };
        let (dir, file) = (layout::flow_dir(self.flow), layout::rendering(self.flow));
        for (name, directory) in [(&dir, true), (&file, false)] {
            if bucket.get(name.as_bytes()).is_some_and(|entry| entry.is_directory() != directory) {
                return Err(taken(&format!("{}/{name}", self.flow.bucket())));
            }
        }
        bucket.set(DIRECTORY, &dir, self.flow_tree);
        bucket.set(FILE, &file, self.rendering);
        let (bucket_id, bucket) = self.named(bucket);
        top.set(DIRECTORY, self.flow.bucket(), bucket_id);
        let (top_id, top) = self.named(top);
        let commit = Commit {
            tree: top_id,
            parents: main.into_iter().collect(),
            author: self.author.to_owned(),
            author_seconds: self.seconds,
            committer_seconds: self.seconds,
            message: self.message.clone(),
        };
        let commit = commit.to_bytes();
        let id = id_of(Kind::Commit, &commit);
        Ok((vec![(Kind::Tree, bucket), (Kind::Tree, top), (Kind::Commit, commit)], id))
    }

    /// The id and the bytes of a tree. The tree is kept because the next version is built on it: if
    /// a bucket has thousands of flows, reading it back takes longer than all the rest.
    fn named(&self, tree: GitTree) -> (ObjectId, Vec<u8>) {
        let bytes = tree.to_bytes();
        let id = id_of(Kind::Tree, &bytes);
        self.repo.keep_tree(id, Arc::new(tree));
        (id, bytes)
    }
}

fn taken(path: &str) -> StoreError {
    let message = format!(
        "{path} is taken at main by something that is not ours: rename it, or use another bucket \
         or flow"
    );
    StoreError::new(StoreErrorKind::Refused, message)
}

/// Writes a few objects to files that have no names yet.
pub(super) fn write_now(repo: &Repo, objects: &[Object]) -> Result<PendingObjects, StoreError> {
    let mut sink = Sink::new(repo.path().join("objects"));
    let mut deflater = Deflater::new();
    objects.iter().try_for_each(|(kind, bytes)| sink.add(deflater.deflate(*kind, bytes)))?;
    sink.finish()
}
