//! Everything that is stored: its format byte for byte, and its types.
//!
//! [../reference/changes.md]: crate::decode
//! [../reference/rules.md]: crate::merge
//! [../reference/rules.md#the-guard]: crate::merge#the-guard
//!
#![doc = include_str!("../../doc/internals/format.md")]

mod conflict;
mod conflict_type;
pub mod deletion_run;
mod deliveries;
mod delivery;
pub mod id;
pub mod line;
pub mod logged_conflict;
pub mod manifest;
pub mod retention;
mod sealed_manifest;
pub mod sources;

pub use conflict::{Conflict, FieldDecision, Side, Winner};
pub use conflict_type::ConflictType;
pub use id::{Digest, FlowName, FlowVersion, RootId, SourceId, StateId};
pub use line::{Line, LineState, Meta, Spilled};
pub use manifest::{ChunkRef, List, Manifest, SpilledRef, StoreManifest};
pub use sealed_manifest::SealedManifest;
