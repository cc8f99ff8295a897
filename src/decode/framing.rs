//! Cuts a stream into lines, in one buffer, without allocating for a line; counts lines and bytes.

use std::io::{self, Read};

/// A line may have this many bytes, its end not counted, unless an option says otherwise.
pub const DEFAULT_MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes the buffer begins with: a few reads of a pipe, and still in the cache when they are looked at.
const BUFFER_BYTES: usize = 256 * 1024;

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
    max_line_bytes: usize,
}

impl<R: Read> Lines<R> {
    /// Begins; nothing is read yet.
    pub(crate) fn new(reader: R, max_line_bytes: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES];
        let filled = Span::default();
        Self { reader, buffer, filled, searched: 0, number: 0, offset: 0, at_end: false, max_line_bytes }
    }

    /// The next line, or `None` at the end of the stream. An empty piece after the last LF is no line.
    pub(crate) fn advance(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unsearched = Span { start: self.searched, end: self.filled.end };
            if let Some(found) = memchr::memchr(b'\n', unsearched.of(&self.buffer)) {
                return Ok(Some(self.take(self.searched + found, true)));
            }
            self.searched = self.filled.end;
            let length = self.filled.end - self.filled.start;
            if self.at_end {
                return Ok(if length == 0 { None } else { Some(self.take(self.filled.end, false)) });
            }
            if length > self.max_line_bytes {
                return self.pass_over().map(Some);
            }
            self.fill()?;
        }
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

    /// Passes over `count` bytes that were peeked at.
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
        self.number += memchr::memchr_iter(b'\n', passed.of(&self.buffer)).count() as u64;
        self.skip(count);
    }

    /// Lines given out so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes given out so far, line ends included.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The reader, for example to drain it.
    pub(crate) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    fn take(&mut self, end: usize, ended: bool) -> Line {
        let start = self.filled.start;
        let too_long = end - start > self.max_line_bytes;
        // Nobody sees a line that is too long, also where all of it lies in the buffer by chance.
        let span = if too_long { Span::default() } else { Span { start, end } };
        self.number += 1;
        let line = Line { span, number: self.number, offset: self.offset, ended, too_long };
        self.skip(end - start + usize::from(ended));
        line
    }

    /// Passes over the rest of a line that is too long, keeping none of it.
    fn pass_over(&mut self) -> io::Result<Line> {
        self.number += 1;
        let (number, offset) = (self.number, self.offset);
        loop {
            let found = memchr::memchr(b'\n', self.filled.of(&self.buffer));
            let length = found.map_or(self.filled.end - self.filled.start, |place| place + 1);
            self.skip(length);
            if found.is_some() || (self.at_end && self.filled.start == self.filled.end) {
                return Ok(Line { span: Span::default(), number, offset, ended: found.is_some(), too_long: true });
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
