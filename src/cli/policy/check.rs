//! `nifi-idb policy check`: finds the faults of a policy file.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::super::output::print;
use super::super::store_url::StoreArgs;
use super::{PolicyReportArg, load, rendered};
use crate::decode::{DecodeOptions, Decoder, Dialect};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::{self, At};
use crate::indexeddb::schema::Database;
use crate::policy::{Fault, PolicyFile, against_schema};

const EXAMPLE: &str = "Example:\n  nifi-idb policy check policy.toml\n  nifi-idb policy check \
    policy.toml --store git:snapshots.git \
    --flow shop\n\nExit status 2 if anything is wrong, else 0; notes are not wrong.";

/// The flags of `policy check`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE, mut_arg("store", |arg| arg.required(false)))]
pub(super) struct PolicyCheckArgs {
    /// The policy file
    file: PathBuf,

    /// Also check against the schema in this file: a header line of indexeddb-changes/1
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    schema: Option<PathBuf>,

    /// text: faults with their source lines; json: one object per line for each fault and note,
    /// then a summary
    #[arg(long, value_enum, default_value_t)]
    report: PolicyReportArg,

    #[command(flatten)]
    store: Option<StoreArgs>,
}

impl PolicyCheckArgs {
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let name = self.file.display().to_string();
        let text = load::text(&self.file)?;
        let database = self.database(start)?;
        let (file, faults, notes) = match PolicyFile::read(&text) {
            Err(faults) => (None, faults, Vec::new()),
            Ok(file) => {
                let checked =
                    database.map(|database| against_schema(&file, &database)).unwrap_or_default();
                let notes = file.notes.iter().cloned().chain(checked.notes).collect();
                (Some(file), checked.faults, notes)
            }
        };
        let out = match self.report {
            PolicyReportArg::Text => told(&name, &text, file.as_ref(), &faults, &notes),
            PolicyReportArg::Json => lines(&name, &text, &faults, &notes),
        };
        print(&out)?;
        let Some(first) = faults.first() else { return Ok(ExitStatus::Done) };
        let count = if faults.len() == 1 {
            "1 fault".to_owned()
        } else {
            format!("{} faults", faults.len())
        };
        Err(Failure::usage(format!("{count}; the first: {}", first.headline(&name, &text))))
    }

    /// Returns the schema to check against, if the flags name one.
    fn database(&self, start: Instant) -> Result<Option<Database>, Failure> {
        if let Some(path) = &self.schema {
            let wrong =
                |what: String| Failure::usage(format!("--schema {}: {what}", path.display()));
            let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
            let options =
                DecodeOptions { input: Some(Dialect::Changes), ..DecodeOptions::default() };
            let decoder = Decoder::open(file, options).map_err(|error| wrong(error.to_string()))?;
            return Ok(Some(decoder.header().schema.clone()));
        }
        let Some(args) = &self.store else { return Ok(None) };
        let store = args.open(start)?;
        // NIFI_IDB_STORE may be set for all commands, so an empty store is not an error: before the
        // first batch, only the policy itself can be checked.
        if args.flow.is_none() && store.flows()?.is_empty() {
            return Ok(None);
        }
        let flow = args.existing_flow(&*store)?;
        let manifest = history::open_version(&*store, &flow, At::Latest)?.manifest;
        let stores = manifest.stores.iter().map(|store| store.schema.clone()).collect();
        let wrong = |error| Failure::usage(format!("the schema of {flow}: {error}"));
        Database::new(manifest.database.clone(), manifest.database_version, stores)
            .map(Some)
            .map_err(wrong)
    }
}

fn told(
    name: &str,
    text: &str,
    file: Option<&PolicyFile>,
    faults: &[Fault],
    notes: &[Fault],
) -> String {
    let mut out: String = faults.iter().map(|fault| fault.render(name, text)).collect();
    for note in notes {
        let message = format!("note: {}", note.message);
        out += &Fault { message, ..note.clone() }.render(name, text);
    }
    if let Some(file) = file.filter(|_| faults.is_empty()) {
        let (stores, cases) = (file.policy.stores.len(), file.cases.len());
        out += &format!(
            "{name}: good, {} and {}\n",
            counted(stores, "object store"),
            counted(cases, "case")
        );
    }
    out
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn lines(name: &str, text: &str, faults: &[Fault], notes: &[Fault]) -> String {
    let faults_ = faults.iter().map(|fault| rendered::json("fault", name, text, fault));
    let notes_ = notes.iter().map(|note| rendered::json("note", name, text, note));
    let summary =
        json!({ "type": "summary", "file": name, "faults": faults.len(), "notes": notes.len() });
    faults_
        .chain(notes_)
        .chain(std::iter::once(summary))
        .map(|line| line.to_string() + "\n")
        .collect()
}
