//! Cuts a stream of records into values, in all the ways in which programs join JSON: one value a
//! line, values in a JSON array, values that span or share lines, and JSON text sequences. One
//! value a line is the fast path.
//!
//! A line that broke off must not swallow the lines after it. So a value that does not end in its
//! line is followed strictly. At the first byte that is not allowed, only its first line is
//! rejected, and the lines up to that byte are read one by one. In an array there are no lines to
//! go by, so a fault between two values ends the batch.

use std::io::Read;

use super::error::DecodeError;
use super::framing::{Lines, StreamLine};
use super::growing::{GrowingScan, InLine, LineEnd, RECORD_SEPARATOR, Seen, TextEnd, WordEnd};
use super::mark::Mark;
use super::scan::{BracketScan, is_space};
use super::structure::StructureScan;

/// The most bytes of white space after a value that are skipped to see the next byte.
const LOOK_AHEAD_BYTES: usize = 4096;

/// Cuts values out of [`Lines`]; each is returned as a [`StreamLine`] without the line end.
#[derive(Debug, Default)]
pub(crate) struct ValueStream {
    /// The position of the open array.
    array: Option<Mark>,
    /// True if a value broke: values nested in it must not be taken for records.
    lost: bool,
    /// The offset before which a value does not span lines.
    one_line_until: u64,
    /// True if the last line was the closing bracket of an object, alone and not indented.
    closed: bool,
    /// The offset of the current line, as long as only white space of it was skipped.
    line_start: Option<u64>,
    /// True once the first value was requested.
    begun: bool,
}

/// The result of searching for a value's end.
enum Measured {
    /// The value has this many bytes.
    Whole(usize),
    /// The value cannot contain this byte.
    Stopped(usize),
    /// The stream ends inside the value.
    Open,
    /// The value is longer than the limit and was skipped. With the scan's last result.
    TooLong(StreamLine, Seen),
}

impl ValueStream {
    /// Returns the next value, or `None` at the end of the stream.
    pub(crate) fn next<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
    ) -> Result<Option<StreamLine>, DecodeError> {
        if !std::mem::replace(&mut self.begun, true) {
            self.line_start = Some(lines.offset());
        }
        loop {
            let Some(byte) = self.separators(lines)? else {
                return if self.array.is_none() {
                    Ok(None)
                } else {
                    Err(self.unclosed_array(lines))
                };
            };
            match (self.array, byte) {
                (None, b'[') if self.is_lost(lines) || lines.offset() < self.one_line_until => {
                    return self.rest_of_line(lines).map(Some);
                }
                (None, b'[') => (self.array, self.lost) = (Some(self.mark(lines)), false),
                (Some(_), b']') => self.array = None,
                (Some(_), _) => return self.element(lines, byte).map(Some),
                (None, b'{') => return self.object(lines).map(Some),
                (None, _) => return self.rest_of_line(lines).map(Some),
            }
            lines.pass(1);
            self.line_start = None;
        }
    }

    /// Skips the separators between values; returns the next byte.
    fn separators<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<Option<u8>, DecodeError> {
        let in_array = self.array.is_some();
        let separates =
            |byte: u8| is_space(byte) || byte == b',' || (byte == RECORD_SEPARATOR && !in_array);
        loop {
            let text = lines.available();
            let count = text.iter().position(|&byte| !separates(byte)).unwrap_or(text.len());
            let found = text.get(count).copied();
            let passed = &text[..count];
            let line = memchr::memrchr(b'\n', passed).map_or(0, |end| end + 1);
            if line > 0 {
                self.line_start = Some(lines.offset() + line as u64);
            }
            if passed[line..].iter().any(|&byte| !is_space(byte)) {
                self.line_start = None;
            }
            if memchr::memchr(RECORD_SEPARATOR, passed).is_some() {
                // A separate text follows, whatever came before.
                (self.lost, self.one_line_until) = (false, 0);
            }
            lines.pass(count);
            if found.is_some() || !lines.more()? {
                return Ok(found);
            }
        }
    }

    /// Returns the start of the next value. For the first value of a line outside arrays, that is
    /// the start of the line.
    fn mark<R: Read>(&self, lines: &Lines<R>) -> Mark {
        let line_start = self.line_start.filter(|_| self.array.is_none());
        Mark { line: lines.number() + 1, offset: line_start.unwrap_or(lines.offset()) }
    }

    fn give<R: Read>(&mut self, lines: &mut Lines<R>, length: usize) -> StreamLine {
        let mark = self.mark(lines);
        self.line_start = None;
        lines.cut(mark, length)
    }

    /// Searches for the end of the value that begins here.
    fn measure<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        scan: &mut dyn GrowingScan,
    ) -> Result<Measured, DecodeError> {
        let limit = lines.max_line_bytes();
        loop {
            let seen = scan.see(lines.available());
            match seen {
                Seen::End(place) if place <= limit => return Ok(Measured::Whole(place)),
                Seen::Stop(place) if place <= limit => return Ok(Measured::Stopped(place)),
                Seen::Open if lines.available().len() <= limit => {
                    if !lines.more()? {
                        return Ok(Measured::Open);
                    }
                }
                _ => return self.pass_over(lines, scan, seen),
            }
        }
    }

    /// Skips a value that is longer than the limit, up to the end that the scan finds.
    fn pass_over<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        scan: &mut dyn GrowingScan,
        mut seen: Seen,
    ) -> Result<Measured, DecodeError> {
        let line = lines.begin_overlong(self.mark(lines))?;
        self.line_start = None;
        loop {
            if let Seen::End(place) | Seen::Stop(place) = seen {
                lines.pass_overlong(place)?;
                return Ok(Measured::TooLong(line, seen));
            }
            let followed = scan.followed();
            lines.pass_overlong(followed)?;
            scan.forget(followed);
            if !lines.more()? {
                lines.pass_overlong(lines.available().len())?;
                return Ok(Measured::TooLong(line, Seen::Open));
            }
            seen = scan.see(lines.available());
        }
    }

    /// Reads an object outside arrays.
    fn object<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<StreamLine, DecodeError> {
        if self.is_lost(lines) {
            return self.rest_of_line(lines);
        }
        let may_span = lines.offset() >= self.one_line_until && (!self.lost || self.closed);
        match self.measure(lines, &mut InLine::default())? {
            Measured::Whole(end) => self.ended(lines, end),
            Measured::Stopped(_) if may_span => self.spanning(lines),
            Measured::TooLong(line, _) => Ok(line),
            Measured::Stopped(_) | Measured::Open => self.rest_of_line(lines),
        }
    }

    /// Returns a value whose end was found, unless something else follows it in its line.
    fn ended<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        end: usize,
    ) -> Result<StreamLine, DecodeError> {
        let separates =
            |byte| byte != b'\n' && (is_space(byte) || byte == b',' || byte == RECORD_SEPARATOR);
        match behind(lines, end, separates)? {
            None | Some(b'\n' | b'{' | b'[') => {
                self.lost = false;
                Ok(self.give(lines, end))
            }
            Some(_) => self.rest_of_line(lines),
        }
    }

    /// True if a value broke, and the text that begins here may be inside it. Records are not
    /// indented.
    fn is_lost<R: Read>(&self, lines: &Lines<R>) -> bool {
        self.lost && self.line_start != Some(lines.offset())
    }

    /// Reads an object that does not end in its line.
    fn spanning<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<StreamLine, DecodeError> {
        let first = self.mark(lines).line;
        let fault = match self.measure(lines, &mut StructureScan::default())? {
            Measured::Whole(end) => return self.ended(lines, end),
            Measured::TooLong(line, Seen::End(_)) => return Ok(line),
            Measured::TooLong(line, Seen::Stop(_)) => {
                let what = "a value longer than the limit is broken, so nothing says where the \
                    next one begins";
                return Err(DecodeError::Framing {
                    line: line.number,
                    offset: line.offset,
                    what: what.to_owned(),
                });
            }
            Measured::Stopped(fault) => fault,
            Measured::TooLong(_, Seen::Open) => return Err(unclosed(first, "a value")),
            Measured::Open => {
                let text = lines.available();
                let line_end = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
                let more = &text[line_end..];
                let record = more.starts_with(b"{") || memchr::memmem::find(more, b"\n{").is_some();
                if !record && more.iter().any(|&byte| !is_space(byte)) {
                    return Err(unclosed(first, "a value"));
                }
                text.len()
            }
        };
        (self.lost, self.one_line_until) = (true, lines.offset() + fault as u64);
        self.rest_of_line(lines)
    }

    /// Reads a line, or the rest of one, that is not an object.
    fn rest_of_line<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<StreamLine, DecodeError> {
        let begins_line = self.line_start == Some(lines.offset());
        let end = match self.measure(lines, &mut LineEnd::default())? {
            Measured::Whole(end) | Measured::Stopped(end) => end,
            Measured::Open => lines.available().len(),
            Measured::TooLong(line, _) => return Ok(line),
        };
        self.closed = begins_line && lines.available()[..end].trim_ascii_end() == b"}";
        let broken = self.lost || lines.offset() < self.one_line_until;
        Ok(StreamLine { broken, ..self.give(lines, end) })
    }

    /// Reads a value of an array.
    fn element<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        first: u8,
    ) -> Result<StreamLine, DecodeError> {
        let measured = match first {
            b'{' | b'[' => self.measure(lines, &mut BracketScan::new(usize::MAX))?,
            b'"' => self.measure(lines, &mut TextEnd::default())?,
            b'}' | b':' | RECORD_SEPARATOR => Measured::Stopped(0),
            _ => self.measure(lines, &mut WordEnd::default())?,
        };
        let end = match measured {
            Measured::Whole(end) => end,
            Measured::TooLong(line, Seen::End(_)) => return Ok(line),
            Measured::Open | Measured::TooLong(..) => return Err(self.unclosed_array(lines)),
            Measured::Stopped(place) => return Err(broken_array(lines, place)),
        };
        match behind(lines, end, is_space)? {
            None | Some(b',' | b']' | b'{' | b'[') => Ok(self.give(lines, end)),
            Some(_) => Err(broken_array(lines, end)),
        }
    }

    fn unclosed_array<R: Read>(&self, lines: &Lines<R>) -> DecodeError {
        unclosed(self.array.map_or(lines.number(), |mark| mark.line), "a JSON array")
    }
}

/// Returns the first byte after the next `end` bytes that is not to be skipped, if it is near.
fn behind<R: Read>(
    lines: &mut Lines<R>,
    end: usize,
    skip: impl Fn(u8) -> bool,
) -> Result<Option<u8>, DecodeError> {
    loop {
        let text = lines.available();
        let near = &text[end..text.len().min(end + LOOK_AHEAD_BYTES)];
        let found = near.iter().copied().find(|&byte| !skip(byte));
        if found.is_some() || near.len() == LOOK_AHEAD_BYTES || !lines.more()? {
            return Ok(found);
        }
    }
}

fn unclosed(line: u64, what: &'static str) -> DecodeError {
    DecodeError::Unclosed { line, what }
}

fn broken_array<R: Read>(lines: &mut Lines<R>, place: usize) -> DecodeError {
    lines.pass(place);
    let what = "the JSON array is broken here: a comma or `]` is missing, so nothing says where \
        the next record begins";
    DecodeError::Framing { line: lines.number() + 1, offset: lines.offset(), what: what.to_owned() }
}
