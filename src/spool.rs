//! Bytes that are kept in memory while they are few, then in an unlinked file: contents, chunks and reports of one call.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::SpooledTempFile;

/// Kept in memory up to this many bytes, unless said otherwise.
pub const DEFAULT_MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// Where some bytes lie in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Offset of the first byte.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

/// Appends, and reads anywhere.
#[derive(Debug)]
pub struct Spool {
    file: SpooledTempFile,
    bytes: u64,
}

impl Spool {
    /// Begins; beyond [`DEFAULT_MEMORY_BYTES`] it lies in `folder`, or in the system's folder for temporary files.
    pub fn new(folder: Option<&Path>) -> Self {
        let file = match folder {
            Some(folder) => tempfile::spooled_tempfile_in(DEFAULT_MEMORY_BYTES, folder),
            None => tempfile::spooled_tempfile(DEFAULT_MEMORY_BYTES),
        };
        Self { file, bytes: 0 }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be made or written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<Place> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(bytes)?;
        let place = Place { offset: self.bytes, bytes: bytes.len() as u64 };
        self.bytes += place.bytes;
        Ok(place)
    }

    /// Appends what `write` writes.
    ///
    /// # Errors
    ///
    /// Those of `write`, and as [`Self::append`].
    pub fn append_with(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Place> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        write(&mut self.file)?;
        let end = self.file.stream_position()?;
        let place = Place { offset: self.bytes, bytes: end - self.bytes };
        self.bytes = end;
        Ok(place)
    }

    /// Appends once more what lies at a place. Memory does not grow with it.
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

    /// Reads some bytes whole.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    pub fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(place)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads some bytes as a stream.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn reader(&mut self, place: Place) -> io::Result<impl Read> {
        self.file.seek(SeekFrom::Start(place.offset))?;
        Ok((&mut self.file).take(place.bytes))
    }

    /// Copies some bytes to `out`.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and those of `out`.
    pub fn copy_to(&mut self, place: Place, out: &mut dyn Write) -> io::Result<()> {
        copy(&mut self.reader(place)?, out).map(|_| ())
    }

    /// Forgets everything.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be cut.
    pub fn clear(&mut self) -> io::Result<()> {
        self.bytes = 0;
        self.file.set_len(0)
    }
}

/// Copies to the end; gives the number of bytes.
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
        assert_eq!((spool.read(places[0]).unwrap(), spool.read(places[3]).unwrap()), (b"ab".to_vec(), b"c".to_vec()));
        assert!(spool.read(places[1]).unwrap().is_empty());
        assert_eq!(spool.read(written).unwrap(), b"xyz");
        let again = spool.repeat(places[2]).unwrap();
        assert_eq!((again.bytes, spool.read(again).unwrap() == big), (big.len() as u64, true));
        spool.clear().unwrap();
        assert_eq!(spool.append(b"new").unwrap(), Place { offset: 0, bytes: 3 });
    }
}
