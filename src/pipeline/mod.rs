//! One batch in, one version out.
//!
//! [`sync`](crate::pipeline::sync()) reads head, merges what the batch touches, gives new chunks to the store's writer and appends. Only
//! `commit.rs` goes back: after a failed append it reads head again, and accepts, merges again or gives up.

use std::time::Instant;

mod base;
mod commit;
mod error;
mod guard;
mod recorder;
mod schema;
pub mod sources;
mod sync;
mod view;
mod walk;

pub use base::{BaseReader, read_whole};
pub use commit::{MAX_ATTEMPTS, sync};
pub use error::SyncError;
pub use guard::{MAX_DELETES, MAX_DELETES_PERCENT};
pub use walk::Counts;

/// What a known source's new epoch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewEpoch {
    /// Its view is emptied and its checkpoint reset; nothing is deleted.
    Keep,
    /// What is missing in its full batch is deleted.
    Mirror,
}

/// What a caller says beside the batch.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Names the delivery of an unnumbered batch, so that a second one is a replay.
    pub delivery: Option<String>,
    /// The plan that the guard may let through.
    pub confirm: Option<String>,
    /// What a new epoch of a known source means.
    pub new_epoch: Option<NewEpoch>,
    /// Plan only: nothing is written.
    pub dry_run: bool,
    /// No attempt begins after this.
    pub deadline: Option<Instant>,
}
