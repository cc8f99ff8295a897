//! Cuts a stream into lines, in one buffer, without allocating for a line; counts lines and bytes.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use tempfile::SpooledTempFile;

use super::error::DecodeError;
use super::pull::Mark;
use crate::memory::{MemoryClaim, MemoryUse, text_cost};

/// A line may have this many bytes, its end not counted, unless an option says otherwise.
pub const DEFAULT_MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes the buffer begins with: a few reads of a pipe, and still in the cache when they are looked at.
const BUFFER_BYTES: usize = 256 * 1024;

/// A text that is too long is kept in memory up to this many bytes, then in a temporary file.
const OVERLONG_MEMORY_BYTES: usize = 1024 * 1024;

fn overlong_file(folder: Option<&Path>) -> SpooledTempFile {
    match folder {
        Some(folder) => tempfile::spooled_tempfile_in(OVERLONG_MEMORY_BYTES, folder),
        None => tempfile::spooled_tempfile(OVERLONG_MEMORY_BYTES),
    }
}

/// A place in some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its first byte.
    pub(crate) start: usize,
    /// Behind its last byte.
    pub(crate) end: usize,
}

impl Span {
    /// The bytes there.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        // A span is always used on the bytes that it was found in; elsewhere it is empty rather than a panic.
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// One line as it stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it lies in the buffer; without its LF. Good until the next line is asked for.
    pub(crate) span: Span,
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Offset of its first byte in the stream.
    pub(crate) offset: u64,
    /// Whether an LF ended it.
    pub(crate) ended: bool,
    /// Longer than the limit: its bytes were passed over.
    pub(crate) too_long: bool,
    /// Part of a value that is broken, whatever it looks like.
    pub(crate) broken: bool,
}

/// The lines of a stream.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet given out.
    filled: Span,
    /// Up to here there is no LF.
    searched: usize,
    number: u64,
    /// Offset of `filled.start` in the stream.
    offset: u64,
    at_end: bool,
    /// A line was passed in part.
    in_line: bool,
    /// The text that was given out last, if it was too long.
    overlong: SpooledTempFile,
    max_line_bytes: usize,
    memory: MemoryClaim,
}

impl<R: Read> Lines<R> {
    /// Begins; nothing is read yet.
    pub(crate) fn new(reader: R, max_line_bytes: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES];
        let filled = Span::default();
        Self {
            reader,
            buffer,
            filled,
            searched: 0,
            number: 0,
            offset: 0,
            at_end: false,
            in_line: false,
            overlong: overlong_file(None),
            max_line_bytes,
            memory: MemoryClaim::default(),
        }
    }

    /// Keeps texts that are too long in this folder.
    pub(crate) fn keep_overlong_in(mut self, folder: Option<&Path>) -> Self {
        self.overlong = overlong_file(folder);
        self
    }

    /// Claims memory before a line is held that is larger than the buffer.
    pub(crate) fn with_memory(self, memory: MemoryClaim) -> Self {
        Self { memory, ..self }
    }

    /// The next line, or `None` at the end of the stream. An empty piece after the last LF is no line.
    pub(crate) fn advance(&mut self) -> Result<Option<Line>, DecodeError> {
        loop {
            let unsearched = Span { start: self.searched, end: self.filled.end };
            if let Some(found) = memchr::memchr(b'\n', unsearched.of(&self.buffer)) {
                return self.take(self.searched + found, true).map(Some);
            }
            self.searched = self.filled.end;
            let length = self.filled.end - self.filled.start;
            if self.at_end {
                return if length == 0 { Ok(None) } else { self.take(self.filled.end, false).map(Some) };
            }
            if length > self.max_line_bytes {
                return self.pass_over().map(Some);
            }
            self.fill()?;
        }
    }

    /// Puts the line back that was given out last.
    pub(crate) fn put_back(&mut self, line: &Line) {
        self.filled.start = line.span.start;
        self.searched = self.filled.start;
        self.number -= 1;
        self.offset = line.offset;
    }

    /// Gives out the next `length` available bytes, which begin at `mark`.
    pub(crate) fn cut(&mut self, mark: Mark, length: usize) -> Line {
        let span = Span { start: self.filled.start, end: self.filled.start + length };
        self.pass(length);
        Line { span, number: mark.line, offset: mark.offset, ended: true, too_long: false, broken: false }
    }

    /// Gives out a text that begins at `mark` and is longer than the limit: nobody sees it, and
    /// [`Self::pass_overlong`] keeps it.
    pub(crate) fn begin_overlong(&mut self, mark: Mark) -> Result<Line, DecodeError> {
        self.clear_overlong()?;
        Ok(Line {
            span: Span::default(),
            number: mark.line,
            offset: mark.offset,
            ended: true,
            too_long: true,
            broken: false,
        })
    }

    /// Passes over `count` available bytes of a text that is too long, and keeps them.
    pub(crate) fn pass_overlong(&mut self, count: usize) -> Result<(), DecodeError> {
        self.keep(Span { start: self.filled.start, end: self.filled.start + count })?;
        self.pass(count);
        Ok(())
    }

    /// The text that was given out last, if it was too long.
    pub(crate) fn overlong(&mut self) -> &mut SpooledTempFile {
        &mut self.overlong
    }

    fn clear_overlong(&mut self) -> Result<(), DecodeError> {
        let clear = self.overlong.rewind().and_then(|()| self.overlong.set_len(0));
        clear.map_err(DecodeError::Temporary)
    }

    fn keep(&mut self, span: Span) -> Result<(), DecodeError> {
        self.overlong.write_all(span.of(&self.buffer)).map_err(DecodeError::Temporary)
    }

    /// The bytes of the line that was given out last.
    pub(crate) fn bytes(&self, line: &Line) -> &[u8] {
        line.span.of(&self.buffer)
    }

    /// Sees up to `count` first bytes of the stream, before any line is taken.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.filled.end - self.filled.start < count && !self.at_end {
            self.fill()?;
        }
        let end = self.filled.end.min(self.filled.start + count);
        Ok(Span { start: self.filled.start, end }.of(&self.buffer))
    }

    /// Passes over `count` bytes that are available.
    pub(crate) fn skip(&mut self, count: usize) {
        self.filled.start += count;
        self.searched = self.filled.start;
        self.offset += count as u64;
    }

    /// What was read and not yet given out.
    pub(crate) fn available(&self) -> &[u8] {
        self.filled.of(&self.buffer)
    }

    /// Reads more behind what is available; `false` at the end of the stream.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if !self.at_end {
            self.fill()?;
        }
        Ok(!self.at_end)
    }

    /// Passes over `count` available bytes of a text that is not read line by line, and counts its lines.
    pub(crate) fn pass(&mut self, count: usize) {
        let passed = Span { start: self.filled.start, end: self.filled.start + count };
        let passed = passed.of(&self.buffer);
        self.number += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.in_line = passed.last().map_or(self.in_line, |&byte| byte != b'\n');
        self.skip(count);
    }

    /// Whole lines given out or passed so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// As [`Self::number`], and the line that was passed in part.
    pub(crate) fn count(&self) -> u64 {
        self.number + u64::from(self.in_line)
    }

    /// Longest line, its end not counted.
    pub(crate) fn max_line_bytes(&self) -> usize {
        self.max_line_bytes
    }

    /// Bytes given out so far, line ends included.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The reader, for example to drain it.
    pub(crate) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    fn take(&mut self, end: usize, ended: bool) -> Result<Line, DecodeError> {
        let start = self.filled.start;
        let too_long = end - start > self.max_line_bytes;
        if too_long {
            self.clear_overlong()?;
            self.keep(Span { start, end })?;
        }
        // Nobody sees a line that is too long, also where all of it lies in the buffer by chance.
        let span = if too_long { Span::default() } else { Span { start, end } };
        self.number += 1;
        let line = Line { span, number: self.number, offset: self.offset, ended, too_long, broken: false };
        self.skip(end - start + usize::from(ended));
        Ok(line)
    }

    /// Passes over a line that is too long.
    fn pass_over(&mut self) -> Result<Line, DecodeError> {
        self.clear_overlong()?;
        self.number += 1;
        let (number, offset) = (self.number, self.offset);
        loop {
            let found = memchr::memchr(b'\n', self.filled.of(&self.buffer));
            let end = found.map_or(self.filled.end, |place| self.filled.start + place);
            self.keep(Span { start: self.filled.start, end })?;
            self.skip(end - self.filled.start + usize::from(found.is_some()));
            if found.is_some() || (self.at_end && self.filled.start == self.filled.end) {
                return Ok(Line {
                    span: Span::default(),
                    number,
                    offset,
                    ended: found.is_some(),
                    too_long: true,
                    broken: false,
                });
            }
            self.fill()?;
        }
    }

    /// Reads once. Makes room first: moves what is left to the front, or else doubles the buffer.
    fn fill(&mut self) -> io::Result<()> {
        if self.filled.start == self.filled.end {
            self.move_to_front();
        } else if self.filled.end == self.buffer.len() {
            if self.filled.start > 0 {
                self.move_to_front();
            } else {
                // As much again may come.
                self.memory.need(MemoryUse::Text, text_cost(&self.buffer).saturating_mul(2))?;
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.filled.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    fn move_to_front(&mut self) {
        let start = self.filled.start;
        self.buffer.copy_within(start..self.filled.end, 0);
        self.filled = Span { start: 0, end: self.filled.end - start };
        self.searched -= start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives pieces of the lengths it is told, again and again.
    struct Pieces<'a>(&'a [u8], Vec<usize>, usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 += 1;
            let count = self.1[self.2 % self.1.len()].min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(reader: impl Read, max: usize) -> Vec<(Line, Vec<u8>)> {
        let mut lines = Lines::new(reader, max);
        let mut all = Vec::new();
        while let Some(line) = lines.advance().unwrap() {
            all.push((Line { span: Span::default(), ..line }, lines.bytes(&line).to_vec()));
        }
        all
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_is_whole() {
        let long = "x".repeat(3 * BUFFER_BYTES);
        let text = format!("ab\n{long}\ncd\n{long}");
        for max in [2, 1000, BUFFER_BYTES, 2 * BUFFER_BYTES] {
            let found = lines(text.as_bytes(), max);
            assert_eq!(found.iter().map(|(line, _)| line.too_long).collect::<Vec<_>>(), [false, true, false, true]);
            assert_eq!((found[2].0.number, found[2].0.offset), (3, 4 + long.len() as u64));
            assert_eq!(found[2].1, b"cd");
        }
        assert_eq!(lines(text.as_bytes(), 3 * BUFFER_BYTES)[3].1, long.as_bytes());
    }

    proptest! {
        #[test]
        fn lines_are_those_of_split(
            text in prop::collection::vec(prop::sample::select(b"\n\nab\r\0".to_vec()), 0..200),
            pieces in prop::collection::vec(1usize..9, 1..5),
            max in 1usize..8,
        ) {
            let found = lines(Pieces(&text, pieces, 0), max);
            let mut offset = 0;
            let mut expected: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
            let open = expected.pop().filter(|rest| !rest.is_empty());
            let ended = expected.len();
            expected.extend(open);
            prop_assert_eq!(found.len(), expected.len());
            for (index, ((line, bytes), expected)) in found.iter().zip(expected).enumerate() {
                prop_assert_eq!((line.number, line.offset), (index as u64 + 1, offset));
                prop_assert_eq!(line.ended, index < ended);
                prop_assert_eq!(line.too_long, expected.len() > max);
                prop_assert_eq!(bytes.as_slice(), if line.too_long { &[] } else { expected });
                offset += expected.len() as u64 + 1;
            }
        }
    }
}
