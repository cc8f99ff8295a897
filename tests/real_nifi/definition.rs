//! Flow definitions of the tests' own: a few processors in a row, with names of 1.28.

use serde_json::{Value, json};

/// A definition that is being written.
pub(crate) struct Definition {
    processors: Vec<Value>,
    connections: Vec<Value>,
}

const GROUP: &str = "11111111-0000-4000-8000-000000000000";

impl Definition {
    pub(crate) fn new() -> Self {
        Self { processors: Vec::new(), connections: Vec::new() }
    }

    /// Adds a processor of a type in NiFi's own bundles; `ends` are relationships that end in it.
    pub(crate) fn processor(
        mut self,
        name: &str,
        kind: &str,
        properties: Value,
        ends: &[&str],
    ) -> Self {
        let (package, artifact) = match kind {
            "InvokeGRPC" => ("grpc", "nifi-grpc-nar"),
            _ => ("standard", "nifi-standard-nar"),
        };
        let number = self.processors.len();
        self.processors.push(json!({
            "identifier": format!("22222222-0000-4000-8000-{number:012}"),
            "groupIdentifier": GROUP,
            "componentType": "PROCESSOR",
            "name": name,
            "comments": "",
            "type": format!("org.apache.nifi.processors.{package}.{kind}"),
            "bundle": {"group": "org.apache.nifi", "artifact": artifact, "version": "1.28.1"},
            "position": {"x": 0, "y": 200 * number},
            "properties": properties,
            "propertyDescriptors": {},
            "style": {},
            "schedulingStrategy": "TIMER_DRIVEN",
            "schedulingPeriod": "0 sec",
            "executionNode": "ALL",
            "penaltyDuration": "1 sec",
            "yieldDuration": "100 millis",
            "bulletinLevel": "WARN",
            "runDurationMillis": 0,
            "concurrentlySchedulableTaskCount": 1,
            "autoTerminatedRelationships": ends,
            "scheduledState": "ENABLED",
        }));
        self
    }

    /// Connects two, by name; so many FlowFiles may wait between them.
    pub(crate) fn connect(
        mut self,
        source: &str,
        relationships: &[&str],
        destination: &str,
        waiting: usize,
    ) -> Self {
        let end = |name: &str| {
            let found = self
                .processors
                .iter()
                .find(|each| each["name"] == name)
                .expect("a processor of that name");
            json!({"id": found["identifier"], "groupId": GROUP, "type": "PROCESSOR", "name": name, "comments": ""})
        };
        let connection = json!({
            "identifier": format!("33333333-0000-4000-8000-{:012}", self.connections.len()),
            "groupIdentifier": GROUP,
            "componentType": "CONNECTION",
            "name": "",
            "source": end(source),
            "destination": end(destination),
            "selectedRelationships": relationships,
            "labelIndex": 1,
            "zIndex": 0,
            "backPressureObjectThreshold": waiting,
            "backPressureDataSizeThreshold": "10 GB",
            "flowFileExpiration": "0 sec",
            "prioritizers": [],
            "bends": [],
            "loadBalanceStrategy": "DO_NOT_LOAD_BALANCE",
            "partitioningAttribute": "",
            "loadBalanceCompression": "DO_NOT_COMPRESS",
        });
        self.connections.push(connection);
        self
    }

    /// As a file to upload.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let contents = json!({
            "identifier": GROUP,
            "componentType": "PROCESS_GROUP",
            "name": "test",
            "comments": "",
            "position": {"x": 0, "y": 0},
            "processGroups": [],
            "remoteProcessGroups": [],
            "processors": self.processors,
            "inputPorts": [],
            "outputPorts": [],
            "connections": self.connections,
            "labels": [],
            "funnels": [],
            "controllerServices": [],
        });
        let definition = json!({
            "flowContents": contents,
            "externalControllerServices": {},
            "parameterContexts": {},
            "parameterProviders": {},
            "flowEncodingVersion": "1.0",
        });
        definition.to_string().into_bytes()
    }
}

/// Properties of ExecuteStreamCommand with its arguments as dynamic properties.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Value {
    let mut properties = json!({
        "Command Path": program,
        "argumentsStrategy": "Dynamic Property Arguments",
        "Argument Delimiter": ";",
        "Ignore STDIN": "false",
        "Max Attribute Length": "256",
    });
    for (number, argument) in arguments.iter().enumerate() {
        properties[format!("command.argument.{}", number + 1)] = (*argument).into();
    }
    properties
}
