//! Runs `nifi-idb` itself against a Registry.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

/// `nifi-idb` with a command and a store.
pub(crate) fn nifi_idb(command: &str, url: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_nifi-idb"));
    program.args([command, "--store", url, "--flow", "shop"]);
    program
}

/// `nifi-idb sync` of bare records with their keys in `id`.
pub(crate) fn sync(url: &str) -> Command {
    let mut program = nifi_idb("sync", url);
    program.args([
        "--database",
        "shop",
        "--object-store",
        "data",
        "--key-path",
        "id",
        "--deadline",
        "5m",
    ]);
    program
}

/// A running program whose input is being written.
pub(crate) struct Running {
    child: Child,
    input: JoinHandle<io::Result<()>>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// The last line of standard output: the summary.
    pub(crate) summary: String,
    /// The first line of standard error.
    pub(crate) cause: String,
}

/// Starts it, and writes its input from a thread.
pub(crate) fn start(
    mut program: Command,
    input: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Running {
    let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("nifi-idb starts");
    let stdin = child.stdin.take().expect("standard input is a pipe");
    let input = thread::spawn(move || {
        let mut stdin = io::BufWriter::with_capacity(1 << 20, stdin);
        input(&mut stdin)?;
        stdin.flush()
    });
    Running { child, input }
}

impl Running {
    /// Waits for its end; it has to have read all of its input.
    pub(crate) fn end(self) -> Ended {
        let output = self.child.wait_with_output().expect("nifi-idb ends");
        let written = self.input.join().expect("the input is written");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        written.unwrap_or_else(|error| {
            panic!("standard input was not read to its end: {error}\n{err}")
        });
        let line = |line: Option<&str>| line.unwrap_or_default().to_owned();
        Ended {
            code: output.status.code(),
            summary: line(out.lines().last()),
            cause: line(err.lines().next()),
        }
    }
}

/// Syncs records to the end.
pub(crate) fn run(url: &str, records: String) -> Ended {
    start(sync(url), move |stdin| stdin.write_all(records.as_bytes())).end()
}
