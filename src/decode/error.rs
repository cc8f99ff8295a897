//! Why a stream cannot be decoded: the batch fails and nothing is written.

use std::io;

use crate::exit_status::ExitStatus;

/// What ends a stream. The caller drains the reader after it, so that the sender sees no broken pipe.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stream ends before its batch does.
    #[error("the input ends after line {line}: {what}; send it again, whole")]
    Truncated {
        /// The last line there is.
        line: u64,
        /// What is missing.
        what: &'static str,
    },
    /// The stream ends inside something that spans lines.
    #[error("the input ends inside {what} that begins in line {line}; send it again, whole")]
    Unclosed {
        /// The line in which it begins.
        line: u64,
        /// What it is.
        what: &'static str,
    },
    /// The stream is not what a batch looks like.
    #[error("line {line} (byte {offset}): {what}")]
    Framing {
        /// Number of the line, from 1; 0 where it is not about a line.
        line: u64,
        /// Offset of its first byte.
        offset: u64,
        /// What is wrong and what to do; nothing of what the line holds.
        what: String,
    },
    /// The header names another source than the options.
    #[error("the input's header and the options name another source")]
    OtherSource,
    /// The header is not one that `CHANGES.md` describes.
    #[error("the header (line {line}): {member}: {expected}")]
    Header {
        /// Number of the line, from 1.
        line: u64,
        /// The member, printable ASCII only.
        member: String,
        /// What it should be.
        expected: String,
    },
    /// Options are missing, or contradict each other or the header.
    #[error("{0}")]
    Usage(String),
    /// More lines than the limit.
    #[error("more than {limit} lines; send it in parts, or raise the limit")]
    TooMany {
        /// The limit.
        limit: u64,
    },
    /// A temporary file could not be written or read back.
    #[error("temporary file of the input (see --temp-dir): {0}")]
    Temporary(io::Error),
    /// Reading failed, stood still too long, or gave another number of bytes than was announced.
    #[error("cannot read the input: {0}")]
    Io(#[from] io::Error),
}

impl DecodeError {
    /// How the process ends for it: usage 2, a temporary file 4, everything else 5.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) | Self::OtherSource => ExitStatus::Usage,
            Self::Temporary(_) => ExitStatus::Transient,
            _ => ExitStatus::Input,
        }
    }
}
