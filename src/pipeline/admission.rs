//! Admission of a batch: checked when its header has been read, before anything else is done with
//! it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::decode::DecodeError;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::snapshot::{FlowName, SourceId};

type AdmissionCheck = dyn Fn(&FlowName, Option<&SourceId>) -> Result<(), String> + Send + Sync;

/// The check of a batch by the server. Clones share their state.
#[derive(Clone)]
pub struct Admission {
    check: Arc<AdmissionCheck>,
    denied: Arc<AtomicBool>,
}

impl Admission {
    /// `check` gets the flow and the source; its error is the reason for a refusal.
    pub fn new(
        check: impl Fn(&FlowName, Option<&SourceId>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { check: Arc::new(check), denied: Arc::default() }
    }

    /// True if any batch was not admitted. A refusal by the store has the same status.
    pub fn has_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self, flow: &FlowName, source: Option<&SourceId>) -> Result<(), Failure> {
        (self.check)(flow, source).map_err(|message| self.deny(message))
    }

    /// Returns the failure if the batch names another source than its sender's, which is not
    /// admitted either.
    pub(super) fn explain(&self, error: &DecodeError) -> Option<Failure> {
        matches!(error, DecodeError::OtherSource)
            .then(|| self.deny("the batch names a source that is not its sender's"))
    }

    fn deny(&self, message: impl Into<String>) -> Failure {
        self.denied.store(true, Ordering::Relaxed);
        Failure::new(ExitStatus::Denied, message)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}
