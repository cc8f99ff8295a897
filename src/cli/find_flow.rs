//! The search for a stored flow by name.

use crate::config::DEFAULT_BUCKET;
use crate::failure::Failure;
use crate::similar::similar;
use crate::snapshot::FlowName;
use crate::store::SnapshotStore;

/// Limit on the flows listed in a message.
const SHOWN_FLOWS: usize = 20;

/// Finds a stored flow by its own name or its database's name; without a name, the only flow in the
/// store.
///
/// # Errors
///
/// There is no such flow, or there are several and none is named: the hints list the flows of the
/// store. The store cannot be read.
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
    let named = FlowName::of_name(bucket, name)
        .map_err(|error| Failure::usage(format!("--bucket or --flow: {error}")))?;
    // A database's name may be a legal flow name and still be encoded differently as one: `a%20b`.
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
            let failure = Failure::usage(format!(
                "{} holds {count} flows: name one with --flow",
                store.describe()
            ));
            Err(listed(failure, &flows))
        }
    }
}

/// Returns the failure for a name that no flow has, with the most similar names.
fn no_flow(store: &dyn SnapshotStore, wanted: &FlowName, flows: &[FlowName]) -> Failure {
    let failure = Failure::usage(format!("{} has no flow {wanted}", store.describe()));
    if let Some(flow) = flows.iter().find(|flow| flow.flow() == wanted.flow()) {
        return failure.hint(format!("there is {flow}: give --bucket {}", flow.bucket()));
    }
    let beside: Vec<_> =
        flows.iter().filter(|flow| flow.bucket() == wanted.bucket()).cloned().collect();
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
    let failure = flows
        .iter()
        .take(SHOWN_FLOWS)
        .fold(failure, |failure, flow| failure.hint(format!("  {flow}")));
    match flows.len().saturating_sub(SHOWN_FLOWS) {
        0 => failure,
        more => failure.hint(format!("  and {more} more")),
    }
}
