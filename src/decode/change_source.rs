//! The input of stage 2, wherever its changes come from.

use std::io::Read;

use super::change::Item;
use super::decoder::Decoder;
use super::error::DecodeError;
use super::header::BatchHeader;
use super::incomplete::Incomplete;
use crate::loss::Losses;
use crate::rejection::RejectedText;

/// One batch of changes, read one by one.
///
/// A [`Decoder`] reads them from a stream of text. Another source may build its changes in memory:
/// it returns keys and values as JSON texts of one value each, and needs no lines.
pub trait ChangeSource {
    /// Returns the header. It does not change.
    fn header(&self) -> &BatchHeader;

    /// Returns the next change or rejection, or `None` once the batch is complete.
    ///
    /// # Errors
    ///
    /// Fails if the batch cannot be read to its end. Nothing of it is used then.
    fn next(&mut self) -> Result<Option<Item<'_>>, DecodeError>;

    /// Returns the text of the item that [`Self::next`] returned last, for rejections. The default
    /// is for sources whose changes never were text.
    fn text(&mut self) -> RejectedText<'_> {
        RejectedText::Missing
    }

    /// Returns the number of changes so far, including rejected ones.
    fn received(&self) -> u64;

    /// Returns the object stores of which the source does not have all records. Complete once
    /// [`Self::next`] has returned `None`.
    fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        Vec::new()
    }

    /// Returns the data that the source could not express in its changes. Complete once
    /// [`Self::next`] has returned `None`.
    fn losses(&self) -> &Losses;
}

impl<R: Read> ChangeSource for Decoder<R> {
    fn header(&self) -> &BatchHeader {
        Decoder::header(self)
    }

    fn next(&mut self) -> Result<Option<Item<'_>>, DecodeError> {
        Decoder::next(self)
    }

    fn text(&mut self) -> RejectedText<'_> {
        Decoder::text(self)
    }

    fn received(&self) -> u64 {
        let counts = self.counts();
        counts.changes + counts.rejected
    }

    fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        Decoder::incomplete(self)
    }

    fn losses(&self) -> &Losses {
        Decoder::losses(self)
    }
}
