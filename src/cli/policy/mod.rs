//! `nifi-idb policy`: what a policy file says, whether it is right, and what comes of it.

mod check;
mod explain;
mod load;
mod rendered;
mod test;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};

use self::check::Check;
use self::explain::Explain;
use self::load::load;
pub(super) use self::load::load_flag;
use self::test::Test;
use super::output::print;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::policy::SCHEMA;

const EXAMPLE: &str = "Example:\n  nifi-idb policy check policy.toml\n  nifi-idb policy test policy.toml\n  \
    nifi-idb sync --policy policy.toml --store git:snapshots.git < changes.ndjson";

/// The flags of `policy`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Say what is wrong in a policy file, where, and what would be right
    ///
    /// Faults and notes go to standard output. With --store or --schema the file is checked against a database's schema too.
    Check(Box<Check>),
    /// Run the cases that a policy file holds, and say what no case reaches
    ///
    /// They go through the functions that sync calls. Privacy is not applied: values are those that would be stored.
    Test(Test),
    /// Say for one record what is found, which rules are asked, and what comes of it
    ///
    /// The change is a file; what it meets are files too, or stored versions.
    Explain(Box<Explain>),
    /// Write a policy in canonical form, with all that its file leaves unsaid
    Print {
        /// The policy file
        file: PathBuf,
    },
    /// Write the JSON Schema of policy files
    Schema,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportArg {
    /// For people
    #[default]
    Text,
    /// JSON, an object a line
    Json,
}

impl Policy {
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
