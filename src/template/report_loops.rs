//! Finds connections that would feed a report back as input.
//!
//! The relationship *nonzero status* of ExecuteStreamCommand carries the output of the program, not
//! the FlowFile that the program received.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::Faults;
use super::commands::runs_program;
use super::parameters::Parameters;
use super::part::{Group, Part};

/// The relationship that carries the report of a failed run.
const FAILED: &str = "nonzero status";

/// Processors that pass content on unchanged or combined. Any other processor may turn a report
/// into input.
const HAND_ON: [&str; 18] = [
    "AttributesToJSON",
    "ControlRate",
    "DetectDuplicate",
    "DistributeLoad",
    "EnforceOrder",
    "LogAttribute",
    "LogMessage",
    "MergeContent",
    "Notify",
    "PackageFlowFile",
    "PutFile",
    "RetryFlowFile",
    "RouteOnAttribute",
    "RouteOnContent",
    "UpdateAttribute",
    "UpdateCounter",
    "ValidateJson",
    "Wait",
];

/// Checks the processors of a group that pass their input to `nifi-idb`.
pub(super) fn check(group: &Group<'_>, parameters: &Parameters, faults: &mut Faults) {
    let parts: BTreeMap<&str, Part<'_>> = group.parts().map(|part| (part.text("identifier"), part)).collect();
    let takes_input = |part: &Part<'_>| {
        let ignores = part.properties().any(|(name, value)| name == "Ignore STDIN" && value == "true");
        runs_program(*part, parameters) && !ignores
    };
    for processor in group.processors.iter().filter(|part| takes_input(part)) {
        let begins = processor.text("identifier");
        let mut waiting = ends(group, begins, Some(FAILED));
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(part) = parts.get(id) else { continue };
            if takes_input(part) {
                let what = format!(
                    "relationship {FAILED:?} leads to {:?}, which takes its input: it carries the report, not the \
                     FlowFile, so records would be lost; let NiFi retry it (retriedRelationships), and keep \
                     \"original\"",
                    part.text("name")
                );
                faults.add(processor.place(), what);
                break;
            }
            let kind = part.text("type").rsplit('.').next().unwrap_or_default();
            if part.text("componentType") == "FUNNEL" || HAND_ON.contains(&kind) {
                waiting.extend(ends(group, id, None));
            }
        }
    }
}

/// Returns the targets of a component's connections, for one relationship or for all.
fn ends<'a>(group: &Group<'a>, source: &str, relationship: Option<&str>) -> Vec<&'a str> {
    let id = |connection: &Part<'a>, end: &str| -> &'a str {
        let value = connection.value.get(end).and_then(|end| end.get("id"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let takes = |connection: &Part<'a>| {
        let mut names = connection.texts("selectedRelationships");
        relationship.is_none_or(|name| names.any(|other| other == name))
    };
    let leaving = group.connections.iter().filter(|it| id(it, "source") == source && takes(it));
    leaving.map(|it| id(it, "destination")).collect()
}
