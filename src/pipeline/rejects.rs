//! The receiver of rejected lines, beside the report.

use std::io;

use crate::rejection::{RejectedText, Rejection};

/// Limit on the bytes of report lines for rejected lines in one call, without their texts: about
/// 500,000 lines. An input with more is not a batch with some bad records, and its report would
/// fill the disk.
pub const MAX_REJECTED_BYTES: u64 = 64 * 1024 * 1024;

/// A receiver of rejected lines, in addition to the report.
pub trait Rejects {
    /// Receives the header, unchanged, before the first rejected line of `indexeddb-changes/1`.
    ///
    /// # Errors
    ///
    /// As [`Self::hear`].
    fn header(&mut self, line: &str) -> io::Result<()>;

    /// Receives a rejected line with its text.
    ///
    /// # Errors
    ///
    /// The line cannot be kept. The batch fails, and nothing is written.
    fn hear(&mut self, rejection: &Rejection, text: &mut RejectedText<'_>) -> io::Result<()>;

    /// Called after the last line, before anything is written.
    ///
    /// # Errors
    ///
    /// As [`Self::hear`].
    fn finish(&mut self) -> io::Result<()>;
}

impl Rejects for () {
    fn header(&mut self, _line: &str) -> io::Result<()> {
        Ok(())
    }

    fn hear(&mut self, _rejection: &Rejection, _text: &mut RejectedText<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
