//! Finds the commits that made the versions of a flow, backwards from head.
//!
//! As long as only nifi-idb commits, the versions of a flow follow one another. People merge
//! clones, revert commits and edit files, too. Then several commits may claim to have made version
//! 7, and the manifest of version 8 decides: its `previous` names the state of the version that it
//! follows. Commit times are not used.

use std::collections::BTreeMap;

use gix::ObjectId;

use super::error::damaged;
use super::flow_files::{flow_tree_id, head_version, manifest};
use super::history::{HistoryWalk, VersionCommit};
use super::layout;
use super::message::Commit;
use super::repo::Repo;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::StoreError;

/// The part of a flow's history to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct HistoryExtent {
    /// The oldest version.
    pub(super) lowest: FlowVersion,
    /// The limit on the number of versions, newest first.
    pub(super) limit: usize,
}

/// The commits that made the newest versions of a flow, newest first.
///
/// Only as many commits are read as that takes, unless people have merged or edited.
pub(super) fn down_to(
    repo: &Repo,
    flow: &FlowName,
    main: ObjectId,
    extent: HistoryExtent,
) -> Result<Vec<VersionCommit>, StoreError> {
    let HistoryExtent { lowest, limit } = extent;
    if flow_tree_id(repo, &repo.commit(main)?, flow)?.is_none() {
        return Ok(Vec::new());
    }
    let mut walk = HistoryWalk::new(repo, flow, main);
    let mut steps = Vec::new();
    while let Some(step) = walk.next()? {
        let version = step.trailer.version;
        let done = walk.is_plain() && (version <= lowest || steps.len() + 1 >= limit);
        steps.push(step);
        if done {
            steps.retain(|step| step.trailer.version >= lowest);
            return Ok(steps);
        }
    }
    if walk.is_plain() { Ok(steps) } else { chosen(repo, flow, main, steps, &extent) }
}

/// Of all commits of a flow, chooses those that head follows.
fn chosen(
    repo: &Repo,
    flow: &FlowName,
    main: ObjectId,
    steps: Vec<VersionCommit>,
    extent: &HistoryExtent,
) -> Result<Vec<VersionCommit>, StoreError> {
    // `main` may contain an edited or reverted flow; the versions before are still in its history.
    let at_main = head_version(repo, &repo.commit(main)?, flow).ok().flatten();
    let state = manifest(repo, &repo.commit(main)?, flow).ok().flatten().map(|read| read.state);
    let is_head = |step: &VersionCommit| {
        Some(step.trailer.version) == at_main && Some(step.trailer.state) == state
    };
    let start = steps.iter().position(is_head);
    // If another version follows the one at `main`, the flow was reverted by hand. Then the newest
    // commit is the start.
    let start = match start {
        Some(start) if follower(repo, flow, &steps[start], &steps[..start])?.is_none() => start,
        _ => 0,
    };
    let Some(head) = steps.get(start).cloned() else { return Ok(Vec::new()) };
    let mut by_version: BTreeMap<FlowVersion, Vec<VersionCommit>> = BTreeMap::new();
    for step in steps {
        let same = by_version.entry(step.trailer.version).or_default();
        if same.iter().all(|known| known.trailer.state != step.trailer.state) {
            same.push(step);
        }
    }
    let mut chain = vec![head];
    for (version, mut same) in by_version.into_iter().rev() {
        let Some(newer) = chain.last() else { break };
        if version >= newer.trailer.version {
            continue;
        }
        if version < extent.lowest || chain.len() >= extent.limit {
            break;
        }
        // Of several commits that claim the same version, the newer version's manifest names one.
        let place = match same.len() {
            1 => 0,
            _ => {
                let previous =
                    manifest(repo, &newer.commit, flow)?.and_then(|read| read.manifest.previous);
                let wanted = same.iter().position(|step| Some(step.trailer.state) == previous);
                wanted.ok_or_else(|| {
                    let (newer, id) = (newer.trailer.version, newer.id);
                    damaged(format!(
                        "version {version} of {flow}, which version {newer} in commit {id} \
                         follows, is missing"
                    ))
                })?
            }
        };
        chain.push(same.swap_remove(place));
    }
    Ok(chain)
}

/// Of the commits that come after a commit, the one that made the next version on top of it.
fn follower<'a>(
    repo: &Repo,
    flow: &FlowName,
    step: &VersionCommit,
    later: &'a [VersionCommit],
) -> Result<Option<&'a VersionCommit>, StoreError> {
    let next = FlowVersion::after(Some(step.trailer.version));
    for candidate in later.iter().filter(|later| later.trailer.version == next) {
        let previous =
            manifest(repo, &candidate.commit, flow)?.and_then(|read| read.manifest.previous);
        if previous == Some(step.trailer.state) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Refuses a flow whose files at `main` are not those of the commit that made its newest version.
pub(super) fn check_untouched(
    repo: &Repo,
    flow: &FlowName,
    main: ObjectId,
    tip: &Commit,
    step: &VersionCommit,
) -> Result<(), StoreError> {
    if main == step.id || flow_tree_id(repo, tip, flow)? == flow_tree_id(repo, &step.commit, flow)?
    {
        return Ok(());
    }
    Err(touched(flow, main, "a file of it", step))
}

/// The error for a flow whose files somebody has changed by hand since `step`.
pub(super) fn touched(
    flow: &FlowName,
    main: ObjectId,
    what: &str,
    step: &VersionCommit,
) -> StoreError {
    let version = step.trailer.version;
    damaged(format!(
        "{flow} at main (commit {main}): {what} is not as version {version} left it: somebody has \
         changed it by hand, and \
         nifi-idb does not take that over. Put the files back with a commit ({}), and send the \
         change as a batch instead. \
         Older versions can still be read",
        back(flow, step.id)
    ))
}

/// Refuses a flow that was reverted to an older version by hand, because version numbers that
/// clients have seen would be used again.
pub(super) fn check_not_reverted(
    repo: &Repo,
    flow: &FlowName,
    main: ObjectId,
    step: &VersionCommit,
    later: &[VersionCommit],
) -> Result<(), StoreError> {
    let Some(next) = follower(repo, flow, step, later)? else { return Ok(()) };
    let newest = later.iter().max_by_key(|step| step.trailer.version).unwrap_or(next);
    let (version, newer) = (step.trailer.version, newest.trailer.version);
    Err(damaged(format!(
        "{flow} at main (commit {main}) was put back to version {version} by hand, but version \
         {newer} is there: its \
         number would be used twice. Put the newest files back with a commit ({}). To go back to \
         older data, restore that \
         version and sync it as a full batch",
        back(flow, newest.id)
    )))
}

/// The git command that restores the files of a flow.
fn back(flow: &FlowName, commit: ObjectId) -> String {
    let (bucket, dir, rendering) = (flow.bucket(), layout::flow_dir(flow), layout::rendering(flow));
    format!("git checkout {commit} -- '{bucket}/{dir}' '{bucket}/{rendering}'")
}
