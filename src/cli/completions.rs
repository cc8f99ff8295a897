//! `nifi-idb completions`: shell completions, generated from the definition of the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::print;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;

const EXAMPLE: &str = "Example:\n  nifi-idb completions bash > /etc/bash_completion.d/nifi-idb";

/// The flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Completions {
    /// Shell to generate completions for
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "nifi-idb", &mut text);
        print(&String::from_utf8_lossy(&text))?;
        Ok(ExitStatus::Done)
    }
}
