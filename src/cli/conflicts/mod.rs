//! `nifi-idb conflicts`: what was in conflict, and what a person makes of it.

mod filter;
mod list;
mod resolve;
mod show;

use std::time::Instant;

use clap::{Args, Subcommand};

use self::list::List;
use self::resolve::Resolve;
use self::show::Show;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::indexeddb::key::{Key, SortableKey};

/// The flags of `conflicts`.
#[derive(Args, Debug)]
pub struct Conflicts {
    #[command(subcommand)]
    command: ConflictsCommand,
}

#[derive(Debug, Subcommand)]
enum ConflictsCommand {
    /// List conflicts, oldest first; those that wait for a person if nothing else is said
    ///
    /// One JSON object a line, without values. Its id names the conflict to show and to resolve.
    List(Box<List>),
    /// Show one conflict: base, head, incoming, and what stands now
    ///
    /// A side's value is there as far as it is kept: with the conflict, or in the versions before and of it.
    Show(Box<Show>),
    /// Decide conflicts: one new version sets the records and marks the conflicts
    ///
    /// The sources that had a part in it are told with the report of their next batch. Standard output gets a line for each
    /// conflict, and the summary of the version.
    Resolve(Box<Resolve>),
}

impl Conflicts {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        match self.command {
            ConflictsCommand::List(list) => list.run(start),
            ConflictsCommand::Show(show) => show.run(start),
            ConflictsCommand::Resolve(resolve) => resolve.run(start),
        }
    }
}

/// Reads an id as `conflicts list` writes it: the JSON of a key.
fn read_id(text: &str) -> Result<SortableKey, Failure> {
    let key = serde_json::from_str(text).ok().and_then(|value| Key::list_key_from_json(&value).ok());
    key.and_then(|key| key.to_list_key().ok())
        .ok_or_else(|| Failure::usage("an id is what conflicts list shows as one, such as '[6,\"orders\",17]'"))
}
