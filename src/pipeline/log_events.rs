//! Log events of batches: the span of a batch, and the event at its end.

use std::time::Instant;

use tracing::field::{Empty, display};
use tracing::span::EnteredSpan;

use super::verdict::Verdict;
use crate::decode::{BatchHeader, Mode};
use crate::flowfile::Attributes;
use crate::snapshot::FlowName;
use crate::trace_context::{TRACE_PARENT, continue_trace};

/// Returns the milliseconds since `start`.
pub(super) fn elapsed_ms(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}

/// A batch that is being logged. Its span ends with it.
pub(super) struct BatchLog {
    span: EnteredSpan,
    start: Instant,
}

impl BatchLog {
    /// Starts the span of a batch.
    pub(super) fn start(batch_id: Option<&str>) -> Self {
        let span =
            tracing::error_span!("batch", batch_id, flow = Empty, source = Empty, mode = Empty);
        Self { span: span.entered(), start: Instant::now() }
    }

    /// Adds the facts that are known once the header is read.
    pub(super) fn identify(&self, header: Option<&BatchHeader>, flow: Option<&FlowName>) {
        flow.map(|flow| self.span.record("flow", display(flow)));
        let Some(header) = header else { return };
        header.source.as_ref().map(|source| self.span.record("source", display(source)));
        self.span.record("mode", if header.mode == Mode::Full { "full" } else { "delta" });
    }

    /// Logs the result.
    pub(super) fn end(&self, verdict: &Verdict) {
        log_verdict(Some(elapsed_ms(self.start)), verdict);
    }
}

/// Logs the result of one FlowFile of a package; `place` counts from 1.
pub(super) fn log_flowfile(place: usize, attributes: &Attributes, verdict: &Verdict) {
    let flow = verdict.summary.flow.as_ref().map(display);
    let source = verdict.source.as_ref().map(display);
    let span = tracing::error_span!("flowfile", place, flow, source);
    if let Some(parent) = attributes.get(TRACE_PARENT) {
        continue_trace(&span, parent);
    }
    let _flowfile = span.entered();
    log_verdict(None, verdict);
}

/// A server logs the same numbers with each request, and a command prints them, so these events are
/// for debugging.
fn log_verdict(ms: Option<u64>, verdict: &Verdict) {
    let Verdict { summary, failure, .. } = verdict;
    let outcome = summary.outcome.name();
    match failure {
        None => {
            let version = summary.version.map(|version| version.get());
            tracing::debug!(
                outcome,
                version,
                received = summary.received,
                put = summary.put,
                deleted = summary.deleted,
                unchanged = summary.unchanged,
                rejected = summary.rejected,
                conflicts = summary.conflicts,
                parked = summary.parked,
                kept = summary.kept,
                ms,
                "batch done"
            );
        }
        Some(failure) => {
            let (status, error) = (failure.status as u8, &failure.message);
            let (received, rejected) = (summary.received, summary.rejected);
            tracing::debug!(outcome, status, received, rejected, error, ms, "batch failed");
        }
    }
}
