//! [../reference/rules.md#the-guard]: crate::merge#the-guard
//!
#![doc = include_str!("../../doc/internals/format.md")]

pub mod id;
pub mod line;
pub mod manifest;

pub use id::{Digest, FlowName, FlowVersion, RootId, SourceId, StateId};
pub use line::{Line, LineState, Meta, Spilled};
pub use manifest::{ChunkRef, List, Manifest, SpilledRef, StoreManifest};
