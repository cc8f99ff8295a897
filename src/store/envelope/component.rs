//! Components of a NiFi flow as JSON: groups, processors, labels. Each has all fields that NiFi
//! 1.28 and 2.x need.

use serde_json::{Map, Value, json};

use super::Coordinates;

/// The type of the processors that contain a text.
const CARRIER: &str = "org.apache.nifi.processors.standard.GenerateFlowFile";

/// The property that contains the text: the key of NiFi up to 2.6, which later versions rename on
/// import.
pub(super) const TEXT: &str = "generate-ff-custom-text";

/// Collections of a group. NiFi refuses an explicit `null`, so all are present.
const COLLECTIONS: [&str; 9] = [
    "connections",
    "controllerServices",
    "funnels",
    "inputPorts",
    "labels",
    "outputPorts",
    "processGroups",
    "processors",
    "remoteProcessGroups",
];

/// Positions on the canvas, row by row.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    width: i64,
    height: i64,
    next: i64,
}

impl Grid {
    pub(super) fn groups() -> Self {
        Self { width: 420, height: 220, next: 0 }
    }

    pub(super) fn processors() -> Self {
        Self { width: 400, height: 180, next: 0 }
    }

    pub(super) fn next(&mut self) -> (i64, i64) {
        /// Components in one row.
        const COLUMNS: i64 = 4;
        let place = (self.next % COLUMNS * self.width, self.next / COLUMNS * self.height);
        self.next += 1;
        place
    }
}

/// A process group that is being filled.
#[derive(Debug)]
pub(super) struct GroupBuilder(Map<String, Value>);

impl GroupBuilder {
    pub(super) fn new(id: &str, parent: Option<&str>, name: &str, place: (i64, i64)) -> Self {
        let mut members = Map::new();
        for collection in COLLECTIONS {
            members.insert(collection.into(), Value::Array(Vec::new()));
        }
        members.insert("comments".into(), "".into());
        members.insert("componentType".into(), "PROCESS_GROUP".into());
        members.insert("identifier".into(), id.into());
        members.insert("name".into(), name.into());
        members.insert("position".into(), position(place));
        if let Some(parent) = parent {
            members.insert("groupIdentifier".into(), parent.into());
        }
        Self(members)
    }

    pub(super) fn comments(&mut self, text: &str) {
        self.0.insert("comments".into(), text.into());
    }

    pub(super) fn push(&mut self, collection: &str, component: Value) {
        if let Some(Value::Array(components)) = self.0.get_mut(collection) {
            components.push(component);
        }
    }

    /// Makes the group a placeholder for version 1 of a flow in `registry`
    /// (`scheme://host[:port]`).
    pub(super) fn coordinates(&mut self, coordinates: &Coordinates, registry: &str) {
        let Coordinates { bucket, flow } = coordinates;
        let location =
            format!("{registry}/nifi-registry-api/buckets/{bucket}/flows/{flow}/versions/1");
        let value = json!({
            "bucketId": bucket, "flowId": flow, "registryUrl": registry, "storageLocation": location, "version": 1,
        });
        self.0.insert("versionedFlowCoordinates".into(), value);
    }

    /// The group's JSON, components sorted by identifier.
    pub(super) fn finish(mut self) -> Value {
        for collection in COLLECTIONS {
            if let Some(Value::Array(components)) = self.0.get_mut(collection) {
                components.sort_by(|a, b| a["identifier"].as_str().cmp(&b["identifier"].as_str()));
            }
        }
        Value::Object(self.0)
    }
}

fn position((x, y): (i64, i64)) -> Value {
    json!({"x": x as f64, "y": y as f64})
}

/// A label above the groups.
pub(super) fn label(id: &str, group: &str, text: &str) -> Value {
    /// Height of a line of text, in pixels.
    const LINE: f64 = 18.0;
    let height = (text.lines().count() + 2) as f64 * LINE;
    json!({
        "componentType": "LABEL",
        "groupIdentifier": group,
        "height": height,
        "identifier": id,
        "label": text,
        "position": {"x": 0.0, "y": -height - 40.0},
        "style": {"font-size": "12px"},
        "width": 800.0,
        "zIndex": 0,
    })
}

/// A processor that emits a text when it is run once.
pub(super) struct Carrier<'a> {
    pub(super) id: &'a str,
    /// The identifier of its process group.
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// The attributes of the emitted FlowFile.
    pub(super) attributes: Map<String, Value>,
    /// The position on the canvas, in pixels.
    pub(super) place: (i64, i64),
    /// True if it is stopped, false if it is disabled.
    pub(super) runs: bool,
}

/// Returns the component of a processor.
pub(super) fn processor(carrier: Carrier<'_>) -> Value {
    let Carrier { id, group, name, text, attributes, place, runs } = carrier;
    // GenerateFlowFile turns each property that it does not know into an attribute, so these are
    // added last: an attribute cannot take the place of one.
    let mut properties = attributes;
    for (key, value) in [
        ("Batch Size", "1"),
        ("Data Format", "Text"),
        ("File Size", "0B"),
        ("Unique FlowFiles", "false"),
        ("character-set", "UTF-8"),
        (TEXT, text),
    ] {
        properties.insert(key.into(), value.into());
    }
    json!({
        "autoTerminatedRelationships": ["success"],
        "backoffMechanism": "PENALIZE_FLOWFILE",
        "bulletinLevel": "WARN",
        "bundle": {"artifact": "nifi-standard-nar", "group": "org.apache.nifi", "version": "1.28.1"},
        "comments": "",
        "componentType": "PROCESSOR",
        "concurrentlySchedulableTaskCount": 1,
        "executionNode": "PRIMARY",
        "groupIdentifier": group,
        "identifier": id,
        "maxBackoffPeriod": "10 mins",
        "name": name,
        "penaltyDuration": "30 sec",
        "position": position(place),
        "properties": properties,
        "propertyDescriptors": {},
        "retriedRelationships": [],
        "retryCount": 10,
        "runDurationMillis": 0,
        "scheduledState": if runs { "ENABLED" } else { "DISABLED" },
        "schedulingPeriod": "1 day",
        "schedulingStrategy": "TIMER_DRIVEN",
        "style": {},
        "type": CARRIER,
        "yieldDuration": "1 sec",
    })
}
