//! `nifi-idb verify`: verifies that every byte of a version is stored intact.

use std::time::Instant;

use clap::Args;

use super::output::print;
use super::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At, Verified};

const EXAMPLE: &str = "Example:\n  nifi-idb verify --store git:snapshots.git --chain";

/// The flags of `verify`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Verify {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Version to verify: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// Also verify every earlier version; each chunk and value is read once
    #[arg(long)]
    chain: bool,
}

impl Verify {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let verified = history::verify(&*store, &flow, &version, self.chain)?;
        let Verified { chunks, records, bytes, spilled, versions } = verified;
        let number = version.manifest.version;
        let before = if self.chain {
            format!(" and the {versions} versions before it")
        } else {
            String::new()
        };
        let text = format!(
            "version {number} of {flow}{before}: whole; {records} records in {chunks} chunks, \
             {spilled} spilled values, \
             {bytes} bytes\nroot={} state={}\n",
            version.manifest.root(),
            version.state,
        );
        print(&text)?;
        let found = history::unmakeable(&*store, &flow, &version, None, u64::MAX)?;
        print(&found.lines().map(|line| line + "\n").collect::<String>())?;
        Ok(ExitStatus::Done)
    }
}
