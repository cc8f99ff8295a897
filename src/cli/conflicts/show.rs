//! `nifi-idb conflicts show`.

use std::time::Instant;

use clap::Args;

use super::read_id;
use crate::cli::output::print;
use crate::cli::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At};

const EXAMPLE: &str =
    "Example:\n  nifi-idb conflicts show --store git:snapshots.git '[6,\"orders\",17]'";

/// The flags of `conflicts show`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct ShowConflictArgs {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Version to look in: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// Id of the conflict, as printed by conflicts list
    #[arg(value_name = "ID")]
    id: String,
}

impl ShowConflictArgs {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let id = read_id(&self.id)?;
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let Some(shown) = history::show_conflict(&*store, &flow, &version, &id)? else {
            let (number, count) = (version.manifest.version, history::count_conflicts(&version));
            let what = format!(
                "version {number} of {flow} has no conflict {}; it has {count}",
                id.to_canonical()
            );
            return Err(Failure::usage(what).hint("nifi-idb conflicts list --state all names them"));
        };
        print(&(shown + "\n"))?;
        Ok(ExitStatus::Done)
    }
}
