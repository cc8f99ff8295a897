//! A buffer that is kept in memory while it is small, then in an unlinked file; for the contents,
//! chunks and reports of one call.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::temporary::OverflowFile;

/// The default limit on the bytes kept in memory.
pub const DEFAULT_MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// Size of the copy buffer, in bytes.
const COPY_BYTES: usize = 64 * 1024;

/// A range of bytes in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// A buffer that is appended to at its end and read at any place.
#[derive(Debug)]
pub struct Spool {
    file: OverflowFile,
    bytes: u64,
}

impl Spool {
    /// Creates an empty spool. Above [`DEFAULT_MEMORY_BYTES`] it is stored in `folder`, by default
    /// the system's folder for temporary files.
    pub fn new(folder: Option<&Path>) -> Self {
        Self { file: OverflowFile::new(DEFAULT_MEMORY_BYTES, folder), bytes: 0 }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be created or written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<Place> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(bytes)?;
        let place = Place { offset: self.bytes, bytes: bytes.len() as u64 };
        self.bytes += place.bytes;
        Ok(place)
    }

    /// Appends the output of `write`.
    ///
    /// # Errors
    ///
    /// Those of `write`, and as [`Self::append`].
    pub fn append_with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Place> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        write(&mut self.file)?;
        let end = self.file.stream_position()?;
        let place = Place { offset: self.bytes, bytes: end - self.bytes };
        self.bytes = end;
        Ok(place)
    }

    /// Appends a copy of the bytes at `place`, in constant memory.
    ///
    /// # Errors
    ///
    /// As [`Self::append`] and [`Self::read`].
    pub fn repeat(&mut self, place: Place) -> io::Result<Place> {
        let mut copied = Place { offset: self.bytes, bytes: 0 };
        while copied.bytes < place.bytes {
            let bytes = (place.bytes - copied.bytes).min(COPY_BYTES as u64);
            let piece = self.read(Place { offset: place.offset + copied.bytes, bytes })?;
            copied.bytes += self.append(&piece)?.bytes;
        }
        Ok(copied)
    }

    /// Reads a range of bytes into memory.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    pub fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(place)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a range of bytes as a stream.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn reader(&mut self, place: Place) -> io::Result<impl Read> {
        self.file.seek(SeekFrom::Start(place.offset))?;
        Ok((&mut self.file).take(place.bytes))
    }

    /// Copies a range of bytes to `out`.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and those of `out`.
    pub fn copy_to(&mut self, place: Place, out: &mut dyn Write) -> io::Result<()> {
        copy(&mut self.reader(place)?, out).map(|_| ())
    }

    /// Deletes the content.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be truncated.
    pub fn clear(&mut self) -> io::Result<()> {
        self.bytes = 0;
        self.file.cut(0)
    }
}

/// Copies up to the end; returns the number of bytes.
///
/// # Errors
///
/// Those of either side.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_where_it_lies() {
        let mut spool = Spool::new(None);
        let big = vec![7; DEFAULT_MEMORY_BYTES];
        let places = [b"ab".as_slice(), b"", &big, b"c"].map(|bytes| spool.append(bytes).unwrap());
        let written = spool.append_with(|out| out.write_all(b"xyz")).unwrap();
        assert_eq!(spool.read(places[2]).unwrap(), big);
        assert_eq!(
            (spool.read(places[0]).unwrap(), spool.read(places[3]).unwrap()),
            (b"ab".to_vec(), b"c".to_vec())
        );
        assert!(spool.read(places[1]).unwrap().is_empty());
        assert_eq!(spool.read(written).unwrap(), b"xyz");
        let again = spool.repeat(places[2]).unwrap();
        assert_eq!((again.bytes, spool.read(again).unwrap() == big), (big.len() as u64, true));
        spool.clear().unwrap();
        assert_eq!(spool.append(b"new").unwrap(), Place { offset: 0, bytes: 3 });
    }
}
