//! A batch or a package of batches, which the pipeline applies.

use std::io::{self, Cursor, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::client::Right;
use super::super::facts::RequestFacts;
use super::super::metered::MeteredStore;
use super::super::metrics::Metrics;
use super::super::named::Named;
use super::super::refusal::{Refusal, RefusalKind};
use super::super::ticket::Ticket;
use super::target::{admission, target};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, check_attributes, names};
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::pipeline::{Delivered, IntakeOptions, Package, deliver, deliver_package, delivery};
use crate::store::SnapshotStore;
use crate::store::fault::step;

/// The first bytes of a package.
const MAGIC: &[u8] = b"NiFiFF3";

/// A request to apply a content.
pub(in crate::server) struct SyncOperation {
    pub(in crate::server) options: IntakeOptions,
    pub(in crate::server) attributes: Attributes,
    /// True if the content is a package; `None`: its first bytes decide.
    pub(in crate::server) is_package: Option<bool>,
}

/// The result of a batch, or of each batch of a package.
pub(in crate::server) enum SyncOutcome {
    /// One batch.
    Batch(Box<Delivered>),
    /// Many.
    Package(Package),
}

impl SyncOperation {
    /// Makes an operation: settles everything that does not depend on the content.
    pub(in crate::server) fn new(
        ticket: &Ticket,
        named: Named,
        attributes: Attributes,
        pull: bool,
        defaults: &IntakeOptions,
    ) -> Result<Self, Refusal> {
        check_attributes(&attributes).map_err(|error| Refusal::bad_request(error.to_string()))?;
        let caller = &ticket.caller;
        let (bucket, flow) = target(caller, Right::Sync, named, defaults)?;
        let mut options = IntakeOptions { bucket, flow, ..defaults.clone() };
        options.normalize.received_at = now_ms();
        // Without clients, only a page in a browser may not set the time of receipt.
        options.trusts_received_at = match caller {
            Some(client) => client.has(Right::ReceivedAt),
            None => !ticket.is_page,
        };
        options.sync.deadline = Some(ticket.deadline);
        options.decode.memory = ticket.memory.clone();
        (options.sync.pull, options.sync.withholds_values) = (pull, false);
        if let Some(client) = caller {
            if pull {
                client.check_right(Right::Pull)?;
            }
            options.sync.withholds_values = !client.has(Right::Pull);
        }
        // For a batch the attributes already contain the delivery id; for a package it is the
        // package's own.
        options.sync.delivery = delivery(&attributes).map(str::to_owned);
        options.admission = admission(caller, defaults.flow.as_deref());
        if let Some(client) = caller {
            options.sync.client = Some(client.name().to_owned());
            let named = attributes.get(names::SOURCE).map(str::parse).transpose();
            let named = named
                .map_err(|error| Refusal::bad_request(format!("indexeddb.source is {error}")))?;
            client.check_source(named.as_ref())?;
            options.decode.source = client.source().cloned().or(options.decode.source);
        }
        Ok(Self { options, attributes, is_package: None })
    }

    /// Reads the content to its end and does the work.
    ///
    /// # Errors
    ///
    /// The client may not use the batch's flow or source, a package's framing is lost, or memory is
    /// used up.
    pub(in crate::server) fn run(
        self,
        store: &dyn SnapshotStore,
        content: impl Read,
        metrics: &Metrics,
    ) -> Result<SyncOutcome, Refusal> {
        step("serve:work");
        let memory = self.options.decode.memory.clone();
        let result = self.deliver(&MeteredStore::new(store, memory.clone()), content, metrics);
        memory.refused().map_or(result, |error| Err(error.into()))
    }

    fn deliver(
        self,
        store: &dyn SnapshotStore,
        mut content: impl Read,
        metrics: &Metrics,
    ) -> Result<SyncOutcome, Refusal> {
        let mut first = Vec::with_capacity(MAGIC.len());
        let begun = (&mut content).take(MAGIC.len() as u64).read_to_end(&mut first);
        let is_package = self.is_package.unwrap_or(first == MAGIC);
        let input = Cursor::new(first).chain(Broken(begun.err())).chain(content);
        if is_package {
            let package = deliver_package(store, &self.options, input)?;
            package.iter().for_each(|(_, verdict)| metrics.flowfile(&verdict.summary));
            if package.iter().any(|(_, verdict)| verdict.status == ExitStatus::Usage) {
                check_store(store)?;
            }
            return Ok(SyncOutcome::Package(package));
        }
        let delivered = deliver(store, &self.options, &self.attributes, input);
        metrics.flowfile(&delivered.verdict.summary);
        if delivered.verdict.status == ExitStatus::Usage {
            check_store(store)?;
        }
        if self.options.admission.is_some_and(|admission| admission.has_denied()) {
            let message =
                delivered.verdict.failure.map_or_else(String::new, |failure| failure.message);
            return Err(Refusal::forbidden(message));
        }
        Ok(SyncOutcome::Batch(Box::new(delivered)))
    }
}

/// Reports a missing store as transient: it existed when the server started, so the batch is not at
/// fault and the store may return.
fn check_store(store: &dyn SnapshotStore) -> Result<(), Refusal> {
    let gone = |_| Refusal::unavailable("the store is not there, or cannot be written to");
    store.check_reachable().map_err(gone)
}

/// A reader that returns the error that ended the first bytes, then nothing.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl SyncOutcome {
    /// Returns the equivalent exit status.
    pub(in crate::server) fn status(&self) -> ExitStatus {
        match self {
            Self::Batch(delivered) => delivered.verdict.status,
            Self::Package(package) => package.status(),
        }
    }

    /// Returns the kind of its failure, if it is not done. If a package met both a transient
    /// failure and a full disk, the transient failure wins.
    pub(in crate::server) fn refusal_kind(&self) -> Option<RefusalKind> {
        match self.status() {
            ExitStatus::Transient => Some(RefusalKind::Unavailable),
            _ if self.found_no_room() => Some(RefusalKind::NoRoom),
            status => RefusalKind::of(status),
        }
    }

    /// True if the store's disk was full: the same request may be sent again when there is room.
    pub(in crate::server) fn found_no_room(&self) -> bool {
        match self {
            Self::Batch(delivered) => delivered.verdict.found_no_room(),
            Self::Package(package) => package.found_no_room(),
        }
    }

    /// Returns the failure, if any.
    pub(in crate::server) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Batch(delivered) => delivered.verdict.failure.clone(),
            Self::Package(package) => package.failure(),
        }
    }

    /// Returns one line: the summary, or the line `package`.
    pub(in crate::server) fn summary(&self) -> String {
        match self {
            Self::Batch(delivered) => delivered.verdict.summary.to_json(),
            Self::Package(package) => package.summary(),
        }
    }

    /// Returns the attributes that are written; a package's FlowFiles have their own.
    pub(in crate::server) fn attributes(&self) -> Attributes {
        match self {
            Self::Batch(delivered) => delivered.verdict.attributes(),
            Self::Package(_) => Attributes::default(),
        }
    }

    /// Notes the result for the request's line in the log.
    pub(in crate::server) fn note(&self, facts: &RequestFacts) {
        match self {
            Self::Batch(delivered) => {
                let verdict = &delivered.verdict;
                facts.batch(&verdict.summary, verdict.attributes().get(names::SOURCE));
            }
            Self::Package(package) => {
                package.iter().for_each(|(_, verdict)| facts.part(&verdict.summary));
            }
        }
    }

    /// Writes the report: lines, or packages.
    pub(in crate::server) fn write(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Batch(delivered) => delivered.report.copy_to(out),
            Self::Package(package) => package.write_v3(out),
        }
    }
}

/// Returns the current time in milliseconds; read once per request.
#[expect(
    clippy::disallowed_methods,
    reason = "the server is an edge: here the time of receipt is made data"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(MAX_DATE_MS)
}
