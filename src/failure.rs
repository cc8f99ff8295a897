//! The reason why a command or request failed, for people and for a flow's attributes. Contains no
//! data and no secrets.

use std::io;

use crate::exit_status::ExitStatus;
use crate::store::{StoreError, StoreErrorKind};

/// The reason why a command failed, for people. Contains no data and no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit status of the process.
    pub status: ExitStatus,
    /// The message, cause first.
    pub message: String,
    /// The next steps, one per line.
    pub hints: Vec<String>,
    /// The store's disk takes no more: it will when somebody has made room.
    pub is_no_room: bool,
}

impl Failure {
    /// Creates a failure without hints.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hints: Vec::new(), is_no_room: false }
    }

    /// Creates the failure for a wrong flag or setting.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// Adds a line with a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Creates the failure of standard output, which was closed, or is a file on a full disk.
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
        let is_no_room = error.kind == StoreErrorKind::NoRoom;
        Self { is_no_room, ..Self::new(error.exit_status(), error.to_string()) }
    }
}
