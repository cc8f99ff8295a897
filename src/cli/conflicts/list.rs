//! `nifi-idb conflicts list`.

use std::time::Instant;

use clap::{Args, ValueEnum};

use super::filter::FilterArgs;
use crate::cli::output::stdout;
use crate::cli::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At};
use crate::snapshot::logged_conflict::LoggedConflict;

const EXAMPLE: &str = "Example:\n  nifi-idb conflicts list --store git:snapshots.git\n  nifi-idb \
    conflicts list --store \
    git:snapshots.git --state all --object-store orders --source kiosk-7 --format text";

/// The flags of `conflicts list`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct ListConflictsArgs {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Version to list: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    #[command(flatten)]
    filter: FilterArgs,

    /// json: one object per line; text: one line per conflict, for people
    #[arg(long, value_enum, default_value_t = ListFormatArg::Json)]
    format: ListFormatArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListFormatArg {
    Json,
    Text,
}

impl ListConflictsArgs {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let filter = self.filter.filter()?;
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let line = match self.format {
            ListFormatArg::Json => LoggedConflict::to_json,
            ListFormatArg::Text => text_line,
        };
        history::list_conflicts(&*store, &flow, &version, &filter, &line, &mut stdout()?)?;
        Ok(ExitStatus::Done)
    }
}

/// Formats one line: state, type, winner, the sources of head and incoming (`-` if none), rule, id,
/// the other record of a unique index, and the reason why no rule decided.
fn text_line(conflict: &LoggedConflict) -> String {
    let by = |by: Option<&crate::snapshot::SourceId>| {
        by.map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let (state, kind, winner) =
        (conflict.state().name(), conflict.kind.name(), conflict.winner.name());
    let head = by(conflict.head.as_ref().and_then(|head| head.by.as_ref()));
    let (incoming, id) = (by(conflict.incoming.by.as_ref()), conflict.id.to_canonical());
    let rule = &conflict.rule;
    let line = format!("{state:<8}  {kind:<23}  {winner:<8}  {head} < {incoming}  {rule}  {id}");
    let line = match &conflict.other {
        Some(other) => format!("{line}  against {}", other.to_canonical()),
        None => line,
    };
    let line = match &conflict.reason {
        Some(reason) => format!("{line}  {reason}"),
        None => line,
    };
    // Users choose the names of rules, so they must not be able to control a terminal.
    line.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
