//! `nifi-idb conflicts`: lists and shows conflicts, and resolves them by a person's decision.

mod filter;
mod list;
mod resolve;
mod show;

use std::time::Instant;

use clap::{Args, Subcommand};

use self::list::ListConflictsArgs;
use self::resolve::Resolve;
use self::show::ShowConflictArgs;
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
    /// List conflicts, oldest first; by default only those that wait for a person
    ///
    /// Prints one JSON object per line, without values. The id identifies the conflict for show and
    /// resolve.
    List(Box<ListConflictsArgs>),
    /// Show one conflict: base, head, incoming, and the current state of the record
    ///
    /// The value of a side is included if it was kept, either with the conflict or in the
    /// conflict's version or an earlier one.
    Show(Box<ShowConflictArgs>),
    /// Decide conflicts: write one new version that sets the records and marks the conflicts
    /// resolved
    ///
    /// The sources involved learn the decision from the report of their next batch. Standard output
    /// gets one line per conflict, then the summary of the version.
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

/// Reads an id as written by `conflicts list`: the JSON of a key.
fn read_id(text: &str) -> Result<SortableKey, Failure> {
    let key =
        serde_json::from_str(text).ok().and_then(|value| Key::list_key_from_json(&value).ok());
    key.and_then(|key| key.to_list_key().ok()).ok_or_else(|| {
        Failure::usage("an id is what conflicts list shows as one, such as '[6,\"orders\",17]'")
    })
}
