//! Whether a batch may go where it wants to: asked when its header was read, before anything else is done with it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::decode::DecodeError;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::snapshot::{FlowName, SourceId};

type Check = dyn Fn(&FlowName, Option<&SourceId>) -> Result<(), String> + Send + Sync;

/// An edge's answer to what a batch says of itself. Copies of it share what they remember.
#[derive(Clone)]
pub struct Admission {
    check: Arc<Check>,
    denied: Arc<AtomicBool>,
}

impl Admission {
    /// `check` hears the flow and the source; it says why not.
    pub fn new(check: impl Fn(&FlowName, Option<&SourceId>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { check: Arc::new(check), denied: Arc::default() }
    }

    /// Whether any batch was not admitted; the store's own refusals have the same status.
    pub fn has_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self, flow: &FlowName, source: Option<&SourceId>) -> Result<(), Failure> {
        (self.check)(flow, source).map_err(|message| self.deny(message))
    }

    /// A batch that names another source than its sender's is not admitted either.
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
