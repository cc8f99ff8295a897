//! Temporary files without a name, readable by their owner only.

use std::fs::{File, Permissions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The mode of temporary files: they may contain somebody's records, so the umask must not decide.
const MODE: u32 = 0o600;

/// Creates a temporary file in `folder`, by default the system's folder for temporary files.
/// Nothing is left of it when it is closed, however the process ends.
///
/// # Errors
///
/// The file cannot be created there.
pub fn private_file(folder: Option<&Path>) -> io::Result<File> {
    let file = match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }?;
    // Where the system supports it, tempfile opens a file without a name, but with the umask's mode.
    // Nobody else can open it before its mode is set, because there is no path to it.
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

/// A buffer that moves from memory to a [`private_file`] when it grows. tempfile's own spool cannot
/// set the mode of its file.
#[derive(Debug)]
pub struct OverflowFile {
    folder: Option<PathBuf>,
    memory_bytes: usize,
    place: OverflowPlace,
}

#[derive(Debug)]
enum OverflowPlace {
    Memory(Cursor<Vec<u8>>),
    File(File),
}

impl OverflowFile {
    /// Creates an empty buffer. Above `memory_bytes` it is stored in `folder`, by default the
    /// system's folder for temporary files.
    pub fn new(memory_bytes: usize, folder: Option<&Path>) -> Self {
        let place = OverflowPlace::Memory(Cursor::default());
        Self { folder: folder.map(Path::to_owned), memory_bytes, place }
    }

    /// Truncates the buffer to its first `bytes`.
    ///
    /// # Errors
    ///
    /// The file cannot be truncated.
    pub fn cut(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.place {
            OverflowPlace::Memory(memory) => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                memory.get_mut().truncate(bytes);
                Ok(())
            }
            OverflowPlace::File(file) => file.set_len(bytes),
        }
    }

    /// Moves the bytes to a file, if `more` bytes would not fit into memory.
    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let OverflowPlace::Memory(memory) = &self.place else { return Ok(()) };
        let end = memory.position().saturating_add(more as u64);
        if end <= self.memory_bytes as u64 {
            return Ok(());
        }
        let mut file = private_file(self.folder.as_deref())?;
        file.write_all(memory.get_ref())?;
        file.seek(SeekFrom::Start(memory.position()))?;
        self.place = OverflowPlace::File(file);
        Ok(())
    }
}

impl Read for OverflowFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.place {
            OverflowPlace::Memory(memory) => memory.read(buffer),
            OverflowPlace::File(file) => file.read(buffer),
        }
    }
}

impl Write for OverflowFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room(bytes.len())?;
        match &mut self.place {
            OverflowPlace::Memory(memory) => memory.write(bytes),
            OverflowPlace::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OverflowFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.place {
            OverflowPlace::Memory(memory) => memory.seek(to),
            OverflowPlace::File(file) => file.seek(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(file: &mut OverflowFile) -> Vec<u8> {
        let mut all = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn it_is_the_same_in_memory_and_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        for memory_bytes in [0, 3, 4, 6, 100] {
            let mut file = OverflowFile::new(memory_bytes, Some(dir.path()));
            file.write_all(b"abcd").unwrap();
            file.seek(SeekFrom::Start(2)).unwrap();
            file.write_all(b"xyz").unwrap();
            assert_eq!(read_all(&mut file), b"abxyz", "{memory_bytes}");
            file.cut(1).unwrap();
            assert_eq!(read_all(&mut file), b"a");
            file.write_all(b"bc").unwrap();
            assert_eq!(read_all(&mut file), b"abc");
            assert_eq!(matches!(file.place, OverflowPlace::Memory(_)), memory_bytes >= 6);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nobody_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        for folder in [None, Some(dir.path())] {
            let mode = private_file(folder).unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE);
        }
    }
}
