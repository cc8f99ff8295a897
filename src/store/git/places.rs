//! The blob ids of a version's chunks and spilled values.

use std::collections::BTreeMap;
use std::sync::Arc;

use gix::ObjectId;

use super::layout;
use super::reader;
use super::repo::Repo;
use super::tree::GitTree;
use crate::snapshot::{Digest, FlowName, List, Manifest};
use crate::store::{StoreError, StoredPlaces, StoredVersion};

/// The blobs of all chunks that a manifest names, in its order, below the tree of its flow; `None`
/// where a file is missing.
pub(super) fn chunk_ids(
    repo: &Repo,
    tree: &GitTree,
    manifest: &Manifest,
) -> Result<Vec<Option<ObjectId>>, StoreError> {
    let mut ids = Vec::new();
    let mut current: Option<(List, Option<Arc<GitTree>>)> = None;
    for (list, chunk) in manifest.chunks() {
        let (_, tree) = match &mut current {
            Some(known) if known.0 == list => known,
            other => {
                let tree = repo.subtree(tree, &layout::list_dirs(&list))?;
                other.insert((list.clone(), tree))
            }
        };
        let entry =
            tree.as_ref().and_then(|tree| tree.get(layout::chunk_file(&list, chunk).as_bytes()));
        ids.push(entry.map(|entry| entry.id));
    }
    Ok(ids)
}

/// The blobs of everything that a version names.
pub(super) fn places(
    repo: &Repo,
    flow: &FlowName,
    version: &StoredVersion,
) -> Result<StoredPlaces, StoreError> {
    let tree = reader::tree_of(repo, flow, version)?;
    let ids = chunk_ids(repo, &tree, &version.manifest)?;
    let chunks = ids.into_iter().map(|id| id.map(|id| id.to_string())).collect();
    let mut parts: BTreeMap<(Digest, u32), String> = BTreeMap::new();
    let values = repo.subtree(&tree, &[layout::VALUES])?;
    let spilled = version.manifest.chunks().flat_map(|(_, chunk)| &chunk.spilled);
    for digest in spilled.map(|spilled| spilled.digest) {
        if parts.contains_key(&(digest, 0)) {
            continue;
        }
        let Some(values) = &values else { break };
        let Some(of_value) = repo.subtree(values, &[digest.to_string()])? else { continue };
        for entry in of_value.entries() {
            if let Some(part) =
                std::str::from_utf8(&entry.name).ok().and_then(|name| name.parse().ok())
            {
                parts.insert((digest, part), entry.id.to_string());
            }
        }
    }
    Ok(StoredPlaces { chunks, parts, parts_are_known: true })
}
