//! The bucket and flow that a request names, and the two names that a flow has.

use crate::snapshot::FlowName;

/// The bucket and flow that a request names, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) bucket: Option<String>,
    pub(super) flow: Option<String>,
}

/// Returns the flow that a name refers to: a flow's own name, or a database's.
pub(super) fn flow_or_database(name: String) -> String {
    FlowName::of_name("any", &name).map_or(name, |flow| flow.flow().to_owned())
}
