//! Standard input of the process: it may stall, be cut off, or continue after the command has
//! failed.
//!
//! Measured with NiFi 1.28 and 2.9: a terminated processor leaves the child with an open, silent
//! standard input and no signal. A NiFi that is killed or stopped closes it cleanly in the middle
//! of the data. A child that leaves input unread makes NiFi report a broken pipe. This module
//! handles the three cases by an idle limit, a byte count, and draining.

use std::io::{self, Read, Stdin};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Default limit on the silence of standard input.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);

/// Size of the buffer for draining, in bytes.
const DRAIN_BYTES: usize = 64 * 1024;

/// A fault in the arrival of the input, wrapped in an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StdinError {
    /// The input was silent for too long ([`io::ErrorKind::TimedOut`]).
    #[error("stdin idle: nothing came for {} s after {bytes} bytes, and it is not at its \
        end", limit.as_secs_f64())]
    Idle {
        /// The limit.
        limit: Duration,
        /// The bytes received before.
        bytes: u64,
    },
    /// The deadline of the whole run passed before the end of the input
    /// ([`io::ErrorKind::TimedOut`]).
    #[error("the deadline passed while standard input was read, after {bytes} bytes")]
    Deadline {
        /// The bytes received before.
        bytes: u64,
    },
    /// The number of bytes differs from the announced one ([`io::ErrorKind::UnexpectedEof`] if
    /// there are fewer, otherwise [`io::ErrorKind::InvalidData`]).
    #[error("{found} bytes came, but {expected} were announced")]
    Count {
        /// The announced number of bytes.
        expected: u64,
        /// The number of bytes received.
        found: u64,
    },
}

/// A reader of a file descriptor: standard input, or any pipe, file or socket.
#[derive(Debug)]
pub struct StdinReader<F = Stdin> {
    input: F,
    idle: Option<Duration>,
    deadline: Option<Instant>,
    expected: Option<u64>,
    bytes: u64,
    at_end: bool,
    error: Option<StdinError>,
}

impl StdinReader {
    /// Creates a reader of standard input. It bypasses the standard library's buffer, so nothing
    /// else may read standard input.
    pub fn stdin() -> Self {
        Self::new(io::stdin())
    }
}

impl<F: AsFd> StdinReader<F> {
    /// Creates a reader of any input, with [`DEFAULT_IDLE`] and no announced length.
    pub fn new(input: F) -> Self {
        Self {
            input,
            idle: Some(DEFAULT_IDLE),
            deadline: None,
            expected: None,
            bytes: 0,
            at_end: false,
            error: None,
        }
    }

    /// Sets how long the input may be silent while it is being read. Zero means forever.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit).filter(|limit| !limit.is_zero());
        self
    }

    /// Sets the time at which reading fails, however fast the input arrives. `None` means never.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Announces the number of bytes. Any other number at the end of the input is an error.
    #[must_use]
    pub fn expect_bytes(mut self, expected: u64) -> Self {
        self.expected = Some(expected);
        self
    }

    /// Returns the number of bytes received.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Returns the fault in the arrival of the input, if there was one.
    pub fn error(&self) -> Option<StdinError> {
        self.error
    }

    fn fail(&mut self, kind: io::ErrorKind, error: StdinError) -> io::Error {
        self.error = Some(error);
        io::Error::new(kind, error)
    }

    /// Reads and discards the rest of the input, so that the sender sees no broken pipe. Gives up
    /// when the input is idle. Returns the total number of bytes received. A wrong count is not an
    /// error here, because draining follows another failure.
    pub fn drain(&mut self) -> io::Result<u64> {
        let mut buffer = vec![0; DRAIN_BYTES];
        while !self.at_end {
            self.read_once(&mut buffer)?;
        }
        Ok(self.bytes)
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            match rustix::io::read(&self.input, &mut *buffer) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(0);
                }
                Ok(count) => {
                    self.bytes += count as u64;
                    return Ok(count);
                }
                // On a non-blocking socket or pipe, a read may find no data although poll reported
                // some.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until there is data to read, or the end of the input.
    fn wait(&mut self) -> io::Result<()> {
        // The CLI may read a clock. Only time spent waiting counts as silence, not the time between
        // two reads.
        let silent = self.idle.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Err(
                    self.fail(io::ErrorKind::TimedOut, StdinError::Deadline { bytes: self.bytes })
                );
            }
            // Waits forever without a limit, or with one beyond the range of the clock.
            let first = [silent, self.deadline].into_iter().flatten().min();
            let left = first
                .and_then(|first| Timespec::try_from(first.saturating_duration_since(now)).ok());
            match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], left.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(0) if first == silent => {
                    let limit = self.idle.unwrap_or_default();
                    return Err(self.fail(
                        io::ErrorKind::TimedOut,
                        StdinError::Idle { limit, bytes: self.bytes },
                    ));
                }
                // The deadline passed: the next iteration returns the error.
                Ok(0) => {}
                // Readable, at the end, or broken: the read finds out.
                Ok(_) => return Ok(()),
            }
        }
    }
}

impl<F: AsFd> Read for StdinReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if !self.at_end {
            let count = self.read_once(buffer)?;
            if count > 0 {
                return Ok(count);
            }
        }
        match self.expected {
            Some(expected) if expected != self.bytes => {
                let fewer = self.bytes < expected;
                let kind =
                    if fewer { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
                Err(self.fail(kind, StdinError::Count { expected, found: self.bytes }))
            }
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const SHORT: Duration = Duration::from_millis(60);

    fn cause(error: &io::Error) -> Option<&StdinError> {
        error.get_ref().and_then(|cause| cause.downcast_ref())
    }

    #[test]
    fn pipes_files_and_sockets_are_read_to_their_end() {
        let text = b"x".repeat(300_000);
        let read = |mut reader: StdinReader<std::os::fd::OwnedFd>| {
            let mut found = Vec::new();
            reader.read_to_end(&mut found).unwrap();
            assert_eq!((found.len(), reader.bytes_read()), (text.len(), text.len() as u64));
        };
        std::thread::scope(|scope| {
            let (reader, mut writer) = io::pipe().unwrap();
            scope.spawn(move || writer.write_all(&b"x".repeat(300_000)).unwrap());
            read(StdinReader::new(reader.into()));
            let (reader, mut writer) = UnixStream::pair().unwrap();
            scope.spawn(move || writer.write_all(&b"x".repeat(300_000)).unwrap());
            reader.set_nonblocking(true).unwrap();
            read(StdinReader::new(reader.into()));
        });
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&text).unwrap();
        file.rewind().unwrap();
        read(StdinReader::new(file.into()).expect_bytes(300_000));
    }

    #[test]
    fn a_silent_input_is_an_error_and_a_slow_one_is_not() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"ab").unwrap();
        let mut reader = StdinReader::new(reader).idle(SHORT);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 2);
        let begun = Instant::now();
        let error = reader.read(&mut [0; 9]).unwrap_err();
        assert!(begun.elapsed() >= SHORT);
        assert_eq!(cause(&error), Some(&StdinError::Idle { limit: SHORT, bytes: 2 }));
        assert!(error.to_string().starts_with("stdin idle"));
        assert_eq!(reader.drain().unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);

        let (reader, mut writer) = io::pipe().unwrap();
        let mut reader = StdinReader::new(reader).idle(SHORT * 5);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..8 {
                    std::thread::sleep(SHORT);
                    writer.write_all(b"x").unwrap();
                }
            });
            assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), 8);
        });
    }

    #[test]
    fn no_limit_waits() {
        let (reader, writer) = io::pipe().unwrap();
        let mut reader = StdinReader::new(reader).idle(Duration::ZERO);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(SHORT);
                drop(writer);
            });
            assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
        });
    }

    #[test]
    fn the_announced_length_is_checked_at_the_end_only() {
        for (expected, kind) in [
            (4, None),
            (5, Some(io::ErrorKind::UnexpectedEof)),
            (3, Some(io::ErrorKind::InvalidData)),
        ] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(b"abcd").unwrap();
            drop(writer);
            let mut reader = StdinReader::new(reader).expect_bytes(expected);
            let mut found = Vec::new();
            let result = reader.read_to_end(&mut found);
            assert_eq!(found, b"abcd");
            assert_eq!(result.as_ref().err().map(io::Error::kind), kind);
            if let Err(error) = result {
                assert_eq!(
                    error.to_string(),
                    format!("4 bytes came, but {expected} were announced")
                );
                assert!(reader.read(&mut [0; 9]).is_err(), "the end stays wrong");
            }
            assert_eq!(reader.drain().unwrap(), 4);
        }
    }

    #[test]
    fn draining_takes_all_that_the_sender_has() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut reader = StdinReader::new(reader);
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || writer.write_all(&vec![0; 5_000_000]));
            assert!(reader.read(&mut [0; 9]).is_ok());
            assert_eq!(reader.drain().unwrap(), 5_000_000);
            assert!(sender.join().unwrap().is_ok());
        });
    }
}
