//! Reads versions, without any lock, because the content of a commit never changes.

use gix::ObjectId;
use gix::object::Kind;

use super::branch;
use super::error::damaged;
use super::flow_files::{Read, flow_tree_id, head_version, manifest};
use super::history::{HistoryWalk, VersionCommit};
use super::layout;
use super::lineage::{self, HistoryExtent};
use super::repo::Repo;
use super::tree::GitTree;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};
use crate::store::{StoreCoordinates, StoreError, StoredVersion, VersionInfo};

fn stored(read: Read, step: VersionCommit) -> StoredVersion {
    StoredVersion {
        manifest: read.manifest,
        state: read.state,
        comment: step.trailer.comment,
        author: step.commit.author,
        timestamp_ms: step.commit.author_seconds.saturating_mul(1000),
        coordinates: StoreCoordinates::new(step.id),
    }
}

/// Returns the commit that a version was read from; `None` if another store has read it.
fn commit_of(version: &StoredVersion) -> Option<ObjectId> {
    version.coordinates.get().copied()
}

/// Reads the newest version.
///
/// # Errors
///
/// *Damaged*: the flow's directory at `main` is not as a nifi-idb writer left it.
pub(super) fn head(repo: &Repo, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
    let Some(main) = branch::main(repo)? else { return Ok(None) };
    let tip = repo.commit(main)?;
    let Some(read) = manifest(repo, &tip, flow)? else { return Ok(None) };
    let mut passed = Vec::new();
    let mut walk = HistoryWalk::new(repo, flow, main);
    while let Some(step) = walk.next()? {
        if step.trailer.version == read.manifest.version && step.trailer.state == read.state {
            lineage::check_untouched(repo, flow, main, &tip, &step)?;
            lineage::check_not_reverted(repo, flow, main, &step, &passed)?;
            return Ok(Some(stored(read, step)));
        }
        passed.push(step);
    }
    if let Some(last) = passed.first() {
        return Err(lineage::touched(flow, main, "its manifest", last));
    }
    // Somebody has copied the files without their history; the digests verify them.
    Ok(Some(StoredVersion {
        manifest: read.manifest,
        state: read.state,
        comment: tip.message,
        author: tip.author,
        timestamp_ms: tip.author_seconds.saturating_mul(1000),
        coordinates: StoreCoordinates::new(main),
    }))
}

/// True if `main` still contains the files that `version` was read from.
pub(super) fn is_head(
    repo: &Repo,
    flow: &FlowName,
    version: &StoredVersion,
) -> Result<bool, StoreError> {
    let (Some(main), Some(then)) = (branch::main(repo)?, commit_of(version)) else {
        return Ok(false);
    };
    if main == then {
        return Ok(true);
    }
    let now = flow_tree_id(repo, &repo.commit(main)?, flow)?;
    Ok(now.is_some() && now == flow_tree_id(repo, &repo.commit(then)?, flow)?)
}

/// Reads one version.
pub(super) fn version(
    repo: &Repo,
    flow: &FlowName,
    version: FlowVersion,
) -> Result<Option<StoredVersion>, StoreError> {
    let Some(main) = branch::main(repo)? else { return Ok(None) };
    let extent = HistoryExtent { lowest: version, limit: usize::MAX };
    let steps = lineage::down_to(repo, flow, main, extent)?;
    let Some(step) = steps.into_iter().next_back().filter(|step| step.trailer.version == version)
    else {
        return Ok(None);
    };
    read_step(repo, flow, step).map(Some)
}

/// Reads the version before one that was read.
pub(super) fn previous(
    repo: &Repo,
    flow: &FlowName,
    newer: &StoredVersion,
) -> Result<Option<StoredVersion>, StoreError> {
    let number = FlowVersion::new(u64::from(newer.manifest.version.get()) - 1);
    let (Some(number), Some(commit)) = (number, commit_of(newer)) else {
        return Ok(None);
    };
    let mut walk = HistoryWalk::new(repo, flow, commit);
    while let Some(step) = walk.next()? {
        if step.trailer.version == number && Some(step.trailer.state) == newer.manifest.previous {
            return read_step(repo, flow, step).map(Some);
        }
    }
    Ok(None)
}

/// Reads the version that a commit claims to have made.
fn read_step(
    repo: &Repo,
    flow: &FlowName,
    step: VersionCommit,
) -> Result<StoredVersion, StoreError> {
    let (version, state) = (step.trailer.version, step.trailer.state);
    match manifest(repo, &step.commit, flow)? {
        Some(read) if read.manifest.version == version && read.state == state => {
            Ok(stored(read, step))
        }
        _ => Err(damaged(format!(
            "commit {} does not hold version {version} of {flow} as it says",
            step.id
        ))),
    }
}

/// Lists at most `limit` versions, newest first, from the messages of the commits.
pub(super) fn log(
    repo: &Repo,
    flow: &FlowName,
    limit: usize,
) -> Result<Vec<VersionInfo>, StoreError> {
    let Some(main) = branch::main(repo)? else { return Ok(Vec::new()) };
    let extent = HistoryExtent { lowest: FlowVersion::FIRST, limit };
    let steps = lineage::down_to(repo, flow, main, extent)?;
    let info = |step: VersionCommit| VersionInfo {
        version: step.trailer.version,
        comment: step.trailer.comment,
        author: step.commit.author,
        timestamp_ms: step.commit.author_seconds.saturating_mul(1000),
    };
    Ok(steps.into_iter().map(info).collect())
}

/// Lists flows and the numbers of their newest versions, sorted by flow.
pub(super) fn newest(repo: &Repo) -> Result<Vec<(FlowName, FlowVersion)>, StoreError> {
    let Some(main) = branch::main(repo)? else { return Ok(Vec::new()) };
    let tip = repo.commit(main)?;
    let mut newest = Vec::new();
    for flow in flows(repo)? {
        if let Some(version) = head_version(repo, &tip, &flow)? {
            newest.push((flow, version));
        }
    }
    Ok(newest)
}

/// Lists flows, sorted.
pub(super) fn flows(repo: &Repo) -> Result<Vec<FlowName>, StoreError> {
    let Some(main) = branch::main(repo)? else { return Ok(Vec::new()) };
    let top = repo.tree(repo.commit(main)?.tree)?;
    let mut flows = Vec::new();
    for bucket in top.entries().iter().filter(|entry| entry.is_directory()) {
        let Ok(name) = std::str::from_utf8(&bucket.name) else { continue };
        for dir in repo.tree(bucket.id)?.entries().iter().filter(|entry| entry.is_directory()) {
            let flow =
                std::str::from_utf8(&dir.name).ok().and_then(|dir| layout::flow_of_dir(name, dir));
            let Some(flow) = flow else { continue };
            if repo.tree(dir.id)?.get(layout::MANIFEST.as_bytes()).is_some() {
                flows.push(flow);
            }
        }
    }
    flows.sort_unstable();
    Ok(flows)
}

/// The tree of the flow in the commit that `version` was read from.
pub(super) fn tree_of(
    repo: &Repo,
    flow: &FlowName,
    version: &StoredVersion,
) -> Result<std::sync::Arc<GitTree>, StoreError> {
    repo.tree(tree_id_of(repo, flow, version)?)
}

/// The id of the tree of the flow in the commit that `version` was read from.
pub(super) fn tree_id_of(
    repo: &Repo,
    flow: &FlowName,
    version: &StoredVersion,
) -> Result<ObjectId, StoreError> {
    let missing = || {
        damaged(format!(
            "version {} of {flow} was not read from this repository",
            version.manifest.version
        ))
    };
    let id = commit_of(version).ok_or_else(missing)?;
    flow_tree_id(repo, &repo.commit(id)?, flow)?.ok_or_else(missing)
}

/// Reads a chunk below the tree of its flow.
pub(super) fn chunk(
    repo: &Repo,
    flow: &FlowName,
    tree: &GitTree,
    list: &List,
    chunk: &ChunkRef,
) -> Result<Vec<u8>, StoreError> {
    let mut path = layout::list_dirs(list);
    path.push(layout::chunk_file(list, chunk));
    let shown = || format!("{}/{}/{}", flow.bucket(), layout::flow_dir(flow), path.join("/"));
    let entry = repo.entry(tree, &path)?;
    let entry = entry.ok_or_else(|| {
        damaged(format!("chunk {} is missing: there is no {}", chunk.full, shown()))
    })?;
    let text = repo.object(entry.id, Kind::Blob).map_err(|error| {
        damaged(format!("chunk {} in {} cannot be read", chunk.full, shown())).because(error)
    })?;
    if Digest::of(&text) != chunk.full {
        return Err(damaged(format!(
            "chunk {} is damaged: {} has another digest",
            chunk.full,
            shown()
        )));
    }
    Ok(text)
}

/// Reads a part of a spilled value below the tree of its flow.
pub(super) fn part(
    repo: &Repo,
    flow: &FlowName,
    tree: &GitTree,
    digest: &Digest,
    part: u32,
) -> Result<Vec<u8>, StoreError> {
    let path = [layout::VALUES.to_owned(), digest.to_string(), layout::part_file(part)];
    let shown = || format!("{}/{}/{}", flow.bucket(), layout::flow_dir(flow), path.join("/"));
    let entry = repo.entry(tree, &path)?;
    let entry = entry.ok_or_else(|| {
        damaged(format!(
            "part {part} of spilled value {digest} is missing: there is no {}",
            shown()
        ))
    })?;
    let bytes = repo.object(entry.id, Kind::Blob).map_err(|error| {
        damaged(format!("part {part} of spilled value {digest} in {} cannot be read", shown()))
            .because(error)
    })?;
    if super::object::id_of(Kind::Blob, &bytes) != entry.id {
        return Err(damaged(format!(
            "part {part} of spilled value {digest} is damaged: {}",
            shown()
        )));
    }
    Ok(bytes)
}
