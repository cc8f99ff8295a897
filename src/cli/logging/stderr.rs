//! Writing of log lines to standard error: never fails, never waits for long.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// Time to wait for whoever reads standard error. Then lines are dropped until it reads again.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Bytes that a pipe takes without blocking once it is ready for any (`PIPE_BUF` on Linux).
const PIECE_BYTES: usize = 4096;

/// A writer of log lines.
#[derive(Clone)]
pub(super) struct LogWriter {
    state: Arc<Mutex<ReaderState>>,
    /// Returns the line that reports a number of dropped lines.
    notice: fn(u64) -> String,
}

/// The state of whoever reads standard error.
#[derive(Default)]
struct ReaderState {
    /// It has not read for [`MAX_WAIT`]; the next line does not wait.
    is_stalled: bool,
    /// The last line was written in part, so the next one begins with a line feed.
    is_torn: bool,
    /// Number of lines lost since the last one that was written.
    dropped: u64,
}

impl LogWriter {
    /// Creates the writer. `notice` makes the line that reports a number of dropped lines.
    pub(super) fn new(notice: fn(u64) -> String) -> Self {
        Self { state: Arc::default(), notice }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogWriter {
    /// Writes one line. It counts as written even if it is dropped: the work must not fail because
    /// its log does.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.write_line(line, self.notice);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ReaderState {
    fn write_line(&mut self, line: &[u8], notice: fn(u64) -> String) {
        let mut text = Vec::with_capacity(line.len() + 1);
        if self.is_torn {
            text.push(b'\n');
        }
        if self.dropped > 0 {
            text.extend_from_slice(notice(self.dropped).as_bytes());
            text.push(b'\n');
        }
        // A value with a line feed must not look like two lines.
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        text.extend(body.iter().map(|&byte| if byte.is_ascii_control() { b' ' } else { byte }));
        text.push(b'\n');
        let mut stderr = io::stderr().lock();
        for (number, piece) in text.chunks(PIECE_BYTES).enumerate() {
            if !self.wait() || stderr.write_all(piece).is_err() {
                self.is_torn |= number > 0;
                self.dropped += 1;
                return;
            }
        }
        *self = Self::default();
    }

    /// Waits until standard error takes [`PIECE_BYTES`]. Returns false if it does not in time.
    fn wait(&mut self) -> bool {
        let wait = if self.is_stalled { Duration::ZERO } else { MAX_WAIT };
        let stderr = io::stderr();
        let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        // An error of `poll` says nothing about standard error, so the write is tried.
        self.is_stalled = matches!(poll(&mut fds, Some(&timeout)), Ok(0));
        !self.is_stalled
    }
}
