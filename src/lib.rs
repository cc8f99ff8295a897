//! FlowFile in → decode → normalize → merge → chunk → snapshot store → report out.

pub mod exit_status;

/// The words: keys, values and schema of IndexedDB, in one canonical form.
pub mod indexeddb;

/// Stage 4: sorted entries to chunks, and back.
pub mod chunk;

/// What one version contains, and its page: `FORMAT.md`.
pub mod snapshot;

/// Stage 5: where versions are kept.
pub mod store;
