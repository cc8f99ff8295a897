//! Turns lines into the text of a chunk and its entry in the manifest.

use super::content::ContentBuilder;
use crate::snapshot::{ChunkRef, Digest, Line, LineState, SpilledRef};

/// Collects lines in key order and cuts where a chunk ends.
#[derive(Debug)]
pub struct ChunkBuilder {
    store: Vec<u8>,
    content: ContentBuilder,
    text: Vec<u8>,
    spilled: Vec<SpilledRef>,
}

impl ChunkBuilder {
    /// Returns an empty builder; `store` is the canonical name written into each line.
    pub fn new(store: Vec<u8>) -> Self {
        Self { store, content: ContentBuilder::default(), text: Vec::new(), spilled: Vec::new() }
    }

    /// True if no line is waiting for its chunk to end.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Takes the next line; returns the chunk if it ends with this line.
    pub fn push(&mut self, line: &Line) -> Option<(ChunkRef, Vec<u8>)> {
        line.write(&self.store, &mut self.text);
        self.end_line(line)
    }

    /// Takes the next line, with its text as it is stored; returns the chunk if it ends with this
    /// line.
    pub fn push_stored(&mut self, line: &Line, text: &[u8]) -> Option<(ChunkRef, Vec<u8>)> {
        self.text.extend_from_slice(text);
        if !text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        self.end_line(line)
    }

    fn end_line(&mut self, line: &Line) -> Option<(ChunkRef, Vec<u8>)> {
        if let LineState::Spilled(spilled) = &line.state {
            self.spilled.push(SpilledRef { digest: spilled.digest, bytes: spilled.bytes });
        }
        if self.content.push(&line.key, &line.state) { self.cut() } else { None }
    }

    /// Returns the last chunk, if any lines are left.
    pub fn cut(&mut self) -> Option<(ChunkRef, Vec<u8>)> {
        let content = self.content.cut()?;
        let mut spilled = std::mem::take(&mut self.spilled);
        spilled.sort();
        spilled.dedup();
        let chunk = ChunkRef {
            first: content.first,
            count: content.count,
            bytes: self.text.len() as u64,
            full: Digest::of(&self.text),
            content: content.content,
            spilled,
        };
        // The next chunk will be about as long.
        let capacity = self.text.len();
        Some((chunk, std::mem::replace(&mut self.text, Vec::with_capacity(capacity))))
    }
}
