//! `nifi-idb template`: the shipped flow definitions for NiFi.

mod check;
#[cfg(feature = "registry")]
mod install;
#[cfg(feature = "registry")]
mod preflight;

use clap::{Args, Subcommand};

use self::check::TemplateCheckArgs;
#[cfg(feature = "registry")]
use self::install::Install;
use super::output::print;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::template::{self, SHIPPED, Shipped};

/// The flags of `template`.
#[derive(Args, Debug)]
pub struct Template {
    #[command(subcommand)]
    command: TemplateCommand,
}

#[derive(Debug, Subcommand)]
enum TemplateCommand {
    /// List the definitions: name, NiFi versions, purpose
    List,
    /// Print a definition as JSON, for uploading to NiFi
    Print {
        /// Name of the definition
        name: String,
    },
    /// Install a definition in a running NiFi through its REST API
    ///
    /// Uploads the definition, sets parameters, enables controller services, and starts the group
    /// if asked to. An existing group with the same name is kept; only differences are changed.
    #[cfg(feature = "registry")]
    Install(Box<Install>),
    /// Check definitions: complete, wired, supported by NiFi 1.28 and 2.x, with existing arguments
    /// and attributes
    Check(TemplateCheckArgs),
}

impl Template {
    /// Runs the command.
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        match self.command {
            TemplateCommand::List => {
                let line =
                    |it: &Shipped| format!("{:<18} {:<10} {}\n", it.name, it.lines, it.summary);
                print(&SHIPPED.iter().map(line).collect::<String>())?;
            }
            TemplateCommand::Print { name } => print(shipped(&name)?.text)?,
            #[cfg(feature = "registry")]
            TemplateCommand::Install(install) => return install.run(),
            TemplateCommand::Check(check) => return check.run(),
        }
        Ok(ExitStatus::Done)
    }
}

fn shipped(name: &str) -> Result<Shipped, Failure> {
    template::find(name).ok_or_else(|| {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        Failure::usage(format!("no definition is named {name:?}"))
            .hint(format!("there are {}", names.join(", ")))
    })
}
