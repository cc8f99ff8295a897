//! FlowFile in → decode → normalize → merge → chunk → snapshot store → report out.

pub mod exit_status;

/// One refused line and why.
pub mod rejection;

/// The command line: flags to library calls, and what only the process's edge does.
pub mod cli;

/// What flags and environment say about the snapshot store: checked once, then read-only.
pub mod config;

/// Stage 1: turns bytes into changes; its page is `CHANGES.md`.
pub mod decode;

/// The words: keys, values and schema of IndexedDB, in one canonical form.
pub mod indexeddb;

/// Stage 2: gives each change its key and one canonical value, sorted and folded.
pub mod normalize;

/// Stage 3: base, head and incoming to one outcome, and its page: `RULES.md`.
pub mod merge;

/// Stage 4: sorted entries to chunks, and back.
pub mod chunk;

/// Joins stages 1 to 6: one batch in, one version out.
pub mod pipeline;

/// All that reads versions: restore, show, log, verify.
pub mod history;

/// Stage 6: what happened to every record and to the batch.
pub mod report;

/// What one version contains, and its page: `FORMAT.md`.
pub mod snapshot;

/// Stage 5: where versions are kept.
pub mod store;
