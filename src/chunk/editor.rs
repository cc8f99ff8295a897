//! Edits a sorted list of chunks. Reads only the chunks that a change touches, and stops rewriting
//! as soon as the old and new boundaries meet.

use super::builder::ChunkBuilder;
use super::reader::{parse_chunk, store_name};
use super::stored_lines::StoredLines;
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
    /// The chunk that was read last, from the current position on.
    lines: StoredLines,
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
        Self {
            list,
            source,
            ahead: chunks,
            lines: StoredLines::default(),
            builder,
            done: Vec::new(),
        }
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
                self.copy_line(sink)?;
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
            while !self.lines.is_empty() {
                self.copy_line(sink)?;
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
        if self.lines.front()?.key == *key { Some(self.lines.pop_front()?.0) } else { None }
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
            let lines = lines_of(&self.list, chunk, &text)?;
            self.lines = StoredLines::new(text, lines);
            self.ahead = rest;
        }
        Ok(())
    }

    fn push(&mut self, line: &Line, sink: &mut dyn ChunkSink) -> Result<(), StoreError> {
        let ended = self.builder.push(line);
        self.keep(ended, sink)
    }

    /// Copies head's next line, whose text stays the same.
    fn copy_line(&mut self, sink: &mut dyn ChunkSink) -> Result<(), StoreError> {
        let Some((line, text)) = self.lines.pop_front() else { return Ok(()) };
        let ended = self.builder.push_stored(&line, text);
        self.keep(ended, sink)
    }

    fn keep(
        &mut self,
        ended: Option<(ChunkRef, Vec<u8>)>,
        sink: &mut dyn ChunkSink,
    ) -> Result<(), StoreError> {
        if let Some((chunk, text)) = ended {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::indexeddb::key::Key;
    use crate::snapshot::{Digest, FlowVersion, LineState, Meta};

    /// Chunks by digest.
    #[derive(Default)]
    struct ChunkTexts(BTreeMap<Digest, Vec<u8>>);

    impl ChunkSource for ChunkTexts {
        fn read_chunk(&self, _list: &List, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError> {
            Ok(self.0[&chunk.full].clone())
        }
    }

    impl ChunkSink for ChunkTexts {
        fn write_chunk(
            &mut self,
            _list: &List,
            chunk: &ChunkRef,
            text: Vec<u8>,
        ) -> Result<(), StoreError> {
            self.0.insert(chunk.full, text);
            Ok(())
        }
    }

    fn list() -> List {
        List::Records("data".into())
    }

    fn line(number: u32, value: &str) -> Line {
        Line {
            key: Key::Number(f64::from(number)).to_sortable().unwrap(),
            meta: Meta { at: 7, by: None, rev: FlowVersion::FIRST },
            state: LineState::Put(value.as_bytes().into()),
        }
    }

    /// Writes a list from nothing.
    fn written(lines: impl IntoIterator<Item = Line>, sink: &mut ChunkTexts) -> Vec<ChunkRef> {
        let none = ChunkTexts::default();
        let mut editor = ListEditor::new(list(), &[], &none);
        lines.into_iter().for_each(|line| editor.put(&line, sink).unwrap());
        editor.finish(sink).unwrap()
    }

    #[test]
    fn an_edited_list_is_the_one_that_its_lines_would_make_from_nothing() {
        let value = |number: u32| format!("\"{number:0>1600}\"");
        let before = (0..2_000).filter(|number| number % 7 != 0);
        let mut old = ChunkTexts::default();
        let chunks = written(before.map(|number| line(number, &value(number))), &mut old);
        assert!(chunks.len() > 3, "{}", chunks.len());

        // Keys are added, replaced and removed, at the beginning, in the middle and at the end.
        let (added, replaced, removed) = ([0, 700, 1_995], [1, 701, 1_996], [2, 702, 1_997]);
        let mut new = ChunkTexts::default();
        let mut editor = ListEditor::new(list(), &chunks, &old);
        for ((added, replaced), removed) in added.into_iter().zip(replaced).zip(removed) {
            editor.put(&line(added, "true"), &mut new).unwrap();
            editor.put(&line(replaced, "false"), &mut new).unwrap();
            let gone = editor.remove(&line(removed, "").key, &mut new).unwrap();
            assert_eq!(gone, Some(line(removed, &value(removed))));
        }
        let edited = editor.finish(&mut new).unwrap();

        let after =
            (0..2_000).filter(|number| !removed.contains(number)).filter_map(
                |number| match number {
                    number if added.contains(&number) => Some(line(number, "true")),
                    number if replaced.contains(&number) => Some(line(number, "false")),
                    number => (number % 7 != 0).then(|| line(number, &value(number))),
                },
            );
        let mut expected = ChunkTexts::default();
        assert_eq!(edited, written(after, &mut expected));
        for chunk in edited.iter().filter(|chunk| !chunks.contains(chunk)) {
            assert_eq!(new.0[&chunk.full], expected.0[&chunk.full]);
        }
    }

    #[test]
    fn untouched_lines_are_copied_as_they_are_stored() {
        // No release writes a number like this one, and a line end is missing.
        let odd = |number: u32, value: &str| {
            let mut text = Vec::new();
            line(number, value).write(b"\"data\"", &mut text);
            String::from_utf8(text).unwrap().replace("\"at\":7", "\"at\":007")
        };
        let text = [odd(1, "1"), odd(2, "2"), odd(3, "3")].concat();
        let text = text.trim_end().as_bytes().to_vec();
        let mut old = ChunkTexts::default();
        let mut chunks = written([line(1, "1"), line(2, "2"), line(3, "3")], &mut old);
        chunks[0].full = Digest::of(&text);
        old.0.insert(chunks[0].full, text);

        let mut new = ChunkTexts::default();
        let mut editor = ListEditor::new(list(), &chunks, &old);
        editor.put(&line(2, "true"), &mut new).unwrap();
        editor.put(&line(4, "4"), &mut new).unwrap();
        let edited = editor.finish(&mut new).unwrap();
        let plain = |number, value| odd(number, value).replace("007", "7");
        let expected = [odd(1, "1"), plain(2, "true"), odd(3, "3"), plain(4, "4")].concat();
        assert_eq!(String::from_utf8(new.0[&edited[0].full].clone()).unwrap(), expected);
    }
}
