//! Lines of a stored chunk, each with its text.

use std::collections::VecDeque;

use crate::snapshot::Line;

/// The lines of a chunk that was read, from the current position on.
#[derive(Debug, Default)]
pub(super) struct StoredLines {
    text: Vec<u8>,
    /// The place in `text` at which the next line begins.
    next: usize,
    lines: VecDeque<Line>,
}

impl StoredLines {
    /// Returns the lines of a chunk; `lines` were parsed from `text`, and all of its lines.
    pub(super) fn new(text: Vec<u8>, lines: Vec<Line>) -> Self {
        Self { text, next: 0, lines: lines.into() }
    }

    /// True if no line is left.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the next line, and stays before it.
    pub(super) fn front(&self) -> Option<&Line> {
        self.lines.front()
    }

    /// Takes the next line, and returns it with its text and line end.
    pub(super) fn pop_front(&mut self) -> Option<(Line, &[u8])> {
        let line = self.lines.pop_front()?;
        let rest = self.text.get(self.next..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        self.next += length;
        Some((line, &rest[..length]))
    }
}
