//! `nifi-idb policy`: checks, tests, explains and prints policy files.

mod check;
mod explain;
mod load;
mod rendered;
mod test;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};

use self::check::PolicyCheckArgs;
use self::explain::Explain;
use self::load::load;
pub(super) use self::load::load_flag;
use self::test::Test;
use super::output::print;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::policy::SCHEMA;

const EXAMPLE: &str = "Example:\n  nifi-idb policy check policy.toml\n  nifi-idb policy test \
    policy.toml\n  \
    nifi-idb sync --policy policy.toml --store git:snapshots.git < changes.ndjson";

/// The flags of `policy`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Check a policy file: list each fault with its place and a fix
    ///
    /// Faults and notes go to standard output. With --store or --schema, the file is also checked
    /// against a database's schema.
    Check(Box<PolicyCheckArgs>),
    /// Run the test cases in a policy file, and list the rules that no case reaches
    ///
    /// Cases run through the same code as sync. Privacy rules are not applied: the values of a case
    /// are those that would be stored.
    Test(Test),
    /// Explain for one record which conflict is found, which rules are tried, and the result
    ///
    /// The change is read from a file; base and head are read from files or from stored versions.
    Explain(Box<Explain>),
    /// Print a policy in canonical form, with all defaults filled in
    Print {
        /// The policy file
        file: PathBuf,
    },
    /// Print the JSON Schema of policy files
    Schema,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PolicyReportArg {
    /// Text for people
    #[default]
    Text,
    /// JSON, one object per line
    Json,
}

impl PolicyArgs {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        match self.command {
            PolicyCommand::Check(check) => return check.run(start),
            PolicyCommand::Test(test) => return test.run(),
            PolicyCommand::Explain(explain) => return explain.run(start),
            PolicyCommand::Print { file } => print(&load(&file)?.to_toml())?,
            PolicyCommand::Schema => print(SCHEMA)?,
        }
        Ok(ExitStatus::Done)
    }
}
