//! The reasons why a batch made no version.

use std::io;
use std::sync::Arc;

use crate::exit_status::ExitStatus;
use crate::indexeddb::dom_string::DomString;
use crate::report::Outcome;
use crate::snapshot::{FlowName, FlowVersion, SourceId};
use crate::store::{StoreError, StoreErrorKind};

/// The reason why a batch made no version. Nothing of the batch is visible.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A temporary file could not be written or read back.
    #[error("temporary file (see --temp-dir): {0}")]
    Temporary(#[from] io::Error),
    /// Changes between the checkpoint and this batch are missing.
    #[error(
        "gap in the sequence: source {id} is committed up to {checkpoint}, this batch begins at \
         {first}; send what is \
         missing, or a full batch"
    )]
    Gap {
        /// The source.
        id: SourceId,
        /// The last number that was committed.
        checkpoint: u64,
        /// The batch's first number.
        first: u64,
    },
    /// A known source sent a batch with a new epoch.
    #[error(
        "source {id} was known in epoch {known}, this batch is of epoch {epoch}: its history \
         changed; run again with \
         --new-epoch keep (nothing is deleted) or --new-epoch mirror (what is missing in this \
         batch is deleted)"
    )]
    Epoch {
        /// The source.
        id: SourceId,
        /// The stored epoch.
        known: String,
        /// The batch's epoch.
        epoch: String,
    },
    /// The batch's base is a version that the flow does not have.
    #[error(
        "the batch's base is version {base}, but {flow} has {head}: the source knows another \
         history; check bucket and flow, \
         or send a full batch without a base"
    )]
    Diverged {
        /// The base version of the batch.
        base: FlowVersion,
        /// The flow.
        flow: FlowName,
        /// The existing versions.
        head: String,
    },
    /// A base names a version with a state that the version does not have.
    #[error(
        "version {base} of {flow} has not the state that the batch names as its base: the source \
         knows another history, \
         as after a restored backup; check bucket and flow, or send a full batch without a base"
    )]
    OtherState {
        /// The version.
        base: FlowVersion,
        /// The flow.
        flow: FlowName,
    },
    /// A delivery id was used again with other content.
    #[error(
        "delivery id {id:?} was used before for other content, so this batch is not a replay, and \
         nothing of it was \
         stored; give every delivery an id of its own"
    )]
    OtherContent {
        /// The id.
        id: String,
    },
    /// The plan deletes too much.
    #[error(
        "guard: this batch would delete {what}; plan={plan} (run again with --confirm {plan} to \
         let exactly this through)"
    )]
    Guard {
        /// The number and kind of the deletions.
        what: String,
        /// Digest of source, batch and deletions.
        plan: String,
    },
    /// The policy refuses the batch.
    #[error(
        "the policy refuses this batch: rule {rule:?}, conflict {kind} in object store {}; change \
         what was sent, or the rule",
        store.to_canonical()
    )]
    Policy {
        /// The object store.
        store: DomString,
        /// The conflict's type.
        kind: &'static str,
        /// The rule.
        rule: Arc<str>,
    },
    /// A record has changed since the conflict that a person decides.
    #[error(
        "the record of conflict {id} changed after it{}{}; see conflicts show, and run again with \
         --even-if-changed to \
         replace what stands (it is kept as a conflict of its own)",
        in_version(*version), and_more(*more)
    )]
    Changed {
        /// The conflict's id.
        id: String,
        /// The version that changed the record, if the record still exists.
        version: Option<FlowVersion>,
        /// Number of other conflicts with such a record.
        more: usize,
    },
    /// The batch does not fit the data of the flow.
    #[error("{0}")]
    Mismatch(String),
    /// No browser can create the batch's schema.
    #[error("{what}")]
    Unmakeable {
        /// The fault, and what to do.
        what: String,
        /// True if options, not the input, describe the object store.
        by_options: bool,
    },
    /// Every attempt lost its race, or the deadline passed.
    #[error("not committed after {attempts} attempts: {last}; try again")]
    Exhausted {
        /// Number of attempts.
        attempts: u32,
        /// The error of the last attempt.
        last: String,
    },
}

fn in_version(version: Option<FlowVersion>) -> String {
    version.map_or_else(String::new, |version| format!(", in version {version}"))
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(", and those of {more} more") }
}

impl SyncError {
    /// Returns the exit status of the process.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Store(error) => error.exit_status(),
            Self::Temporary(_) | Self::Gap { .. } | Self::Exhausted { .. } => ExitStatus::Transient,
            Self::Epoch { .. }
            | Self::Guard { .. }
            | Self::Diverged { .. }
            | Self::OtherState { .. }
            | Self::Changed { .. }
            | Self::Policy { .. } => ExitStatus::Guard,
            Self::Mismatch(_)
            | Self::OtherContent { .. }
            | Self::Unmakeable { by_options: true, .. } => ExitStatus::Usage,
            Self::Unmakeable { by_options: false, .. } => ExitStatus::Input,
        }
    }

    /// True if the error is about the store or this machine, so that other batches would fail too.
    pub(crate) fn concerns_all(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Temporary(_) | Self::Exhausted { .. })
    }

    /// Returns the outcome for the summary.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Gap { .. }
            | Self::Epoch { .. }
            | Self::Guard { .. }
            | Self::Diverged { .. }
            | Self::OtherState { .. }
            | Self::Policy { .. }
            | Self::Changed { .. }
            | Self::Unmakeable { .. }
            | Self::OtherContent { .. }
            | Self::Mismatch(_) => Outcome::Refused,
            Self::Store(error)
                if matches!(error.kind, StoreErrorKind::NoRoom | StoreErrorKind::Refused) =>
            {
                Outcome::Refused
            }
            _ => Outcome::Failed,
        }
    }
}
