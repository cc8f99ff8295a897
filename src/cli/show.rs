//! `nifi-idb show`: one record as of a version, or the version's manifest.

use std::time::Instant;

use clap::Args;

use super::output::print;
use super::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At};
use crate::indexeddb::key::{Key, SortableKey};

const EXAMPLE: &str = "Example:\n  nifi-idb show --store git:snapshots.git --object-store data \
    --key '1' --at 3\n  nifi-idb show \
    --store git:snapshots.git --object-store people --key '\"ann\"'";

/// The flags of `show`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ShowArgs {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Version to show: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// Key of the record, as JSON
    #[arg(long, value_name = "JSON", requires = "object_store", allow_hyphen_values = true)]
    key: Option<String>,

    /// Object store of the record
    #[arg(long, value_name = "NAME", requires = "key")]
    object_store: Option<String>,
}

impl ShowArgs {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let key = self.key.as_deref().map(|key| read_key("--key", key)).transpose()?;
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let (Some(key), Some(name)) = (key, self.object_store) else {
            print(&version.manifest.to_text().0)?;
            return Ok(ExitStatus::Done);
        };
        let shown = history::show_record(&*store, &flow, &version, &name.as_str().into(), &key)?;
        let number = version.manifest.version;
        let missing = || {
            Failure::usage(format!(
                "version {number} of {flow} has no record with this key in {name}"
            ))
        };
        print(&(shown.ok_or_else(missing)?.line + "\n"))?;
        Ok(ExitStatus::Done)
    }
}

/// Parses a record's key from the JSON given by `what`; the error message does not repeat the key.
pub(super) fn read_key(what: &str, text: &str) -> Result<SortableKey, Failure> {
    let no_json = || format!("{what} is no JSON; a string key needs its quotes: --key '\"ann\"'");
    let value = serde_json::from_str(text).map_err(|_| Failure::usage(no_json()))?;
    let key = Key::from_json(&value).and_then(|key| key.to_sortable());
    key.map_err(|error| Failure::usage(format!("{what}: {error}")))
}
