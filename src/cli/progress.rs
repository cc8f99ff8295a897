//! A progress line on a terminal for input that takes long.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// Delay before the count is first shown, and between updates.
const EVERY: Duration = Duration::from_secs(1);

/// A reader that counts the bytes passing through it.
pub(super) struct Progress<R> {
    reader: R,
    bytes: u64,
    /// Time of the next update; `None` if standard error is not a terminal.
    next: Option<Instant>,
    shown: bool,
}

impl<R> Progress<R> {
    /// Wraps `reader`; shows progress only if standard error is a terminal.
    pub(super) fn new(reader: R) -> Self {
        let next = io::stderr().is_terminal().then(|| Instant::now() + EVERY);
        Self { reader, bytes: 0, next, shown: false }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes += count as u64;
        if let Some(next) = self.next
            && Instant::now() >= next
        {
            self.next = Some(next + EVERY);
            self.shown = true;
            // An error means that the terminal was closed, so nobody misses the line.
            let _ = write!(io::stderr(), "\r{} MB read", self.bytes / 1_000_000);
        }
        Ok(count)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:30}\r", "");
        }
    }
}
