//! Facts about one request, for its line in the log. Layers and operations note what they learn.

use std::sync::{Arc, Mutex, PoisonError};

use crate::report::Summary;
use crate::snapshot::{FlowName, FlowVersion};

/// The facts that are known so far; copies share them.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestFacts(Arc<Mutex<KnownFacts>>);

/// Facts about one request. None of them is a value of a record, or a credential.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownFacts {
    /// The name of the client in the clients file.
    pub(super) client: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) version: Option<u32>,
    pub(super) source: Option<String>,
    pub(super) outcome: Option<&'static str>,
    /// The number of FlowFiles of a package.
    pub(super) flowfiles: Option<u64>,
    pub(super) counts: Option<ChangeCounts>,
}

/// The counts of a batch; of a package, their sums.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChangeCounts {
    pub(super) received: u64,
    pub(super) put: u64,
    pub(super) deleted: u64,
    pub(super) unchanged: u64,
    pub(super) rejected: u64,
    pub(super) conflicts: u64,
    pub(super) parked: u64,
}

impl ChangeCounts {
    fn add(&mut self, summary: &Summary) {
        self.received += summary.received;
        self.put += summary.put;
        self.deleted += summary.deleted;
        self.unchanged += summary.unchanged;
        self.rejected += summary.rejected;
        self.conflicts += summary.conflicts;
        self.parked += summary.parked;
    }
}

impl RequestFacts {
    fn change(&self, change: impl FnOnce(&mut KnownFacts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns a copy of the facts.
    pub(super) fn known(&self) -> KnownFacts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the client that sent the request.
    pub(super) fn client(&self, name: &str) {
        self.change(|facts| facts.client = Some(name.to_owned()));
    }

    /// Notes the flow that is read.
    pub(super) fn flow(&self, flow: &FlowName) {
        self.change(|facts| {
            facts.bucket = Some(flow.bucket().to_owned());
            facts.flow = Some(flow.flow().to_owned());
        });
    }

    /// Notes the version that is read or was written.
    pub(super) fn version(&self, version: FlowVersion) {
        self.change(|facts| facts.version = Some(version.get()));
    }

    /// Notes the result of a batch.
    pub(super) fn batch(&self, summary: &Summary, source: Option<&str>) {
        self.note(summary);
        self.change(|facts| {
            facts.outcome = Some(summary.outcome.name());
            facts.source = source.map(str::to_owned);
        });
    }

    /// Notes the result of one FlowFile of a package.
    pub(super) fn part(&self, summary: &Summary) {
        self.note(summary);
        self.change(|facts| *facts.flowfiles.get_or_insert_default() += 1);
    }

    fn note(&self, summary: &Summary) {
        if let Some(flow) = &summary.flow {
            self.flow(flow);
        }
        if let Some(version) = summary.version {
            self.version(version);
        }
        self.change(|facts| facts.counts.get_or_insert_default().add(summary));
    }
}
