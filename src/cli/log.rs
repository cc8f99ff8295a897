//! `nifi-idb log`: versions, newest first.

use std::time::Instant;

use clap::{Args, ValueEnum};

use super::output::print;
use super::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history;

const EXAMPLE: &str = "Example:\n  nifi-idb log --store git:snapshots.git --limit 10";

/// The flags of `log`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Log {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// List at most this many versions [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// text: one line per version, for people; json: one object per line
    #[arg(long, value_enum, default_value_t = LogFormatArg::Text)]
    format: LogFormatArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatArg {
    Text,
    Json,
}

impl Log {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let entries = history::log(&*store, &flow, self.limit.unwrap_or(usize::MAX))?;
        let lines = entries.iter().map(|entry| match self.format {
            LogFormatArg::Text => entry.to_text() + "\n",
            LogFormatArg::Json => entry.to_json() + "\n",
        });
        print(&lines.collect::<String>())?;
        Ok(ExitStatus::Done)
    }
}
