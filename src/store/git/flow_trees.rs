//! The tree of a flow, and all trees below it.

use std::collections::{BTreeMap, HashMap};

use gix::ObjectId;
use gix::object::Kind;

use super::layout;
use super::object::id_of;
use super::places::chunk_ids;
use super::tree::{DIRECTORY, FILE, GitTree, TreeEntry};
use super::writer::{GitWriter, unknown};
use crate::snapshot::{Digest, List, Manifest};
use crate::store::{StoreError, StoreErrorKind};

impl GitWriter<'_> {
    /// The ids of all chunks in head, by full digest.
    fn head_chunks(&self) -> Result<HashMap<Digest, ObjectId>, StoreError> {
        let mut ids = HashMap::new();
        let Some(head) = &self.head else { return Ok(ids) };
        let chunks = head.version.manifest.chunks();
        for ((_, chunk), id) in
            chunks.zip(chunk_ids(&self.repo, &head.tree, &head.version.manifest)?)
        {
            ids.extend(id.map(|id| (chunk.full, id)));
        }
        Ok(ids)
    }

    /// The tree of the flow with this `manifest` and all trees below it: children first, the flow's
    /// tree last.
    pub(super) fn trees(
        &self,
        manifest: &Manifest,
        manifest_id: ObjectId,
        ids: &[ObjectId],
    ) -> Result<Vec<GitTree>, StoreError> {
        let head = self.head_chunks()?;
        let mut trees = Trees::default();
        let mut lists: BTreeMap<List, Vec<TreeEntry>> = BTreeMap::new();
        for (list, chunk) in manifest.chunks() {
            let written = self.chunks.get(&chunk.full).and_then(|place| ids.get(*place));
            let id = written.or_else(|| head.get(&chunk.full)).ok_or_else(|| unknown(chunk))?;
            let name = layout::chunk_file(&list, chunk).into_bytes();
            lists.entry(list).or_default().push(TreeEntry { mode: FILE, name, id: *id });
        }
        let mut top =
            vec![TreeEntry { mode: FILE, name: layout::MANIFEST.into(), id: manifest_id }];
        let mut tombstones = Vec::new();
        for (list, mut entries) in lists {
            // Two views may contain the same chunk.
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            entries.dedup();
            let dirs = layout::list_dirs(&list);
            let above = if dirs.len() > 1 { &mut tombstones } else { &mut top };
            let name = dirs.into_iter().next_back().unwrap_or_default();
            above.push(trees.add(&name, GitTree::of(entries)));
        }
        if !tombstones.is_empty() {
            top.push(trees.add(layout::TOMBSTONES, GitTree::of(tombstones)));
        }
        let values = self.values(manifest, ids, &mut trees)?;
        if !values.is_empty() {
            top.push(trees.add(layout::VALUES, values));
        }
        trees.add("", GitTree::of(top));
        Ok(trees.0)
    }

    /// The tree of all spilled values that `manifest` names.
    fn values(
        &self,
        manifest: &Manifest,
        ids: &[ObjectId],
        trees: &mut Trees,
    ) -> Result<GitTree, StoreError> {
        let head = match &self.head {
            Some(head) => self.repo.subtree(&head.tree, &[layout::VALUES])?,
            None => None,
        };
        let mut entries = BTreeMap::new();
        for spilled in manifest.chunks().flat_map(|(_, chunk)| &chunk.spilled) {
            let name = spilled.digest.to_string();
            if entries.contains_key(&name) {
                continue;
            }
            let entry = if let Some(parts) = self.parts.get(&spilled.digest) {
                let parts = parts.iter().filter_map(|(part, place)| {
                    Some(TreeEntry {
                        mode: FILE,
                        name: layout::part_file(*part).into_bytes(),
                        id: *ids.get(*place)?,
                    })
                });
                trees.add(&name, GitTree::of(parts.collect()))
            } else {
                let there = head.as_ref().and_then(|head| head.get(name.as_bytes())).cloned();
                there.ok_or_else(|| {
                    let message =
                        format!("spilled value {name} was neither in head nor given to the writer");
                    StoreError::new(StoreErrorKind::Refused, message)
                })?
            };
            entries.insert(name, entry);
        }
        Ok(GitTree::of(entries.into_values().collect()))
    }
}

/// New trees, in the order of making.
#[derive(Default)]
struct Trees(Vec<GitTree>);

impl Trees {
    fn add(&mut self, name: &str, tree: GitTree) -> TreeEntry {
        let id = id_of(Kind::Tree, &tree.to_bytes());
        self.0.push(tree);
        TreeEntry { mode: DIRECTORY, name: name.into(), id }
    }
}
