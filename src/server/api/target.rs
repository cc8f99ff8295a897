//! The bucket, flow and source of a request. They come from the client's entry and the
//! configuration; a request that names anything else is refused.

use std::sync::Arc;

use super::super::client::{Caller, Right};
use super::super::named::{Named, flow_or_database};
use super::super::refusal::Refusal;
use crate::pipeline::{Admission, IntakeOptions};
use crate::snapshot::FlowName;

/// Returns the bucket, and the flow if it is known before the content is read.
pub(super) fn target(
    caller: &Caller,
    right: Right,
    named: Named,
    defaults: &IntakeOptions,
) -> Result<(String, Option<String>), Refusal> {
    let Named { mut bucket, flow } = named;
    // A path may contain the database's name, but the rights below are checked against flow names.
    let mut flow = flow.map(flow_or_database);
    if let Some(client) = caller {
        client.check_right(right)?;
        let own = client.bucket().unwrap_or(&defaults.bucket);
        if bucket.as_ref().is_some_and(|bucket| bucket != own) {
            return Err(Refusal::forbidden(format!(
                "client {:?} may use bucket {own} only",
                client.name()
            )));
        }
        bucket = Some(own.to_owned());
        let own = client.flow().or(defaults.flow.as_deref());
        flow = flow.or_else(|| own.map(str::to_owned));
        if let Some(flow) = &flow {
            client.check_flow(flow, defaults.flow.as_deref())?;
        }
    }
    let bucket = bucket.unwrap_or_else(|| defaults.bucket.clone());
    let flow = flow.or_else(|| defaults.flow.clone());
    FlowName::new(&bucket, "any")
        .map_err(|error| Refusal::bad_request(format!("bucket is {error}")))?;
    Ok((bucket, flow))
}

/// Returns the flow that a request reads.
pub(super) fn readable(
    caller: &Caller,
    right: Right,
    named: Named,
    defaults: &IntakeOptions,
) -> Result<FlowName, Refusal> {
    let (bucket, flow) = target(caller, right, named, defaults)?;
    let flow = flow.ok_or_else(|| Refusal::bad_request("name a flow"))?;
    FlowName::of_name(&bucket, &flow)
        .map_err(|error| Refusal::bad_request(format!("bucket is {error}")))
}

/// Returns the check of a batch's flow and source, which are known only after the batch was read.
pub(super) fn admission(caller: &Caller, default_flow: Option<&str>) -> Option<Admission> {
    let (client, default_flow) = (Arc::clone(caller.as_ref()?), default_flow.map(str::to_owned));
    Some(Admission::new(move |flow, source| {
        let checked = client
            .check_source(source)
            .and_then(|()| client.check_flow(flow.flow(), default_flow.as_deref()));
        checked.map_err(|refusal| refusal.message)
    }))
}
