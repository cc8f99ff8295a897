//! The check of a flow definition: runs all checks one after the other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::faults::{Faults, TemplateFault};
use super::part::ComponentGroup;
use super::{
    attributes, commands, fields, parameters, processors, properties, report_loops, wiring,
};

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateCheckResult {
    /// The faults, sorted by place.
    pub faults: Vec<TemplateFault>,
    /// The number of processors checked.
    pub processors: usize,
    /// Types of processors and services whose properties and relationships are unknown to this
    /// check.
    pub unknown_types: Vec<String>,
}

/// Checks the text of a definition. `accepts` returns an error if the program's command line does
/// not accept these words.
///
/// # Errors
///
/// The text is not JSON.
pub fn check(
    text: &str,
    accepts: &dyn Fn(&[String]) -> Result<(), String>,
) -> Result<TemplateCheckResult, serde_json::Error> {
    let whole: Value = serde_json::from_str(text)?;
    let mut faults = Faults::default();
    let mut unknown = BTreeSet::new();
    let groups = ComponentGroup::all(whole.get("flowContents").unwrap_or(&Value::Null));
    let known = processors::known();
    let contexts = parameters::check(&whole, &groups, &mut faults);
    fields::check(&whole, &groups, &mut faults);
    let attributes = attributes::KnownAttributes::of(&groups, &known);
    report_loops::check(&groups, &contexts, &mut faults);
    for group in &groups {
        wiring::check(group, &known, &mut faults);
        let parameters = contexts.of(group);
        for part in group.processors.iter().chain(&group.services) {
            if !known.contains_key(part.text("type")) {
                unknown.insert(part.text("type").to_owned());
            }
            let names = properties::KnownNames {
                types: &known,
                parameters: &parameters,
                attributes: &attributes,
            };
            properties::check(*part, group, &names, &mut faults);
        }
        for processor in &group.processors {
            commands::check(*processor, &parameters, accepts, &mut faults);
        }
    }
    Ok(TemplateCheckResult {
        faults: faults.sorted(),
        processors: groups.iter().map(|group| group.processors.len()).sum(),
        unknown_types: unknown.into_iter().collect(),
    })
}
