//! `nifi-idb restore`: writes a version's records to standard output.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::input::private_file;
use super::output::{stdout, write_notes};
use super::stored_flow::StoredFlowArgs;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{
    self, At, ExportFormat, ExportOptions, Exported, FlowFileOptions, RestoreFormat, RestoreOptions,
};
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::FlowName;
use crate::store::{SnapshotStore, StoredVersion};

const EXAMPLE: &str =
    "Example:\n  nifi-idb restore --store git:snapshots.git --at 1 --format records";

/// The flags of `restore`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Restore {
    #[command(flatten)]
    store: StoredFlowArgs,

    /// Version to restore: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    at: At,

    /// changes: indexeddb-changes/1, which sync reads; records: the bare values of one object
    /// store; playwright: a storage state; dexie: a dump in the format of dexie-export-import;
    /// json: {"store":[value,...],...}; flowfile-v3: one FlowFile per object store, with attributes
    #[arg(long, value_enum, default_value_t = RestoreFormatArg::Changes)]
    format: RestoreFormatArg,

    /// Only this object store (required with --format records when there are several)
    #[arg(long, value_name = "NAME")]
    object_store: Option<String>,

    /// Playwright: origin that the database belongs to
    #[arg(long, value_name = "URL", env = "NIFI_IDB_ORIGIN", hide_env_values = true)]
    origin: Option<String>,

    /// Playwright, Dexie, JSON: list everything that the format cannot represent in this file, one
    /// place per line (mode 0600)
    #[arg(long, value_name = "FILE")]
    losses: Option<PathBuf>,

    /// Playwright, Dexie, JSON: exit with 3 if the format cannot represent everything; the output
    /// is still complete
    #[arg(long)]
    fail_on_loss: bool,

    /// FlowFiles: folder where a large object store is collected before it is written [default: the
    /// system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RestoreFormatArg {
    Changes,
    Records,
    Playwright,
    Dexie,
    Json,
    #[value(name = "flowfile-v3")]
    FlowFileV3,
}

impl Restore {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let export = matches!(
            self.format,
            RestoreFormatArg::Playwright | RestoreFormatArg::Dexie | RestoreFormatArg::Json
        );
        if !export && (self.losses.is_some() || self.fail_on_loss) {
            return Err(Failure::usage(
                "--losses and --fail-on-loss are for playwright, dexie and json: the others lose nothing",
            ));
        }
        let store = self.store.open(start)?;
        let flow = self.store.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let only = self.object_store.as_deref().map(Into::into);
        let format = match self.format {
            RestoreFormatArg::Changes => RestoreFormat::Changes,
            RestoreFormatArg::Records => RestoreFormat::Records,
            RestoreFormatArg::Playwright => {
                let origin = self.origin.clone().unwrap_or_default();
                return self.export(&*store, &flow, &version, ExportFormat::Playwright { origin });
            }
            RestoreFormatArg::Dexie => {
                return self.export(&*store, &flow, &version, ExportFormat::Dexie);
            }
            RestoreFormatArg::Json => {
                return self.export(&*store, &flow, &version, ExportFormat::Json);
            }
            RestoreFormatArg::FlowFileV3 => {
                let only = only.as_ref();
                let options = FlowFileOptions { only, folder: self.temp_dir.as_deref() };
                history::restore_flowfiles(&*store, &flow, &version, options, &mut stdout()?)?;
                return write_unmakeable(&*store, &flow, &version, only);
            }
        };
        let mut out = stdout()?;
        let options = RestoreOptions { format, object_store: only };
        history::restore(&*store, &flow, &version, &options, &mut out)?;
        out.flush().map_err(|error: io::Error| Failure::output(&error))?;
        write_unmakeable(&*store, &flow, &version, options.object_store.as_ref())
    }

    fn export(
        &self,
        store: &dyn SnapshotStore,
        flow: &FlowName,
        version: &StoredVersion,
        format: ExportFormat,
    ) -> Result<ExitStatus, Failure> {
        let mut told =
            self.losses.as_deref().map(|path| private_file(path, "--losses")).transpose()?;
        let options =
            ExportOptions { format, object_store: self.object_store.as_deref().map(Into::into) };
        let mut out = stdout()?;
        let Exported { losses, unmakeable, .. } =
            history::export(store, flow, version, &options, &mut out)?;
        out.flush().map_err(|error: io::Error| Failure::output(&error))?;
        write_notes(unmakeable.lines());
        if let (Some(file), Some(path)) = (&mut told, &self.losses) {
            let mut text = String::new();
            losses.lines().for_each(|line| text.extend([line.to_json().as_str(), "\n"]));
            let written = file.write_all(text.as_bytes());
            written.map_err(|error| {
                Failure::output(&error).hint(format!("--losses {}", path.display()))
            })?;
        }
        if self.fail_on_loss && !losses.is_empty() {
            write_notes(std::iter::once(format!(
                "the output is whole, but its format lost something {} times (--fail-on-loss); \
                 --losses FILE tells what",
                losses.total()
            )));
            return Ok(ExitStatus::Review);
        }
        Ok(ExitStatus::Done)
    }
}

/// Notes the parts of a version that no web page can create.
fn write_unmakeable(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: &StoredVersion,
    only: Option<&DomString>,
) -> Result<ExitStatus, Failure> {
    write_notes(history::unmakeable(store, flow, version, only, u64::MAX)?.lines());
    Ok(ExitStatus::Done)
}
