//! `nifi-idb template check`: checks definitions against the flags and attributes that exist.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Parser};

use super::super::{Cli, output::print, usage, without_empty_values};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::template::{self, TemplateCheckResult};

const EXAMPLE: &str = "Example:\n  nifi-idb template check my-flow.json\n\n\
    Prints one line a fault: the component and what is wrong with it. Exit status 2 if there is \
    any.";

/// The flags of `template check`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct TemplateCheckArgs {
    /// Flow definitions as downloaded from NiFi, or names of shipped ones
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl TemplateCheckArgs {
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let mut faulty = Vec::new();
        let mut out = String::new();
        for file in &self.files {
            let name = file.display().to_string();
            let text = match template::find(&name) {
                Some(shipped) if !file.exists() => shipped.text.to_owned(),
                _ => fs::read_to_string(file)
                    .map_err(|error| Failure::usage(format!("{name}: {error}")))?,
            };
            let checked = template::check(&text, &accepts).map_err(|error| {
                Failure::usage(format!("{name} is no flow definition: {error}"))
            })?;
            out += &told(&name, &checked);
            if !checked.faults.is_empty() {
                faulty.push((name, checked));
            }
        }
        print(&out)?;
        let Some((name, checked)) = faulty.first() else { return Ok(ExitStatus::Done) };
        let count: usize = faulty.iter().map(|(_, checked)| checked.faults.len()).sum();
        let first =
            checked.faults.first().map(|fault| format!("{}: {}", fault.place, fault.message));
        let what = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
        Err(Failure::usage(format!("{what}; the first in {name}: {}", first.unwrap_or_default())))
    }
}

fn told(name: &str, checked: &TemplateCheckResult) -> String {
    let mut out = String::new();
    for fault in &checked.faults {
        out += &format!("{name}: {}: {}\n", fault.place, fault.message);
    }
    for kind in &checked.unknown_types {
        out += &format!(
            "{name}: note: the properties of {kind} are not known here and were not checked\n"
        );
    }
    if checked.faults.is_empty() {
        out += &format!("{name}: good, {} processors\n", checked.processors);
    }
    out
}

/// Checks that a process started with these arguments would accept them.
fn accepts(words: &[String]) -> Result<(), String> {
    let words = std::iter::once("nifi-idb").chain(words.iter().map(String::as_str)).map(Into::into);
    match Cli::try_parse_from(without_empty_values(words)) {
        Ok(_) => Ok(()),
        Err(error) => Err(usage::failure(&error)
            .map_or_else(|_| "it asks for help".to_owned(), |failure| failure.message)),
    }
}
