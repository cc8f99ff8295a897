//! `nifi-idb verify`: proof that every byte of a version is there.

use std::time::Instant;

use clap::Args;

use super::output::{Failure, print};
use super::store_url::StoreArgs;
use crate::exit_status::ExitStatus;
use super::stub::history::{self, At};

const EXAMPLE: &str = "Example:\n  nifi-idb verify --store git:snapshots.git --chain";

/// Reads every byte of a version and checks it against its digests.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Verify {
    #[command(flatten)]
    store: StoreArgs,

    /// The version: its number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// Every version before it, too
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
        print(&(verified.to_string() + "\n"))?;
        Ok(ExitStatus::Done)
    }
}
