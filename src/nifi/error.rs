//! The reason why NiFi did not do what it was asked to do.

use crate::exit_status::ExitStatus;

/// The kind of an error, by what the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NifiErrorKind {
    /// Possibly temporary: run it again.
    Transient,
    /// The caller is unknown or not allowed to do this.
    Denied,
    /// A setting is wrong, or NiFi refuses the request.
    Refused,
}

/// An error of NiFi. Contains no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NifiError {
    /// The kind.
    pub kind: NifiErrorKind,
    /// The message: the cause, then the call.
    pub message: String,
    /// The next steps, one per line.
    pub hints: Vec<String>,
}

impl NifiError {
    pub(super) fn new(kind: NifiErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(NifiErrorKind::Refused, message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the exit status of a process that fails with this error.
    pub fn exit_status(&self) -> ExitStatus {
        match self.kind {
            NifiErrorKind::Transient => ExitStatus::Transient,
            NifiErrorKind::Denied => ExitStatus::Denied,
            NifiErrorKind::Refused => ExitStatus::Usage,
        }
    }
}
