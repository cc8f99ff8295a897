//! `nifi-idb sync`: standard input → merge → new version → report.

mod flags;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

pub(super) use flags::{Sync, now_ms};

use self::flags::{InputArg, ReportArg};
use super::input::{RejectsFile, drain_stdin};
use super::output::{stdout, write_notes};
use super::policy;
use super::progress::Progress;
use super::stdin::{StdinError, StdinReader};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::flowfile::{Attributes, sniff, write_head};
use crate::pipeline::{Delivered, Package, deliver_hearing, deliver_package};
use crate::report::{Outcome, Summary};
use crate::spool::Spool;
use crate::store::SnapshotStore;

impl Sync {
    /// Runs the command.
    pub(super) fn run(mut self, start: Instant) -> Result<ExitStatus, Failure> {
        let (store, rejects) = self.open(start).inspect_err(|_| drain_stdin())?;
        let mut input =
            StdinReader::stdin().idle(self.idle).deadline(self.store.deadline_at(start));
        if let Some(bytes) = self.expect_bytes {
            input = input.expect_bytes(bytes);
        }
        let failed = match self.take(&*store, &mut input, rejects, start) {
            Ok(status) => return Ok(status),
            Err(failure) => failure,
        };
        let failure = match input.error() {
            Some(StdinError::Idle { .. }) => {
                return Err(
                    failed.hint("the sender may hang; --idle sets how long silence is borne")
                );
            }
            Some(StdinError::Deadline { .. }) => {
                let failure = Failure { status: ExitStatus::Transient, ..failed };
                return Err(failure.hint("--deadline sets how long the whole run may take"));
            }
            Some(StdinError::Count { .. }) => {
                failed.hint("send the input again, whole; --expect-bytes announced its size")
            }
            None => failed,
        };
        // A second failure would add nothing to the first.
        let _ = input.drain();
        Err(failure)
    }

    /// Checks everything that can be checked before the first byte is read.
    fn open(
        &mut self,
        start: Instant,
    ) -> Result<(Box<dyn SnapshotStore>, Option<RejectsFile>), Failure> {
        if let Some(path) = &self.policy {
            self.loaded = Some(Arc::new(policy::load_flag(path)?.policy));
        }
        if self.store.flow.is_some() || self.store.bucket.is_some() {
            self.store.flow_name("any")?;
        }
        if let Some(folder) = self.temp_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Failure::usage(format!("--temp-dir {}: no such folder", folder.display())));
        }
        if self.input == InputArg::FlowFileV3 && self.rejects.is_some() {
            let message = "--rejects is for one batch; in a package every FlowFile's own report has its rejects";
            return Err(Failure::usage(message));
        }
        // Faults of the options must be reported before any input is read.
        self.options(start)?;
        let store = self.store.open(start)?;
        Ok((store, self.rejects.as_deref().map(RejectsFile::new).transpose()?))
    }

    fn take(
        &self,
        store: &dyn SnapshotStore,
        input: &mut StdinReader,
        rejects: Option<RejectsFile>,
        start: Instant,
    ) -> Result<ExitStatus, Failure> {
        let input = Progress::new(input);
        match self.input {
            InputArg::FlowFileV3 => self.package(store, input, start),
            InputArg::Auto => match sniff(input) {
                Ok((true, input)) => self.package(store, input, start),
                Ok((false, input)) => self.single(store, input, rejects, start),
                // `single` meets the same error when it reads, and reports it properly.
                Err(error) => self.single(store, FailedInput(Some(error)), rejects, start),
            },
            _ => self.single(store, input, rejects, start),
        }
    }

    fn single<R: Read>(
        &self,
        store: &dyn SnapshotStore,
        input: R,
        mut rejects: Option<RejectsFile>,
        start: Instant,
    ) -> Result<ExitStatus, Failure> {
        let options = self.options(start)?;
        let mut delivered =
            deliver_hearing(store, &options, &Attributes::default(), input, &mut rejects);
        let told = rejects.as_mut().and_then(RejectsFile::failure);
        let written = self.write(&mut delivered);
        let Delivered { verdict, .. } = delivered;
        match (told.or(verdict.failure), written) {
            (Some(failure), _) => Err(failure),
            (None, Err(failure)) => Err(self.unheard(failure, &verdict.summary)),
            (None, Ok(())) => {
                // NiFi shows standard error in its bulletin for every status but 0.
                if verdict.status == ExitStatus::Review {
                    write_notes(std::iter::once(review_note(&verdict.summary)));
                }
                Ok(verdict.status)
            }
        }
    }

    fn write(&self, delivered: &mut Delivered) -> Result<(), Failure> {
        let mut out = stdout()?;
        let mut write = || {
            match self.report {
                None | Some(ReportArg::Lines) => delivered.report.copy_to(&mut out)?,
                Some(ReportArg::Summary) => {
                    writeln!(out, "{}", delivered.verdict.summary.to_json())?
                }
                Some(ReportArg::FlowFileV3) => {
                    let mut spool = Spool::new(self.temp_dir.as_deref());
                    let report =
                        spool.append_with(|mut spool| delivered.report.copy_to(&mut spool))?;
                    write_head(&delivered.verdict.attributes(), report.bytes, &mut out)?;
                    spool.copy_to(report, &mut out)?;
                }
            }
            out.flush()
        };
        write().map_err(|error| Failure::output(&error))
    }

    /// Adds a hint if the batch is committed but the report could not be written: the sender does
    /// not know, so it will send the same FlowFile again.
    fn unheard(&self, failure: Failure, summary: &Summary) -> Failure {
        match (summary.outcome, summary.version) {
            (Outcome::Committed, Some(version)) if !self.dry_run => failure.hint(format!(
                "version {version} is written; sent again with the same --batch-id or sequence, the batch changes nothing"
            )),
            _ => failure,
        }
    }

    fn package<R: Read>(
        &self,
        store: &dyn SnapshotStore,
        input: R,
        start: Instant,
    ) -> Result<ExitStatus, Failure> {
        if self.rejects.is_some() {
            return Err(Failure::usage(
                "--rejects is for one batch; in a package every FlowFile's own report has its rejects",
            ));
        }
        let mut package = deliver_package(store, &self.options(start)?, input)?;
        self.write_package(&mut package).map_err(|failure| {
            failure.hint("what was done is a replay when the package comes again")
        })?;
        package.failure().map_or(Ok(ExitStatus::Done), Err)
    }

    fn write_package(&self, package: &mut Package) -> Result<(), Failure> {
        let mut out = stdout()?;
        let mut write = || {
            match self.report {
                None | Some(ReportArg::FlowFileV3) => package.write_v3(&mut out)?,
                Some(ReportArg::Lines) => package.write_lines(&mut out)?,
                Some(ReportArg::Summary) => writeln!(out, "{}", package.summary())?,
            }
            out.flush()
        };
        write().map_err(|error| Failure::output(&error))
    }
}

/// Returns the line for people about a batch that is done and needs review.
fn review_note(summary: &Summary) -> String {
    let Summary { received, rejected, parked, .. } = summary;
    format!(
        "done, and asked to be reviewed (--fail-on): {rejected} of {received} lines were rejected, \
         {parked} conflicts wait for a person; the report has each"
    )
}

/// An input that failed on its first bytes.
struct FailedInput(Option<io::Error>);

impl Read for FailedInput {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
