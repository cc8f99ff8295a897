//! The processor: what it is configured with, how it starts a child, and where a FlowFile goes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::child::{Ended, Input, Running};
use super::flow_file::{FlowFile, with_parameters};

/// What `execution.error` keeps of standard error.
const ERROR_BYTES: usize = 4_000;

/// ExecuteStreamCommand with *Dynamic Property Arguments*.
#[derive(Clone, Debug)]
pub(crate) struct ExecuteStreamCommand {
    pub(crate) command_path: PathBuf,
    /// The values of `command.argument.1`, `command.argument.2` …, as they stand in the property.
    pub(crate) arguments: Vec<String>,
    /// Other dynamic properties.
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) working_directory: PathBuf,
    /// The environment that NiFi itself runs in.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Of the relationship `nonzero status`; 0 is no retry.
    pub(crate) retry_count: u32,
    pub(crate) penalty: Duration,
}

/// Where a FlowFile went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relationship {
    OutputStream,
    NonzeroStatus,
}

/// One session that was committed, with all runs that the framework's retry made of it.
#[derive(Debug)]
pub(crate) struct Session {
    /// To `original`.
    pub(crate) original: FlowFile,
    /// To `relationship`.
    pub(crate) child: FlowFile,
    pub(crate) relationship: Relationship,
    /// ERROR lines on the bulletin board.
    pub(crate) bulletins: Vec<String>,
    /// All of standard error of the last run.
    pub(crate) err: String,
    pub(crate) runs: u32,
}

impl Session {
    pub(crate) fn status(&self) -> i32 {
        self.child.attributes["execution.status"].parse().unwrap()
    }
}

impl ExecuteStreamCommand {
    /// Starts the child of one run; the FlowFile is still in its queue.
    pub(crate) fn start(&self, flow_file: &FlowFile, input: Input) -> std::io::Result<Running> {
        // The processor makes it, if it may.
        let _ = std::fs::create_dir_all(&self.working_directory);
        let mut command = Command::new(&self.command_path);
        command.args(self.arguments(flow_file)).current_dir(&self.working_directory);
        command.env_clear().envs(&self.environment);
        for (name, value) in self.dynamic_properties() {
            command.env(name, with_parameters(&value, &self.parameters));
        }
        Running::start(command, flow_file.content.clone(), input)
    }

    /// Lets it run until the FlowFile is where it goes; an error means that it stays in the queue, penalized.
    pub(crate) fn trigger(&self, flow_file: &FlowFile) -> std::io::Result<Session> {
        let mut bulletins = Vec::new();
        let mut runs = 0;
        loop {
            let ended = self.start(flow_file, Input::Whole)?.end();
            runs += 1;
            let failed = ended.status.code() != Some(0);
            bulletins.extend(ended.broken_pipe.clone());
            if failed {
                bulletins.push(ended.err.clone());
            }
            if !failed || runs > self.retry_count {
                return Ok(self.route(flow_file, ended, bulletins, runs));
            }
            // The child FlowFile is dropped, and the parent comes back after its penalty, with its identity.
            std::thread::sleep(self.penalty * 2_u32.pow(runs - 1));
        }
    }

    fn route(
        &self,
        flow_file: &FlowFile,
        ended: Ended,
        bulletins: Vec<String>,
        runs: u32,
    ) -> Session {
        let status =
            ended.status.code().expect("Java gives 128 and the signal here; no case ends so");
        let kept = &ended.err.as_bytes()[..ended.err.len().min(ERROR_BYTES)];
        let written = [
            ("execution.command", self.command_path.display().to_string()),
            ("execution.command.args", self.arguments(flow_file).join("\t")),
            ("execution.status", status.to_string()),
            ("execution.error", String::from_utf8_lossy(kept).into_owned()),
        ];
        let mut original = flow_file.clone();
        let mut child = flow_file.child(ended.out);
        for (name, value) in written {
            original.attributes.insert(name.to_owned(), value.clone());
            child.attributes.insert(name.to_owned(), value);
        }
        let relationship =
            if status == 0 { Relationship::OutputStream } else { Relationship::NonzeroStatus };
        child.penalized = status != 0;
        Session { original, child, relationship, bulletins, err: ended.err, runs }
    }

    fn arguments(&self, flow_file: &FlowFile) -> Vec<String> {
        self.arguments
            .iter()
            .map(|argument| flow_file.evaluate(argument, &self.parameters))
            .collect()
    }

    /// All of them are in the child's environment, the arguments too.
    fn dynamic_properties(&self) -> BTreeMap<String, String> {
        let arguments = self.arguments.iter().enumerate();
        let arguments =
            arguments.map(|(n, value)| (format!("command.argument.{}", n + 1), value.clone()));
        self.properties.clone().into_iter().chain(arguments).collect()
    }
}
