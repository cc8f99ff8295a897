//! The work that HTTP and gRPC hand to the pipeline, on a thread that may block: one FlowFile or a
//! package.

use std::io::{self, Cursor, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::StatusCode;

use super::access::{Named, admission, target};
use super::answer::{Refusal, http_status};
use super::body::{BodyError, BodyReader};
use super::client::Right;
use super::metered::MeteredStore;
use super::metrics::Metrics;
use super::service::Ticket;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, check_attributes, names};
use crate::indexeddb::key::{Key, SortableKey};
use crate::memory::MemoryError;
use crate::normalize::MAX_TIME_MS;
use crate::pipeline::{Delivered, IntakeOptions, Package, deliver, deliver_package, delivery};
use crate::store::SnapshotStore;
use crate::store::fault::step;

/// The first bytes of a package.
const MAGIC: &[u8] = b"NiFiFF3";

/// The work to do with a content.
pub(super) struct Job {
    pub(super) options: IntakeOptions,
    pub(super) attributes: Attributes,
    /// True if the content is a package; `None`: its first bytes decide.
    pub(super) is_package: Option<bool>,
}

/// The result of a job.
pub(super) enum Done {
    /// One batch.
    Batch(Box<Delivered>),
    /// Many.
    Package(Package),
}

impl Job {
    /// Makes a job: settles everything that does not depend on the content.
    pub(super) fn new(
        defaults: &IntakeOptions,
        ticket: &Ticket,
        named: Named,
        attributes: Attributes,
        pull: bool,
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
    /// The body did not arrive correctly, the client may not use the batch's flow or source, or a
    /// package's framing is lost.
    pub(super) fn run(
        self,
        store: &dyn SnapshotStore,
        mut body: BodyReader,
        metrics: &Metrics,
    ) -> Result<Done, Refusal> {
        let result = self.run_on(store, &mut body, metrics);
        match body.failed() {
            Some(error @ (BodyError::TooLarge(_) | BodyError::LargeMessage)) => {
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))
            }
            Some(BodyError::Memory(error)) => Err(out_of_memory(error)),
            Some(error @ BodyError::Unexpected) => Err(Refusal::bad_request(error.to_string())),
            Some(error @ BodyError::Deadline) => {
                Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
            }
            Some(BodyError::Idle(_) | BodyError::Cut) | None => result,
        }
    }

    /// Like [`Self::run`], for a content that has arrived as a whole.
    pub(super) fn run_on(
        self,
        store: &dyn SnapshotStore,
        content: impl Read,
        metrics: &Metrics,
    ) -> Result<Done, Refusal> {
        step("serve:work");
        let memory = self.options.decode.memory.clone();
        let result = self.deliver(&MeteredStore::new(store, memory.clone()), content, metrics);
        memory.refused().map_or(result, |error| Err(out_of_memory(error)))
    }

    fn deliver(
        self,
        store: &dyn SnapshotStore,
        mut content: impl Read,
        metrics: &Metrics,
    ) -> Result<Done, Refusal> {
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
            return Ok(Done::Package(package));
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
        Ok(Done::Batch(Box::new(delivered)))
    }
}

/// Returns the refusal for a lack of memory. Work that needs more than the whole budget is too
/// large for good; memory that others hold will be free again.
pub(super) fn out_of_memory(error: MemoryError) -> Refusal {
    let status = match error {
        MemoryError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        MemoryError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Refusal::new(status, format!("{error} (--max-memory)"))
}

/// Reports a missing store as transient: it existed when the server started, so the batch is not at
/// fault and the store may return.
fn check_store(store: &dyn SnapshotStore) -> Result<(), Refusal> {
    let gone = |_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store is not there, or cannot be written to",
        )
    };
    store.check_reachable().map_err(gone)
}

/// A reader that returns the error that ended the first bytes, then nothing.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl Done {
    /// Returns the equivalent exit status.
    pub(super) fn status(&self) -> ExitStatus {
        match self {
            Self::Batch(delivered) => delivered.verdict.status,
            Self::Package(package) => package.status(),
        }
    }

    /// Returns the HTTP status. If a package met both a transient failure and a full disk, the
    /// transient failure wins.
    pub(super) fn http_status(&self) -> StatusCode {
        match self.status() {
            ExitStatus::Transient => http_status(ExitStatus::Transient),
            _ if self.found_no_room() => StatusCode::INSUFFICIENT_STORAGE,
            status => http_status(status),
        }
    }

    /// True if the store's disk was full: the same request may be sent again when there is room.
    pub(super) fn found_no_room(&self) -> bool {
        match self {
            Self::Batch(delivered) => delivered.verdict.found_no_room(),
            Self::Package(package) => package.found_no_room(),
        }
    }

    /// Returns the failure, if any.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Batch(delivered) => delivered.verdict.failure.clone(),
            Self::Package(package) => package.failure(),
        }
    }

    /// Returns one line: the summary, or the line `package`.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Batch(delivered) => delivered.verdict.summary.to_json(),
            Self::Package(package) => package.summary(),
        }
    }

    /// Returns the attributes that are written; a package's FlowFiles have their own.
    pub(super) fn attributes(&self) -> Attributes {
        match self {
            Self::Batch(delivered) => delivered.verdict.attributes(),
            Self::Package(_) => Attributes::default(),
        }
    }

    /// Writes the report: lines, or packages.
    pub(super) fn write(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Batch(delivered) => delivered.report.copy_to(out),
            Self::Package(package) => package.write_v3(out),
        }
    }
}

/// Parses a key as JSON; the message does not repeat it.
pub(super) fn read_key(text: &str) -> Result<SortableKey, Refusal> {
    let value = serde_json::from_str(text).map_err(|_| {
        Refusal::bad_request("key is no JSON; a string key needs its quotes: \"ann\"")
    })?;
    let key = Key::from_json(&value).and_then(|key| key.to_sortable());
    key.map_err(|error| Refusal::bad_request(format!("key: {error}")))
}

/// Returns the current time in milliseconds; read once per request.
#[expect(
    clippy::disallowed_methods,
    reason = "the server is an edge: here the time of receipt is made data"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(MAX_TIME_MS)
}
