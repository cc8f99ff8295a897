//! FlowFile in → decode → normalize → merge → chunk → snapshot store → report out.

/// The words: keys, values and schema of IndexedDB, in one canonical form.
pub mod indexeddb;
