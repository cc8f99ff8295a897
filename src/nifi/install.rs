//! Installs a flow definition in a running NiFi (upload, parameters, controller services) and
//! starts it. An existing group is kept.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::error::{NifiError, NifiErrorKind};
use super::rest::Nifi;

/// The interval between two reads of a state.
const POLL: Duration = Duration::from_millis(250);

/// The distance between groups on the canvas.
const SPACING: usize = 220;

/// The definition to install, and its settings.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The definition.
    pub definition: Value,
    /// The name of the group and of its parameter context.
    pub name: String,
    /// The parent group: an id, or `root`.
    pub parent: String,
    /// Values for parameters.
    pub parameters: BTreeMap<String, String>,
    /// The time at which the installation must be done.
    pub deadline: Instant,
}

/// Installs the definition, and passes each step to `tell` as a line. Nothing is started; running
/// components continue.
///
/// # Errors
///
/// NiFi refuses a call, or components are not valid.
pub fn install(
    nifi: &Nifi,
    what: &Installation,
    tell: &mut dyn FnMut(String),
) -> Result<Installed, NifiError> {
    let about = nifi.get("/flow/about")?;
    let version = text(&about, "/about/version");
    tell(format!("NiFi {version} at {}", nifi.address()));
    // A misspelt parameter must be found before anything is uploaded.
    known_parameters(what)?;
    let (group, context) = match find_group(nifi, what)? {
        FoundGroup::There(group) => {
            tell(format!("group {:?} is there already ({group}): not uploaded again", what.name));
            tracing::info!(name = what.name, group, "group kept");
            let context = context_of(nifi, &group)?;
            (group, context)
        }
        FoundGroup::Free(count) => {
            refuse_missing_types(what, version)?;
            let definition = renamed(what).to_string();
            let y = (count * SPACING).to_string();
            let fields = [
                ("groupName", &*what.name),
                ("positionX", "0"),
                ("positionY", &*y),
                ("clientId", "nifi-idb-template"),
            ];
            let uploaded = nifi.upload(&what.parent, &fields, definition.as_bytes())?;
            let group = text(&uploaded, "/id").to_owned();
            tell(format!("group {:?} is uploaded ({group})", what.name));
            tracing::info!(name = what.name, group, "group uploaded");
            let context = context_of(nifi, &group)?;
            (group, context)
        }
    };
    // In this order: services read parameters, and a processor is only valid with its services.
    set_parameters(nifi, what, &context, tell)?;
    enable_services(nifi, what, &group, tell)?;
    wait_until_valid(nifi, what, &group)?;
    tell("all processors are valid".to_owned());
    tracing::info!(group, "processors valid");
    Ok(Installed { group, parameters: values(nifi, &context)? })
}

/// An installed group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The group's id.
    pub group: String,
    /// The current values of its parameters.
    pub parameters: BTreeMap<String, String>,
}

fn values(nifi: &Nifi, context: &str) -> Result<BTreeMap<String, String>, NifiError> {
    let entity = nifi.get(&format!("/parameter-contexts/{context}"))?;
    let parameters = list(&entity, "/component/parameters").iter();
    let pair = |it: &Value| {
        (text(it, "/parameter/name").to_owned(), text(it, "/parameter/value").to_owned())
    };
    Ok(parameters.map(pair).collect())
}

/// Reports if a group that was not to be started is running anyway.
///
/// # Errors
///
/// NiFi refuses a call.
pub fn tell_state(
    nifi: &Nifi,
    installed: &Installed,
    tell: &mut dyn FnMut(String),
) -> Result<(), NifiError> {
    let all = processors(nifi, &installed.group)?;
    match all.iter().filter(|it| it.state == "RUNNING").count() {
        0 => tell("not started: install again with --start, or start the group in NiFi".to_owned()),
        running => tell(format!("it is running: {running} of {} processors", all.len())),
    }
    Ok(())
}

enum FoundGroup {
    There(String),
    /// The number of groups in the parent group.
    Free(usize),
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the definition's parameters and their values.
fn declared(definition: &Value) -> BTreeMap<&str, &str> {
    let contexts = definition.get("parameterContexts").and_then(Value::as_object);
    let all = contexts
        .into_iter()
        .flat_map(|contexts| contexts.values())
        .flat_map(|context| list(context, "/parameters"));
    all.map(|parameter| (text(parameter, "/name"), text(parameter, "/value"))).collect()
}

fn known_parameters(what: &Installation) -> Result<(), NifiError> {
    let declared = declared(&what.definition);
    match what.parameters.keys().find(|name| !declared.contains_key(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<_> = declared.into_keys().collect();
            Err(NifiError::refused(format!("the definition has no parameter {name:?}"))
                .hint(format!("it has {}", names.join(", "))))
        }
    }
}

/// Refuses a definition with InvokeGRPC on NiFi 2.x, which does not have it and would create a
/// component that can never run.
fn refuse_missing_types(what: &Installation, version: &str) -> Result<(), NifiError> {
    let grpc = list(&what.definition, "/flowContents/processors")
        .iter()
        .any(|processor| text(processor, "/type").starts_with("org.apache.nifi.processors.grpc."));
    if grpc && !version.starts_with("1.") {
        return Err(NifiError::refused(format!(
            "NiFi {version} has no InvokeGRPC: this definition is for 1.28"
        ))
        .hint("http-sync does the same over HTTP"));
    }
    Ok(())
}

/// Returns the definition with its parameter context named after the group, so that two
/// installations do not share values.
fn renamed(what: &Installation) -> Value {
    let mut definition = what.definition.clone();
    if let Some(contexts) = definition.get_mut("parameterContexts").and_then(Value::as_object_mut)
        && let Some((_, mut context)) = std::mem::take(contexts).into_iter().next()
    {
        context["name"] = json!(what.name);
        contexts.insert(what.name.clone(), context);
    }
    definition["flowContents"]["parameterContextName"] = json!(what.name);
    definition
}

fn find_group(nifi: &Nifi, what: &Installation) -> Result<FoundGroup, NifiError> {
    let flow = nifi.get(&format!("/flow/process-groups/{}", what.parent))?;
    let groups = list(&flow, "/processGroupFlow/flow/processGroups");
    let mut same = groups.iter().filter(|group| text(group, "/component/name") == what.name);
    match (same.next(), same.next()) {
        (None, _) => Ok(FoundGroup::Free(groups.len())),
        (Some(group), None) => Ok(FoundGroup::There(text(group, "/id").to_owned())),
        (Some(_), Some(_)) => {
            Err(NifiError::refused(format!("several groups are named {:?}", what.name))
                .hint("choose another name with --name, or another parent with --parent-group"))
        }
    }
}

fn context_of(nifi: &Nifi, group: &str) -> Result<String, NifiError> {
    let entity = nifi.get(&format!("/process-groups/{group}"))?;
    let id = text(&entity, "/component/parameterContext/id");
    if id.is_empty() {
        return Err(NifiError::refused("the group has no parameter context")
            .hint("it was not made by this command: choose another name with --name"));
    }
    Ok(id.to_owned())
}

fn set_parameters(
    nifi: &Nifi,
    what: &Installation,
    context: &str,
    tell: &mut dyn FnMut(String),
) -> Result<(), NifiError> {
    let path = format!("/parameter-contexts/{context}");
    let entity = nifi.get(&path)?;
    let has: BTreeMap<&str, Option<&str>> = list(&entity, "/component/parameters")
        .iter()
        .map(|parameter| {
            (
                text(parameter, "/parameter/name"),
                parameter.pointer("/parameter/value").and_then(Value::as_str),
            )
        })
        .collect();
    let wanted = what.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let changed: Vec<_> =
        wanted.filter(|(name, value)| has.get(name).copied().flatten() != Some(*value)).collect();
    if changed.is_empty() {
        tell("parameters: nothing to change".to_owned());
        return Ok(());
    }
    let parameters: Vec<_> = changed
        .iter()
        .map(|(name, value)| json!({"parameter": {"name": name, "value": value, "sensitive": false}}))
        .collect();
    let body = json!({
        "revision": entity.get("revision").cloned().unwrap_or(Value::Null),
        "id": context,
        "component": {"id": context, "parameters": parameters},
    });
    let mut request = nifi.call(Method::POST, &format!("{path}/update-requests"), Some(&body))?;
    let request_path = format!("{path}/update-requests/{}", text(&request, "/request/requestId"));
    // NiFi stops, updates and restarts all components that use the parameters, which takes time.
    while request.pointer("/request/complete").and_then(Value::as_bool) != Some(true) {
        pause(what, "the parameters are not set yet")?;
        request = nifi.get(&request_path)?;
    }
    let failure = text(&request, "/request/failureReason").to_owned();
    nifi.call(Method::DELETE, &request_path, None)?;
    if !failure.is_empty() {
        return Err(NifiError::refused(format!("NiFi did not set the parameters: {failure}")));
    }
    let names: Vec<_> = changed.into_iter().map(|(name, _)| name).collect();
    let names = names.join(", ");
    // Only the names: a value may be secret.
    tracing::info!(context, names, "parameters set");
    tell(format!("parameters: {names} set"));
    Ok(())
}

fn pause(what: &Installation, why: &str) -> Result<(), NifiError> {
    if Instant::now() + POLL >= what.deadline {
        return Err(NifiError::new(NifiErrorKind::Transient, format!("no time left: {why}"))
            .hint("run it again; --timeout sets how long it waits"));
    }
    thread::sleep(POLL);
    Ok(())
}

/// Enables the group's controller services, because no field of a definition can do that.
fn enable_services(
    nifi: &Nifi,
    what: &Installation,
    group: &str,
    tell: &mut dyn FnMut(String),
) -> Result<(), NifiError> {
    let path = format!("/flow/process-groups/{group}/controller-services");
    let states = |entity: &Value| -> Vec<(String, String)> {
        let services = list(entity, "/controllerServices").iter();
        // The list includes services of parent groups, which belong to others.
        let ours = services.filter(|service| text(service, "/component/parentGroupId") == group);
        ours.map(|it| {
            (text(it, "/component/name").to_owned(), text(it, "/component/state").to_owned())
        })
        .collect()
    };
    let mut now = states(&nifi.get(&path)?);
    let waiting: Vec<_> =
        now.iter().filter(|(_, state)| state != "ENABLED").map(|(name, _)| name.clone()).collect();
    if waiting.is_empty() {
        if !now.is_empty() {
            tell("controller services: enabled already".to_owned());
        }
        return Ok(());
    }
    nifi.call(Method::PUT, &path, Some(&json!({"id": group, "state": "ENABLED"})))?;
    while now.iter().any(|(_, state)| state != "ENABLED") {
        pause(what, "a controller service is not enabled")?;
        now = states(&nifi.get(&path)?);
    }
    let names = waiting.join(", ");
    tracing::info!(group, names, "controller services enabled");
    tell(format!("controller services: {names} enabled"));
    Ok(())
}

/// A processor's name, validation status, run state and errors.
struct Processor {
    name: String,
    validation: String,
    state: String,
    errors: Vec<String>,
}

fn processors(nifi: &Nifi, group: &str) -> Result<Vec<Processor>, NifiError> {
    let entity = nifi.get(&format!("/process-groups/{group}/processors"))?;
    let read = |it: &Value| Processor {
        name: text(it, "/component/name").to_owned(),
        validation: text(it, "/component/validationStatus").to_owned(),
        state: text(it, "/component/state").to_owned(),
        errors: list(it, "/component/validationErrors")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    };
    Ok(list(&entity, "/processors").iter().map(read).collect())
}

/// After a change NiFi validates in the background, so INVALID is not a fault during this time.
const SETTLE: Duration = Duration::from_secs(8);

fn wait_until_valid(nifi: &Nifi, what: &Installation, group: &str) -> Result<(), NifiError> {
    let begun = Instant::now();
    loop {
        let open: Vec<_> = processors(nifi, group)?
            .into_iter()
            .filter(|processor| processor.validation != "VALID" && processor.state != "DISABLED")
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let invalid = open.iter().all(|processor| processor.validation == "INVALID");
        if invalid && (begun.elapsed() >= SETTLE || Instant::now() + POLL >= what.deadline) {
            let names: Vec<_> = open.iter().map(|processor| processor.name.as_str()).collect();
            let error = NifiError::refused(format!("not valid: {}", names.join(", ")));
            let lines = open
                .iter()
                .flat_map(|it| it.errors.iter().map(|error| format!("{}: {error}", it.name)));
            let error = lines.fold(error, NifiError::hint);
            return Err(
                error.hint("put it right (--set NAME=VALUE for a parameter) and install again")
            );
        }
        pause(what, "NiFi is still validating")?;
    }
}

/// Starts an installed group.
///
/// # Errors
///
/// NiFi refuses a call, or the deadline passed.
pub fn start(
    nifi: &Nifi,
    what: &Installation,
    installed: &Installed,
    tell: &mut dyn FnMut(String),
) -> Result<(), NifiError> {
    let group = &installed.group;
    let stopped = |all: &[Processor]| all.iter().filter(|it| it.state == "STOPPED").count();
    let before = processors(nifi, group)?;
    if stopped(&before) == 0 {
        tell("started already".to_owned());
        return Ok(());
    }
    let body = json!({"id": group, "state": "RUNNING"});
    nifi.call(Method::PUT, &format!("/flow/process-groups/{group}"), Some(&body))?;
    while stopped(&processors(nifi, group)?) > 0 {
        pause(what, "not every processor is running")?;
    }
    tracing::info!(group, processors = before.len(), "group started");
    tell(format!("started: {} processors", before.len()));
    Ok(())
}
