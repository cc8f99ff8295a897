//! Draining unread standard input, and the file of `--rejects`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stdin::StdinReader;
use crate::failure::Failure;
use crate::pipeline::{Rejects, disk_status};
use crate::rejection::{RejectedText, Rejection};

/// After a usage error, standard input is drained until it has been silent for this long.
const USAGE_IDLE: Duration = Duration::from_secs(5);

/// Mode of report and reject files: they contain data, so only the owner may read them.
const PRIVATE: u32 = 0o600;

/// Discards standard input, so that a NiFi that pipes into the process gets the exit status instead
/// of a broken pipe.
pub(super) fn drain_stdin() {
    if !io::stdin().is_terminal() {
        // A failure is about to be reported already; an error here would add nothing.
        let _ = StdinReader::stdin().idle(USAGE_IDLE).drain();
    }
}

/// Opens an option's file, truncated and readable by its owner only.
pub(super) fn private_file(path: &Path, option: &str) -> Result<File, Failure> {
    let open = || {
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(path)?;
        if file.metadata()?.is_file() {
            // An existing file may have been readable by everyone.
            file.set_permissions(Permissions::from_mode(PRIVATE))?;
        }
        Ok(file)
    };
    open()
        .map_err(|error: io::Error| Failure::usage(format!("{option} {}: {error}", path.display())))
}

/// The file of `--rejects`.
#[derive(Debug)]
pub(super) struct RejectsFile {
    path: PathBuf,
    out: BufWriter<File>,
    /// The write error that made the batch fail.
    error: Option<io::Error>,
}

impl RejectsFile {
    /// Opens the file.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let file = private_file(path, "--rejects")?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), error: None })
    }

    /// Returns the failure of the batch, if writing this file caused it.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        let error = self.error.take()?;
        Some(Failure::new(
            disk_status(&error),
            format!("--rejects {}: {error}", self.path.display()),
        ))
    }

    fn failed(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.error = Some(error);
        kind.into()
    }
}

impl Rejects for Option<RejectsFile> {
    fn header(&mut self, line: &str) -> io::Result<()> {
        let Some(file) = self else { return Ok(()) };
        writeln!(file.out, "{line}").map_err(|error| file.failed(error))
    }

    fn hear(&mut self, rejection: &Rejection, text: &mut RejectedText<'_>) -> io::Result<()> {
        let Some(file) = self else { return Ok(()) };
        rejection.write_with_text(text, &mut file.out).map_err(|error| file.failed(error))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(file) = self else { return Ok(()) };
        file.out.flush().map_err(|error| file.failed(error))
    }
}
