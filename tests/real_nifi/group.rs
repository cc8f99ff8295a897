//! One process group: its parameters, services, processors and queues.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::canvas::{Canvas, SOON, number};

/// A process group on a canvas.
#[derive(Clone)]
pub(crate) struct Group<'a> {
    pub(crate) canvas: &'a Canvas,
    pub(crate) id: String,
}

impl Group<'_> {
    /// Sets parameters of the group's context, and waits until all components have them.
    pub(crate) fn set_parameters(&self, values: &[(&str, &str)]) {
        let rest = &self.canvas.nifi.rest;
        let group = rest.get(&format!("/process-groups/{}", self.id));
        let id = group["component"]["parameterContext"]["id"]
            .as_str()
            .expect("the group has a parameter context")
            .to_owned();
        let context = rest.get(&format!("/parameter-contexts/{id}"));
        let known = context["component"]["parameters"].as_array().unwrap();
        let parameters: Vec<_> = values
            .iter()
            .map(|(name, value)| {
                let found = known.iter().find(|each| each["parameter"]["name"] == **name);
                let found = found.unwrap_or_else(|| panic!("the definition has no parameter {name}"));
                let description = found["parameter"]["description"].clone();
                json!({"parameter": {"name": name, "value": value, "sensitive": false, "description": description}})
            })
            .collect();
        let component =
            json!({"id": id, "name": context["component"]["name"], "parameters": parameters});
        let body = json!({"revision": context["revision"], "id": id, "component": component});
        let path = format!("/parameter-contexts/{id}/update-requests");
        let request = rest.post(&path, &body)["request"]["requestId"].as_str().unwrap().to_owned();
        let path = format!("{path}/{request}");
        let done = self.canvas.wait_for("the parameters", SOON, || {
            Some(rest.get(&path)["request"].clone()).filter(|request| request["complete"] == true)
        });
        rest.delete(&path);
        assert!(done["failureReason"].is_null(), "{done}");
    }

    /// Enables all controller services of the group.
    pub(crate) fn enable_services(&self) {
        let rest = &self.canvas.nifi.rest;
        let path = format!("/flow/process-groups/{}/controller-services", self.id);
        rest.put(&path, &json!({"id": self.id, "state": "ENABLED"}));
        self.canvas.wait_for("the controller services", SOON, || {
            let services = rest.get(&path);
            let all = services["controllerServices"].as_array().unwrap();
            all.iter().all(|service| service["component"]["state"] == "ENABLED").then_some(())
        });
    }

    /// All processors below this group.
    pub(crate) fn processors(&self) -> Vec<Value> {
        let path = format!("/process-groups/{}/processors?includeDescendantGroups=true", self.id);
        self.canvas.nifi.rest.get(&path)["processors"].as_array().unwrap().clone()
    }

    /// The processor of that name.
    pub(crate) fn processor(&self, name: &str) -> Value {
        let found = self.processors().into_iter().find(|each| each["component"]["name"] == name);
        found.unwrap_or_else(|| panic!("no processor {name}"))
    }

    /// Why components are not valid, by name; empty if all are.
    pub(crate) fn invalid(&self) -> BTreeMap<String, String> {
        self.canvas.wait_for("the validation", SOON, || {
            // NiFi does not validate what is disabled.
            let mut all = self.processors();
            all.retain(|each| each["component"]["state"] != "DISABLED");
            let is = |each: &Value, status: &str| each["component"]["validationStatus"] == status;
            if all.iter().any(|each| is(each, "VALIDATING")) {
                return None;
            }
            let name = |each: &Value| each["component"]["name"].as_str().unwrap().to_owned();
            let invalid = all.iter().filter(|each| !is(each, "VALID"));
            Some(
                invalid
                    .map(|each| (name(each), each["component"]["validationErrors"].to_string()))
                    .collect(),
            )
        })
    }

    /// Starts or stops all of the group.
    pub(crate) fn schedule(&self, state: &str) {
        let body = json!({"id": self.id, "state": state});
        self.canvas.nifi.rest.put(&format!("/flow/process-groups/{}", self.id), &body);
    }

    /// `RUNNING`, `STOPPED` or `RUN_ONCE` for one processor.
    pub(crate) fn run_status(&self, name: &str, state: &str) {
        let processor = self.processor(name);
        self.run_status_of(&processor, state);
    }

    pub(crate) fn run_status_of(&self, processor: &Value, state: &str) {
        let body = json!({"revision": processor["revision"], "state": state});
        let path = format!("/processors/{}/run-status", processor["id"].as_str().unwrap());
        self.canvas.nifi.rest.put(&path, &body);
    }

    /// Stop, then Terminate, as on the canvas.
    pub(crate) fn terminate(&self, name: &str) {
        self.run_status(name, "STOPPED");
        let path = format!("/processors/{}/threads", self.processor(name)["id"].as_str().unwrap());
        self.canvas.nifi.rest.delete(&path);
    }

    /// How many threads a processor has at work.
    pub(crate) fn threads(&self, name: &str) -> u64 {
        number(&self.processor(name)["status"]["aggregateSnapshot"]["activeThreadCount"])
    }

    fn status(&self) -> Value {
        let path = format!("/flow/process-groups/{}/status?recursive=true", self.id);
        self.canvas.nifi.rest.get(&path)["processGroupStatus"]["aggregateSnapshot"].clone()
    }

    fn connections(&self) -> Vec<Value> {
        let all =
            self.status()["connectionStatusSnapshots"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|each| each["connectionStatusSnapshot"].clone()).collect()
    }

    /// How many FlowFiles went along the relationship of a processor in the last five minutes, by relationship.
    pub(crate) fn went(&self, source: &str) -> BTreeMap<String, u64> {
        let all = self.connections().into_iter().filter(|each| each["sourceName"] == source);
        let pair = |each: Value| {
            (each["name"].as_str().unwrap_or_default().to_owned(), number(&each["flowFilesIn"]))
        };
        all.map(pair).filter(|(_, count)| *count > 0).collect()
    }

    /// How many FlowFiles a RouteOnAttribute has ever sent along each relationship: from NiFi's provenance, because its
    /// counters forget after five minutes. It is a little behind, so wait for it; and what happened before a `kill -9`
    /// may be missing.
    pub(crate) fn routed(&self, router: &str) -> BTreeMap<String, u64> {
        self.routed_after(router, 0)
    }

    /// The same, of events after that one.
    pub(crate) fn routed_after(&self, router: &str, event: u64) -> BTreeMap<String, u64> {
        let mut routed = BTreeMap::new();
        for (number, relationship) in self.routes(router) {
            if number > event {
                *routed.entry(relationship).or_default() += 1;
            }
        }
        routed
    }

    /// The number of the newest event of a RouteOnAttribute; they go on after a restart.
    pub(crate) fn newest_route(&self, router: &str) -> u64 {
        self.routes(router).into_iter().map(|(number, _)| number).max().unwrap_or_default()
    }

    /// Numbers and relationships of all events of a RouteOnAttribute.
    fn routes(&self, router: &str) -> Vec<(u64, String)> {
        let rest = &self.canvas.nifi.rest;
        let term = |value: &Value| json!({"value": value, "inverse": false});
        let terms = json!({"ProcessorID": term(&self.processor(router)["id"]), "EventType": term(&"ROUTE".into())});
        let request = json!({"maxResults": 10_000, "summarize": false, "incrementalResults": false, "searchTerms": terms});
        let query = rest.post("/provenance", &json!({"provenance": {"request": request}}));
        let path = format!("/provenance/{}", query["provenance"]["id"].as_str().unwrap());
        let done = self.canvas.wait_for("a provenance query", SOON, || {
            Some(rest.get(&path)["provenance"].clone()).filter(|query| query["finished"] == true)
        });
        rest.delete(&path);
        let events = done["results"]["provenanceEvents"].as_array().into_iter().flatten();
        let route = |event: &Value| {
            let relationship = event["relationship"].as_str().unwrap_or_default().to_owned();
            (number(&event["eventId"]), relationship)
        };
        events.map(route).collect()
    }

    /// How many FlowFiles wait, in queues and inside processors.
    pub(crate) fn queued(&self) -> u64 {
        number(&self.status()["flowFilesQueued"])
    }

    /// The contents that wait in the connections that leave a processor.
    pub(crate) fn waiting_after(&self, source: &str) -> Vec<Vec<u8>> {
        let rest = &self.canvas.nifi.rest;
        let connections = self.connections();
        let mut waiting = Vec::new();
        for connection in connections.iter().filter(|each| each["sourceName"] == source) {
            let queue = format!("/flowfile-queues/{}", connection["id"].as_str().unwrap());
            let path = format!("{queue}/listing-requests");
            let id =
                rest.post(&path, &json!({}))["listingRequest"]["id"].as_str().unwrap().to_owned();
            let path = format!("{path}/{id}");
            let listed = self.canvas.wait_for("a listing", SOON, || {
                Some(rest.get(&path)["listingRequest"].clone())
                    .filter(|request| request["finished"] == true)
            });
            rest.delete(&path);
            for summary in listed["flowFileSummaries"].as_array().into_iter().flatten() {
                let path = format!("{queue}/flowfiles/{}", summary["uuid"].as_str().unwrap());
                waiting.push(rest.bytes(&format!("{path}/content")));
            }
        }
        waiting
    }

    /// Stops all, drops what waits, and deletes the group.
    pub(crate) fn delete(self) {
        let rest = &self.canvas.nifi.rest;
        self.schedule("STOPPED");
        let path = format!("/flow/process-groups/{}/controller-services", self.id);
        self.canvas.wait_for("the end of all threads", SOON, || {
            (number(&self.status()["activeThreadCount"]) == 0).then_some(())
        });
        let _ = rest.call(Method::PUT, &path, Some(&json!({"id": self.id, "state": "DISABLED"})));
        let empty = format!("/process-groups/{}/empty-all-connections-requests", self.id);
        let request = rest.call(Method::POST, &empty, Some(&json!({})));
        if let Ok(request) = request {
            let path =
                format!("{empty}/{}", request["dropRequest"]["id"].as_str().unwrap_or_default());
            let finished = || {
                rest.call(Method::GET, &path, None)
                    .map_or(true, |request| request["dropRequest"]["finished"] == true)
            };
            self.canvas.wait_for("empty queues", SOON, || finished().then_some(()));
            let _ = rest.call(Method::DELETE, &path, None);
        }
        self.canvas.wait_for("the group's end", SOON, || {
            let revision =
                rest.get(&format!("/process-groups/{}", self.id))["revision"]["version"].clone();
            rest.call(
                Method::DELETE,
                &format!("/process-groups/{}?version={revision}", self.id),
                None,
            )
            .ok()
        });
    }
}
