//! `nifi-idb sources`: prints up to which number each source's changes are durable.

use std::time::Instant;

use clap::Args;

use super::output::print;
use super::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history;
use crate::snapshot::SourceId;

const EXAMPLE: &str =
    "Example:\n  nifi-idb sources --store git:snapshots.git --flow myDatabase --source kiosk-7";

/// The flags of `sources`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct SourcesArgs {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Only this source; an unknown source has checkpoint 0
    #[arg(long, value_name = "ID")]
    source: Option<SourceId>,
}

impl SourcesArgs {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let store = self.store.open(start)?;
        let flow = match (self.store.named_flow()?, &self.source) {
            // A source may ask before the flow exists.
            (Some(flow), Some(_)) => flow,
            _ => self.store.existing_flow(&*store)?,
        };
        let sources = history::sources(&*store, &flow, self.source.as_ref())?;
        let lines: String = sources.iter().map(|source| source.to_json() + "\n").collect();
        print(&lines)?;
        Ok(ExitStatus::Done)
    }
}
