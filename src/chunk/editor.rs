//! Edits a sorted list of chunks. Reads only the chunks that a change touches, and stops rewriting
//! as soon as the old and new boundaries meet.

use std::collections::VecDeque;

use super::builder::ChunkBuilder;
use super::reader::{parse_chunk, store_name};
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{ChunkRef, Line, List};
use crate::store_error::{StoreError, StoreErrorKind};

/// Provides the texts of head's chunks.
pub trait ChunkSource {
    /// Reads a chunk and checks its digest.
    fn read_chunk(&self, list: &List, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError>;
}

/// Receives finished chunks.
pub trait ChunkSink {
    /// Takes a chunk, which may already be in head.
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError>;
}

/// Walks one list once, in key order, and returns the edited list.
pub struct ListEditor<'a> {
    list: List,
    source: &'a dyn ChunkSource,
    /// Chunks of head that have been neither read nor reused yet.
    ahead: &'a [ChunkRef],
    /// Lines of the chunk that was read last, from the current position on.
    lines: VecDeque<Line>,
    builder: ChunkBuilder,
    done: Vec<ChunkRef>,
}

impl std::fmt::Debug for ListEditor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListEditor")
            .field("list", &self.list)
            .field("ahead", &self.ahead.len())
            .finish_non_exhaustive()
    }
}

impl<'a> ListEditor<'a> {
    /// Returns an editor positioned before the first key.
    pub fn new(list: List, chunks: &'a [ChunkRef], source: &'a dyn ChunkSource) -> Self {
        let builder = ChunkBuilder::new(store_name(&list));
        Self { list, source, ahead: chunks, lines: VecDeque::new(), builder, done: Vec::new() }
    }

    /// Moves to `key` and returns head's line at that key. Keys must ascend from call to call.
    pub fn get(
        &mut self,
        key: &SortableKey,
        sink: &mut dyn ChunkSink,
    ) -> Result<Option<&Line>, StoreError> {
        let line = self.seek(key, sink)?;
        Ok(line.filter(|line| line.key == *key))
    }

    /// Moves to `key` and returns the next line at or after it in the one chunk that may contain
    /// `key`.
    fn seek(
        &mut self,
        key: &SortableKey,
        sink: &mut dyn ChunkSink,
    ) -> Result<Option<&Line>, StoreError> {
        loop {
            while self.lines.front().is_some_and(|line| line.key < *key) {
                if let Some(line) = self.lines.pop_front() {
                    self.push(&line, sink)?;
                }
            }
            if !self.lines.is_empty() || self.ahead.first().is_none_or(|chunk| chunk.first > *key) {
                break;
            }
            self.enter(key)?;
        }
        Ok(self.lines.front())
    }

    /// Moves to `key` and returns head's next line at or after it, reading the next chunk if it
    /// starts there.
    pub fn at_or_after(
        &mut self,
        key: &SortableKey,
        sink: &mut dyn ChunkSink,
    ) -> Result<Option<&Line>, StoreError> {
        self.seek(key, sink)?;
        if self.lines.is_empty() {
            self.read_next()?;
        }
        Ok(self.lines.front())
    }

    /// Writes a line at its key, replacing head's line.
    pub fn put(&mut self, line: &Line, sink: &mut dyn ChunkSink) -> Result<(), StoreError> {
        self.seek(&line.key, sink)?;
        self.take(&line.key);
        self.push(line, sink)
    }

    /// Removes head's line at a key and returns it.
    pub fn remove(
        &mut self,
        key: &SortableKey,
        sink: &mut dyn ChunkSink,
    ) -> Result<Option<Line>, StoreError> {
        self.seek(key, sink)?;
        Ok(self.take(key))
    }

    /// Reuses the remaining chunks of head and returns the new list.
    pub fn finish(mut self, sink: &mut dyn ChunkSink) -> Result<Vec<ChunkRef>, StoreError> {
        loop {
            while let Some(line) = self.lines.pop_front() {
                self.push(&line, sink)?;
            }
            if self.builder.is_empty() {
                self.done.extend_from_slice(self.ahead);
                return Ok(self.done);
            }
            if self.ahead.is_empty() {
                break;
            }
            self.read_next()?;
        }
        if let Some((chunk, text)) = self.builder.cut() {
            sink.write_chunk(&self.list, &chunk, text)?;
            self.done.push(chunk);
        }
        Ok(self.done)
    }

    fn take(&mut self, key: &SortableKey) -> Option<Line> {
        if self.lines.front()?.key == *key { self.lines.pop_front() } else { None }
    }

    /// Moves to the next chunk. If boundaries meet, chunks that end before `key` are reused unread.
    fn enter(&mut self, key: &SortableKey) -> Result<(), StoreError> {
        if self.builder.is_empty() {
            // If the next chunk begins at or before the key, this one contains nothing that
            // changes.
            let untouched =
                self.ahead.partition_point(|chunk| chunk.first <= *key).saturating_sub(1);
            let (whole, rest) = self.ahead.split_at(untouched);
            self.done.extend_from_slice(whole);
            self.ahead = rest;
        }
        self.read_next()
    }

    fn read_next(&mut self) -> Result<(), StoreError> {
        if let Some((chunk, rest)) = self.ahead.split_first() {
            let text = self.source.read_chunk(&self.list, chunk)?;
            self.lines = lines_of(&self.list, chunk, &text)?.into();
            self.ahead = rest;
        }
        Ok(())
    }

    fn push(&mut self, line: &Line, sink: &mut dyn ChunkSink) -> Result<(), StoreError> {
        if let Some((chunk, text)) = self.builder.push(line) {
            sink.write_chunk(&self.list, &chunk, text)?;
            self.done.push(chunk);
        }
        Ok(())
    }
}

/// Reads the lines of a chunk and compares them with the chunk's entry in the manifest.
pub fn lines_of(list: &List, chunk: &ChunkRef, text: &[u8]) -> Result<Vec<Line>, StoreError> {
    let damaged = |what: &str| {
        StoreError::new(StoreErrorKind::Damaged, format!("chunk {}: {what}", chunk.full))
    };
    let lines =
        parse_chunk(text, &store_name(list)).map_err(|error| damaged(&error.to_string()))?;
    let first = lines.first().map(|line| &line.key);
    if first != Some(&chunk.first) || lines.len() as u64 != chunk.count {
        return Err(damaged("its first key or count is not what the manifest says"));
    }
    Ok(lines)
}
