//! The content digest: keys and values alone, cut where chunks are cut. `snapshot/FORMAT.md`, "Digests".

use super::boundary::{Boundary, weight};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value;
use crate::snapshot::line::SPILL_BYTES;
use crate::snapshot::{ChunkRef, Digest, LineState};

/// What a chunk holds, whoever wrote it when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRef {
    /// Key of its first line.
    pub first: SortableKey,
    /// Number of its lines.
    pub count: u64,
    /// Digest of keys and values.
    pub content: Digest,
}

impl ContentRef {
    /// Whether a stored chunk holds the same.
    pub fn is(&self, chunk: &ChunkRef) -> bool {
        self.first == chunk.first && self.count == chunk.count && self.content == chunk.content
    }
}

/// Follows a sorted list and gives the content of each chunk.
#[derive(Debug, Default)]
pub struct ContentBuilder {
    boundary: Boundary,
    content: Vec<u8>,
    first: Option<SortableKey>,
    count: u64,
}

impl ContentBuilder {
    /// True if no entry waits for the end of its chunk.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Takes the next entry; true if the chunk ends with it.
    pub fn push(&mut self, key: &SortableKey, state: &LineState) -> bool {
        let bytes = key.as_bytes();
        self.content.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.content.extend_from_slice(bytes);
        match state {
            LineState::Put(value) if value.len() > SPILL_BYTES => self.push_spilled(&state.content_digest()),
            LineState::Put(value) => {
                let stripped = value::without_stacks(value);
                let value = stripped.as_deref().unwrap_or(value);
                self.content.push(0);
                self.content.extend_from_slice(&(value.len() as u64).to_le_bytes());
                self.content.extend_from_slice(value);
            }
            LineState::Spilled(spilled) => self.push_spilled(&spilled.content),
            LineState::Delete => self.content.push(2),
        }
        self.first.get_or_insert_with(|| key.clone());
        self.count += 1;
        self.boundary.ends_after(bytes, weight(bytes.len(), state.value_bytes()))
    }

    fn push_spilled(&mut self, content: &Digest) {
        self.content.push(1);
        self.content.extend_from_slice(content.as_bytes());
    }

    /// Gives the chunk so far.
    pub fn cut(&mut self) -> Option<ContentRef> {
        let first = self.first.take()?;
        self.boundary = Boundary::default();
        let content = Digest::of(&self.content);
        self.content.clear();
        Some(ContentRef { first, count: std::mem::take(&mut self.count), content })
    }
}
