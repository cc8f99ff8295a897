//! `nifi-idb conflicts resolve`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::filter::FilterArgs;
use super::read_id;
use crate::cli::hash_key::HashKeyArgs;
use crate::cli::output::stdout;
use crate::cli::policy;
use crate::cli::stored_flow::StoredFlowArgs;
use crate::cli::sync::now_ms;
use crate::decode::DEFAULT_MAX_LINE_BYTES;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::normalize::MAX_TIME_MS;
use crate::pipeline::conflicts::Choice;
use crate::pipeline::resolve::{ResolveOptions, Selection, resolve};
use crate::report::{ReportLines, Summary};

const EXAMPLE: &str = "Example:\n  nifi-idb conflicts resolve --store git:snapshots.git '[6,\"orders\",17]' --use incoming\n  \
    nifi-idb conflicts resolve --store git:snapshots.git --all-matching --object-store orders --use head --dry-run";

/// The flags of `conflicts resolve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Resolve {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Ids of conflicts, as conflicts list shows them
    #[arg(value_name = "ID", required_unless_present = "all_matching", conflicts_with = "all_matching")]
    ids: Vec<String>,

    /// All conflicts that fit the flags below, as conflicts list would list them
    #[arg(long)]
    all_matching: bool,

    #[command(flatten)]
    filter: FilterArgs,

    /// The state that the records get: that of head, of incoming, or of the base
    #[arg(long = "use", value_enum, required_unless_present = "value", conflicts_with = "value")]
    choice: Option<UseArg>,

    /// The value that the record gets: a file that holds it as JSON; for one conflict
    #[arg(long, value_name = "FILE")]
    value: Option<PathBuf>,

    /// TOML file with the rules for conflicts: private fields of --value are hidden, and no record gets a key in a unique index
    /// that another one has, if the file looks for that. Needed for --value where a rule of such a file was asked
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    policy: Option<PathBuf>,

    #[command(flatten)]
    hash_key: HashKeyArgs,

    /// Also replace records that changed after their conflict; what stands is kept as a conflict of its own
    #[arg(long)]
    even_if_changed: bool,

    /// When it was decided, milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..=MAX_TIME_MS))]
    received_at: Option<i64>,

    /// Let the plan through that the guard refused: the digest that it printed
    #[arg(long, value_name = "PLAN", value_parser = NonEmptyStringValueParser::new())]
    confirm: Option<String>,

    /// Where values lie that do not fit into memory [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,

    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UseArg {
    Head,
    Incoming,
    Base,
}

impl Resolve {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let options = self.options(start)?;
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let mut lines = ReportLines::new(options.temp_folder.as_deref());
        let summary = resolve(&*store, &flow, &options, &mut lines)?;
        self.write(&mut lines, &summary)?;
        Ok(ExitStatus::Done)
    }

    fn options(&self, start: Instant) -> Result<ResolveOptions, Failure> {
        if !self.all_matching && self.filter.is_given() {
            return Err(Failure::usage("filters are for --all-matching, not for ids"));
        }
        let selection = match self.all_matching {
            true => Selection::Matching(self.filter.filter()?),
            false => Selection::Ids(self.ids.iter().map(|id| read_id(id)).collect::<Result<_, _>>()?),
        };
        let choice = match self.choice {
            Some(UseArg::Head) => Choice::Head,
            Some(UseArg::Incoming) => Choice::Incoming,
            Some(UseArg::Base) => Choice::Base,
            None => Choice::Value,
        };
        Ok(ResolveOptions {
            value: self.value.as_deref().map(read_value).transpose()?,
            policy: self.policy.as_deref().map(policy::load_flag).transpose()?.map(|file| Arc::new(file.policy)),
            hash_key: self.hash_key.read()?,
            even_if_changed: self.even_if_changed,
            confirm: self.confirm.clone(),
            dry_run: self.dry_run,
            deadline: self.store.store.deadline_at(start),
            temp_folder: self.temp_dir.clone(),
            ..ResolveOptions::new(selection, choice, self.received_at.unwrap_or_else(now_ms))
        })
    }

    fn write(&self, lines: &mut ReportLines, summary: &Summary) -> Result<(), Failure> {
        let mut out = stdout()?;
        let mut write = || {
            lines.copy_to(&mut out)?;
            writeln!(out, "{}", summary.to_json())?;
            out.flush()
        };
        write().map_err(|error| Failure::output(&error).hint("run again, it changes nothing that is done"))
    }
}

fn read_value(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("--value {}: {error}", path.display()));
    let mut value = Vec::new();
    let most = DEFAULT_MAX_LINE_BYTES as u64;
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut value)).map_err(failed)?;
    if value.len() as u64 > most {
        return Err(Failure::usage(format!("--value {}: longer than {most} bytes", path.display())));
    }
    Ok(value)
}
