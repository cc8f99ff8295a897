//! `nifi-idb restore`: a version's records to standard output.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::output::stdout;
use super::store_url::StoreArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At, RestoreFormat, RestoreOptions};

const EXAMPLE: &str = "Example:\n  nifi-idb restore --store git:snapshots.git --at 1 --format records";

/// The flags of `restore`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Restore {
    #[command(flatten)]
    store: StoreArgs,

    /// The version: its number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// changes: indexeddb-changes/1, which sync reads; records: the bare values of one object store; flowfile-v3: a
    /// FlowFile an object store, with attributes
    #[arg(long, value_enum, default_value_t = FormatArg::Changes)]
    format: FormatArg,

    /// This object store only; records need it if there are several
    #[arg(long, value_name = "NAME")]
    object_store: Option<String>,

    /// FlowFiles: where a large object store waits until it is whole [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Changes,
    Records,
    #[value(name = "flowfile-v3")]
    FlowFileV3,
}

impl Restore {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let only = self.object_store.as_deref().map(Into::into);
        let format = match self.format {
            FormatArg::Changes => RestoreFormat::Changes,
            FormatArg::Records => RestoreFormat::Records,
            FormatArg::FlowFileV3 => {
                let folder = self.temp_dir.as_deref();
                history::restore_flowfiles(&*store, &flow, &version, only.as_ref(), folder, &mut stdout()?)?;
                return Ok(ExitStatus::Done);
            }
        };
        let mut out = stdout()?;
        history::restore(&*store, &flow, &version, &RestoreOptions { format, object_store: only }, &mut out)?;
        out.flush().map_err(|error: io::Error| Failure::output(&error))?;
        Ok(ExitStatus::Done)
    }
}
