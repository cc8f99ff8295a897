//! Chooses the winning revision of a document: a dump of PouchDB contains the leaves of all
//! conflicts.

use std::collections::HashMap;

use crate::decode::raw_json::tree;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::value::tree::Tree;
use crate::loss::{Losses, path, what};

/// The rank of a document's revision, in CouchDB's order: not deleted first, then the longer
/// history, then the greater hash.
type Rank = (bool, u64, Vec<u8>);

/// The winning revision of each document. Takes about 100 bytes for each document.
#[derive(Debug, Default)]
pub(super) struct Revisions {
    best: HashMap<[u8; 16], Rank>,
    superseded: u64,
    /// The number of documents that are not deleted.
    documents: u64,
}

impl Revisions {
    /// Takes a document into account.
    pub(super) fn hear(&mut self, raw: &[u8]) {
        let Some((id, rank)) = read(raw) else { return };
        self.documents += u64::from(rank.0);
        if let Some(known) = self.best.get_mut(&id) {
            self.superseded += 1;
            self.documents -= u64::from(rank.0.min(known.0));
            if rank > *known {
                *known = rank;
            }
        } else {
            self.best.insert(id, rank);
        }
    }

    /// Returns the number of documents that are not deleted.
    pub(super) fn documents(&self) -> u64 {
        self.documents
    }

    /// True if another revision of the same document wins.
    pub(super) fn is_superseded(&self, raw: &[u8]) -> bool {
        read(raw).is_some_and(|(id, rank)| self.best.get(&id).is_some_and(|best| *best > rank))
    }

    /// Reports the number of revisions that do not win.
    pub(super) fn missing(&self, store: &DomString, losses: &mut Losses) {
        losses.add(&path(store, &[]), what::REVISIONS, self.superseded);
    }
}

fn read(raw: &[u8]) -> Option<([u8; 16], Rank)> {
    let document = tree(raw).ok()?;
    let Some(Tree::String(id)) = document.get("_id") else { return None };
    let revision = document.get("_rev").and_then(Tree::text).unwrap_or_default();
    let (generation, hash) = revision.split_once('-').unwrap_or(("0", &revision));
    let is_deleted = document.get("_deleted") == Some(&Tree::Bool(true));
    let id = *blake3::hash(id).as_bytes().first_chunk()?;
    Some((id, (!is_deleted, generation.parse().unwrap_or(0), hash.as_bytes().to_vec())))
}
