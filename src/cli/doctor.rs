//! `nifi-idb doctor`: reports the configuration, checks the store, and counts the conflicts that
//! wait for a person.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::output::print;
use super::store_url::StoreArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At};
use crate::store::SnapshotStore;
use crate::temporary::private_file;

/// Limit on the records of an object store whose unique indexes are checked, because the check
/// reads all of them.
const LOOKED_AT_RECORDS: u64 = 100_000;

/// Limit on the flows whose conflicts are counted, because each count reads the conflict log of the
/// newest version.
const COUNTED_FLOWS: usize = 20;

const EXAMPLE: &str = "Example:\n  nifi-idb doctor --store http://127.0.0.1:18080";

/// The flags of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Doctor {
    #[command(flatten)]
    store: StoreArgs,

    /// Folder for sorting large inputs [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

impl Doctor {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let mut text = format!("nifi-idb {}, snapshot format 1\n", env!("CARGO_PKG_VERSION"));
        let folder = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let temporary = private_file(Some(&folder)).map_err(|error| {
            Failure::usage(format!("temporary files in {}: {error}", folder.display()))
                .hint("name another folder with --temp-dir or TMPDIR")
        });
        if temporary.is_ok() {
            text += &format!("temporary files in {}: writable\n", folder.display());
        }
        let store = self.store.open(start).and_then(|store| {
            text += &format!("store: {}\n", store.describe());
            for line in store.check()? {
                text += &format!("  {line}\n");
            }
            self.waiting(&*store, &mut text)
        });
        print(&text)?;
        store?;
        temporary?;
        Ok(ExitStatus::Done)
    }

    /// Adds to `text`, for each flow, the number of parked conflicts and the parts of its schema
    /// and data that no web page can create. Adds nothing for a flow that has neither.
    fn waiting(&self, store: &dyn SnapshotStore, text: &mut String) -> Result<(), Failure> {
        let StoreArgs { bucket, flow, .. } = &self.store;
        let fits = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == name)
        };
        let mut flows = store.flows()?;
        flows.retain(|it| fits(bucket, it.bucket()) && fits(flow, it.flow()));
        for flow in flows.iter().take(COUNTED_FLOWS) {
            let version = history::open_version(store, flow, At::Latest)?;
            match history::count_parked(store, flow, &version)? {
                0 => {}
                1 => {
                    *text += &format!(
                        "  {flow}: 1 conflict waits for a person; conflicts list names it\n"
                    )
                }
                count => {
                    *text += &format!(
                        "  {flow}: {count} conflicts wait for a person; conflicts list names them\n"
                    )
                }
            }
            let found = history::unmakeable(store, flow, &version, None, LOOKED_AT_RECORDS)?;
            found.lines().for_each(|line| *text += &format!("  {flow}: {line}\n"));
        }
        if flows.len() > COUNTED_FLOWS {
            let more = flows.len() - COUNTED_FLOWS;
            *text += &format!(
                "  {more} more flows are not looked at for conflicts and what no page can make: \
                 name one with --flow\n"
            );
        }
        Ok(())
    }
}
