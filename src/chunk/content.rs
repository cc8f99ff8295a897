//! The content digest: a digest of keys and values alone, cut where chunks are cut. See "Digests"
//! in `doc/internals/format.md`.

use super::boundary::{Boundary, weight};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value;
use crate::snapshot::line::SPILL_BYTES;
use crate::snapshot::{ChunkRef, Digest, LineState};

/// The content of a chunk, regardless of who wrote it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRef {
    /// The key of its first line.
    pub first: SortableKey,
    /// The number of its lines.
    pub count: u64,
    /// The digest of its keys and values.
    pub content: Digest,
}

impl ContentRef {
    /// True if a stored chunk has the same content.
    pub fn is(&self, chunk: &ChunkRef) -> bool {
        self.first == chunk.first && self.count == chunk.count && self.content == chunk.content
    }
}

/// Follows a sorted list and returns the content of each chunk.
#[derive(Debug, Default)]
pub struct ContentBuilder {
    boundary: Boundary,
    content: Vec<u8>,
    first: Option<SortableKey>,
    count: u64,
}

impl ContentBuilder {
    /// True if no entry is waiting for its chunk to end.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Takes the next entry; true if the chunk ends with it.
    pub fn push(&mut self, key: &SortableKey, state: &LineState) -> bool {
        let bytes = key.as_bytes();
        self.content.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.content.extend_from_slice(bytes);
        match state {
            LineState::Put(value) if value.len() > SPILL_BYTES => {
                self.push_spilled(&state.content_digest())
            }
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

    /// Ends the current chunk and returns its content, if it has any entries.
    pub fn cut(&mut self) -> Option<ContentRef> {
        let first = self.first.take()?;
        self.boundary = Boundary::default();
        let content = Digest::of(&self.content);
        self.content.clear();
        Some(ContentRef { first, count: std::mem::take(&mut self.count), content })
    }
}
