//! The files of a flow in a commit: its tree and its manifest.

use std::sync::Arc;

use gix::ObjectId;
use gix::object::Kind;

use super::error::damaged;
use super::layout;
use super::message::Commit;
use super::repo::Repo;
use super::tree::GitTree;
use crate::snapshot::{Digest, FlowName, FlowVersion, Manifest, StateId};
use crate::store::StoreError;

/// A manifest that was read.
pub(super) struct Read {
    pub(super) manifest: Manifest,
    pub(super) state: StateId,
}

/// Reads the tree of a flow in a commit.
pub(super) fn flow_tree(
    repo: &Repo,
    commit: &Commit,
    flow: &FlowName,
) -> Result<Option<Arc<GitTree>>, StoreError> {
    repo.subtree(&*repo.tree(commit.tree)?, &[flow.bucket(), &layout::flow_dir(flow)])
}

/// The id of the tree of a flow in a commit.
pub(super) fn flow_tree_id(
    repo: &Repo,
    commit: &Commit,
    flow: &FlowName,
) -> Result<Option<ObjectId>, StoreError> {
    let entry = repo.entry(&*repo.tree(commit.tree)?, &[flow.bucket(), &layout::flow_dir(flow)])?;
    Ok(entry.filter(|entry| entry.is_directory()).map(|entry| entry.id))
}

fn manifest_text(
    repo: &Repo,
    commit: &Commit,
    flow: &FlowName,
) -> Result<Option<String>, StoreError> {
    let Some(tree) = flow_tree(repo, commit, flow)? else { return Ok(None) };
    let Some(entry) = tree.get(layout::MANIFEST.as_bytes()) else { return Ok(None) };
    let text = String::from_utf8(repo.object(entry.id, Kind::Blob)?);
    text.map(Some).map_err(|_| damaged(format!("the manifest of {flow} is not ASCII")))
}

/// Reads the manifest of a flow in a commit.
pub(super) fn manifest(
    repo: &Repo,
    commit: &Commit,
    flow: &FlowName,
) -> Result<Option<Read>, StoreError> {
    let Some(text) = manifest_text(repo, commit, flow)? else { return Ok(None) };
    let manifest =
        Manifest::parse(&text).map_err(|error| damaged(format!("{flow} in git")).because(error))?;
    Ok(Some(Read { manifest, state: StateId(Digest::of(text.as_bytes())) }))
}

/// The number of the newest version, from the first line of its manifest.
pub(super) fn head_version(
    repo: &Repo,
    tip: &Commit,
    flow: &FlowName,
) -> Result<Option<FlowVersion>, StoreError> {
    let Some(text) = manifest_text(repo, tip, flow)? else { return Ok(None) };
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap_or_default())
        .map_err(|error| {
            damaged(format!("the manifest of {flow} at main cannot be read")).because(error)
        })?;
    let version = first["version"].as_u64().and_then(FlowVersion::new);
    version
        .map(Some)
        .ok_or_else(|| damaged(format!("the manifest of {flow} at main has no flow version")))
}
