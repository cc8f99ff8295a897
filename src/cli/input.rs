//! Reads standard input into a batch, and keeps what was rejected on the way.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::progress::Progress;
use super::stdin::{StdinError, StdinReader};
use crate::decode::{DecodeError, DecodeOptions, Decoder};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::normalize::{Batch, NormalizeError, NormalizeOptions, normalize};
use crate::rejection::Rejection;
use crate::report::ReportLines;

/// After a wrong command line, standard input is drained until it has been silent for this long.
const USAGE_IDLE: Duration = Duration::from_secs(5);

/// Report and reject files are data: nobody else may read them.
const PRIVATE: u32 = 0o600;

/// Throws standard input away, so that a NiFi that pipes into us sees our exit status and no broken pipe.
pub(super) fn drain_stdin() {
    if !io::stdin().is_terminal() {
        // There is a failure to be told already; this one adds nothing.
        let _ = StdinReader::stdin().idle(USAGE_IDLE).drain();
    }
}

/// What was rejected: lines for the report, and for the file of `--rejects`.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    /// Lines for the report.
    pub(super) lines: ReportLines,
    file: Option<RejectsFile>,
}

#[derive(Debug)]
struct RejectsFile {
    path: PathBuf,
    out: BufWriter<File>,
    /// It could not be written: why the batch failed.
    error: Option<io::Error>,
}

impl Rejects {
    /// Opens the file, empty and readable by its owner only.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let file = path.map(|path| {
            let open = || {
                let file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(path)?;
                if file.metadata()?.is_file() {
                    // It may have been there, readable by all.
                    file.set_permissions(Permissions::from_mode(PRIVATE))?;
                }
                Ok(RejectsFile { path: path.to_owned(), out: BufWriter::new(file), error: None })
            };
            open().map_err(|error: io::Error| Failure::usage(format!("--rejects {}: {error}", path.display())))
        });
        Ok(Self { lines: ReportLines::default(), file: file.transpose()? })
    }

    fn push(&mut self, rejection: &Rejection) -> io::Result<()> {
        let line = rejection.to_json();
        self.lines.push(&line)?;
        let Some(file) = &mut self.file else { return Ok(()) };
        writeln!(file.out, "{line}").map_err(|error| file.failed(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.out.flush().map_err(|error| file.failed(error))
    }

    /// Why the batch failed, if it was the file.
    fn failure(&mut self) -> Option<Failure> {
        let file = self.file.as_mut()?;
        let error = file.error.take()?;
        Some(Failure::new(disk_status(&error), format!("--rejects {}: {error}", file.path.display())))
    }
}

impl RejectsFile {
    fn failed(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.error = Some(error);
        kind.into()
    }
}

/// A full disk may be emptied; a folder that is not there is a wrong setting.
fn disk_status(error: &io::Error) -> ExitStatus {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => ExitStatus::Usage,
        _ => ExitStatus::Transient,
    }
}

/// Reads all of `input`. After a failure it is drained.
pub(super) fn read_batch(
    mut input: StdinReader,
    decode: DecodeOptions,
    options: &NormalizeOptions,
    rejects: &mut Rejects,
) -> Result<Batch, Failure> {
    let result = decode_all(&mut input, decode, options, rejects);
    result.map_err(|error| {
        if !is_idle(&error) {
            // A second failure adds nothing to the first.
            let _ = input.drain();
        }
        rejects.failure().unwrap_or_else(|| explain(&error))
    })
}

fn decode_all(
    input: &mut StdinReader,
    decode: DecodeOptions,
    options: &NormalizeOptions,
    rejects: &mut Rejects,
) -> Result<Batch, NormalizeError> {
    let mut decoder = Decoder::open(Progress::new(input), decode)?;
    let batch = normalize(&mut decoder, options, &mut |rejection| rejects.push(rejection))?;
    rejects.flush().map_err(NormalizeError::Temporary)?;
    Ok(batch)
}

fn stdin_error(error: &NormalizeError) -> Option<&StdinError> {
    match error {
        NormalizeError::Decode(DecodeError::Io(error)) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn is_idle(error: &NormalizeError) -> bool {
    matches!(stdin_error(error), Some(StdinError::Idle { .. }))
}

fn explain(error: &NormalizeError) -> Failure {
    let status = match error {
        NormalizeError::Decode(error) => error.exit_status(),
        NormalizeError::Temporary(error) => disk_status(error),
    };
    let failure = Failure::new(status, error.to_string());
    let failure = match stdin_error(error) {
        Some(StdinError::Idle { .. }) => failure.hint("the sender may hang; --idle sets how long silence is borne"),
        Some(StdinError::Count { .. }) => {
            failure.hint("send the input again, whole; --expect-bytes announced its size")
        }
        None => failure,
    };
    if status == ExitStatus::Input { failure.hint("nothing was written") } else { failure }
}
