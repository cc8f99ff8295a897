//! Broken definitions, one fault each: refused, and told at the right place.

use serde_json::{Value, json};

use super::template;

/// What is done to a good definition.
type Break = fn(&mut Value);

fn named<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    list.as_array_mut().unwrap().iter_mut().find(|it| it["name"] == name).unwrap()
}

fn processor<'a>(definition: &'a mut Value, name: &str) -> &'a mut Value {
    named(&mut definition["flowContents"]["processors"], name)
}

/// The connection from one processor that has the relationship.
fn connection<'a>(definition: &'a mut Value, source: &str, relationship: &str) -> &'a mut Value {
    let all = definition["flowContents"]["connections"].as_array_mut().unwrap();
    let found = all.iter_mut().find(|it| {
        it["source"]["name"] == source
            && it["selectedRelationships"].as_array().unwrap().contains(&json!(relationship))
    });
    found.unwrap()
}

fn parameter<'a>(definition: &'a mut Value, name: &str) -> &'a mut Value {
    let contexts = definition["parameterContexts"].as_object_mut().unwrap();
    named(&mut contexts.values_mut().next().unwrap()["parameters"], name)
}

fn remove(value: &mut Value, field: &str) {
    assert!(value.as_object_mut().unwrap().remove(field).is_some(), "{field}");
}

/// Argument number `number` of the processor that syncs.
fn argument(definition: &mut Value, from: &str, to: &str) {
    let properties = processor(definition, "Sync")["properties"].as_object_mut().unwrap();
    let value = properties.values_mut().find(|value| *value == from).unwrap();
    *value = json!(to);
}

/// A connection of a group, made of another one.
fn wire(
    of: &Value,
    number: u32,
    group: &str,
    ends: [(&str, &str, &str); 2],
    relationship: &str,
) -> Value {
    let end = |(group, kind, id): (&str, &str, &str)| json!({"id": id, "groupId": group, "type": kind, "name": id});
    let mut wire = of.clone();
    wire["identifier"] = json!(format!("00000000-0000-0000-0000-{number:012}"));
    wire["groupIdentifier"] = json!(group);
    (wire["source"], wire["destination"]) = (end(ends[0]), end(ends[1]));
    wire["selectedRelationships"] = json!([relationship]);
    wire
}

/// A group inside with the processor; its failures leave by one port and come back by another.
fn loop_over_ports(definition: &mut Value) {
    let outer = definition["flowContents"]["identifier"].as_str().unwrap().to_owned();
    let of = connection(definition, "Sync", "original").clone();
    let mut sync = processor(definition, "Sync").clone();
    sync["name"] = json!("Sync inside");
    sync["groupIdentifier"] = json!("inner");
    sync["autoTerminatedRelationships"] = json!(["output stream", "original"]);
    let id = sync["identifier"].as_str().unwrap().to_owned();
    let port = |id: &str, kind: &str| json!({"identifier": id, "name": id, "componentType": kind, "type": kind, "groupIdentifier": "inner"});
    let (inside, back, out) = (
        ("inner", "PROCESSOR", id.as_str()),
        ("inner", "INPUT_PORT", "in"),
        ("inner", "OUTPUT_PORT", "out"),
    );
    let mut group = definition["flowContents"].clone();
    for list in ["processors", "connections", "funnels", "labels", "controllerServices"] {
        group[list] = json!([]);
    }
    group["identifier"] = json!("inner");
    group["processors"] = json!([sync]);
    group["inputPorts"] = json!([port("in", "INPUT_PORT")]);
    group["outputPorts"] = json!([port("out", "OUTPUT_PORT")]);
    group["connections"] = json!([
        wire(&of, 1, "inner", [back, inside], ""),
        wire(&of, 2, "inner", [inside, out], "nonzero status"),
    ]);
    definition["flowContents"]["processGroups"] = json!([group]);
    let all = definition["flowContents"]["connections"].as_array_mut().unwrap();
    all.push(wire(&of, 3, &outer, [out, back], ""));
}

/// What is broken, the place of the fault, and a part of what is said about it.
const CASES: [(Break, &str, &str); 42] = [
    (|it| remove(it, "parameterContexts"), "definition", "parameterContexts is missing"),
    (|it| remove(it, "flowEncodingVersion"), "definition", "flowEncodingVersion is missing"),
    (|it| remove(&mut it["flowContents"], "position"), "group", "position is missing"),
    (
        |it| remove(processor(it, "Sync"), "propertyDescriptors"),
        "processor \"Sync\"",
        "propertyDescriptors is missing",
    ),
    (
        |it| remove(processor(it, "Sync"), "penaltyDuration"),
        "processor \"Sync\"",
        "penaltyDuration is missing",
    ),
    (
        |it| remove(processor(it, "Sync"), "bulletinLevel"),
        "processor \"Sync\"",
        "bulletinLevel is missing",
    ),
    (|it| remove(processor(it, "Sync"), "position"), "processor \"Sync\"", "position is missing"),
    (
        |it| remove(&mut processor(it, "Sync")["bundle"], "version"),
        "processor \"Sync\"",
        "bundle.version is missing",
    ),
    (
        |it| remove(connection(it, "Sync", "original"), "zIndex"),
        "connection from \"Sync\"",
        "zIndex is missing",
    ),
    (
        |it| remove(connection(it, "Sync", "original"), "flowFileExpiration"),
        "connection from \"Sync\"",
        "flowFileExpiration is missing",
    ),
    (
        |it| processor(it, "Sync")["schedulingStrategy"] = json!("EVENT_DRIVEN"),
        "processor \"Sync\"",
        "schedulingStrategy \"EVENT_DRIVEN\"",
    ),
    (
        |it| processor(it, "Sync")["schedulingPeriod"] = json!("soon"),
        "processor \"Sync\"",
        "no period such as 5 min",
    ),
    (
        |it| processor(it, "Sync")["executionNode"] = json!("SOME"),
        "processor \"Sync\"",
        "executionNode \"SOME\"",
    ),
    (
        |it| parameter(it, "schedule")["value"] = json!("0 0 3 * * *"),
        "processor \"Release on the schedule\"",
        "must be ?",
    ),
    (
        |it| processor(it, "Release on the schedule")["schedulingPeriod"] = json!("0 0 3 ? * 2-6"),
        "processor \"Release on the schedule\"",
        "names only",
    ),
    (
        |it| processor(it, "Write the package")["properties"]["Dirctory"] = json!("/x"),
        "processor \"Write the package\", property \"Dirctory\"",
        "NiFi 1.28 has no such property",
    ),
    (
        |it| {
            processor(it, "Take batches over HTTP")["properties"]["HTTP Headers for Attributes"] =
                json!("x")
        },
        "processor \"Take batches over HTTP\", property \"HTTP Headers for Attributes\"",
        "NiFi 1.28 has no such property",
    ),
    (
        |it| {
            processor(it, "Take batches over HTTP")["properties"]["Max Data to Receive per Second"] =
                json!("1 MB")
        },
        "processor \"Take batches over HTTP\"",
        "2.x has no such property",
    ),
    (
        |it| processor(it, "Sync")["properties"]["command.arguments.1"] = json!("x"),
        "processor \"Sync\", property \"command.arguments.1\"",
        "neither a property nor command.argument.N",
    ),
    (
        |it| argument(it, "--expect-bytes", "--expected-bytes"),
        "processor \"Sync\"",
        "unexpected argument '--expected-bytes'",
    ),
    (|it| argument(it, "sync", "synk"), "processor \"Sync\"", "unrecognized subcommand 'synk'"),
    (
        |it| argument(it, "flowfile-v3", "flowfile-v2"),
        "processor \"Sync\"",
        "invalid value 'flowfile-v2'",
    ),
    (
        |it| parameter(it, "new.epoch")["value"] = json!("forget"),
        "processor \"Sync\"",
        "invalid value 'forget'",
    ),
    (
        |it| parameter(it, "deadline")["value"] = json!("5 min"),
        "processor \"Sync\"",
        "invalid value '5 min'",
    ),
    (
        |it| {
            processor(it, "Sync")["properties"]["argumentsStrategy"] =
                json!("Command Arguments Property")
        },
        "processor \"Sync\"",
        "use Dynamic Property Arguments",
    ),
    (
        |it| {
            processor(it, "What became of it")["properties"]["confirm"] =
                json!("${sync.statsu:equals('6')}")
        },
        "processor \"What became of it\", property \"confirm\"",
        "nothing writes an attribute \"sync.statsu\"",
    ),
    (
        |it| {
            processor(it, "What became of it")["properties"]["confirm"] =
                json!("${sync.status:equal('6')}")
        },
        "processor \"What became of it\", property \"confirm\"",
        "there is no function \"equal\"",
    ),
    (
        |it| {
            processor(it, "What became of it")["properties"]["confirm"] =
                json!("${sync.status:equals('6')")
        },
        "processor \"What became of it\", property \"confirm\"",
        "does not end",
    ),
    (
        |it| argument(it, "#{store}", "#{stoer}"),
        "processor \"Sync\"",
        "there is no parameter \"stoer\"",
    ),
    (
        |it| connection(it, "Sync", "original")["destination"]["id"] = json!("nowhere"),
        "connection from \"Sync\"",
        "its destination \"nowhere\" is not in the group",
    ),
    (
        |it| connection(it, "Sync", "original")["destination"]["type"] = json!("FUNNEL"),
        "connection from \"Sync\"",
        "its destination is a PROCESSOR, not a FUNNEL",
    ),
    (
        |it| {
            let all = it["flowContents"]["connections"].as_array_mut().unwrap();
            all.retain(|it| {
                it["source"]["name"] != "Sync" || it["selectedRelationships"] != json!(["original"])
            });
        },
        "processor \"Sync\"",
        "relationship \"original\" has no connection",
    ),
    (
        |it| processor(it, "Open the answer")["autoTerminatedRelationships"] = json!([]),
        "processor \"Open the answer\"",
        "relationship \"original\" has no connection",
    ),
    (
        |it| {
            processor(it, "What became of it")["properties"]["odd"] =
                json!("${sync.status:equals('9')}")
        },
        "processor \"What became of it\"",
        "relationship \"odd\" has no connection",
    ),
    (
        |it| processor(it, "Sync")["retriedRelationships"] = json!(["nonzero"]),
        "processor \"Sync\"",
        "it has no relationship \"nonzero\"",
    ),
    (
        |it| processor(it, "Checkpoint: answer")["properties"]["HTTP Context Map"] = json!("gone"),
        "processor \"Checkpoint: answer\", property \"HTTP Context Map\"",
        "there is no controller service \"gone\"",
    ),
    (
        |it| {
            let mut again = connection(it, "Sync", "nonzero status").clone();
            again["identifier"] = json!("11111111-1111-1111-1111-111111111111");
            again["destination"] = again["source"].clone();
            it["flowContents"]["connections"].as_array_mut().unwrap().push(again);
        },
        "processor \"Sync\"",
        "relationship \"nonzero status\" leads to \"Sync\"",
    ),
    (
        |it| {
            let sync = connection(it, "Sync", "nonzero status")["source"].clone();
            connection(it, "Has the run answered", "answered")["destination"] = sync;
        },
        "processor \"Sync\"",
        "it carries the report, not the FlowFile",
    ),
    (
        loop_over_ports,
        "processor \"Sync inside\"",
        "relationship \"nonzero status\" leads to \"Sync inside\"",
    ),
    (
        |it| parameter(it, "store")["sensitive"] = json!(true),
        "parameter \"store\"",
        "name a file instead",
    ),
    (
        |it| parameter(it, "store")["description"] = json!(""),
        "parameter \"store\"",
        "no description",
    ),
    (
        |it| {
            let descriptor = json!({"name": "TOKEN", "displayName": "TOKEN", "sensitive": true});
            processor(it, "Sync")["propertyDescriptors"]["Working Directory"] = descriptor;
            processor(it, "Sync")["properties"]["Working Directory"] = json!("hunter2");
        },
        "processor \"Sync\", property \"Working Directory\"",
        "it is sensitive and has a value",
    ),
];

#[test]
fn each_is_refused_at_its_place() {
    let good: Value =
        serde_json::from_str(nifi_idb::template::find("scheduled-sync").unwrap().text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (number, (breaks, place, message)) in CASES.iter().enumerate() {
        let mut definition = good.clone();
        breaks(&mut definition);
        assert_ne!(definition, good, "case {number} breaks nothing");
        let file = folder.path().join("broken.json");
        std::fs::write(&file, definition.to_string()).unwrap();
        let ran = template(&["check", file.to_str().unwrap()]);
        let out = String::from_utf8_lossy(&ran.out).into_owned();
        let told =
            out.lines().any(|line| line.contains(&format!(": {place}")) && line.contains(message));
        if !told || ran.code() != Some(2) || ran.err.lines().count() != 1 {
            wrong.push(format!(
                "case {number} ({place}: {message}): {:?}\n{out}{}",
                ran.code(),
                ran.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_definition_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    std::fs::write(&file, "{").unwrap();
    let ran = template(&["check", file.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.err.contains("is no flow definition"), "{}", ran.err);
    let ran = template(&["check", "nowhere.json"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.err.contains("nowhere.json: No such file"), "{}", ran.err);
}

/// `nifi-idb rejects` takes reports, so *nonzero status* may lead to it.
#[test]
fn a_report_may_go_to_the_command_that_reads_reports() {
    let mut definition: Value =
        serde_json::from_str(nifi_idb::template::find("scheduled-sync").unwrap().text).unwrap();
    let mut rejects = processor(&mut definition, "Sync").clone();
    let id = "22222222-2222-2222-2222-222222222222";
    (rejects["identifier"], rejects["name"]) = (json!(id), json!("Print what was rejected"));
    (rejects["position"]["x"], rejects["retriedRelationships"]) = (json!(99_000), json!([]));
    rejects["autoTerminatedRelationships"] = json!(["original", "nonzero status", "output stream"]);
    let properties = rejects["properties"].as_object_mut().unwrap();
    properties.retain(|name, _| !name.starts_with("command.argument."));
    properties.insert("command.argument.1".to_owned(), json!("rejects"));
    let mut reports = connection(&mut definition, "Sync", "nonzero status").clone();
    reports["identifier"] = json!("33333333-3333-3333-3333-333333333333");
    reports["destination"]["id"] = json!(id);
    definition["flowContents"]["processors"].as_array_mut().unwrap().push(rejects);
    definition["flowContents"]["connections"].as_array_mut().unwrap().push(reports);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rejects.json");
    std::fs::write(&file, definition.to_string()).unwrap();
    let ran = template(&["check", file.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(0), "{}", String::from_utf8_lossy(&ran.out));
}
