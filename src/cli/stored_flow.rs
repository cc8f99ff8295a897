//! The flags of commands on one stored flow.

use std::time::Instant;

use clap::Args;

use super::find_flow::find_flow;
use super::store_url::StoreArgs;
use crate::failure::Failure;
use crate::snapshot::FlowName;
use crate::store::SnapshotStore;

/// A snapshot store, and one flow in it.
#[derive(Args, Clone, Debug)]
pub(super) struct StoredFlowArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Flow of this database; overrides --flow, which also takes a database's name
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

impl StoredFlowArgs {
    /// Opens the store as [`StoreArgs::open`] does.
    ///
    /// # Errors
    ///
    /// As [`StoreArgs::open`].
    pub(super) fn open(&self, start: Instant) -> Result<Box<dyn SnapshotStore>, Failure> {
        self.store.open(start)
    }

    /// Returns the flow that was named, stored or not; `None` if none was named.
    ///
    /// # Errors
    ///
    /// A name is not legal.
    pub(super) fn named_flow(&self) -> Result<Option<FlowName>, Failure> {
        self.name().map(|name| self.store.flow_name(name)).transpose()
    }

    /// Returns the flow that was named, or the only one in the store.
    ///
    /// # Errors
    ///
    /// As [`find_flow`].
    pub(super) fn existing_flow(&self, store: &dyn SnapshotStore) -> Result<FlowName, Failure> {
        find_flow(store, self.store.bucket.as_deref(), self.name())
    }

    fn name(&self) -> Option<&str> {
        self.database.as_deref().or(self.store.flow.as_deref())
    }
}
