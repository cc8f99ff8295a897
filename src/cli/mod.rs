//! The command line: one file per command; each turns flags into library calls.

#[cfg(feature = "serve")]
mod allocator;
mod built_in_stores;
mod completions;
mod conflicts;
mod doctor;
mod find_flow;
mod hash_key;
mod input;
mod log;
mod logging;
mod man;
pub mod output;
mod policy;
mod progress;
mod rejects;
mod restore;
#[cfg(feature = "serve")]
mod serve;
mod show;
pub mod signals;
mod sources;
pub mod stdin;
mod store_url;
mod stored_flow;
mod sync;
mod template;
mod units;
mod usage;
mod verify;

use std::ffi::OsString;
use std::time::Instant;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};

pub use logging::LogArgs;
pub use store_url::StoreArgs;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::trace_context::continue_trace;

/// The whole command line. Completions and man pages are generated from it.
#[derive(Debug, Parser)]
#[command(name = "nifi-idb", version, about, long_about = LONG_ABOUT, color = ColorChoice::Never)]
#[command(disable_help_subcommand = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,

    /// The log of the command.
    #[command(flatten)]
    pub logging: LogArgs,
}

const LONG_ABOUT: &str = "Keeps versions of IndexedDB databases in a git repository or in NiFi \
    Registry.\n\n\
    Reads records from standard input, brings them into one canonical form, merges them with what \
    is stored and \
    writes a new version; gives the records of any version back.";

const AFTER_HELP: &str = "Exit status: 0 done, 1 bug, 2 usage, 3 done with rejects (--fail-on), 4 \
    try again, \
    5 input cut off or all of it rejected, 6 a person must confirm, 7 the store refuses, 8 not \
    allowed, 130 and 143 stopped.\n\n\
    Example:\n  nifi-idb sync --store git:snapshots.git --database myDatabase --object-store data \
    --key-path id \
    < records.ndjson";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Merge standard input into a new version and report the result
    ///
    /// Standard input contains records or changes. The report goes to standard output, one object
    /// per line; the last line is the summary. Nothing on standard error means success. Nothing is
    /// written to the store before the input is complete.
    Sync(Box<sync::Sync>),
    /// Print the rejected lines of a report, to be corrected and sent again
    ///
    /// Reads the file of sync --rejects, or a report that includes the text of rejected lines.
    /// Lines of indexeddb-changes/1 are printed as a batch without sequence numbers. Exits with 5
    /// if a line has no text, or if a batch failed as a whole.
    Rejects(rejects::PrintRejects),
    /// Write a version's records to standard output
    ///
    /// Every chunk is checked against its digests before it is written. If the exit status is not
    /// 0, the output is incomplete; in the changes format it then has no end line.
    Restore(restore::Restore),
    /// List versions, newest first
    Log(log::Log),
    /// Show one record as of a version, or the version's manifest
    Show(show::ShowArgs),
    /// List, show and resolve conflicts, decided by rules or waiting for a person
    Conflicts(conflicts::Conflicts),
    /// Show up to which number each source's changes are durable
    ///
    /// Prints one JSON object per line. A source checks this before it discards the changes that it
    /// has sent.
    Sources(sources::SourcesArgs),
    /// Verify that every byte of a version is stored intact
    ///
    /// Reads all chunks and spilled values and checks them against their digests, keys and
    /// positions.
    Verify(verify::Verify),
    /// Serve batches and stored versions over HTTP and gRPC
    ///
    /// One listener takes HTTP/1.1, HTTP/2 and gRPC, for NiFi's InvokeHTTP and InvokeGRPC and for
    /// web pages. A FlowFile gets the same report as from sync.
    #[cfg(feature = "serve")]
    Serve(Box<serve::Serve>),
    /// Check the configuration and the store, and count the conflicts that wait for a person
    Doctor(doctor::Doctor),
    /// List, print, install and check flow definitions for NiFi
    Template(template::Template),
    /// Check, test, explain and print conflict rules in a policy file
    Policy(policy::PolicyArgs),
    /// Print shell completions
    Completions(completions::Completions),
    /// Print a manual page
    Man(man::Man),
}

/// Runs one command line. All its output has been written when it returns.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let start = Instant::now();
    let args = without_empty_values(args);
    let result = match Cli::try_parse_from(&args) {
        Ok(cli) => {
            let _log = cli.logging.start(cli.command.default_log_level());
            cli.command.run_logged(start)
        }
        Err(error) => wrong_or_help(&error, &args),
    };
    result.unwrap_or_else(|failure| {
        output::write_failure(&failure);
        failure.status
    })
}

/// Drops options that are followed by an empty argument, because NiFi passes a parameter without a
/// value like that. `--name=` still sets an empty value.
fn without_empty_values(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    if !args.iter().any(|arg| arg.is_empty()) {
        return args;
    }
    let cli = Cli::command();
    let command = command_name(&args).and_then(|name| cli.find_subcommand(name)).unwrap_or(&cli);
    let takes_value = |arg: &OsString| {
        let name = arg.to_str().and_then(|arg| arg.strip_prefix("--"));
        let known = command.get_arguments().chain(cli.get_arguments());
        let mut known = known.filter(|known| known.get_action().takes_values());
        name.is_some_and(|name| known.any(|known| known.get_long() == Some(name)))
    };
    let mut kept: Vec<OsString> = Vec::new();
    for arg in args {
        if arg.is_empty() && kept.last().is_some_and(takes_value) {
            kept.pop();
        } else {
            kept.push(arg);
        }
    }
    kept
}

/// Returns the word in the place of the command. Only options with a value precede it.
fn command_name(args: &[OsString]) -> Option<&OsString> {
    let mut words = args.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_str().and_then(|word| word.strip_prefix("--")) {
            None => return Some(word),
            Some(option) if option.contains('=') => {}
            Some(_) => drop(words.next()),
        }
    }
    None
}

fn wrong_or_help(error: &clap::Error, args: &[OsString]) -> Result<ExitStatus, Failure> {
    let failure = match usage::failure(error) {
        Ok(failure) => failure,
        Err(help) => return output::print(&help).map(|()| ExitStatus::Done),
    };
    // A misspelt command may be meant as `sync`, which reads standard input. The others read
    // nothing.
    let reads_nothing = |name: &OsString| {
        Cli::command().find_subcommand(name).is_some_and(|it| it.get_name() != "sync")
    };
    if !command_name(args).is_some_and(reads_nothing) {
        input::drain_stdin();
    }
    Err(failure)
}

impl Command {
    /// Returns the level of the log without a flag. NiFi keeps the first 4,000 bytes of a command's
    /// standard error, and they are for its failure.
    fn default_log_level(&self) -> &'static str {
        match self {
            #[cfg(feature = "serve")]
            Self::Serve(_) => "info",
            _ => "off",
        }
    }

    /// Returns the name of the command.
    fn name(&self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Rejects(_) => "rejects",
            Self::Restore(_) => "restore",
            Self::Log(_) => "log",
            Self::Show(_) => "show",
            Self::Conflicts(_) => "conflicts",
            Self::Sources(_) => "sources",
            Self::Verify(_) => "verify",
            #[cfg(feature = "serve")]
            Self::Serve(_) => "serve",
            Self::Doctor(_) => "doctor",
            Self::Template(_) => "template",
            Self::Policy(_) => "policy",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// Runs the command and logs its end. The server's lines for people already tell its end.
    fn run_logged(self, start: Instant) -> Result<ExitStatus, Failure> {
        let command = self.name();
        if command == "serve" {
            return self.run(start);
        }
        let span = tracing::error_span!("command", command);
        // NiFi or a script may have begun a trace.
        if let Ok(parent) = std::env::var("TRACEPARENT") {
            continue_trace(&span, &parent);
        }
        let _command = span.entered();
        let result = self.run(start);
        let ms = start.elapsed().as_millis() as u64;
        match &result {
            Ok(status) => tracing::info!(status = *status as u8, ms, "command ended"),
            Err(failure) => {
                let (status, error) = (failure.status as u8, &failure.message);
                tracing::error!(status, ms, error, "command failed");
            }
        }
        result
    }

    fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        match self {
            Self::Sync(sync) => sync.run(start),
            Self::Rejects(rejects) => rejects.run(),
            Self::Restore(restore) => restore.run(start),
            Self::Log(log) => log.run(start),
            Self::Show(show) => show.run(start),
            Self::Conflicts(conflicts) => conflicts.run(start),
            Self::Sources(sources) => sources.run(start),
            Self::Verify(verify) => verify.run(start),
            #[cfg(feature = "serve")]
            Self::Serve(serve) => serve.run(start),
            Self::Doctor(doctor) => doctor.run(start),
            Self::Template(template) => template.run(),
            Self::Policy(policy) => policy.run(start),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        }
    }
}
