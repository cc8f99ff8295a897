//! The result of one FlowFile, and the attributes that describe it.

use crate::apply::error::SyncError;
use crate::decode::BatchHeader;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, names};
use crate::indexeddb::dom_string::DomString;
use crate::report::{Outcome, Summary};
use crate::snapshot::{FlowName, SourceId};

/// Limit on the characters of `sync.error`.
const MAX_ERROR_CHARS: usize = 1_000;

/// The media type of a report.
const REPORT_TYPE: &str = "application/x-ndjson";

/// The conditions under which a batch that is done needs a person's review: exit status 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// True if rejected lines need review.
    pub rejects: bool,
    /// True if parked conflicts need review.
    pub conflicts: bool,
}

/// The result of one FlowFile.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The last line of the report.
    pub summary: Summary,
    /// The exit status that a process for this FlowFile alone would have.
    pub status: ExitStatus,
    /// The reason if it is not done.
    pub failure: Option<Failure>,
    /// The value for `confirm`, if the guard refused.
    pub plan: Option<String>,
    /// True if changes of the source are missing: it may send them, or a full batch.
    pub resync: bool,
    database: Option<DomString>,
    object_store: Option<DomString>,
    pub(super) source: Option<SourceId>,
}

impl Verdict {
    /// Creates the verdict of a FlowFile of which nothing was merged.
    pub(super) fn failed(
        header: Option<&BatchHeader>,
        flow: Option<FlowName>,
        review: Review,
        failure: Failure,
    ) -> Self {
        Self::new(header, Summary::new(Outcome::Failed, flow), review, Some(failure))
    }

    /// Adds the number of change lines, and of those rejected.
    pub(super) fn with_lines(mut self, (received, rejected): (u64, u64)) -> Self {
        (self.summary.received, self.summary.rejected) = (received, rejected);
        self
    }

    /// Creates the verdict of a merged or refused FlowFile; `lines` are the number of change lines,
    /// and of those rejected.
    pub(super) fn of(
        header: &BatchHeader,
        flow: &FlowName,
        review: Review,
        result: Result<Summary, SyncError>,
        lines: (u64, u64),
    ) -> Self {
        let error = match result {
            Ok(summary) => return Self::new(Some(header), summary, review, None),
            Err(error) => error,
        };
        let mut summary = Summary::new(error.outcome(), Some(flow.clone()));
        (summary.received, summary.rejected) = lines;
        let plan =
            if let SyncError::Guard { plan, .. } = &error { Some(plan.clone()) } else { None };
        let resync = matches!(error, SyncError::Gap { .. });
        Self { plan, resync, ..Self::new(Some(header), summary, review, Some(error.into())) }
    }

    fn new(
        header: Option<&BatchHeader>,
        summary: Summary,
        review: Review,
        failure: Option<Failure>,
    ) -> Self {
        let ask =
            (review.rejects && summary.rejected > 0) || (review.conflicts && summary.parked > 0);
        let done = if ask { ExitStatus::Review } else { ExitStatus::Done };
        let only = header.map(|header| header.schema.stores.as_slice());
        Self {
            status: failure.as_ref().map_or(done, |failure| failure.status),
            database: header.map(|header| header.schema.name.clone()),
            object_store: if let Some([store]) = only { Some(store.name.clone()) } else { None },
            source: header.and_then(|header| header.source.clone()),
            plan: None,
            resync: false,
            summary,
            failure,
        }
    }

    /// True if the batch is in the store, now or from before.
    pub fn is_done(&self) -> bool {
        self.failure.is_none()
    }

    /// Returns whether the store's disk had no room for it.
    pub fn found_no_room(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.is_no_room)
    }

    /// Returns the attributes that `doc/reference/flowfiles.md` lists as written.
    pub fn attributes(&self) -> Attributes {
        let Self { summary, failure, .. } = self;
        let number = |number: u64| Some(number.to_string());
        let done = |text: Option<String>| text.filter(|_| self.is_done());
        let error = failure
            .as_ref()
            .map(|failure| ascii(&failure.message).chars().take(MAX_ERROR_CHARS).collect());
        let all: [(&str, Option<String>); 24] = [
            (names::DATABASE, self.database.as_ref().map(DomString::to_attribute)),
            (names::OBJECT_STORE, self.object_store.as_ref().map(DomString::to_attribute)),
            (names::SOURCE, self.source.as_ref().map(ToString::to_string)),
            (names::MIME_TYPE, done(Some(REPORT_TYPE.to_owned()))),
            (names::BUCKET, summary.flow.as_ref().map(|flow| flow.bucket().to_owned())),
            (names::FLOW, summary.flow.as_ref().map(|flow| flow.flow().to_owned())),
            (names::FLOW_VERSION, done(summary.version.map(|version| version.to_string()))),
            (names::CHECKPOINT, summary.ack.as_ref().map(|ack| ack.checkpoint.to_string())),
            (names::CONFLICTS, number(summary.conflicts)),
            (names::DELETED, number(summary.deleted)),
            (names::EPOCH, summary.ack.as_ref().map(|ack| ack.epoch.clone())),
            (names::ERROR, error),
            (names::KEPT, (summary.kept > 0).then(|| summary.kept.to_string())),
            (names::OUTCOME, Some(summary.outcome.name().to_owned())),
            (names::PARKED, number(summary.parked)),
            (names::PLAN, self.plan.clone()),
            (names::PUT, number(summary.put)),
            (names::RECEIVED, number(summary.received)),
            (names::REJECTED, number(summary.rejected)),
            (names::RESYNC, self.resync.then(|| "true".to_owned())),
            (names::ROOT, done(summary.root.map(|root| root.to_string()))),
            (names::STATE, done(summary.state.map(|state| state.to_string()))),
            (names::STATUS, number(self.status as u64)),
            (names::UNCHANGED, number(summary.unchanged)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            error => Self::new(error.exit_status(), error.to_string()),
        }
    }
}

/// Returns the text with `?` for everything that is not printable ASCII.
pub(super) fn ascii(text: &str) -> String {
    text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect()
}
