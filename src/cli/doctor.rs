//! `nifi-idb doctor`: what is configured, reachable and writable.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::output::print;
use super::store_url::StoreArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;

const EXAMPLE: &str = "Example:\n  nifi-idb doctor --store http://127.0.0.1:18080";

/// The flags of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Doctor {
    #[command(flatten)]
    store: StoreArgs,

    /// Where large inputs are sorted [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

impl Doctor {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let mut text = format!("nifi-idb {}, snapshot format 1\n", env!("CARGO_PKG_VERSION"));
        let folder = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let temporary = tempfile::tempfile_in(&folder).map_err(|error| {
            Failure::usage(format!("temporary files in {}: {error}", folder.display()))
                .hint("name another folder with --temp-dir or TMPDIR")
        });
        if temporary.is_ok() {
            text += &format!("temporary files in {}: writable\n", folder.display());
        }
        let store = self.store.open(start).and_then(|store| {
            text += &format!("store: {}\n", store.describe());
            store.check().map_err(Failure::from)
        });
        for line in store.iter().flatten() {
            text += &format!("  {line}\n");
        }
        print(&text)?;
        store?;
        temporary?;
        Ok(ExitStatus::Done)
    }
}
