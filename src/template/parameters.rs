//! Parameter contexts: checks that they exist, have descriptions, and contain no secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::cron;
use super::faults::Faults;
use super::part::{ComponentGroup, TemplatePart};

/// A context's parameters and their values.
pub(super) type Parameters = BTreeMap<String, String>;

/// All parameter contexts of a definition.
#[derive(Debug, Default)]
pub(super) struct Contexts(BTreeMap<String, Parameters>);

impl Contexts {
    /// Returns the parameters that a group's components may use.
    pub(super) fn of(&self, group: &ComponentGroup<'_>) -> Parameters {
        self.0.get(group.group.text("parameterContextName")).cloned().unwrap_or_default()
    }
}

pub(super) fn check(whole: &Value, groups: &[ComponentGroup<'_>], faults: &mut Faults) -> Contexts {
    let mut contexts = Contexts::default();
    let all = whole.get("parameterContexts").and_then(Value::as_object);
    for (name, context) in all.into_iter().flat_map(Map::iter) {
        contexts.0.insert(name.clone(), parameters_of(context, faults));
        if context.get("name").and_then(Value::as_str) != Some(name) {
            faults.add(format!("parameter context {name:?}"), "its name is another one");
        }
    }
    for group in groups {
        let name = group.group.text("parameterContextName");
        if !name.is_empty() && !contexts.0.contains_key(name) {
            faults.add(
                group.group.place(),
                format!("its parameter context {name:?} is not in the definition"),
            );
        }
        let parameters = contexts.of(group);
        for processor in &group.processors {
            cron_period(*processor, &parameters, faults);
        }
    }
    contexts
}

/// Reads and checks the parameters of a context.
fn parameters_of(context: &Value, faults: &mut Faults) -> Parameters {
    let mut values = Parameters::new();
    for parameter in context.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let text = |field: &str| parameter.get(field).and_then(Value::as_str).unwrap_or_default();
        let place = format!("parameter {:?}", text("name"));
        if text("description").is_empty() {
            faults.add(&place, "it has no description");
        }
        if parameter.get("sensitive").and_then(Value::as_bool) != Some(false) {
            faults.add(
                &place,
                "it is sensitive, so it has no value after an import, and a \
                processor that names it fails for ever: name a file instead",
            );
        }
        if parameter.get("value").is_none_or(Value::is_null) {
            faults.add(&place, "it has no value; an empty one is \"\"");
        }
        values.insert(text("name").to_owned(), text("value").to_owned());
    }
    values
}

/// Checks the period of a processor that cron starts. It may be a parameter, as in the shipped
/// flows.
fn cron_period(processor: TemplatePart<'_>, parameters: &Parameters, faults: &mut Faults) {
    if processor.text("schedulingStrategy") != "CRON_DRIVEN" {
        return;
    }
    let text = processor.text("schedulingPeriod");
    let parameter = text.strip_prefix("#{").and_then(|name| name.strip_suffix('}'));
    let text = parameter.and_then(|name| parameters.get(name)).map_or(text, String::as_str);
    if let Err(message) = cron::cron(text) {
        faults.add(processor.place(), message);
    }
}
