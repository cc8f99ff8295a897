//! Why a NiFi did not do what it was asked.

use crate::exit_status::ExitStatus;

/// What a caller does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NifiErrorKind {
    /// It may go away: run it again.
    Transient,
    /// Who asks is not known or not allowed.
    Denied,
    /// A wrong setting, or something that NiFi refuses.
    Refused,
}

/// Cause first; holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NifiError {
    /// What a caller does about it.
    pub kind: NifiErrorKind,
    /// Cause first, then the call.
    pub message: String,
    /// What to do, a line each.
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

    /// How a process ends that cannot go on.
    pub fn exit_status(&self) -> ExitStatus {
        match self.kind {
            NifiErrorKind::Transient => ExitStatus::Transient,
            NifiErrorKind::Denied => ExitStatus::Denied,
            NifiErrorKind::Refused => ExitStatus::Usage,
        }
    }
}
