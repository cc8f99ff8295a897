//! `nifi-idb man`: manual pages, generated from the definition of the command line.

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use super::output::print;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;

const EXAMPLE: &str = "Example:\n  nifi-idb man sync | man -l -";

/// The flags of `man`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Man {
    /// Command to print the page of [default: nifi-idb itself]
    command: Option<String>,
}

impl Man {
    /// Runs the command.
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let mut cli = Cli::command();
        cli.build();
        let command = match &self.command {
            None => cli,
            Some(name) => {
                let unknown = || Failure::usage("no such command").hint("see nifi-idb --help");
                cli.find_subcommand(name).cloned().ok_or_else(unknown)?
            }
        };
        let mut text = Vec::new();
        Page::new(command).render(&mut text).map_err(|error| Failure::output(&error))?;
        print(&String::from_utf8_lossy(&text))?;
        Ok(ExitStatus::Done)
    }
}
