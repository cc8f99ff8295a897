//! FlowFiles, which have content and attributes, and the package format that carries both.
//!
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [exit-status.md]: crate::exit_status
//! [imports.md]: crate::decode
//! [limits.md]: crate::limits
//!
#![doc = include_str!("../../doc/reference/flowfiles.md")]

mod attributes;
pub mod names;
mod package;

pub use attributes::Attributes;
pub use package::{
    AttributeLimitError, Head, MAGIC, MAX_ATTRIBUTES, MAX_FLOWFILES, MAX_HEAD_BYTES,
    MAX_NAME_BYTES, MAX_STREAM_HEAD_BYTES, MAX_VALUE_BYTES, MEDIA_TYPE, PackageError,
    PackageReader, check_attributes, sniff, write_head,
};
