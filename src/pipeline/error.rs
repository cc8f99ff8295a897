//! Why a batch made no version.

use std::io;
use std::sync::Arc;

use crate::exit_status::ExitStatus;
use crate::indexeddb::dom_string::DomString;
use crate::report::Outcome;
use crate::snapshot::{FlowName, FlowVersion, SourceId};
use crate::store::{StoreError, StoreErrorKind};

/// Why a batch made no version. Nothing of it is visible.
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
        "gap in the sequence: source {id} is committed up to {checkpoint}, this batch begins at {first}; send what is \
         missing, or a full batch"
    )]
    Gap {
        /// The source.
        id: SourceId,
        /// The last number that was committed.
        checkpoint: u64,
        /// The batch's first.
        first: u64,
    },
    /// A known source came with a history of its own.
    #[error(
        "source {id} was known in epoch {known}, this batch is of epoch {epoch}: its history changed; run again with \
         --new-epoch keep (nothing is deleted) or --new-epoch mirror (what is missing in this batch is deleted)"
    )]
    Epoch {
        /// The source.
        id: SourceId,
        /// The epoch that is stored.
        known: String,
        /// The batch's.
        epoch: String,
    },
    /// The batch started from a version that the flow has not got.
    #[error(
        "the batch's base is version {base}, but {flow} has {head}: the source knows another history; check bucket and flow, \
         or send a full batch without a base"
    )]
    Diverged {
        /// What the batch says.
        base: FlowVersion,
        /// The flow.
        flow: FlowName,
        /// What there is.
        head: String,
    },
    /// A base names a version with a state that it has not got.
    #[error(
        "version {base} of {flow} has not the state that the batch names as its base: the source knows another history, \
         as after a restored backup; check bucket and flow, or send a full batch without a base"
    )]
    OtherState {
        /// The version that is named.
        base: FlowVersion,
        /// The flow.
        flow: FlowName,
    },
    /// A delivery id came again with other content.
    #[error(
        "delivery id {id:?} was used before for other content, so this batch is not a replay, and nothing of it was \
         stored; give every delivery an id of its own"
    )]
    OtherContent {
        /// The id.
        id: String,
    },
    /// The plan deletes too much.
    #[error(
        "guard: this batch would delete {what}; plan={plan} (run again with --confirm {plan} to let exactly this through)"
    )]
    Guard {
        /// How much of what.
        what: String,
        /// Digest of source, batch and deletes.
        plan: String,
    },
    /// The policy says that such a batch is to fail.
    #[error(
        "the policy refuses this batch: rule {rule:?}, conflict {kind} in object store {}; change what was sent, or the rule",
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
    /// A record is not what the conflict left that a person decides now.
    #[error(
        "the record of conflict {id} changed after it{}{}; see conflicts show, and run again with --even-if-changed to \
         replace what stands (it is kept as a conflict of its own)",
        in_version(*version), and_more(*more)
    )]
    Changed {
        /// The conflict's id.
        id: String,
        /// The version that changed the record, if it is still there.
        version: Option<FlowVersion>,
        /// How many other conflicts that is so for.
        more: usize,
    },
    /// The batch does not fit what the flow holds.
    #[error("{0}")]
    Mismatch(String),
    /// The batch's schema is one that no browser can make.
    #[error("{what}")]
    Unmakeable {
        /// What is wrong, and what to do.
        what: String,
        /// Options describe the object store, not the input.
        by_options: bool,
    },
    /// Every attempt lost its race, or the deadline passed.
    #[error("not committed after {attempts} attempts: {last}; try again")]
    Exhausted {
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt ended with.
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
    /// What the process ends with.
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
            Self::Mismatch(_) | Self::OtherContent { .. } | Self::Unmakeable { by_options: true, .. } => {
                ExitStatus::Usage
            }
            Self::Unmakeable { by_options: false, .. } => ExitStatus::Input,
        }
    }

    /// Whether it is not about one batch but about the store or this machine: others would meet it too.
    pub(super) fn concerns_all(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Temporary(_) | Self::Exhausted { .. })
    }

    /// What the summary says.
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
            Self::Store(error) if error.kind == StoreErrorKind::Refused => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }
}
