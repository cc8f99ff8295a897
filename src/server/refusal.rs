//! A failure as a response, before anything else was sent. Each protocol maps its kind to a status.

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::memory::MemoryError;

/// The message if a request's deadline passed before its response was ready.
pub(super) const LATE: &str = "the deadline passed; the batch may be written all the same: sent \
    again with its sequence or delivery id it changes nothing";

/// The message if a thread ended in the middle of a request.
pub(super) const BUG: &str = "internal error: a bug in nifi-idb";

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// The request cannot be read, or names something invalid.
    BadRequest,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The route, flow, version or record does not exist.
    NotFound,
    /// The route does not take this method.
    WrongMethod,
    /// The guard, or another question for a person.
    Question,
    /// More bytes than a limit, for good.
    TooLarge,
    /// The form of the content is not supported.
    UnsupportedContent,
    /// The content is truncated, or every line is rejected.
    Unprocessable,
    /// The store refuses.
    StoreRefuses,
    /// The store's disk is full.
    NoRoom,
    /// The same request may succeed later.
    Unavailable,
    /// A bug.
    Internal,
}

/// A failure as a response, before anything else was sent.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    /// The reason, for people and logs; without data.
    pub(super) message: String,
    /// The equivalent exit status.
    pub(super) exit: ExitStatus,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        let exit = if kind == RefusalKind::Unavailable {
            ExitStatus::Transient
        } else {
            ExitStatus::Usage
        };
        Self { kind, message: message.into(), exit }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::BadRequest, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Forbidden, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::NotFound, message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Unavailable, message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let kind = if failure.is_no_room {
            RefusalKind::NoRoom
        } else {
            // A failure never has the status of something that is done.
            RefusalKind::of(failure.status).unwrap_or(RefusalKind::Internal)
        };
        Self { kind, message: failure.message, exit: failure.status }
    }
}

/// Work that needs more than the whole budget is too large for good; memory that others hold will be
/// free again.
impl From<MemoryError> for Refusal {
    fn from(error: MemoryError) -> Self {
        let kind = match error {
            MemoryError::Busy => RefusalKind::Unavailable,
            MemoryError::TooLarge { .. } => RefusalKind::TooLarge,
        };
        Self::new(kind, format!("{error} (--max-memory)"))
    }
}

impl RefusalKind {
    /// Returns the kind that an exit status corresponds to; `None` if the batch is done.
    pub(super) fn of(status: ExitStatus) -> Option<Self> {
        Some(match status {
            ExitStatus::Done | ExitStatus::Review => return None,
            ExitStatus::Usage => Self::BadRequest,
            ExitStatus::Transient | ExitStatus::Interrupted | ExitStatus::Terminated => {
                Self::Unavailable
            }
            ExitStatus::Input => Self::Unprocessable,
            ExitStatus::Guard => Self::Question,
            ExitStatus::Refused | ExitStatus::Denied => Self::StoreRefuses,
            ExitStatus::Internal => Self::Internal,
        })
    }
}
