//! Standard input that nobody reads, and the file of `--rejects`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stdin::StdinReader;
use crate::failure::Failure;
use crate::pipeline::{Rejects, disk_status};
use crate::rejection::{RejectedText, Rejection};

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

/// Opens the file of an option, empty and readable by its owner only.
pub(super) fn private_file(path: &Path, option: &str) -> Result<File, Failure> {
    let open = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(path)?;
        if file.metadata()?.is_file() {
            // It may have been there, readable by all.
            file.set_permissions(Permissions::from_mode(PRIVATE))?;
        }
        Ok(file)
    };
    open().map_err(|error: io::Error| Failure::usage(format!("{option} {}: {error}", path.display())))
}

/// The file of `--rejects`.
#[derive(Debug)]
pub(super) struct RejectsFile {
    path: PathBuf,
    out: BufWriter<File>,
    /// It could not be written: why the batch failed.
    error: Option<io::Error>,
}

impl RejectsFile {
    /// Opens the file.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let file = private_file(path, "--rejects")?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), error: None })
    }

    /// Why the batch failed, if it was the file.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        let error = self.error.take()?;
        Some(Failure::new(disk_status(&error), format!("--rejects {}: {error}", self.path.display())))
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
