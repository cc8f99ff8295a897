//! Checkpoints: the numbers up to which the changes of sources are durable.

use super::super::client::{Caller, Right};
use super::super::named::Named;
use super::super::refusal::Refusal;
use super::refused;
use super::target::readable;
use crate::history::{self, SourceCheckpoint};
use crate::pipeline::IntakeOptions;
use crate::snapshot::{FlowName, SourceId};
use crate::store::SnapshotStore;

/// A request for checkpoints.
pub(in crate::server) struct SourcesOperation {
    flow: FlowName,
    source: Option<SourceId>,
}

impl SourcesOperation {
    /// Asks for the checkpoint of a source; `None`: for those of all known sources.
    ///
    /// A client that may only write may still read the checkpoints of the sources that it may name.
    pub(in crate::server) fn new(
        caller: &Caller,
        named: Named,
        source: Option<SourceId>,
        defaults: &IntakeOptions,
    ) -> Result<Self, Refusal> {
        let right = match (caller, &source) {
            (Some(client), Some(source)) if client.check_right(Right::Read).is_err() => {
                client.check_source(Some(source))?;
                Right::Sync
            }
            _ => Right::Read,
        };
        Ok(Self { flow: readable(caller, right, named, defaults)?, source })
    }

    pub(in crate::server) fn flow(&self) -> &FlowName {
        &self.flow
    }

    /// Reads the checkpoints.
    pub(in crate::server) fn run(
        &self,
        store: &dyn SnapshotStore,
    ) -> Result<Vec<SourceCheckpoint>, Refusal> {
        history::sources(store, &self.flow, self.source.as_ref()).map_err(refused)
    }
}
