//! Connections: checks that no FlowFile can be lost. Each connection has a target, and each
//! relationship is connected or terminated on purpose.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::faults::Faults;
use super::part::{ComponentGroup, TemplatePart};
use super::processors::{ComponentType, Dynamic};

/// Processors that need no incoming connection.
const SOURCES: [&str; 5] =
    ["GenerateFlowFile", "GetFile", "HandleHttpRequest", "ListFile", "ListenHTTP"];

pub(super) fn check(
    group: &ComponentGroup<'_>,
    known: &BTreeMap<String, ComponentType>,
    faults: &mut Faults,
) {
    let ends: BTreeMap<&str, TemplatePart<'_>> =
        group.parts().map(|part| (part.text("identifier"), part)).collect();
    let mut taken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    for connection in &group.connections {
        let mut id = |end: &str| {
            let value = connection.value.get(end).unwrap_or(&Value::Null);
            let id = value.get("id").and_then(Value::as_str).unwrap_or_default();
            let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
            let here = value.get("groupId").and_then(Value::as_str)
                == Some(group.group.text("identifier"));
            match ends.get(id) {
                // Ports of other groups are not checked.
                None if !here => {}
                None => {
                    faults.add(connection.place(), format!("its {end} {id:?} is not in the group"))
                }
                Some(part) if part.text("componentType") != kind => {
                    faults.add(
                        connection.place(),
                        format!("its {end} is a {}, not a {kind}", part.text("componentType")),
                    );
                }
                Some(_) => {}
            }
            id
        };
        let (source, destination) = (id("source"), id("destination"));
        taken.entry(source).or_default().extend(connection.texts("selectedRelationships"));
        if source != destination {
            reached.insert(destination);
        }
        let partitioned = connection.text("loadBalanceStrategy") == "PARTITION_BY_ATTRIBUTE";
        if partitioned && connection.text("partitioningAttribute").is_empty() {
            faults
                .add(connection.place(), "it is partitioned by an attribute that it does not name");
        }
    }
    for processor in &group.processors {
        let Some(kind) = known.get(processor.text("type")) else { continue };
        let taken = taken.get(processor.text("identifier")).cloned().unwrap_or_default();
        relationships(*processor, kind, &taken, faults);
        let name = processor.text("type").rsplit('.').next().unwrap_or_default();
        if !SOURCES.contains(&name) && !reached.contains(processor.text("identifier")) {
            faults.add(processor.place(), "no connection leads to it");
        }
    }
}

fn relationships(
    processor: TemplatePart<'_>,
    kind: &ComponentType,
    taken: &BTreeSet<&str>,
    faults: &mut Faults,
) {
    let mut relationships: BTreeSet<&str> = kind.relationships.iter().map(String::as_str).collect();
    if kind.dynamic == Dynamic::Relationships {
        let by_name = processor.properties().any(|(_, value)| value == "Route to Property name");
        let names =
            processor.properties().map(|(name, _)| name).filter(|name| !kind.has(name, false));
        if by_name { relationships.extend(names) } else { _ = relationships.insert("matched") }
    }
    let ended: BTreeSet<&str> = processor.texts("autoTerminatedRelationships").collect();
    for name in &relationships {
        if !taken.contains(name) && !ended.contains(name) {
            faults.add(
                processor.place(),
                format!(
                    "relationship {name:?} has no connection and is not auto-terminated: NiFi \
                    would not start it"
                ),
            );
        }
    }
    let named = taken.iter().chain(&ended).copied().chain(processor.texts("retriedRelationships"));
    for name in named.filter(|name| !relationships.contains(name)) {
        faults.add(processor.place(), format!("it has no relationship {name:?}"));
    }
}
