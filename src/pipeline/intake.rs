//! The intake of one FlowFile: its attributes complete the options; its content is decoded, merged
//! and committed. The result is always a verdict, never a panic.

use std::io::{self, Read};
use std::time::Instant;

use super::intake_options::IntakeOptions;
use super::likely_cause::{FirstRejection, HEAD_BYTES};
use super::log_events::{BatchLog, elapsed_ms};
use super::rejects::{MAX_REJECTED_BYTES, Rejects};
use super::sync;
use super::verdict::Verdict;
use crate::decode::{BatchHeader, DecodeError, Decoder};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::Attributes;
use crate::indexeddb::dom_string::DomString;
use crate::normalize::{Batch, Hidden, NormalizeError, normalize_keeping};
use crate::rejection::{RejectedText, Rejection};
use crate::report::{ReportLines, privacy_line};
use crate::report_line::ReportLine;
use crate::snapshot::{Digest, FlowName};

/// The result of one FlowFile, and its report.
#[derive(Debug)]
pub struct Delivered {
    /// The result.
    pub verdict: Verdict,
    /// All lines, the summary last.
    pub report: ReportLines,
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
            // A fault in the content is told before one in the options, because the sender can
            // correct only its content.
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
