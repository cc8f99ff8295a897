//! Fields whose absence makes NiFi fail in the middle of an import.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cron;
use super::faults::Faults;
use super::part::{ComponentGroup, TemplatePart};

const TOP: [&str; 5] = [
    "flowContents",
    "externalControllerServices",
    "parameterContexts",
    "parameterProviders",
    "flowEncodingVersion",
];

const GROUP: [&str; 5] = ["identifier", "name", "position", "componentType", "comments"];

const PROCESSOR: [&str; 18] = [
    "identifier",
    "groupIdentifier",
    "componentType",
    "name",
    "type",
    "bundle",
    "properties",
    "propertyDescriptors",
    "position",
    "schedulingStrategy",
    "schedulingPeriod",
    "executionNode",
    "penaltyDuration",
    "yieldDuration",
    "bulletinLevel",
    "runDurationMillis",
    "concurrentlySchedulableTaskCount",
    "autoTerminatedRelationships",
];

const SERVICE: [&str; 8] = [
    "identifier",
    "groupIdentifier",
    "componentType",
    "name",
    "type",
    "bundle",
    "properties",
    "propertyDescriptors",
];

const CONNECTION: [&str; 10] = [
    "identifier",
    "groupIdentifier",
    "componentType",
    "source",
    "destination",
    "selectedRelationships",
    "labelIndex",
    "zIndex",
    "backPressureObjectThreshold",
    "backPressureDataSizeThreshold",
];

const OTHER: [&str; 4] = ["identifier", "groupIdentifier", "componentType", "position"];

/// The scheduling strategies; 1.x has two more, which 2.x refuses.
const STRATEGIES: [&str; 2] = ["TIMER_DRIVEN", "CRON_DRIVEN"];

const EXECUTION_NODES: [&str; 2] = ["ALL", "PRIMARY"];

pub(super) fn check(whole: &Value, groups: &[ComponentGroup<'_>], faults: &mut Faults) {
    for name in TOP {
        if whole.get(name).is_none_or(Value::is_null) {
            faults.add("definition", format!("{name} is missing"));
        }
    }
    let mut seen = BTreeSet::new();
    for group in groups {
        required(group.group, &GROUP, faults);
        for part in group.parts() {
            required(part, fields_of(part), faults);
            if !seen.insert(part.text("identifier")) {
                faults.add(
                    part.place(),
                    format!("its identifier {} is another part's too", part.text("identifier")),
                );
            }
            if part.text("groupIdentifier") != group.group.text("identifier") {
                faults.add(
                    part.place(),
                    "groupIdentifier is not the identifier of the group that it is in",
                );
            }
        }
        for connection in &group.connections {
            required(*connection, &["flowFileExpiration"], faults);
        }
        for processor in &group.processors {
            scheduling(*processor, faults);
        }
    }
}

/// Returns the fields that a part must have.
fn fields_of(part: TemplatePart<'_>) -> &'static [&'static str] {
    match part.kind {
        "processor" => &PROCESSOR,
        "controller service" => &SERVICE,
        "connection" => &CONNECTION,
        _ => &OTHER,
    }
}

/// Checks when and where a processor runs. A period of cron may be a parameter, so it is checked
/// with those.
fn scheduling(processor: TemplatePart<'_>, faults: &mut Faults) {
    one_of(processor, "schedulingStrategy", &STRATEGIES, faults);
    one_of(processor, "executionNode", &EXECUTION_NODES, faults);
    if processor.text("schedulingStrategy") == "TIMER_DRIVEN"
        && let Err(message) = cron::period(processor.text("schedulingPeriod"))
    {
        faults.add(processor.place(), message);
    }
}

fn required(part: TemplatePart<'_>, fields: &[&str], faults: &mut Faults) {
    for field in fields {
        if part.value.get(*field).is_none_or(Value::is_null) {
            faults.add(
                part.place(),
                format!("{field} is missing: NiFi cannot import the definition without it"),
            );
        }
    }
    if fields.contains(&"bundle") {
        for field in ["group", "artifact", "version"] {
            if part
                .value
                .get("bundle")
                .and_then(|bundle| bundle.get(field))
                .and_then(Value::as_str)
                .is_none()
            {
                faults.add(part.place(), format!("bundle.{field} is missing"));
            }
        }
    }
}

fn one_of(part: TemplatePart<'_>, field: &str, values: &[&str], faults: &mut Faults) {
    let value = part.text(field);
    if !values.contains(&value) {
        faults.add(
            part.place(),
            format!("{field} {value:?}: 1.28 and 2.x both know only {}", values.join(" and ")),
        );
    }
}
