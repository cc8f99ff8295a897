//! Records of a document whose schema is only known at its end. They are kept in memory up to a
//! limit, then in an unlinked file, and are returned in the order of the document.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::DecodeError;
use super::mark::Mark;
use crate::temporary::OverflowFile;

/// The number of bytes kept in memory.
const MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// Object store, line, offset, length.
const HEAD: usize = 4 + 8 + 8 + 8;

/// The origin of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawRecord {
    /// The object store, as a number of the format; `None` if the header does not have it.
    pub(crate) store: Option<usize>,
    /// The position of its first byte.
    pub(crate) mark: Mark,
    /// True if it was longer than the limit and was skipped.
    pub(crate) too_long: bool,
}

/// Stores records.
pub(crate) struct Stage(OverflowFile);

impl Stage {
    /// Returns an empty stage. Above 4 MiB, records are stored in `folder`, or in the system's
    /// folder for temporary files.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        Self(OverflowFile::new(MEMORY_BYTES, folder))
    }

    /// Stores one record; `raw` is `None` if it was too long.
    pub(crate) fn push(
        &mut self,
        store: usize,
        mark: Mark,
        raw: Option<&[u8]>,
    ) -> Result<(), DecodeError> {
        let length = raw.map_or(u64::MAX, |raw| raw.len() as u64);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&(store as u32).to_le_bytes());
        for (place, number) in [(4, mark.line), (12, mark.offset), (20, length)] {
            head[place..place + 8].copy_from_slice(&number.to_le_bytes());
        }
        let mut write = || {
            self.0.write_all(&head)?;
            self.0.write_all(raw.unwrap_or_default())
        };
        write().map_err(DecodeError::Temporary)
    }

    /// Ends the storing of records.
    pub(crate) fn finish(mut self) -> Result<Staged, DecodeError> {
        self.0.seek(SeekFrom::Start(0)).map_err(DecodeError::Temporary)?;
        Ok(Staged(BufReader::new(self.0)))
    }
}

/// Returns the stored records.
pub(crate) struct Staged(BufReader<OverflowFile>);

impl Staged {
    /// Reads the next record into `raw`.
    pub(crate) fn next(&mut self, raw: &mut Vec<u8>) -> Result<Option<RawRecord>, DecodeError> {
        self.read(raw).map_err(DecodeError::Temporary)
    }

    fn read(&mut self, raw: &mut Vec<u8>) -> io::Result<Option<RawRecord>> {
        raw.clear();
        let mut head = [0; HEAD];
        if self.0.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut head[1..])?;
        let number = |place: usize| {
            let bytes = head.get(place..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let store = head.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        let (mark, length) = (Mark { line: number(4), offset: number(12) }, number(20));
        let too_long = length == u64::MAX;
        if !too_long {
            let read = self.0.by_ref().take(length).read_to_end(raw)?;
            if read as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some(RawRecord { store: Some(store), mark, too_long }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut stage = Stage::new(None);
        let big = vec![b'x'; MEMORY_BYTES];
        let mark = |line| Mark { line, offset: line * 10 };
        let texts = [Some(&b"{}"[..]), None, Some(b""), Some(&big), Some(b"end")];
        for (place, text) in texts.iter().enumerate() {
            stage.push(place, mark(place as u64), *text).unwrap();
        }
        let mut staged = stage.finish().unwrap();
        let mut raw = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let found = staged.next(&mut raw).unwrap().unwrap();
            assert_eq!(
                found,
                RawRecord {
                    store: Some(place),
                    mark: mark(place as u64),
                    too_long: text.is_none()
                }
            );
            assert_eq!(raw, text.unwrap_or_default());
        }
        assert_eq!(staged.next(&mut raw).unwrap(), None);
    }
}
