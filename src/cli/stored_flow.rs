//! The flags of commands that are about one stored flow, and how it is found by name.

use std::time::Instant;

use clap::Args;

use super::store_url::StoreArgs;
use crate::config::DEFAULT_BUCKET;
use crate::failure::Failure;
use crate::similar::similar;
use crate::snapshot::FlowName;
use crate::store::SnapshotStore;

/// Most flows that a message lists.
const SHOWN_FLOWS: usize = 20;

/// A snapshot store, and one flow in it.
#[derive(Args, Clone, Debug)]
pub(super) struct StoredFlowArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// The flow by its database's name; overrides --flow, which takes that name, too
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

impl StoredFlowArgs {
    /// Opens the store as [`StoreArgs::open`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn open(&self, start: Instant) -> Result<Box<dyn SnapshotStore>, Failure> {
        self.store.open(start)
    }

    /// The flow that was named, whether or not it is stored; `None` if none was named.
    ///
    /// # Errors
    ///
    /// Names that are not legal.
    pub(super) fn named_flow(&self) -> Result<Option<FlowName>, Failure> {
        self.name().map(|name| self.store.flow_name(name)).transpose()
    }

    /// The flow that was named, or the only one there is.
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

/// Finds a stored flow by its name or by its database's; without a name, the only flow there is.
///
/// # Errors
///
/// No such flow, or several and no name: the hints list what there is. The store cannot be read.
pub(super) fn find_flow(
    store: &dyn SnapshotStore,
    bucket: Option<&str>,
    name: Option<&str>,
) -> Result<FlowName, Failure> {
    let mut flows = store.flows()?;
    let Some(name) = name else {
        flows.retain(|flow| bucket.is_none_or(|bucket| flow.bucket() == bucket));
        return only_flow(store, flows);
    };
    let bucket = bucket.unwrap_or(DEFAULT_BUCKET);
    let named =
        FlowName::of_name(bucket, name).map_err(|error| Failure::usage(format!("--bucket or --flow: {error}")))?;
    // A database may have a name that is legal for a flow and is written otherwise all the same: `a%20b`.
    let of_database = FlowName::of_database(bucket, name).ok();
    let mut candidates = [Some(&named), of_database.as_ref()].into_iter().flatten();
    match candidates.find(|flow| flows.contains(flow)) {
        Some(flow) => Ok(flow.clone()),
        None => Err(no_flow(store, &named, &flows)),
    }
}

fn only_flow(store: &dyn SnapshotStore, flows: Vec<FlowName>) -> Result<FlowName, Failure> {
    match flows.as_slice() {
        [flow] => Ok(flow.clone()),
        [] => Err(Failure::usage(format!("{} holds no flow yet", store.describe()))),
        _ => {
            let count = flows.len();
            let failure = Failure::usage(format!("{} holds {count} flows: name one with --flow", store.describe()));
            Err(listed(failure, &flows))
        }
    }
}

/// The failure for a name that no flow has, with the nearest ones.
fn no_flow(store: &dyn SnapshotStore, wanted: &FlowName, flows: &[FlowName]) -> Failure {
    let failure = Failure::usage(format!("{} has no flow {wanted}", store.describe()));
    if let Some(flow) = flows.iter().find(|flow| flow.flow() == wanted.flow()) {
        return failure.hint(format!("there is {flow}: give --bucket {}", flow.bucket()));
    }
    let beside: Vec<_> = flows.iter().filter(|flow| flow.bucket() == wanted.bucket()).cloned().collect();
    if let Some(near) = similar(wanted.flow(), beside.iter().map(FlowName::flow)) {
        return failure.hint(format!("did you mean {near}?"));
    }
    match (beside.as_slice(), flows) {
        ([], []) => failure.hint("it holds no flow yet"),
        ([], flows) => listed(failure.hint("check --bucket; there is:"), flows),
        (beside, _) => listed(failure.hint("there is:"), beside),
    }
}

fn listed(failure: Failure, flows: &[FlowName]) -> Failure {
    let failure = flows.iter().take(SHOWN_FLOWS).fold(failure, |failure, flow| failure.hint(format!("  {flow}")));
    match flows.len().saturating_sub(SHOWN_FLOWS) {
        0 => failure,
        more => failure.hint(format!("  and {more} more")),
    }
}
