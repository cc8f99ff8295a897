//! The versions of a flow: their list, and the content of one.

use std::io::Write;

use super::super::client::{Caller, Right};
use super::super::named::Named;
use super::super::refusal::Refusal;
use super::refused;
use super::target::readable;
use crate::history::{self, At, LogEntry, RestoreOptions};
use crate::pipeline::IntakeOptions;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::SnapshotStore;

/// A request for a list of versions.
pub(in crate::server) struct LogOperation {
    flow: FlowName,
    limit: usize,
}

impl LogOperation {
    /// Asks for the newest versions, at most `limit`.
    pub(in crate::server) fn new(
        caller: &Caller,
        named: Named,
        limit: Option<usize>,
        defaults: &IntakeOptions,
    ) -> Result<Self, Refusal> {
        let flow = readable(caller, Right::Read, named, defaults)?;
        Ok(Self { flow, limit: limit.unwrap_or(usize::MAX) })
    }

    pub(in crate::server) fn flow(&self) -> &FlowName {
        &self.flow
    }

    /// Reads the list, newest first.
    pub(in crate::server) fn run(
        &self,
        store: &dyn SnapshotStore,
    ) -> Result<Vec<LogEntry>, Refusal> {
        history::log(store, &self.flow, self.limit).map_err(refused)
    }
}

/// A request for the content of a version.
pub(in crate::server) struct RestoreOperation {
    flow: FlowName,
    at: At,
    options: RestoreOptions,
}

impl RestoreOperation {
    /// Asks for a version.
    pub(in crate::server) fn new(
        caller: &Caller,
        named: Named,
        at: At,
        options: RestoreOptions,
        defaults: &IntakeOptions,
    ) -> Result<Self, Refusal> {
        Ok(Self { flow: readable(caller, Right::Read, named, defaults)?, at, options })
    }

    pub(in crate::server) fn flow(&self) -> &FlowName {
        &self.flow
    }

    /// Writes the version to `out`; `found` is called with its number first.
    pub(in crate::server) fn run(
        &self,
        store: &dyn SnapshotStore,
        out: &mut dyn Write,
        found: impl FnOnce(FlowVersion),
    ) -> Result<(), Refusal> {
        let version = history::open_version(store, &self.flow, self.at).map_err(refused)?;
        found(version.manifest.version);
        history::restore(store, &self.flow, &version, &self.options, out).map_err(refused)?;
        Ok(())
    }
}
