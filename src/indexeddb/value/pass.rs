//! The state of the single pass over the input: its place in the input and in the output.
//!
//! Canonical input is not copied piece by piece. It stays pending until something has to be written
//! differently, and is then copied in one piece.

use super::error::ValueErrorReason as Reason;
use super::{MAX_DEPTH, Options, Scratch};

/// One pass over an input. Other files add the grammar, strings, and the order of members.
pub(super) struct Pass<'a> {
    pub(super) input: &'a [u8],
    /// The next byte to read.
    pub(super) pos: usize,
    /// The position up to which input has been copied to `out`. From there to `pos`, input is
    /// canonical and pending.
    pub(super) copied: usize,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) options: Options,
    /// The deepest bracket in the canonical form of the open object.
    pub(super) deepest: usize,
    /// True if this is a key, where `{"~binary":…}` is allowed.
    pub(super) key: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        input: &'a [u8],
        out: &'a mut Vec<u8>,
        scratch: &'a mut Scratch,
        options: Options,
    ) -> Self {
        Self { input, pos: 0, copied: 0, out, scratch, options, deepest: 0, key: false }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.pos).copied()
    }

    /// Copies the pending input.
    #[inline]
    pub(super) fn flush(&mut self) {
        if self.copied < self.pos {
            self.out.extend_from_slice(&self.input[self.copied..self.pos]);
            self.copied = self.pos;
        }
    }

    /// Returns the position in `out` of the next byte.
    #[inline]
    pub(super) fn place(&self) -> usize {
        self.out.len() + (self.pos - self.copied)
    }

    /// Returns the text of `out` between two positions, which is either all written or all pending.
    #[inline]
    pub(super) fn written(&self, start: usize, end: usize) -> &[u8] {
        let length = self.out.len();
        if start >= length {
            &self.input[self.copied + (start - length)..self.copied + (end - length)]
        } else {
            &self.out[start..end]
        }
    }

    /// Returns the text of `out` from a position on, at least up to the next byte's position.
    #[inline]
    pub(super) fn text_from(&self, start: usize) -> &[u8] {
        let length = self.out.len();
        if start >= length {
            &self.input[self.copied + (start - length)..]
        } else {
            &self.out[start..]
        }
    }

    /// Skips white space.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.skip_space();
        }
    }

    #[inline(never)]
    fn skip_space(&mut self) {
        self.flush();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
        }
        self.copied = self.pos;
    }

    /// Takes `byte` and the white space after it.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Reason> {
        if self.peek() != Some(byte) {
            return Err(Reason::Syntax);
        }
        self.pos += 1;
        self.space();
        Ok(())
    }

    /// Enters a bracket at this depth.
    #[inline]
    pub(super) fn enter(&mut self, depth: usize) -> Result<(), Reason> {
        if depth > MAX_DEPTH {
            return Err(Reason::Depth);
        }
        self.deepest = self.deepest.max(depth);
        Ok(())
    }

    /// Reports an error at an earlier position.
    #[cold]
    pub(super) fn fail_at(&mut self, offset: usize, reason: Reason) -> Result<(), Reason> {
        self.pos = offset;
        Err(reason)
    }
}
