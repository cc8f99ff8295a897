//! `GET …/diff/a/b`, as far as the recordings go: components added and removed, property values, names.

use super::Release;
use super::faults::UNEXPECTED;
use super::json::{Json, Text};
use super::store::Refused;
use std::collections::BTreeMap;

/// The child sets of a process group, and how a comparison names their members.
const KINDS: &[(&str, &str)] = &[
    ("processors", "Processor"),
    ("processGroups", "Process Group"),
    ("remoteProcessGroups", "Remote Process Group"),
    ("inputPorts", "Input Port"),
    ("outputPorts", "Output Port"),
    ("connections", "Connection"),
    ("labels", "Label"),
    ("funnels", "Funnel"),
    ("controllerServices", "Controller Service"),
];

struct Component<'a> {
    kind: &'static str,
    value: &'a Json,
}

/// Components are the same if kind, identifier and the groups around them are.
type Components<'a> = BTreeMap<(Vec<Text>, &'static str, Text), Component<'a>>;

/// The `componentDifferenceGroups` of two versions' contents.
pub(crate) fn differences(old: &Json, new: &Json, release: Release) -> Result<Json, Refused> {
    let (mut before, mut after) = (Components::new(), Components::new());
    collect(old, &[], &mut before);
    collect(new, &[], &mut after);
    let mut groups = Vec::new();
    for (key, component) in &before {
        let found = match after.get(key) {
            Some(now) => changes(component, now, release)?,
            None => vec![added_or_removed(component, &key.2, false)],
        };
        groups.extend(group(component, &key.2, found));
    }
    for (key, component) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        groups.extend(group(component, &key.2, vec![added_or_removed(component, &key.2, true)]));
    }
    Ok(Json::Array(groups))
}

/// Lists the components below a group; `path` leads to it.
fn collect<'a>(contents: &'a Json, path: &[Text], into: &mut Components<'a>) {
    for (field, kind) in KINDS {
        let Some(Json::Array(items)) = contents.get(field) else { continue };
        for value in items {
            let Some(id) = value.get_text("identifier") else { continue };
            into.insert((path.to_vec(), kind, id.clone()), Component { kind, value });
            if *field == "processGroups" {
                collect(value, &[path, std::slice::from_ref(id)].concat(), into);
            }
        }
    }
}

fn group(component: &Component<'_>, id: &Text, differences: Vec<Json>) -> Option<Json> {
    (!differences.is_empty()).then(|| {
        Json::object([
            ("componentId", Json::Text(id.clone())),
            ("componentName", Json::optional(component.value.get_text("name"))),
            ("componentType", Json::text(component.kind)),
            ("differences", Json::Array(differences)),
            ("processGroupId", Json::optional(component.value.get_text("groupIdentifier"))),
        ])
    })
}

fn added_or_removed(component: &Component<'_>, id: &Text, added: bool) -> Json {
    let (word, kind, description, side) = match added {
        true => ("added", "COMPONENT_ADDED", "Component Added", "valueB"),
        false => ("removed", "COMPONENT_REMOVED", "Component Removed", "valueA"),
    };
    let change = format!("{} was {word}", component.kind);
    difference(&change, kind, description, [(side, id)])
}

fn changes(
    old: &Component<'_>,
    new: &Component<'_>,
    release: Release,
) -> Result<Vec<Json>, Refused> {
    let mut found = Vec::new();
    let names = (old.value.get_text("name"), new.value.get_text("name"));
    if let (Some(before), Some(after)) = names
        && before != after
    {
        let change = format!("From '{before}' to '{after}'");
        found.push(difference(
            &change,
            "NAME_CHANGED",
            "Component Name Changed",
            [("valueA", before), ("valueB", after)],
        ));
    }
    if !matches!(old.kind, "Processor" | "Controller Service") {
        return Ok(found);
    }
    let complete = |it: &Component<'_>| {
        it.value.get("properties").is_some() && it.value.get("propertyDescriptors").is_some()
    };
    if release != Release::V2_11_0 && !(complete(old) && complete(new)) {
        return Err(Refused(500, UNEXPECTED.to_owned()));
    }
    let none = Json::Object(Vec::new());
    let before = old.value.get("properties").unwrap_or(&none);
    let after = new.value.get("properties").unwrap_or(&none);
    let (Json::Object(before_members), Json::Object(after_members)) = (before, after) else {
        return Ok(found);
    };
    for (name, value) in before_members {
        let Json::Text(value) = value else { continue };
        match after.get(&name.to_lossy()) {
            Some(Json::Text(now)) if now != value => found.push(difference(
                &format!("From '{value}' to '{now}'"),
                "PROPERTY_CHANGED",
                "Property Value Changed",
                [("valueA", value), ("valueB", now)],
            )),
            Some(_) => {}
            None => found.push(difference(
                &format!("Property '{name}' was removed"),
                "PROPERTY_REMOVED",
                "Property Removed",
                [("valueA", value)],
            )),
        }
    }
    for (name, value) in after_members {
        if let (None, Json::Text(value)) = (before.get(&name.to_lossy()), value) {
            let change = format!("Property '{name}' was added");
            found.push(difference(
                &change,
                "PROPERTY_ADDED",
                "Property Added",
                [("valueB", value)],
            ));
        }
    }
    Ok(found)
}

fn difference<const N: usize>(
    change: &str,
    kind: &str,
    description: &str,
    values: [(&str, &Text); N],
) -> Json {
    let value = |side| {
        values
            .iter()
            .find(|(name, _)| *name == side)
            .map_or(Json::Null, |it| Json::Text(it.1.clone()))
    };
    Json::object([
        ("changeDescription", Json::text(change)),
        ("differenceType", Json::text(kind)),
        ("differenceTypeDescription", Json::text(description)),
        ("valueA", value("valueA")),
        ("valueB", value("valueB")),
    ])
}
