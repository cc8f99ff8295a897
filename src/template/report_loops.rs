//! Finds connections that would feed a report back as input.
//!
//! The relationship *nonzero status* of ExecuteStreamCommand carries the output of the program, not
//! the FlowFile that the program received.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::commands::runs_sync;
use super::faults::Faults;
use super::parameters::{Contexts, Parameters};
use super::part::{ComponentGroup, TemplatePart};

/// The relationship that carries the report of a failed run.
const FAILED: &str = "nonzero status";

/// Components other than processors that pass content on unchanged.
const HAND_ON_COMPONENTS: [&str; 3] = ["FUNNEL", "INPUT_PORT", "OUTPUT_PORT"];

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

/// A component's group and identifier: groups that were made of one definition share identifiers.
type ComponentPlace<'a> = (&'a str, &'a str);

/// Checks the processors that pass their input to `nifi-idb sync`, across the borders of groups.
pub(super) fn check(groups: &[ComponentGroup<'_>], contexts: &Contexts, faults: &mut Faults) {
    let wires = Wires::of(groups);
    let takes_input: BTreeSet<ComponentPlace<'_>> = groups
        .iter()
        .flat_map(|group| {
            let parameters = contexts.of(group);
            let all = group.processors.iter().filter(move |part| takes_input(**part, &parameters));
            all.map(|part| (group.group.text("identifier"), part.text("identifier")))
        })
        .collect();
    for begins in &takes_input {
        let Some(processor) = wires.parts.get(begins) else { continue };
        let mut waiting = wires.ends(*begins, Some(FAILED));
        let mut seen = BTreeSet::new();
        while let Some(place) = waiting.pop() {
            if !seen.insert(place) {
                continue;
            }
            let Some(part) = wires.parts.get(&place) else { continue };
            if takes_input.contains(&place) {
                let what = format!(
                    "relationship {FAILED:?} leads to {:?}, which takes its input: it carries the \
                     report, not the \
                     FlowFile, so records would be lost; let NiFi retry it (retriedRelationships), \
                     and keep \
                     \"original\"",
                    part.text("name")
                );
                faults.add(processor.place(), what);
                break;
            }
            let kind = part.text("type").rsplit('.').next().unwrap_or_default();
            if HAND_ON_COMPONENTS.contains(&part.text("componentType")) || HAND_ON.contains(&kind) {
                waiting.extend(wires.ends(place, None));
            }
        }
    }
}

fn takes_input(part: TemplatePart<'_>, parameters: &Parameters) -> bool {
    let ignores = part.properties().any(|(name, value)| name == "Ignore STDIN" && value == "true");
    runs_sync(part, parameters) && !ignores
}

/// All components and connections of a definition. A connection between groups leads to their
/// ports.
struct Wires<'a> {
    parts: BTreeMap<ComponentPlace<'a>, TemplatePart<'a>>,
    /// By source: relationships and destination.
    leaving: BTreeMap<ComponentPlace<'a>, Vec<(TemplatePart<'a>, ComponentPlace<'a>)>>,
}

impl<'a> Wires<'a> {
    fn of(groups: &[ComponentGroup<'a>]) -> Self {
        let mut wires = Self { parts: BTreeMap::new(), leaving: BTreeMap::new() };
        for group in groups {
            let parts = group
                .parts()
                .map(|part| ((group.group.text("identifier"), part.text("identifier")), part));
            wires.parts.extend(parts);
        }
        for group in groups {
            for connection in &group.connections {
                let source = wires.end(group, connection, "source");
                let destination = wires.end(group, connection, "destination");
                wires.leaving.entry(source).or_default().push((*connection, destination));
            }
        }
        wires
    }

    /// Returns the component at an end of a connection, in the group that the end names, or else in
    /// the connection's own group.
    fn end(
        &self,
        group: &ComponentGroup<'a>,
        connection: &TemplatePart<'a>,
        end: &str,
    ) -> ComponentPlace<'a> {
        let text = |name: &str| -> &'a str {
            let value = connection.value.get(end).and_then(|end| end.get(name));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let named = (text("groupId"), text("id"));
        if self.parts.contains_key(&named) {
            named
        } else {
            (group.group.text("identifier"), named.1)
        }
    }

    /// Returns the targets of a component's connections, for one relationship or for all.
    fn ends(
        &self,
        source: ComponentPlace<'_>,
        relationship: Option<&str>,
    ) -> Vec<ComponentPlace<'a>> {
        let takes = |connection: &TemplatePart<'a>| {
            let mut names = connection.texts("selectedRelationships");
            relationship.is_none_or(|name| names.any(|other| other == name))
        };
        let leaving = self.leaving.get(&source).into_iter().flatten();
        leaving
            .filter(|(connection, _)| takes(connection))
            .map(|(_, destination)| *destination)
            .collect()
    }
}
