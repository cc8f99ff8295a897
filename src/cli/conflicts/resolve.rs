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
use crate::decide::{ResolveOptions, Selection, resolve};
use crate::decode::DEFAULT_MAX_LINE_BYTES;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::report::{ReportLines, Summary};
use crate::snapshot::logged_conflict::Choice;

const EXAMPLE: &str = "Example:\n  nifi-idb conflicts resolve --store git:snapshots.git '[6,\"orders\",17]' --use incoming\n  \
    nifi-idb conflicts resolve --store git:snapshots.git --all-matching --object-store orders --use head --dry-run";

/// The flags of `conflicts resolve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Resolve {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Ids of the conflicts, as printed by conflicts list
    #[arg(
        value_name = "ID",
        required_unless_present = "all_matching",
        conflicts_with = "all_matching"
    )]
    ids: Vec<String>,

    /// Resolve all conflicts that match the filters below, as conflicts list would list them
    #[arg(long)]
    all_matching: bool,

    #[command(flatten)]
    filter: FilterArgs,

    /// Set the records to this side's state: head, incoming or base
    #[arg(long = "use", value_enum, required_unless_present = "value", conflicts_with = "value")]
    choice: Option<UseArg>,

    /// Set the record to the JSON value in this file (one conflict only)
    #[arg(long, value_name = "FILE")]
    value: Option<PathBuf>,

    /// TOML file with the conflict rules. Private fields of --value are hidden as it defines, and
    /// unique indexes are enforced if it asks for that. Required for --value if the conflict met a
    /// rule of a policy file
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    policy: Option<PathBuf>,

    #[command(flatten)]
    hash_key: HashKeyArgs,

    /// Overwrite records that changed since the conflict; the overwritten value is logged as a new
    /// conflict
    #[arg(long)]
    even_if_changed: bool,

    /// Time of the decision, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..=MAX_DATE_MS))]
    received_at: Option<i64>,

    /// Confirm the plan that the guard refused, by the digest from its message
    #[arg(long, value_name = "PLAN", value_parser = NonEmptyStringValueParser::new())]
    confirm: Option<String>,

    /// Folder for values that do not fit into memory [default: the system's folder for temporary
    /// files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,

    /// Show what would be done, without writing anything
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
            false => {
                Selection::Ids(self.ids.iter().map(|id| read_id(id)).collect::<Result<_, _>>()?)
            }
        };
        let choice = match self.choice {
            Some(UseArg::Head) => Choice::Head,
            Some(UseArg::Incoming) => Choice::Incoming,
            Some(UseArg::Base) => Choice::Base,
            None => Choice::Value,
        };
        Ok(ResolveOptions {
            value: self.value.as_deref().map(read_value).transpose()?,
            policy: self
                .policy
                .as_deref()
                .map(policy::load_flag)
                .transpose()?
                .map(|file| Arc::new(file.policy)),
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
        write().map_err(|error| {
            Failure::output(&error).hint("run again, it changes nothing that is done")
        })
    }
}

fn read_value(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::usage(format!("--value {}: {error}", path.display()));
    let mut value = Vec::new();
    let most = DEFAULT_MAX_LINE_BYTES as u64;
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut value))
        .map_err(failed)?;
    if value.len() as u64 > most {
        return Err(Failure::usage(format!(
            "--value {}: longer than {most} bytes",
            path.display()
        )));
    }
    Ok(value)
}
