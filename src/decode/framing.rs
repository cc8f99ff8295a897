//! Cuts a stream into lines, in one buffer, without an allocation for each line; counts lines and
//! bytes.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::error::DecodeError;
use super::mark::Mark;
use crate::memory::{MemoryClaim, MemoryUse, text_cost};
use crate::temporary::OverflowFile;

/// The default limit for the length of a line in bytes, without its end.
pub const DEFAULT_MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// The initial size of the buffer: a few reads of a pipe, small enough to stay in the cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// The number of bytes of an overlong text that are kept in memory; more go to a temporary file.
const OVERLONG_MEMORY_BYTES: usize = 1024 * 1024;

fn overlong_file(folder: Option<&Path>) -> OverflowFile {
    OverflowFile::new(OVERLONG_MEMORY_BYTES, folder)
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The position of the first byte.
    pub(crate) start: usize,
    /// The position after the last byte.
    pub(crate) end: usize,
}

impl Span {
    /// Returns the bytes in the range.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        // A span is only used on the bytes in which it was found; on others it is empty rather than
        // a panic.
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// One line of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamLine {
    /// The position in the buffer, without the LF. Valid until the next line is read.
    pub(crate) span: Span,
    /// The number of the line, from 1.
    pub(crate) number: u64,
    /// The offset of its first byte in the stream.
    pub(crate) offset: u64,
    /// True if an LF ended it.
    pub(crate) ended: bool,
    /// True if it is longer than the limit; its bytes were skipped.
    pub(crate) too_long: bool,
    /// True if it is part of a broken value, whatever it contains.
    pub(crate) broken: bool,
}

/// The lines of a stream.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The part of the buffer that is filled and not returned yet.
    filled: Span,
    /// The position up to which there is no LF.
    searched: usize,
    number: u64,
    /// The offset of `filled.start` in the stream.
    offset: u64,
    at_end: bool,
    /// True if part of a line was skipped.
    in_line: bool,
    /// The text that was returned last, if it was too long.
    overlong: OverflowFile,
    max_line_bytes: usize,
    memory: MemoryClaim,
}

impl<R: Read> Lines<R> {
    /// Returns a reader of lines; nothing is read yet.
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

    /// Keeps overlong texts in this folder.
    pub(crate) fn keep_overlong_in(mut self, folder: Option<&Path>) -> Self {
        self.overlong = overlong_file(folder);
        self
    }

    /// Claims memory before keeping a line that is larger than the buffer.
    pub(crate) fn with_memory(self, memory: MemoryClaim) -> Self {
        Self { memory, ..self }
    }

    /// Returns the next line, or `None` at the end of the stream. Nothing after the last LF is not
    /// a line.
    pub(crate) fn advance(&mut self) -> Result<Option<StreamLine>, DecodeError> {
        loop {
            let unsearched = Span { start: self.searched, end: self.filled.end };
            if let Some(found) = memchr::memchr(b'\n', unsearched.of(&self.buffer)) {
                return self.take(self.searched + found, true).map(Some);
            }
            self.searched = self.filled.end;
            let length = self.filled.end - self.filled.start;
            if self.at_end {
                return if length == 0 {
                    Ok(None)
                } else {
                    self.take(self.filled.end, false).map(Some)
                };
            }
            if length > self.max_line_bytes {
                return self.pass_over().map(Some);
            }
            self.fill()?;
        }
    }

    /// Puts back the line that was returned last.
    pub(crate) fn put_back(&mut self, line: &StreamLine) {
        self.filled.start = line.span.start;
        self.searched = self.filled.start;
        self.number -= 1;
        self.offset = line.offset;
    }

    /// Returns the next `length` available bytes, which begin at `mark`, as a line.
    pub(crate) fn cut(&mut self, mark: Mark, length: usize) -> StreamLine {
        let span = Span { start: self.filled.start, end: self.filled.start + length };
        self.pass(length);
        StreamLine {
            span,
            number: mark.line,
            offset: mark.offset,
            ended: true,
            too_long: false,
            broken: false,
        }
    }

    /// Begins a text at `mark` that is longer than the limit. Its bytes are not returned;
    /// [`Self::pass_overlong`] keeps them.
    pub(crate) fn begin_overlong(&mut self, mark: Mark) -> Result<StreamLine, DecodeError> {
        self.clear_overlong()?;
        Ok(StreamLine {
            span: Span::default(),
            number: mark.line,
            offset: mark.offset,
            ended: true,
            too_long: true,
            broken: false,
        })
    }

    /// Skips `count` available bytes of an overlong text, and keeps them.
    pub(crate) fn pass_overlong(&mut self, count: usize) -> Result<(), DecodeError> {
        self.keep(Span { start: self.filled.start, end: self.filled.start + count })?;
        self.pass(count);
        Ok(())
    }

    /// Returns the text that was returned last, if it was too long.
    pub(crate) fn overlong(&mut self) -> &mut OverflowFile {
        &mut self.overlong
    }

    fn clear_overlong(&mut self) -> Result<(), DecodeError> {
        let clear = self.overlong.rewind().and_then(|()| self.overlong.cut(0));
        clear.map_err(DecodeError::Temporary)
    }

    fn keep(&mut self, span: Span) -> Result<(), DecodeError> {
        self.overlong.write_all(span.of(&self.buffer)).map_err(DecodeError::Temporary)
    }

    /// Returns the bytes of the line that was returned last.
    pub(crate) fn bytes(&self, line: &StreamLine) -> &[u8] {
        line.span.of(&self.buffer)
    }

    /// Returns up to `count` of the first bytes of the stream, before any line is taken.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.filled.end - self.filled.start < count && !self.at_end {
            self.fill()?;
        }
        let end = self.filled.end.min(self.filled.start + count);
        Ok(Span { start: self.filled.start, end }.of(&self.buffer))
    }

    /// Skips `count` available bytes.
    pub(crate) fn skip(&mut self, count: usize) {
        self.filled.start += count;
        self.searched = self.filled.start;
        self.offset += count as u64;
    }

    /// Returns the bytes that were read and not returned yet.
    pub(crate) fn available(&self) -> &[u8] {
        self.filled.of(&self.buffer)
    }

    /// Reads more after the available bytes; returns `false` at the end of the stream.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if !self.at_end {
            self.fill()?;
        }
        Ok(!self.at_end)
    }

    /// Skips `count` available bytes of a text that is not read line by line, and counts its lines.
    pub(crate) fn pass(&mut self, count: usize) {
        let passed = Span { start: self.filled.start, end: self.filled.start + count };
        let passed = passed.of(&self.buffer);
        self.number += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.in_line = passed.last().map_or(self.in_line, |&byte| byte != b'\n');
        self.skip(count);
    }

    /// Returns the number of whole lines returned or skipped so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns [`Self::number`], plus one if part of a line was skipped.
    pub(crate) fn count(&self) -> u64 {
        self.number + u64::from(self.in_line)
    }

    /// Returns the limit for the length of a line, without its end.
    pub(crate) fn max_line_bytes(&self) -> usize {
        self.max_line_bytes
    }

    /// Returns the number of bytes returned so far, including line ends.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the reader, for example to drain it.
    pub(crate) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    fn take(&mut self, end: usize, ended: bool) -> Result<StreamLine, DecodeError> {
        let start = self.filled.start;
        let too_long = end - start > self.max_line_bytes;
        if too_long {
            self.clear_overlong()?;
            self.keep(Span { start, end })?;
        }
        // A line that is too long has no span, even if all of it happens to be in the buffer.
        let span = if too_long { Span::default() } else { Span { start, end } };
        self.number += 1;
        let line = StreamLine {
            span,
            number: self.number,
            offset: self.offset,
            ended,
            too_long,
            broken: false,
        };
        self.skip(end - start + usize::from(ended));
        Ok(line)
    }

    /// Skips a line that is too long.
    fn pass_over(&mut self) -> Result<StreamLine, DecodeError> {
        self.clear_overlong()?;
        self.number += 1;
        let (number, offset) = (self.number, self.offset);
        loop {
            let found = memchr::memchr(b'\n', self.filled.of(&self.buffer));
            let end = found.map_or(self.filled.end, |place| self.filled.start + place);
            self.keep(Span { start: self.filled.start, end })?;
            self.skip(end - self.filled.start + usize::from(found.is_some()));
            if found.is_some() || (self.at_end && self.filled.start == self.filled.end) {
                return Ok(StreamLine {
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

    /// Reads once. First makes room: moves the remaining bytes to the front, or else doubles the
    /// buffer.
    fn fill(&mut self) -> io::Result<()> {
        if self.filled.start == self.filled.end {
            self.move_to_front();
        } else if self.filled.end == self.buffer.len() {
            if self.filled.start > 0 {
                self.move_to_front();
            } else {
                // As much again may follow.
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

    /// Returns pieces of the given lengths, over and over.
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

    fn lines(reader: impl Read, max: usize) -> Vec<(StreamLine, Vec<u8>)> {
        let mut lines = Lines::new(reader, max);
        let mut all = Vec::new();
        while let Some(line) = lines.advance().unwrap() {
            all.push((StreamLine { span: Span::default(), ..line }, lines.bytes(&line).to_vec()));
        }
        all
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_is_whole() {
        let long = "x".repeat(3 * BUFFER_BYTES);
        let text = format!("ab\n{long}\ncd\n{long}");
        for max in [2, 1000, BUFFER_BYTES, 2 * BUFFER_BYTES] {
            let found = lines(text.as_bytes(), max);
            assert_eq!(
                found.iter().map(|(line, _)| line.too_long).collect::<Vec<_>>(),
                [false, true, false, true]
            );
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
