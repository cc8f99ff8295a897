//! Stage 1: turns bytes into changes and rejections. Keys and values stay raw JSON here; the next
//! stage parses them in full.
//!
//! [changes.md#records]: crate::decode#records
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [imports.md]: crate::decode#files-of-other-programs
//! [limits.md]: crate::limits
//! [rules.md#full-batches]: crate::merge#full-batches
//! [rules.md#what-a-full-batch-does-not-delete]: crate::merge#what-a-full-batch-does-not-delete
//!
#![doc = include_str!("../../doc/reference/changes.md")]
#![doc = include_str!("../../doc/reference/imports.md")]

mod built;
mod change;
mod change_source;
mod decoder;
mod dialect;
mod document_walk;
mod error;
mod extended_json;
mod framing;
mod growing;
mod header;
mod header_line;
mod import;
mod incomplete;
mod mark;
mod opened_document;
mod options;
mod own_lines;
mod raw_json;
mod rejected;
mod scan;
mod sniff;
mod staged;
mod structure;
#[cfg(test)]
mod tests;
mod values;

pub use change::{Change, EventNotes, Item, NamedBase, Op, RangeEnd, StreamCounts};
pub use change_source::ChangeSource;
pub use decoder::Decoder;
pub use dialect::{Dialect, DialectSpec};
pub use error::DecodeError;
pub use framing::DEFAULT_MAX_LINE_BYTES;
pub use header::{BatchHeader, MAX_HEADER_BYTES, Mode, Sequence};
pub use incomplete::Incomplete;
pub use options::{DEFAULT_DATABASE, DEFAULT_MAX_CHANGES, Decimals, DecodeOptions};
pub use rejected::rejected_keys;
pub use scan::MAX_DEPTH;
