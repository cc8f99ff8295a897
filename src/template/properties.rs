//! Properties: checks that NiFi 1.28 and 2.x have them, and that their references exist.

use std::collections::BTreeMap;

use serde_json::Value;

use super::attributes::KnownAttributes;
use super::expression::{Reference, references};
use super::faults::Faults;
use super::parameters::Parameters;
use super::part::{ComponentGroup, TemplatePart};
use super::processors::{ComponentType, Dynamic};

/// Properties whose value is the identifier of a service.
const SERVICES: [&str; 2] = ["HTTP Context Map", "SSL Context Service"];

/// Defaults that 1.28 writes into every download. 2.x drops them, which changes nothing.
const EXPORTED: [(&str, &str); 1] = [("Proxy Type", "http")];

/// The names that a property may use.
pub(super) struct KnownNames<'a> {
    pub(super) types: &'a BTreeMap<String, ComponentType>,
    pub(super) parameters: &'a Parameters,
    pub(super) attributes: &'a KnownAttributes,
}

pub(super) fn check(
    part: TemplatePart<'_>,
    group: &ComponentGroup<'_>,
    known: &KnownNames<'_>,
    faults: &mut Faults,
) {
    let KnownNames { types, parameters, attributes } = known;
    let line_2 =
        part.value.get("bundle").and_then(|bundle| bundle.get("version")).and_then(Value::as_str);
    let line_2 = line_2.is_some_and(|version| !version.starts_with("1."));
    let kind = types.get(part.text("type"));
    for (name, value) in part.properties() {
        let place = format!("{}, property {name:?}", part.place());
        if let Some(kind) = kind
            && !EXPORTED.contains(&(name, value))
        {
            name_is_known(name, kind, line_2, &place, faults);
        }
        if is_sensitive(part, name) && !value.starts_with("#{") {
            faults.add(&place, "it is sensitive and has a value in the file");
        }
        if SERVICES.contains(&name) && !value.starts_with("#{") {
            let there = group.services.iter().any(|service| service.text("identifier") == value);
            if !there {
                faults
                    .add(&place, format!("there is no controller service {value:?} in the group"));
            }
        }
        // A regular expression or a path may look like an expression, so only properties that can
        // contain one are parsed.
        match references(value) {
            Err(message) => faults.add(&place, message),
            Ok(found) => references_are_there(&found, parameters, attributes, &place, faults),
        }
    }
    for field in ["schedulingPeriod"] {
        if let Ok(found) = references(part.text(field)) {
            references_are_there(
                &found,
                parameters,
                attributes,
                &format!("{}, {field}", part.place()),
                faults,
            );
        }
    }
}

fn name_is_known(name: &str, kind: &ComponentType, line_2: bool, place: &str, faults: &mut Faults) {
    if kind.has(name, line_2) {
        if !line_2 && kind.is_dropped(name) {
            faults.add(place, "2.x has no such property");
        }
        return;
    }
    let argument =
        name.strip_prefix("command.argument.").is_some_and(|number| number.parse::<u32>().is_ok());
    match kind.dynamic {
        Dynamic::None => {
            let line = if line_2 { "2.x" } else { "1.28" };
            faults.add(place, format!("NiFi {line} has no such property"));
        }
        // NiFi would silently turn a misspelt name into an environment variable of the child
        // process.
        Dynamic::Arguments if !argument => {
            faults.add(place, "neither a property nor command.argument.N")
        }
        _ => {}
    }
}

fn is_sensitive(part: TemplatePart<'_>, name: &str) -> bool {
    let descriptor = part.value.get("propertyDescriptors").and_then(|all| all.get(name));
    descriptor.and_then(|descriptor| descriptor.get("sensitive")).and_then(Value::as_bool)
        == Some(true)
}

fn references_are_there(
    found: &[Reference],
    parameters: &Parameters,
    attributes: &KnownAttributes,
    place: &str,
    faults: &mut Faults,
) {
    for reference in found {
        match reference {
            Reference::Parameter(name) if !parameters.contains_key(name) => {
                faults.add(place, format!("there is no parameter {name:?} in the group's context"));
            }
            Reference::Attribute(name) if !attributes.has(name) => {
                faults.add(place, format!("nothing writes an attribute {name:?}"));
            }
            _ => {}
        }
    }
}
