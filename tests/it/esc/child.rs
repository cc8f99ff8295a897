//! One child process: three threads at its pipes, as NiFi has them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::program::HANG;

/// What becomes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// All of it is written, and the pipe is closed.
    Whole,
    /// NiFi dies after that many bytes: the pipe is closed as if that were all, and nobody reads standard output.
    Cut(usize),
    /// Terminate after that many bytes: no signal, and the pipe stays open and silent.
    Silent(usize),
}

/// A child that is running.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Ends with the error that NiFi would put on its bulletin board.
    writer: JoinHandle<Option<String>>,
    reader: JoinHandle<Vec<u8>>,
    err: File,
    /// The end of the pipe that Terminate leaves open.
    held: Option<ChildStdin>,
    started: Instant,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    /// All of it: NiFi keeps the first 4,000 bytes.
    pub(crate) err: String,
    /// "Failed to write FlowFile to Standard Input Stream".
    pub(crate) broken_pipe: Option<String>,
    pub(crate) took: Duration,
}

impl Running {
    /// Starts it. An error is what makes NiFi roll back: the FlowFile stays where it was.
    pub(crate) fn start(
        mut command: Command,
        content: Vec<u8>,
        input: Input,
    ) -> std::io::Result<Self> {
        let err = tempfile::tempfile()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(err.try_clone()?);
        let mut child = command.spawn()?;
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let started = Instant::now();
        let write = |mut stdin: ChildStdin, content: Vec<u8>| {
            thread::spawn(move || stdin.write_all(&content).err().map(|error| error.to_string()))
        };
        let read = |mut stdout: ChildStdout| {
            thread::spawn(move || {
                let mut out = Vec::new();
                stdout.read_to_end(&mut out).unwrap();
                out
            })
        };
        let nothing = || thread::spawn(Vec::new);
        let (writer, reader, held) = match input {
            Input::Whole => (write(stdin, content), read(stdout), None),
            Input::Cut(bytes) => {
                // First the reader: then the order in which a dying process closes its pipes does not matter.
                drop(stdout);
                (write(stdin, content[..bytes].to_vec()), nothing(), None)
            }
            Input::Silent(bytes) => {
                stdin.write_all(&content[..bytes]).unwrap();
                (thread::spawn(|| None), read(stdout), Some(stdin))
            }
        };
        Ok(Self { child, writer, reader, err, held, started })
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// NiFi has ended: the pipe that it had left open is closed.
    pub(crate) fn release(mut self) -> Self {
        self.held = None;
        self
    }

    /// Waits until it has ended by itself; NiFi sets no limit, this does.
    pub(crate) fn end(mut self) -> Ended {
        while self.is_alive() {
            if self.started.elapsed() > HANG {
                let _ = self.child.kill();
                panic!("a child hangs: {:?}", self.child);
            }
            thread::sleep(Duration::from_millis(2));
        }
        let took = self.started.elapsed();
        let status = self.child.wait().unwrap();
        let (out, broken_pipe) = (self.reader.join().unwrap(), self.writer.join().unwrap());
        let mut err = String::new();
        self.err.seek(SeekFrom::Start(0)).unwrap();
        self.err.read_to_string(&mut err).expect("standard error is UTF-8");
        Ended { status, out, err, broken_pipe, took }
    }
}
