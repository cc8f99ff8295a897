//! The intake of many FlowFiles: grouped by flow, one version per flow; each FlowFile gets a
//! separate verdict. The page is `doc/reference/flowfiles.md`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::group::{Batches, sync_group};
use super::intake::{ReadBatch, disk_status, privacy_line_of};
use super::intake_options::{IntakeOptions, delivery};
use super::log_events::log_flowfile;
use super::rejects::MAX_REJECTED_BYTES;
use super::verdict::Verdict;
use crate::decode::{BatchHeader, Decoder};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, PackageError, PackageReader, write_head};
use crate::normalize::Batch;
use crate::report::{Outcome, ReportLines};
use crate::report_line::ReportLine;
use crate::snapshot::FlowName;
use crate::spool::{Place, Spool};
use crate::store::SnapshotStore;

/// FlowFiles with their results.
#[derive(Debug)]
pub struct Package {
    entries: Vec<PackageEntry>,
    contents: Spool,
    reports: Spool,
    /// Bytes that may still be said of rejected lines.
    room: u64,
}

#[derive(Debug)]
struct PackageEntry {
    attributes: Attributes,
    content: Place,
    /// Place of the rejected lines among the reports; `None`: it was not read yet.
    rejects: Option<Place>,
    /// The number of change lines, and of those rejected.
    lines: (u64, u64),
    /// The report line with the numbers of hidden private fields.
    privacy: Option<ReportLine<'static>>,
    /// The whole report.
    report: Place,
    ended: Option<Verdict>,
}

/// The facts known about a FlowFile before it is merged.
struct Peeked {
    place: usize,
    options: IntakeOptions,
    header: BatchHeader,
}

/// Processes a stream of packages: one version per flow, and a verdict for every FlowFile.
///
/// # Errors
///
/// Framing is lost, or the stream could not be read or kept; nothing was written.
pub fn deliver_package<R: Read>(
    store: &dyn SnapshotStore,
    options: &IntakeOptions,
    input: R,
) -> Result<Package, Failure> {
    // The response replaces the content, so it must contain the text of rejected lines.
    let options = &IntakeOptions { rejected_text: true, ..options.clone() };
    let folder = options.normalize.temp_folder.as_deref();
    let mut package = Package {
        entries: Vec::new(),
        contents: Spool::new(folder),
        reports: Spool::new(folder),
        room: MAX_REJECTED_BYTES,
    };
    package.take_in(input)?;
    let groups = package.groups(options);
    tracing::debug!(flowfiles = package.entries.len(), flows = groups.len(), "package read");
    for (flow, members) in groups {
        let _flow = tracing::error_span!("flow", %flow, flowfiles = members.len()).entered();
        package.merge(store, options, &flow, members)?;
    }
    for (place, entry) in package.entries.iter().enumerate() {
        entry.ended.iter().for_each(|verdict| log_flowfile(place + 1, &entry.attributes, verdict));
    }
    Ok(package)
}

fn framing(error: &PackageError) -> Failure {
    Failure::new(ExitStatus::Input, error.to_string()).hint("nothing was written")
}

fn temporary(error: &io::Error) -> Failure {
    Failure::new(
        disk_status(error),
        format!("temporary file of the package (see --temp-dir): {error}"),
    )
}

impl Package {
    fn take_in<R: Read>(&mut self, input: R) -> Result<(), Failure> {
        let mut reader = PackageReader::new(input);
        while let Some(head) = reader.next_head().map_err(|error| framing(&error))? {
            let mut lost = None;
            let content = self.contents.append_with(|out| match reader.content(&head, out) {
                Ok(result) => result,
                Err(error) => {
                    lost = Some(framing(&error));
                    Ok(())
                }
            });
            if let Some(failure) = lost {
                return Err(failure);
            }
            let content = content.map_err(|error| temporary(&error))?;
            let report = Place::default();
            let attributes = head.attributes;
            let entry = PackageEntry {
                attributes,
                content,
                rejects: None,
                lines: (0, 0),
                privacy: None,
                report,
                ended: None,
            };
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Groups the FlowFiles that can be merged by flow, each group in merge order.
    fn groups(&mut self, options: &IntakeOptions) -> Vec<(FlowName, Vec<Peeked>)> {
        let mut groups: BTreeMap<FlowName, Vec<Peeked>> = BTreeMap::new();
        for place in 0..self.entries.len() {
            match self.peek(place, options) {
                Ok((flow, peeked)) => groups.entry(flow).or_default().push(peeked),
                Err(verdict) => self.entries[place].ended = Some(*verdict),
            }
        }
        for members in groups.values_mut() {
            members.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        groups.into_iter().collect()
    }

    fn peek(
        &mut self,
        place: usize,
        options: &IntakeOptions,
    ) -> Result<(FlowName, Peeked), Box<Verdict>> {
        let review = options.review;
        let fail = |header: Option<&BatchHeader>, flow: Option<FlowName>, failure: Failure| {
            Box::new(Verdict::failed(header, flow, review, failure))
        };
        let PackageEntry { attributes, content, .. } = &self.entries[place];
        let mut settled =
            options.settled(attributes).map_err(|failure| fail(None, None, failure))?;
        if let (None, Some(id)) = (delivery(attributes), &options.sync.delivery) {
            // The option names the package. With the same id for all, the second FlowFile would be
            // a replay of the first.
            settled.sync.delivery = Some(format!("{id}#{}", place + 1));
        }
        let options = settled;
        let reader =
            self.contents.reader(*content).map_err(|error| fail(None, None, temporary(&error)))?;
        let header = match Decoder::open(reader, options.decode.clone()) {
            Ok(decoder) => decoder.header().clone(),
            Err(error) => {
                return Err(fail(None, options.flow_of(None).ok(), options.refused(error)));
            }
        };
        let flow =
            options.flow_of(Some(&header)).map_err(|failure| fail(Some(&header), None, failure))?;
        Ok((flow, Peeked { place, options, header }))
    }

    fn merge(
        &mut self,
        store: &dyn SnapshotStore,
        options: &IntakeOptions,
        flow: &FlowName,
        members: Vec<Peeked>,
    ) -> Result<(), Failure> {
        let folder = options.normalize.temp_folder.clone();
        let mut group = PackageMembers { package: self, members: &members };
        let result = sync_group(store, flow, &mut group, &options.sync, folder);
        let (ended, mut lines) = match result {
            Ok((ended, lines)) => (ended.into_iter().map(Some).collect::<Vec<_>>(), lines),
            Err(error) => {
                // The error concerns all FlowFiles that have not failed for another reason.
                let failure = Failure::from(error);
                for Peeked { place, header, .. } in &members {
                    let entry = &mut self.entries[*place];
                    if entry.ended.as_ref().is_none_or(Verdict::is_done) {
                        let flow = Some(flow.clone());
                        let mut verdict =
                            Verdict::failed(Some(header), flow, options.review, failure.clone());
                        (verdict.summary.received, verdict.summary.rejected) = entry.lines;
                        entry.ended = Some(verdict);
                    }
                }
                return Ok(());
            }
        };
        for (Peeked { place, header, .. }, ended) in members.iter().zip(ended) {
            let entry = &mut self.entries[*place];
            let (result, report) = match ended.flatten() {
                // It could not be read, and already has a verdict.
                None => continue,
                Some(Ok((summary, report))) => (Ok(summary), report),
                Some(Err(error)) => (Err(error), Place::default()),
            };
            let verdict = Verdict::of(header, flow, options.review, result, entry.lines);
            let last = verdict.summary.to_json();
            let privacy = entry.privacy.take().filter(|_| verdict.is_done());
            let reports = &mut self.reports;
            let mut write = || {
                // Copies the parts one after the other, so that they become one range.
                let Place { offset, mut bytes } =
                    reports.repeat(entry.rejects.unwrap_or_default())?;
                let rest = reports.append_with(|out| {
                    privacy.as_ref().map_or(Ok(()), |line| writeln!(out, "{}", line.to_json()))?;
                    lines.copy_to(report, out)?;
                    writeln!(out, "{last}")
                })?;
                bytes += rest.bytes;
                Ok(Place { offset, bytes })
            };
            entry.report = write().map_err(|error| temporary(&error))?;
            entry.ended = Some(verdict);
        }
        Ok(())
    }

    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.entries.iter().filter_map(|entry| entry.ended.as_ref())
    }

    /// Returns the exit status of the process: 4 if any FlowFile must be sent again, otherwise 0.
    pub fn status(&self) -> ExitStatus {
        let transient = self.verdicts().any(|verdict| verdict.status == ExitStatus::Transient);
        if transient { ExitStatus::Transient } else { ExitStatus::Done }
    }

    /// Returns the reason if the exit status is not 0: the first FlowFile that must be sent again.
    pub fn failure(&self) -> Option<Failure> {
        let transient = |verdict: &&Verdict| verdict.status == ExitStatus::Transient;
        let count = self.verdicts().filter(transient).count();
        let first = self.verdicts().find(transient)?.failure.as_ref()?;
        let message = format!(
            "{count} of {} FlowFiles are to come again; the first: {}",
            self.entries.len(),
            first.message
        );
        Some(Failure { message, ..first.clone() })
    }

    /// Returns whether the store's disk had no room for a FlowFile.
    pub fn found_no_room(&self) -> bool {
        self.verdicts().any(Verdict::found_no_room)
    }

    /// Returns the results, in the order of the stream.
    pub fn iter(&self) -> impl Iterator<Item = (&Attributes, &Verdict)> {
        self.entries.iter().filter_map(|entry| Some((&entry.attributes, entry.ended.as_ref()?)))
    }

    /// Writes the response as packages: reports for FlowFiles that are done, and the unchanged
    /// FlowFile otherwise.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of the temporary files.
    pub fn write_v3(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.entries {
            let Some(verdict) = &entry.ended else { continue };
            let mut attributes = entry.attributes.clone();
            attributes.remove_all("sync.");
            attributes.extend(verdict.attributes());
            let (spool, content) = match verdict.is_done() {
                true => (&mut self.reports, entry.report),
                false => (&mut self.contents, entry.content),
            };
            write_head(&attributes, content.bytes, out)?;
            spool.copy_to(content, out)?;
        }
        Ok(())
    }

    /// Writes each FlowFile's report, then the line `package`.
    ///
    /// # Errors
    ///
    /// As [`Self::write_v3`].
    pub fn write_lines(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.entries {
            let Some(verdict) = &entry.ended else { continue };
            if entry.report.bytes > 0 {
                self.reports.copy_to(entry.report, out)?;
            } else {
                self.reports.copy_to(entry.rejects.unwrap_or_default(), out)?;
                writeln!(out, "{}", verdict.summary.to_json())?;
            }
        }
        writeln!(out, "{}", self.summary())
    }

    /// Returns the line `package`, without a line end.
    pub fn summary(&self) -> String {
        let count = |is: &dyn Fn(&Verdict) -> bool| {
            self.verdicts().filter(|verdict| is(verdict)).count() as u64
        };
        let outcome = |outcome: Outcome| count(&|verdict| verdict.summary.outcome == outcome);
        let line = ReportLine::Package {
            committed: outcome(Outcome::Committed),
            failed: outcome(Outcome::Failed),
            flowfiles: self.entries.len() as u64,
            received: self.verdicts().map(|verdict| verdict.summary.received).sum(),
            refused: outcome(Outcome::Refused),
            transient: count(&|verdict| verdict.status == ExitStatus::Transient),
            unchanged: outcome(Outcome::Unchanged),
        };
        line.to_json()
    }
}

/// Returns the sort key for merging: sequenced batches first, by source, epoch and first number;
/// the others in the order of the stream.
fn order(peeked: &Peeked) -> (bool, Option<(&str, &str, u64)>, usize) {
    let header = &peeked.header;
    let sequenced = header.source.as_ref().zip(header.sequence.as_ref());
    let key = sequenced
        .map(|(source, sequence)| (source.as_str(), sequence.epoch.as_str(), sequence.first));
    (key.is_none(), key, peeked.place)
}

struct PackageMembers<'a> {
    package: &'a mut Package,
    members: &'a [Peeked],
}

impl Batches for PackageMembers<'_> {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn read(&mut self, place: usize) -> Option<(Batch, Option<String>)> {
        let Peeked { place, options, header } = self.members.get(place)?;
        let Package { entries, contents, reports, room } = &mut *self.package;
        let entry = entries.get_mut(*place)?;
        let mut rejects = ReportLines::new(options.sync.temp_folder.as_deref());
        // After a lost race it is read again, and says the same.
        let mut again = u64::MAX;
        let room = if entry.rejects.is_some() { &mut again } else { room };
        let read = match contents.reader(entry.content) {
            Ok(reader) => options.read(reader, &mut rejects, &mut (), room),
            Err(error) => ReadBatch { header: None, batch: Err(temporary(&error)), lines: (0, 0) },
        };
        let (result, lines) = (read.batch, read.lines);
        let kept = match entry.rejects {
            Some(kept) => Ok(kept),
            None => reports.append_with(|mut out| rejects.copy_to(&mut out)),
        };
        entry.rejects = kept.as_ref().ok().copied();
        match result
            .and_then(|batch| kept.map(|kept| (batch, kept)).map_err(|error| temporary(&error)))
        {
            Ok((batch, kept)) => {
                (entry.rejects, entry.lines, entry.ended) =
                    (Some(kept), (batch.received, batch.rejected), None);
                entry.privacy = privacy_line_of(&batch);
                Some((batch, options.sync.delivery.clone()))
            }
            Err(failure) => {
                let flow = options.flow_of(Some(header)).ok();
                // The FlowFile keeps its content, which includes the rejected lines.
                entry.ended = Some(
                    Verdict::failed(Some(header), flow, options.review, failure).with_lines(lines),
                );
                None
            }
        }
    }
}
