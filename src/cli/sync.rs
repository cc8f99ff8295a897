//! `nifi-idb sync`: standard input → merge → new version → report.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::input::{Rejects, drain_stdin, read_batch};
use super::output::stdout;
use super::stdin::StdinReader;
use super::store_url::StoreArgs;
use super::units::duration;
use crate::decode::{DEFAULT_MAX_LINE_BYTES, DecodeOptions, Input, Mode};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::value;
use crate::normalize::{Batch, NormalizeOptions};
use crate::pipeline::{NewEpoch, SyncOptions, sync};
use crate::report::{Outcome, ReportLines, Summary};
use crate::snapshot::SourceId;
use crate::store::SnapshotStore;

/// A clock value is at most this far from 1970, in milliseconds: ECMAScript's limit.
const MAX_TIME_MS: i64 = 8_640_000_000_000_000;

const EXAMPLE: &str = "Example:\n  nifi-idb sync --store git:snapshots.git --database myDatabase --object-store data \
    --key-path id < records.ndjson\n\nIn NiFi (ExecuteStreamCommand) add --expect-bytes ${fileSize} --batch-id ${uuid}.";

/// The flags of `sync`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Sync {
    #[command(flatten)]
    store: StoreArgs,

    /// What standard input holds: bare records, or indexeddb-changes/1
    #[arg(long, value_enum, default_value_t = InputArg::Auto, env = "NIFI_IDB_INPUT", hide_env_values = true)]
    input: InputArg,

    /// Records: the object store that they go to
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_OBJECT_STORE", hide_env_values = true)]
    object_store: Option<String>,

    /// Records: where the key stands in each record; several make a compound key
    #[arg(long, value_name = "PATH", conflicts_with = "key_field")]
    key_path: Vec<String>,

    /// Records: the member that holds the key and is not part of the record
    #[arg(long, value_name = "MEMBER")]
    key_field: Option<String>,

    /// The database's name, where the input does not say it [default: default]
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_DATABASE", hide_env_values = true)]
    database: Option<String>,

    /// IndexedDB's version of the database, where the input does not say it [default: 1]
    #[arg(long, value_name = "N")]
    database_version: Option<u64>,

    /// The writer: 1 to 64 of A-Z a-z 0-9 . _ : -
    #[arg(long, value_name = "ID", env = "NIFI_IDB_SOURCE", hide_env_values = true)]
    source: Option<SourceId>,

    /// delta: what came is what changed; full: it is all that the source has (needs a source) [default: delta]
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,

    /// Member names that begin with ~ are the data's own: the input is plain JSON without tagged values
    #[arg(long)]
    plain_json: bool,

    /// Keep an integer that a double cannot hold as a BigInt instead of rejecting its line
    #[arg(long)]
    big_integers: bool,

    /// How many bytes must come; another number fails the batch
    #[arg(long, value_name = "N")]
    expect_bytes: Option<u64>,

    /// Fail if standard input is silent for this long; 0: never
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = IDLE_TEXT)]
    #[arg(env = "NIFI_IDB_IDLE", hide_env_values = true)]
    idle: Duration,

    /// Longest line in bytes; a longer one is rejected
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES)]
    max_line_bytes: usize,

    /// Names this delivery: the same id again changes nothing
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    batch_id: Option<String>,

    /// When the batch was received, milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..=MAX_TIME_MS))]
    received_at: Option<i64>,

    /// How far ahead of that a record's own clock may be; one beyond is set back
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = SKEW_TEXT)]
    skew: Duration,

    /// Also write each rejected line's number, place and reason to this file (mode 0600)
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Where large inputs are sorted [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,

    /// lines: one object a line for each reject, conflict, change, acknowledgement, then the summary
    #[arg(long, value_enum, default_value_t = ReportArg::Lines)]
    report: ReportArg,

    /// Exit with 3 if there are lines rejected, or conflicts that no rule decided
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,

    /// Let the plan through that the guard refused: the digest that it printed
    #[arg(long, value_name = "PLAN", value_parser = NonEmptyStringValueParser::new())]
    confirm: Option<String>,

    /// The source has begun anew: keep deletes nothing, mirror deletes what it no longer has
    #[arg(long, value_enum)]
    new_epoch: Option<NewEpochArg>,

    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// [`super::stdin::DEFAULT_IDLE`] as a flag's value.
const IDLE_TEXT: &str = "60s";

/// [`crate::normalize::DEFAULT_SKEW_MS`] as a flag's value.
const SKEW_TEXT: &str = "5m";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InputArg {
    /// What the first line looks like
    Auto,
    /// Bare NDJSON; needs --object-store and --key-path or --key-field
    Records,
    /// indexeddb-changes/1
    Changes,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Delta,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportArg {
    Lines,
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Rejects,
    Conflicts,
    Any,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NewEpochArg {
    Keep,
    Mirror,
}

/// How the merge ended: the summary, and why it failed if it did.
struct Ended {
    summary: Summary,
    failure: Option<Failure>,
}

impl Sync {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let (store, mut rejects) = self.open(start).inspect_err(|_| drain_stdin())?;
        let mut lines = ReportLines::default();
        let ended = match self.read(&mut rejects) {
            Ok(batch) => self.merge(&*store, &batch, start, &mut lines),
            Err(failure) => Ended { summary: self.summary_of_failure(Outcome::Failed), failure: Some(failure) },
        };
        if ended.failure.is_some() {
            // What was about to happen did not.
            lines = ReportLines::default();
        }
        let written = self.write(&ended.summary, &mut rejects.lines, &mut lines);
        match (ended.failure, written) {
            (Some(failure), _) => Err(failure),
            (None, Err(failure)) => Err(self.unheard(failure, &ended.summary)),
            (None, Ok(())) => Ok(self.status(&ended.summary)),
        }
    }

    /// Checks everything that can be checked before the first byte is read.
    fn open(&self, start: Instant) -> Result<(Box<dyn SnapshotStore>, Rejects), Failure> {
        if self.store.flow.is_some() || self.store.bucket.is_some() {
            self.store.flow_name("any")?;
        }
        if let Some(folder) = self.temp_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Failure::usage(format!("--temp-dir {}: no such folder", folder.display())));
        }
        let store = self.store.open(start)?;
        Ok((store, Rejects::new(self.rejects.as_deref())?))
    }

    fn read(&self, rejects: &mut Rejects) -> Result<Batch, Failure> {
        let input = StdinReader::stdin().idle(self.idle);
        let input = self.expect_bytes.into_iter().fold(input, StdinReader::expect_bytes);
        let paths = match self.key_path.as_slice() {
            [] => None,
            [path] => Some(KeyPath::Path(path.as_str().into())),
            paths => Some(KeyPath::Paths(paths.iter().map(|path| path.as_str().into()).collect())),
        };
        let decode = DecodeOptions {
            input: match self.input {
                InputArg::Auto => Input::Auto,
                InputArg::Records => Input::Records,
                InputArg::Changes => Input::Changes,
            },
            object_store: self.object_store.as_deref().map(Into::into),
            key_path: paths,
            key_field: self.key_field.clone(),
            database: self.database.as_deref().map(Into::into),
            database_version: self.database_version,
            source: self.source.clone(),
            mode: self.mode.map(|mode| match mode {
                ModeArg::Delta => Mode::Delta,
                ModeArg::Full => Mode::Full,
            }),
            max_line_bytes: self.max_line_bytes,
            ..DecodeOptions::default()
        };
        let options = NormalizeOptions {
            skew_ms: i64::try_from(self.skew.as_millis()).unwrap_or(MAX_TIME_MS),
            temp_folder: self.temp_dir.clone(),
            values: value::Options { plain: self.plain_json, big_integers: self.big_integers },
            ..NormalizeOptions::received_at(self.received_at.unwrap_or_else(now_ms))
        };
        read_batch(input, decode, &options, rejects)
    }

    fn merge(&self, store: &dyn SnapshotStore, batch: &Batch, start: Instant, lines: &mut ReportLines) -> Ended {
        let options = SyncOptions {
            delivery: self.batch_id.clone(),
            confirm: self.confirm.clone(),
            new_epoch: self.new_epoch.map(|answer| match answer {
                NewEpochArg::Keep => NewEpoch::Keep,
                NewEpochArg::Mirror => NewEpoch::Mirror,
            }),
            dry_run: self.dry_run,
            deadline: self.store.deadline_at(start),
        };
        let flow = match self.store.flow_name(&batch.header.schema.name.to_file_name()) {
            Ok(flow) => flow,
            Err(failure) => {
                return Ended { summary: self.summary_of_failure(Outcome::Failed), failure: Some(failure) };
            }
        };
        match sync(store, &flow, batch, &options, lines) {
            Ok(summary) => Ended { summary, failure: None },
            Err(error) => {
                let mut summary = Summary::new(error.outcome(), Some(flow));
                (summary.received, summary.rejected) = (batch.received, batch.rejected);
                Ended { summary, failure: Some(Failure::new(error.exit_status(), error.to_string())) }
            }
        }
    }

    /// The summary of a batch that was not read: the flow is known only if a flag names it.
    fn summary_of_failure(&self, outcome: Outcome) -> Summary {
        let flow = self.store.flow.as_ref().or(self.database.as_ref());
        let name = flow.and_then(|_| {
            let database = crate::indexeddb::dom_string::DomString::from(self.database.as_deref().unwrap_or_default());
            self.store.flow_name(&database.to_file_name()).ok()
        });
        Summary::new(outcome, name)
    }

    fn write(&self, summary: &Summary, rejects: &mut ReportLines, lines: &mut ReportLines) -> Result<(), Failure> {
        let mut out = stdout()?;
        let mut write = || {
            if self.report == ReportArg::Lines {
                rejects.copy_to(&mut out)?;
                lines.copy_to(&mut out)?;
            }
            writeln!(out, "{}", summary.to_json())?;
            out.flush()
        };
        write().map_err(|error| Failure::output(&error))
    }

    /// The batch is in, but nobody heard: the same FlowFile will come again.
    fn unheard(&self, failure: Failure, summary: &Summary) -> Failure {
        match (summary.outcome, summary.version) {
            (Outcome::Committed, Some(version)) if !self.dry_run => failure.hint(format!(
                "version {version} is written; sent again with the same --batch-id or sequence, the batch changes nothing"
            )),
            _ => failure,
        }
    }

    fn status(&self, summary: &Summary) -> ExitStatus {
        let (rejects, conflicts) = (summary.rejected > 0, summary.parked > 0);
        let review = match self.fail_on {
            None => false,
            Some(FailOn::Rejects) => rejects,
            Some(FailOn::Conflicts) => conflicts,
            Some(FailOn::Any) => rejects || conflicts,
        };
        if review { ExitStatus::Review } else { ExitStatus::Done }
    }
}

/// The clock, read once, at the edge: time is data for every later stage.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(MAX_TIME_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stdin::DEFAULT_IDLE;
    use crate::normalize::DEFAULT_SKEW_MS;

    #[test]
    fn shown_defaults_are_the_real_ones() {
        assert_eq!(duration(IDLE_TEXT), Ok(DEFAULT_IDLE));
        assert_eq!(duration(SKEW_TEXT).map(|skew| skew.as_millis() as i64), Ok(DEFAULT_SKEW_MS));
    }
}
