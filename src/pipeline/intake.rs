//! The intake of one FlowFile: its attributes complete the options; its content is decoded, merged
//! and committed. The result is always a verdict, never a panic.

use std::io::{self, Read};
use std::time::Instant;

use super::admission::Admission;

use super::likely_cause::{FirstRejection, HEAD_BYTES};
use super::log_events::{BatchLog, elapsed_ms};
use super::{SyncOptions, sync};
use crate::apply::error::SyncError;
use crate::decode::{BatchHeader, Decimals, DecodeError, DecodeOptions, Decoder, Dialect, Mode};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, names};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::KeyPath;
use crate::normalize::{Batch, Hidden, NormalizeError, NormalizeOptions, normalize_keeping};
use crate::rejection::{RejectedText, Rejection};
use crate::report::{Outcome, ReportLines, Summary, privacy_line};
use crate::report_line::ReportLine;
use crate::snapshot::sources::MAX_DELIVERY_BYTES;
use crate::snapshot::{Digest, FlowName, SourceId};

/// Limit on the bytes of report lines for rejected lines in one call, without their texts: about
/// 500,000 lines. An input with more is not a batch with some bad records, and its report would
/// fill the disk.
pub const MAX_REJECTED_BYTES: u64 = 64 * 1024 * 1024;

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

/// The configuration for every FlowFile of a call.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    /// The bucket.
    pub bucket: String,
    /// The flow; by default the database's name.
    pub flow: Option<String>,
    /// Defaults for everything that the content does not contain.
    pub decode: DecodeOptions,
    /// Options for reading values, and the time of receipt.
    pub normalize: NormalizeOptions,
    /// The caller's options for the batch.
    pub sync: SyncOptions,
    /// The conditions for exit status 3.
    pub review: Review,
    /// True if the report contains the text of rejected lines. For a sequenced batch it always
    /// does.
    pub rejected_text: bool,
    /// The admission of batches; `None`: all are admitted.
    pub admission: Option<Admission>,
    /// True if the attribute `indexeddb.received.at` is used. It is never later than the time in
    /// the options.
    pub trusts_received_at: bool,
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

/// The result of one FlowFile, and its report.
#[derive(Debug)]
pub struct Delivered {
    /// The result.
    pub verdict: Verdict,
    /// All lines, the summary last.
    pub report: ReportLines,
}

/// A receiver of rejected lines, in addition to the report.
pub trait Rejects {
    /// Receives the header, unchanged, before the first rejected line of `indexeddb-changes/1`.
    ///
    /// # Errors
    ///
    /// As [`Self::hear`].
    fn header(&mut self, line: &str) -> io::Result<()>;

    /// Receives a rejected line with its text.
    ///
    /// # Errors
    ///
    /// The line cannot be kept. The batch fails, and nothing is written.
    fn hear(&mut self, rejection: &Rejection, text: &mut RejectedText<'_>) -> io::Result<()>;

    /// Called after the last line, before anything is written.
    ///
    /// # Errors
    ///
    /// As [`Self::hear`].
    fn finish(&mut self) -> io::Result<()>;
}

impl Rejects for () {
    fn header(&mut self, _line: &str) -> io::Result<()> {
        Ok(())
    }

    fn hear(&mut self, _rejection: &Rejection, _text: &mut RejectedText<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A content that was read completely, or as far as possible.
pub(super) struct ReadBatch {
    /// The header, if it could be read.
    pub(super) header: Option<BatchHeader>,
    pub(super) batch: Result<Batch, Failure>,
    /// The number of change lines, and of those rejected, if all were read.
    pub(super) lines: (u64, u64),
}

/// Returns the report line with the header of rejected lines.
fn header_line(header: &str) -> String {
    ReportLine::Header { value: header }.to_json()
}

/// Processes one batch that is not in a package. The result describes any failure.
pub fn deliver<R: Read>(
    store: &dyn crate::store::SnapshotStore,
    options: &IntakeOptions,
    attributes: &Attributes,
    content: R,
) -> Delivered {
    deliver_hearing(store, options, attributes, content, &mut ())
}

/// As [`deliver`]; `rejects` receives every rejected line.
pub fn deliver_hearing<R: Read>(
    store: &dyn crate::store::SnapshotStore,
    options: &IntakeOptions,
    attributes: &Attributes,
    content: R,
    rejects: &mut dyn Rejects,
) -> Delivered {
    let folder = options.sync.temp_folder.as_deref();
    let mut report = ReportLines::new(folder);
    let mut lines = ReportLines::new(folder);
    let settled = options.settled(attributes);
    let log = BatchLog::start(settled.as_ref().ok().and_then(IntakeOptions::delivery_id));
    let mut privacy = None;
    let verdict = match &settled {
        Err(failure) => Verdict::failed(None, None, options.review, failure.clone()),
        Ok(options) => {
            let ReadBatch { header, batch, lines: counts } = {
                let mut room = MAX_REJECTED_BYTES;
                options.read(content, &mut report, rejects, &mut room)
            };
            let flow = options.flow_of(header.as_ref());
            log.identify(header.as_ref(), flow.as_ref().ok());
            match (batch, flow) {
                (Err(failure), flow) => {
                    let failed =
                        Verdict::failed(header.as_ref(), flow.ok(), options.review, failure);
                    failed.with_lines(counts)
                }
                (Ok(_), Err(failure)) => {
                    Verdict::failed(header.as_ref(), None, options.review, failure)
                }
                (Ok(batch), Ok(flow)) => {
                    privacy = privacy_line_of(&batch);
                    let result = sync(store, &flow, &batch, &options.sync, &mut lines);
                    Verdict::of(
                        &batch.header,
                        &flow,
                        options.review,
                        result,
                        (batch.received, batch.rejected),
                    )
                }
            }
        }
    };
    log.end(&verdict);
    Delivered { report: whole(report, privacy.as_ref(), lines, &verdict), verdict }
}

/// Returns the report line with the numbers of hidden private fields, if there are any.
pub(super) fn privacy_line_of(batch: &Batch) -> Option<ReportLine<'static>> {
    let Hidden { excluded, hashed, redacted } = batch.hidden;
    privacy_line(excluded, hashed, redacted)
}

/// Joins rejects, hidden fields, results and the summary. The results of a failed batch are
/// omitted, because they did not take effect.
fn whole(
    mut rejects: ReportLines,
    privacy: Option<&ReportLine<'_>>,
    mut lines: ReportLines,
    verdict: &Verdict,
) -> ReportLines {
    let mut add = || {
        if verdict.failure.is_none() {
            privacy.map_or(Ok(()), |line| rejects.push(line))?;
            rejects.append(&mut lines)?;
        }
        rejects.push(&verdict.summary.line())
    };
    match add() {
        Ok(()) => rejects,
        // A report without a summary means that the batch is not finished.
        Err(_) => ReportLines::default(),
    }
}

impl IntakeOptions {
    /// Returns the options of one FlowFile, completed by its attributes.
    pub(super) fn settled(&self, attributes: &Attributes) -> Result<Self, Failure> {
        let mut settled = self.clone();
        let decode = &mut settled.decode;
        let wrong = |name: &str, expected: &str| {
            Failure::usage(format!("attribute {name} must be {expected}"))
        };
        if let Some((name, _)) = attributes.iter().find(|(name, _)| names::is_misspelt(name)) {
            return Err(Failure::usage(format!(
                "attribute {} is unknown: is it misspelt?",
                ascii(name)
            )));
        }
        if let Some(text) = attributes.get(names::INPUT) {
            let all = || {
                Dialect::ALL.iter().copied().flat_map(Dialect::names).collect::<Vec<_>>().join(", ")
            };
            let dialect = Dialect::from_name(text);
            let dialect =
                dialect.ok_or_else(|| wrong(names::INPUT, &format!("one of {}", all())))?;
            decode.input = Some(dialect);
        }
        if let Some(text) = attributes.get(names::MODE) {
            decode.mode = Some(match text {
                "delta" => Mode::Delta,
                "full" => Mode::Full,
                _ => return Err(wrong(names::MODE, "delta or full")),
            });
        }
        if let Some(text) = attributes.get(names::DATABASE) {
            decode.database = Some(text.into());
        }
        if let Some(text) = attributes.get(names::DATABASE_VERSION) {
            let expected = || wrong(names::DATABASE_VERSION, "a number from 1");
            decode.database_version = Some(text.parse().map_err(|_| expected())?);
        }
        if let Some(text) = attributes.get(names::OBJECT_STORE) {
            decode.object_store = Some(text.into());
        }
        if let Some(text) = attributes.get(names::KEY_PATHS) {
            decode.key_paths = key_paths(text)?;
        }
        if let Some(text) = attributes.get(names::SKIP_STORES) {
            let names: Result<Vec<String>, _> = serde_json::from_str(text);
            let names =
                names.map_err(|_| wrong(names::SKIP_STORES, "a JSON array of object stores"))?;
            decode.skip_stores = names.iter().map(|name| name.as_str().into()).collect();
        }
        if let Some(text) = attributes.get(names::DECIMALS) {
            decode.decimals = match text {
                "number" => Decimals::Number,
                "text" => Decimals::Text,
                _ => return Err(wrong(names::DECIMALS, "number or text")),
            };
        }
        if let Some(text) = attributes.get(names::REJECTS) {
            match text {
                "text" => settled.rejected_text = true,
                "place" => {}
                _ => return Err(wrong(names::REJECTS, "text or place")),
            }
        }
        if let Some(text) = attributes.get(names::ORIGIN) {
            decode.origin = Some(text.to_owned());
        }
        let (path, field) = (attributes.get(names::KEY_PATH), attributes.get(names::KEY_FIELD));
        if path.is_some() || field.is_some() {
            decode.key_path = path.map(key_path).transpose()?;
            decode.key_field = field.map(str::to_owned);
        }
        if let Some(text) = attributes.get(names::SOURCE) {
            let expected = || wrong(names::SOURCE, "1 to 64 of A-Z a-z 0-9 . _ : -");
            let source: SourceId = text.parse().map_err(|_| expected())?;
            if decode.source.as_ref().is_some_and(|known| *known != source) {
                return Err(Failure::usage(
                    "attribute indexeddb.source names another source than the options",
                ));
            }
            decode.source = Some(source);
        }
        if let Some(text) = attributes.get(names::RECEIVED_AT) {
            let expected = || wrong(names::RECEIVED_AT, "milliseconds since 1970");
            let at = text
                .parse()
                .ok()
                .filter(|at| (0..=crate::indexeddb::iso_date::MAX_DATE_MS).contains(at));
            if self.trusts_received_at {
                settled.normalize.received_at =
                    at.ok_or_else(expected)?.min(self.normalize.received_at);
            }
        }
        if let Some(id) = delivery(attributes) {
            settled.sync.delivery = Some(id.to_owned());
        }
        if settled.sync.delivery.as_ref().is_some_and(|id| id.len() > MAX_DELIVERY_BYTES) {
            return Err(Failure::usage(format!(
                "the delivery id is longer than {MAX_DELIVERY_BYTES} bytes"
            )));
        }
        Ok(settled)
    }

    /// Returns the id of the delivery, if it has one.
    fn delivery_id(&self) -> Option<&str> {
        self.sync.delivery.as_deref()
    }

    /// Reads and normalizes a whole content. The report lines for rejected lines are deducted from
    /// `room`, in bytes.
    pub(super) fn read<R: Read>(
        &self,
        content: R,
        report: &mut ReportLines,
        rejects: &mut dyn Rejects,
        room: &mut u64,
    ) -> ReadBatch {
        let start = Instant::now();
        let _read = tracing::error_span!("read").entered();
        let read = self.read_content(content, report, rejects, room);
        let (received, rejected) = read.lines;
        tracing::debug!(received, rejected, ms = elapsed_ms(start), "batch read");
        read
    }

    fn read_content<R: Read>(
        &self,
        content: R,
        report: &mut ReportLines,
        rejects: &mut dyn Rejects,
        room: &mut u64,
    ) -> ReadBatch {
        let mut content = Digested {
            content,
            hasher: self.sync.delivery.as_ref().map(|_| blake3::Hasher::new()),
        };
        let mut decoder = match Decoder::open(&mut content, self.decode.clone()) {
            Ok(decoder) => decoder,
            Err(error) => {
                return ReadBatch { header: None, batch: Err(self.refused(error)), lines: (0, 0) };
            }
        };
        let header = decoder.header().clone();
        // After the acknowledgement the source forgets a sequenced batch, so only the report keeps
        // rejected lines.
        let with_text = self.rejected_text || header.sequence.is_some();
        // Written before the first rejection, and only if there is one.
        let mut header_line = decoder.header_text().map(header_line);
        let (mut first, mut is_too_much, room_before) = (None, false, *room);
        let mut hear = |rejection: &Rejection, mut text: RejectedText<'_>| {
            if first.is_none() {
                first = Some(FirstRejection {
                    rejection: rejection.clone(),
                    head: text.head(HEAD_BYTES)?,
                });
            }
            if let Some(line) = header_line.take() {
                rejects.header(&line)?;
                if with_text {
                    report.push_text(&line)?;
                }
            }
            let line = rejection.to_json();
            let Some(left) = room.checked_sub(line.len() as u64 + 1) else {
                is_too_much = true;
                return Err(io::ErrorKind::QuotaExceeded.into());
            };
            *room = left;
            rejects.hear(rejection, &mut text)?;
            if with_text {
                report.push_with(|out| Rejection::write_line_with_text(&line, &mut text, out))
            } else {
                report.push_text(&line)
            }
        };
        let batch = normalize_keeping(&mut decoder, &self.normalize, &mut hear).and_then(|batch| {
            rejects.finish().map_err(NormalizeError::Temporary)?;
            let mut losses = decoder.losses().lines();
            losses.try_for_each(|line| report.push(&line)).map_err(NormalizeError::Temporary)?;
            Ok(batch)
        });
        let batch = match (batch, &first) {
            (Ok(batch), _) => batch,
            (Err(_), Some(first)) if is_too_much => {
                // More of such a report helps nobody beyond its first line.
                *room = room_before;
                let failure = first.too_much(&header);
                let failure = report
                    .clear()
                    .err()
                    .map_or(failure, |error| explain(&NormalizeError::Temporary(error)));
                return ReadBatch { header: Some(header), batch: Err(failure), lines: (0, 0) };
            }
            (Err(error), _) => {
                return ReadBatch {
                    header: Some(header),
                    batch: Err(explain(&error)),
                    lines: (0, 0),
                };
            }
        };
        drop(decoder);
        let batch = Batch { content: content.digest(), ..batch };
        let lines = (batch.received, batch.rejected);
        // A sequenced batch is acknowledged anyway; otherwise one bad change would block its source
        // forever.
        let nothing_left = batch.rejected == batch.received && header.sequence.is_none();
        let batch = match first.filter(|_| nothing_left) {
            Some(first) => Err(first.failure(&header, batch.rejected)),
            None => Ok(batch),
        };
        ReadBatch { header: Some(header), batch, lines }
    }

    /// Returns the failure for a batch that cannot be started.
    pub(super) fn refused(&self, error: DecodeError) -> Failure {
        let denied = self.admission.as_ref().and_then(|admission| admission.explain(&error));
        denied.unwrap_or_else(|| explain(&error.into()))
    }

    /// Returns the flow for a batch; without its header, as far as the options determine it.
    pub(super) fn flow_of(&self, header: Option<&BatchHeader>) -> Result<FlowName, Failure> {
        let database = header.map(|header| &header.schema.name).or(self.decode.database.as_ref());
        let name = self.flow.clone().or_else(|| database.map(DomString::to_file_name));
        let name = name
            .ok_or_else(|| Failure::usage("nothing says which flow: give --flow or --database"))?;
        let flow = FlowName::of_name(&self.bucket, &name);
        let flow = flow.map_err(|error| Failure::usage(format!("--bucket or --flow: {error}")))?;
        if let (Some(admission), Some(header)) = (&self.admission, header) {
            admission.check(&flow, header.source.as_ref())?;
        }
        Ok(flow)
    }
}

/// A reader that passes content to the decoder, and computes its digest if required.
struct Digested<R> {
    content: R,
    hasher: Option<blake3::Hasher>,
}

impl<R: Read> Digested<R> {
    /// Returns the digest of all bytes, including those that the decoder did not read.
    fn digest(mut self) -> Option<Digest> {
        self.hasher.as_ref()?;
        io::copy(&mut self, &mut io::sink()).ok()?;
        self.hasher.map(|hasher| hasher.finalize().into())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// Returns the delivery id in the attributes. `uuid` is the default, but NiFi gives a FlowFile a
/// new one when it passes through a file or another flow.
pub fn delivery(attributes: &Attributes) -> Option<&str> {
    attributes.get(names::DELIVERY).or_else(|| attributes.get(names::UUID))
}

fn key_path(text: &str) -> Result<KeyPath, Failure> {
    if !text.starts_with('[') {
        return Ok(KeyPath::Path(text.into()));
    }
    let paths: Vec<String> = serde_json::from_str(text).map_err(|_| {
        Failure::usage("attribute indexeddb.key.path must be a path, or a JSON array of paths")
    })?;
    Ok(KeyPath::Paths(paths.iter().map(|path| path.as_str().into()).collect()))
}

/// Parses key paths by object store: a JSON object whose values are paths, or arrays of paths.
fn key_paths(text: &str) -> Result<Vec<(DomString, KeyPath)>, Failure> {
    let wrong = || {
        let what = "attribute indexeddb.key.paths must be a JSON object of object stores, each with a path, or an array of paths";
        Failure::usage(what)
    };
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| wrong())?;
    let read = |(name, path): (&String, &serde_json::Value)| {
        Some((name.as_str().into(), KeyPath::from_json(path).ok()?))
    };
    members.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)
}

/// Returns the exit status for a full disk, which may be emptied, or a missing folder, which is a
/// wrong setting.
pub fn disk_status(error: &io::Error) -> ExitStatus {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory => ExitStatus::Usage,
        _ => ExitStatus::Transient,
    }
}

fn explain(error: &NormalizeError) -> Failure {
    let status = match error {
        NormalizeError::Decode(error) => error.exit_status(),
        NormalizeError::Temporary(error) => disk_status(error),
        NormalizeError::NoHashKey => ExitStatus::Usage,
        NormalizeError::States => ExitStatus::Input,
        NormalizeError::TooManyRanges => ExitStatus::Input,
    };
    let failure = Failure::new(status, error.to_string());
    if status == ExitStatus::Input { failure.hint("nothing was written") } else { failure }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            error => Self::new(error.exit_status(), error.to_string()),
        }
    }
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

fn ascii(text: &str) -> String {
    text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect()
}
