//! The reasons why a stream cannot be decoded. The batch fails and nothing is written.

use std::io;

use crate::exit_status::ExitStatus;

/// The error that ends a stream. The caller then drains the reader, so that the sender's pipe does
/// not break.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stream ends before its batch does.
    #[error("the input ends after line {line}: {what}; send it again, whole")]
    Truncated {
        /// The last line of the stream.
        line: u64,
        /// The missing part.
        what: &'static str,
    },
    /// The stream ends inside something that spans lines.
    #[error("the input ends inside {what} that begins in line {line}; send it again, whole")]
    Unclosed {
        /// The line in which it begins.
        line: u64,
        /// The unclosed part.
        what: &'static str,
    },
    /// The stream does not have the form of a batch.
    #[error("line {line} (byte {offset}): {what}")]
    Framing {
        /// The number of the line, from 1; 0 if the error is not about a line.
        line: u64,
        /// The offset of its first byte.
        offset: u64,
        /// The fault and what to do; nothing of the line's content.
        what: String,
    },
    /// The header names another source than the options.
    #[error("the input's header and the options name another source")]
    OtherSource,
    /// The header does not have the form described in `doc/reference/changes.md`.
    #[error("the header (line {line}): {member}: {expected}")]
    Header {
        /// The number of the line, from 1.
        line: u64,
        /// The member, in printable ASCII only.
        member: String,
        /// The expected value.
        expected: String,
    },
    /// Options are missing, or contradict each other or the header.
    #[error("{0}")]
    Usage(String),
    /// The batch has more lines than the limit.
    #[error("more than {limit} lines; send it in parts, or raise the limit")]
    TooMany {
        /// The limit.
        limit: u64,
    },
    /// A temporary file could not be written or read back.
    #[error("temporary file of the input (see --temp-dir): {0}")]
    Temporary(io::Error),
    /// Reading failed, timed out, or returned another number of bytes than was announced.
    #[error("cannot read the input: {0}")]
    Io(#[from] io::Error),
}

impl DecodeError {
    /// Returns the exit status for the error: usage 2, a temporary file 4, everything else 5.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) | Self::OtherSource => ExitStatus::Usage,
            Self::Temporary(_) => ExitStatus::Transient,
            _ => ExitStatus::Input,
        }
    }
}
