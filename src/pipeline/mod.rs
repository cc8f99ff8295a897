//! One batch in, one version out.

mod base;
pub mod sources;
mod walk;

pub use base::{BaseReader, read_whole};
pub use walk::{BatchFacts, Counts, MergeSink, Walk};
