//! Why something ended without success: for people and for a flow's attributes, without data and secrets.

use std::io;

use crate::exit_status::ExitStatus;
use crate::store::StoreError;

/// Why a command ends without success: for people, without data and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub status: ExitStatus,
    /// Cause first.
    pub message: String,
    /// What to do about it, a line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hints: Vec::new() }
    }

    /// A wrong flag or setting.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Standard output could not be written: it was closed, or is a file on a full disk.
    pub fn output(error: &io::Error) -> Self {
        let failure = Self::new(ExitStatus::Transient, format!("standard output: {error}"));
        if error.kind() == io::ErrorKind::BrokenPipe {
            return failure.hint("whoever reads the report stopped before its end; run it again");
        }
        failure
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.exit_status(), error.to_string())
    }
}
