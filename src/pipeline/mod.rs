//! The pipeline: one batch makes one version; a package of FlowFiles makes one version per flow.
//!
//! The command line, HTTP and gRPC all call [`deliver`](crate::pipeline::deliver()) for one
//! FlowFile and [`deliver_package`](crate::pipeline::deliver_package()) for a package. The result
//! does not depend on the caller.
//!
//! [`sync`](crate::pipeline::sync()) reads head, merges the affected object stores, passes new
//! chunks to the store's writer and appends. Only `commit.rs` goes back: after a failed append it
//! reads head again, and accepts, merges again or gives up.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

mod admission;
pub(crate) mod attempt;
pub(crate) mod commit;
mod group;
mod intake;
mod intake_options;
mod likely_cause;
mod log_events;
mod notices;
mod package;
mod pull;
mod rejects;
mod single;
mod staging;
mod verdict;

pub use admission::Admission;
pub use commit::MAX_ATTEMPTS;
pub use intake::{Delivered, deliver, deliver_hearing, disk_status};
pub use intake_options::{IntakeOptions, delivery};
pub use package::{Package, deliver_package};
pub use rejects::{MAX_REJECTED_BYTES, Rejects};
pub use single::sync;
pub use verdict::Review;

use crate::policy::Policy;

/// The meaning of a new epoch of a known source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewEpoch {
    /// The source's view is emptied and its checkpoint reset; nothing is deleted.
    Keep,
    /// Records that are missing in its full batch are deleted.
    Mirror,
}

/// The caller's options for a batch.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The delivery id of an unsequenced batch, by which a repetition is recognized as a replay.
    pub delivery: Option<String>,
    /// The authenticated client, if any; delivery ids are separate for each client.
    pub client: Option<String>,
    /// The plan that the guard permits.
    pub confirm: Option<String>,
    /// The meaning of a new epoch of a known source.
    pub new_epoch: Option<NewEpoch>,
    /// True to plan only, without writing.
    pub dry_run: bool,
    /// True to also report everything that changed since the batch's base, except its source's own
    /// changes.
    pub pull: bool,
    /// True to report no values of other sources: no `change` lines, and `resolved` lines without
    /// the record.
    pub withholds_values: bool,
    /// The time after which no attempt starts, and a running one ends.
    pub deadline: Option<Instant>,
    /// Folder for reports and batches that do not fit into memory; `None`: the system's.
    pub temp_folder: Option<PathBuf>,
    /// The policy that decides conflicts; `None`: the built-in default.
    pub policy: Option<Arc<Policy>>,
}

/// The built-in policy, used without a policy file.
static BUILTIN: LazyLock<Policy> = LazyLock::new(Policy::default);

impl SyncOptions {
    /// Returns the policy file's rules, or the built-in ones.
    pub(crate) fn rules(&self) -> &Policy {
        self.policy.as_deref().unwrap_or(&BUILTIN)
    }
}
