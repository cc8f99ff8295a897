//! One batch in, one version out; or many FlowFiles in, one version a flow out.
//!
//! Every edge (standard input, HTTP, gRPC) calls [`deliver`](crate::pipeline::deliver()) for one FlowFile and
//! [`deliver_package`](crate::pipeline::deliver_package()) for a package; what they give is the same whoever called.
//!
//! [`sync`](crate::pipeline::sync()) reads head, merges what the batch touches, gives new chunks to the store's writer and appends. Only
//! `commit.rs` goes back: after a failed append it reads head again, and accepts, merges again or gives up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

mod admission;
mod base;
mod commit;
mod conflict_log;
pub mod conflicts;
mod deliveries;
mod error;
mod group;
mod guard;
mod intake;
mod likely_cause;
mod lookup;
mod merging;
mod notices;
mod own;
mod package;
mod pull;
mod recorder;
pub mod resolve;
pub mod retention;
mod rules;
pub mod run;
mod schema;
mod single;
pub mod sources;
mod staging;
mod sync;
mod unique;
mod view;
mod walk;

pub use admission::Admission;
pub use base::{BaseReader, read_whole};
pub use commit::MAX_ATTEMPTS;
pub use error::SyncError;
pub use guard::{MAX_BULK_DELETES, MAX_DELETES, MAX_DELETES_BY_HAND, MAX_DELETES_PERCENT, RUN_MS};
pub use intake::{Delivered, IntakeOptions, Rejects, Review, deliver, deliver_hearing, delivery, disk_status};
pub use package::{Package, deliver_package};
pub use single::sync;
pub use walk::Counts;

use crate::policy::Policy;

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
    /// Who delivers, where that was proved: names of deliveries count for each client apart.
    pub client: Option<String>,
    /// The plan that the guard may let through.
    pub confirm: Option<String>,
    /// What a new epoch of a known source means.
    pub new_epoch: Option<NewEpoch>,
    /// Plan only: nothing is written.
    pub dry_run: bool,
    /// Also report everything that changed after the batch's base and was not its source's own change.
    pub pull: bool,
    /// Name no value that another source wrote: no lines `change`, and lines `resolved` without their record.
    pub withholds_values: bool,
    /// No attempt begins after this, and one that is under way ends.
    pub deadline: Option<Instant>,
    /// Folder for reports and batches that do not fit in memory; `None`: the system's.
    pub temp_folder: Option<PathBuf>,
    /// What decides conflicts; `None`: the built-in default.
    pub policy: Option<Arc<Policy>>,
}
