//! Errors of snapshot stores: the kind, which determines the caller's reaction, what was attempted on
//! which object, and the cause.

use crate::exit_status::ExitStatus;

/// The kind of a store error, which determines the caller's reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// May go away without intervention: unreachable, busy, timed out.
    Transient,
    /// Not allowed: credentials missing, wrong, or without the right.
    Denied,
    /// Wrong configuration: no such path, not a URL, a certificate that cannot be read.
    Configuration,
    /// Stored bytes that do not match their digest, or are missing.
    Damaged,
    /// No room for more: a full disk, a quota, a limit on the size of files, a read-only file
    /// system. Not the batch's fault.
    NoRoom,
    /// Refused for good: too large, an orphaned version number, a name that something else has.
    Refused,
}

/// A failed call to a store: its kind, what was attempted on which object, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The kind, which determines the caller's reaction.
    pub kind: StoreErrorKind,
    /// Cause first, the object by name; no data, no credentials.
    pub message: String,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a deeper cause.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause to the error and its message.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.message = format!("{}: {source}", self.message);
        self.source = Some(source);
        self
    }

    /// The exit status of a run that ends with this error.
    pub fn exit_status(&self) -> ExitStatus {
        match self.kind {
            StoreErrorKind::Transient => ExitStatus::Transient,
            StoreErrorKind::Denied => ExitStatus::Denied,
            StoreErrorKind::Configuration => ExitStatus::Usage,
            StoreErrorKind::Damaged | StoreErrorKind::NoRoom | StoreErrorKind::Refused => {
                ExitStatus::Refused
            }
        }
    }
}
