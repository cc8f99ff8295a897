//! Searches for the end of a piece of text while the text grows.

use super::scan::BracketScan;

/// The byte before each text of a JSON text sequence (RFC 7464). JSON cannot contain it.
pub(crate) const RECORD_SEPARATOR: u8 = 0x1e;

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The piece ends before this byte.
    End(usize),
    /// The piece cannot continue at this byte.
    Stop(usize),
    /// The end is not in the text yet.
    Open,
}

/// Finds the end of a piece of text without scanning any byte twice.
pub(crate) trait GrowingScan {
    /// Scans `text`: the text of the previous call, and more.
    fn see(&mut self, text: &[u8]) -> Seen;

    /// Returns the number of bytes that need not be passed again.
    fn followed(&self) -> usize;

    /// Forgets the first `count` bytes, which are not passed again.
    fn forget(&mut self, count: usize);
}

impl GrowingScan for BracketScan {
    fn see(&mut self, text: &[u8]) -> Seen {
        match self.end(text) {
            Ok(Some(end)) => Seen::End(end),
            Ok(None) | Err(_) => Seen::Open,
        }
    }

    fn followed(&self) -> usize {
        Self::followed(self)
    }

    fn forget(&mut self, count: usize) {
        Self::forget(self, count);
    }
}

/// An object that must end in its line.
pub(crate) struct InLine {
    brackets: BracketScan,
    /// The position before which there is no LF.
    searched: usize,
}

impl Default for InLine {
    fn default() -> Self {
        Self { brackets: BracketScan::new(usize::MAX), searched: 0 }
    }
}

impl GrowingScan for InLine {
    fn see(&mut self, text: &[u8]) -> Seen {
        let unsearched = text.get(self.searched..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', unsearched).map(|found| self.searched + found);
        self.searched = line_end.unwrap_or(text.len());
        let part = text.get(..self.searched).unwrap_or_default();
        match (self.brackets.see(part), line_end) {
            (Seen::Open, Some(line_end)) => Seen::Stop(line_end),
            (seen, _) => seen,
        }
    }

    fn followed(&self) -> usize {
        self.brackets.followed()
    }

    fn forget(&mut self, count: usize) {
        self.searched -= count;
        self.brackets.forget(count);
    }
}

/// The rest of a line, or of a text in a JSON text sequence.
#[derive(Default)]
pub(crate) struct LineEnd(usize);

impl GrowingScan for LineEnd {
    fn see(&mut self, text: &[u8]) -> Seen {
        let unsearched = text.get(self.0..).unwrap_or_default();
        match memchr::memchr2(b'\n', RECORD_SEPARATOR, unsearched) {
            Some(found) => Seen::End(self.0 + found),
            None => {
                self.0 = text.len();
                Seen::Open
            }
        }
    }

    fn followed(&self) -> usize {
        self.0
    }

    fn forget(&mut self, count: usize) {
        self.0 -= count;
    }
}

/// A JSON string, including its quotes.
#[derive(Default)]
pub(crate) struct TextEnd {
    place: usize,
    open: bool,
    escaped: bool,
}

impl GrowingScan for TextEnd {
    fn see(&mut self, text: &[u8]) -> Seen {
        while let Some(&byte) = text.get(self.place) {
            self.place += 1;
            match byte {
                _ if std::mem::take(&mut self.escaped) => {}
                b'\\' => self.escaped = true,
                b'"' if self.open => return Seen::End(self.place),
                b'"' => self.open = true,
                b'\n' => return Seen::Stop(self.place - 1),
                _ => {}
            }
        }
        Seen::Open
    }

    fn followed(&self) -> usize {
        self.place
    }

    fn forget(&mut self, count: usize) {
        self.place -= count;
    }
}

/// A value in an array that has neither quotes nor brackets.
#[derive(Default)]
pub(crate) struct WordEnd(usize);

impl GrowingScan for WordEnd {
    fn see(&mut self, text: &[u8]) -> Seen {
        while let Some(&byte) = text.get(self.0) {
            if matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' | RECORD_SEPARATOR) {
                return Seen::End(self.0);
            }
            self.0 += 1;
        }
        Seen::Open
    }

    fn followed(&self) -> usize {
        self.0
    }

    fn forget(&mut self, count: usize) {
        self.0 -= count;
    }
}
