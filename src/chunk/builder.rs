//! Lines to the text of a chunk and what the manifest says of it.

use super::boundary::{Boundary, weight};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value;
use crate::snapshot::{ChunkRef, Digest, Line, LineState, SpilledRef};

/// Collects lines in key order and cuts where a chunk ends.
#[derive(Debug)]
pub struct ChunkBuilder {
    store: Vec<u8>,
    boundary: Boundary,
    text: Vec<u8>,
    content: Vec<u8>,
    first: Option<SortableKey>,
    count: u64,
    spilled: Vec<SpilledRef>,
}

impl ChunkBuilder {
    /// `store` is the canonical name that each line gets.
    pub fn new(store: Vec<u8>) -> Self {
        Self {
            store,
            boundary: Boundary::default(),
            text: Vec::new(),
            content: Vec::new(),
            first: None,
            count: 0,
            spilled: Vec::new(),
        }
    }

    /// True if no line waits for the end of its chunk.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Takes the next line; gives the chunk that ends with it.
    pub fn push(&mut self, line: &Line) -> Option<(ChunkRef, Vec<u8>)> {
        line.write(&self.store, &mut self.text);
        let key = line.key.as_bytes();
        self.content.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.content.extend_from_slice(key);
        match &line.state {
            LineState::Put(value) => {
                let stripped = value::without_stacks(value);
                let value = stripped.as_deref().unwrap_or(value);
                self.content.push(0);
                self.content.extend_from_slice(&(value.len() as u64).to_le_bytes());
                self.content.extend_from_slice(value);
            }
            LineState::Spilled(spilled) => {
                self.content.push(1);
                self.content.extend_from_slice(spilled.content.as_bytes());
                self.spilled.push(SpilledRef { digest: spilled.digest, bytes: spilled.bytes });
            }
            LineState::Delete => self.content.push(2),
        }
        self.first.get_or_insert_with(|| line.key.clone());
        self.count += 1;
        let weight = weight(key.len(), line.state.value_bytes());
        if self.boundary.ends_after(key, weight) { self.cut() } else { None }
    }

    /// Gives the last chunk, if lines are left.
    pub fn cut(&mut self) -> Option<(ChunkRef, Vec<u8>)> {
        let first = self.first.take()?;
        self.boundary = Boundary::default();
        let mut spilled = std::mem::take(&mut self.spilled);
        spilled.sort();
        spilled.dedup();
        let chunk = ChunkRef {
            first,
            count: std::mem::take(&mut self.count),
            bytes: self.text.len() as u64,
            full: Digest::of(&self.text),
            content: Digest::of(&self.content),
            spilled,
        };
        self.content.clear();
        // The next chunk is about as long.
        let capacity = self.text.len();
        Some((chunk, std::mem::replace(&mut self.text, Vec::with_capacity(capacity))))
    }
}
