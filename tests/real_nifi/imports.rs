//! Versions that the program wrote are flows that NiFi imports and runs.

use std::collections::BTreeMap;

use nifi_idb::snapshot::FlowVersion;
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::registry::{RegistryOptions, RegistryStore};
use serde_json::{Value, json};

use super::canvas::SOON;
use super::group::Group;
use super::lab::{Lab, on_every_nifi};
use super::shared::{every_value, flow, many, sync_ok};

/// The processor type that holds a text.
const TYPE: &str = "org.apache.nifi.processors.standard.GenerateFlowFile";

#[test]
fn versions_are_imported_and_emit_the_records() {
    on_every_nifi(|lab| {
        let store = RegistryStore::open(RegistryOptions::new(&lab.registry.url())).unwrap();
        sync_ok(&store, r#""source":"a""#, &every_value());
        sync_ok(&store, r#""source":"b""#, &many(1500));
        sync_ok(&store, r#""source":"b""#, &many(1501)[1500..]);
        let client = lab.canvas.registry_client(&lab.registry.url());
        for (version, has_chunk_flows) in [(1, false), (2, true), (3, true)] {
            imported(lab, &store, &client, version, has_chunk_flows);
        }
    });
}

/// Identifiers of bucket and flow, as the Registry has them.
fn coordinates(lab: &Lab) -> (String, String) {
    let rest = super::rest::Rest::new(lab.registry.url());
    let named = |list: &Value, name: &str| {
        let found = list.as_array().unwrap().iter().find(|each| each["name"] == name);
        found.unwrap()["identifier"].as_str().unwrap().to_owned()
    };
    let bucket = named(&rest.get("/buckets"), "indexeddb");
    let flow = named(&rest.get(&format!("/buckets/{bucket}/flows")), "shop");
    (bucket, flow)
}

fn imported(lab: &Lab, store: &RegistryStore, client: &str, version: u32, has_chunk_flows: bool) {
    let (bucket, id) = coordinates(lab);
    let begun = std::time::Instant::now();
    let group = lab.canvas.import(client, &bucket, &id, version).unwrap();
    let took = begun.elapsed();
    assert_eq!(group.invalid(), BTreeMap::new());
    let state = |group: &str| {
        lab.canvas.nifi.rest.get(&format!("/process-groups/{group}"))["versionedFlowState"].clone()
    };
    // NiFi looks at the Registry now and then: until it has, it says so.
    let newest = version == 3;
    let expected = if newest { "UP_TO_DATE" } else { "STALE" };
    let shown = lab.canvas.wait_for("a state", SOON, || {
        Some(state(&group.id))
            .filter(|state| ["UP_TO_DATE", "STALE"].iter().any(|known| state == known))
    });
    assert!(shown == expected || shown == "UP_TO_DATE", "{shown}");

    let number = FlowVersion::new(version.into()).unwrap();
    let stored = store.version(&flow(), number).unwrap().unwrap();
    let chunks = stored.manifest.chunks().filter(|(list, _)| !list.is_system());
    let mut expected: Vec<_> = chunks
        .map(|(list, chunk)| store.read_chunk(&flow(), &stored, &list, chunk).unwrap())
        .collect();
    expected.sort();

    let processors: Vec<_> =
        group.processors().into_iter().filter(|each| each["component"]["type"] == TYPE).collect();
    let runnable: Vec<_> =
        processors.iter().filter(|each| each["component"]["state"] != "DISABLED").collect();
    let mut emitted: Vec<_> = runnable.iter().map(|processor| emits(&group, processor)).collect();
    emitted.sort();
    assert_eq!(emitted.len(), expected.len());
    assert!(emitted == expected, "version {version}: what is emitted is not what is stored");
    let children =
        lab.canvas.nifi.rest.get(&format!("/process-groups/{}/process-groups", group.id));
    let versioned = |child: &&Value| child["component"]["versionControlInformation"].is_object();
    let versioned = children["processGroups"].as_array().unwrap().iter().filter(versioned).count();
    assert_eq!(versioned > 0, has_chunk_flows);
    let bytes: usize = emitted.iter().map(Vec::len).sum();
    eprintln!(
        "version {version}: imported in {took:.1?}, {shown}, {versioned} chunk flows, {} texts, {bytes} bytes",
        emitted.len()
    );
    group.delete();
}

/// What a processor emits when it is run once.
fn emits(group: &Group<'_>, processor: &Value) -> Vec<u8> {
    let rest = &group.canvas.nifi.rest;
    let id = processor["id"].as_str().unwrap();
    let parent = processor["component"]["parentGroupId"].as_str().unwrap();
    let revision = json!({"version": 0, "clientId": "nifi-idb"});
    let funnel = json!({"revision": revision, "component": {"position": {"x": 0, "y": 0}}});
    let funnel = rest.post(&format!("/process-groups/{parent}/funnels"), &funnel)["id"].clone();
    let end = |id: &Value, kind: &str| json!({"id": id, "groupId": parent, "type": kind});
    let component = json!({
        "source": end(&processor["id"], "PROCESSOR"),
        "destination": end(&funnel, "FUNNEL"),
        "selectedRelationships": ["success"],
    });
    rest.post(
        &format!("/process-groups/{parent}/connections"),
        &json!({"revision": revision, "component": component}),
    );
    let name = processor["component"]["name"].as_str().unwrap();
    // A new connection is a reason to validate again.
    let now = group.canvas.wait_for(&format!("{name} to be valid"), SOON, || {
        Some(rest.get(&format!("/processors/{id}")))
            .filter(|now| now["component"]["validationStatus"] == "VALID")
    });
    group.run_status_of(&now, "RUN_ONCE");
    let inner = group.canvas.group(parent);
    let mut waiting = group.canvas.wait_for(&format!("what {name} emits"), SOON, || {
        let waiting = inner.waiting_after(name);
        (!waiting.is_empty()).then_some(waiting)
    });
    assert_eq!(waiting.len(), 1);
    waiting.remove(0)
}
