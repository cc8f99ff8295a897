//! The places of a database in a Registry: ids of flows and buckets, found or created.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use super::RegistryStore;
use super::failure::CallFailure;
use super::http::Answer;
use super::types::{Bucket, Flow, Metadata, read, read_list, segment};
use crate::snapshot::{Digest, FlowName};
use crate::store::envelope::identifier;
use crate::store::{StoreError, StoreErrorKind};

/// Description of the flows that contain databases; distinguishes them from others.
pub(super) const FLOW_DESCRIPTION: &str =
    "IndexedDB snapshots, written by nifi-idb: one database, a version a snapshot";

/// The end of the name of a chunk bucket.
pub(super) const CHUNKS: &str = "-chunks";

/// Ids of a bucket and of a flow in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FlowPlace {
    pub(super) bucket: String,
    pub(super) flow: String,
}

/// The id that nifi-idb gives to a flow; it is derived, so nobody has to look it up.
pub(super) fn flow_id(flow: &FlowName) -> String {
    // Neither name can contain a slash.
    identifier(&format!("registry flow {}/{}", flow.bucket(), flow.flow()))
}

/// The id of the flow of a chunk: UUIDv5 of the chunk bucket's id and the full digest. Ids are
/// unique in a whole Registry, so the bucket is part of it. A `salt` above 0 makes another id, if a
/// number is orphaned.
pub(super) fn chunk_id(bucket: &str, digest: &Digest, salt: u32) -> String {
    derived(bucket, &salted(digest.to_string(), salt))
}

/// The id of the flow of a part of a spilled value.
pub(super) fn part_id(bucket: &str, digest: &Digest, part: u32, salt: u32) -> String {
    derived(bucket, &salted(format!("{digest}/part/{part}"), salt))
}

fn salted(name: String, salt: u32) -> String {
    if salt == 0 { name } else { format!("{name}/{salt}") }
}

fn derived(bucket: &str, name: &str) -> String {
    match Uuid::try_parse(bucket) {
        Ok(bucket) => Uuid::new_v5(&bucket, name.as_bytes()).to_string(),
        // Only the file provider requires UUIDs.
        Err(_) => identifier(&format!("registry bucket {bucket} {name}")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion or removal, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RegistryStore {
    pub(super) fn known_place(&self, flow: &FlowName) -> Option<FlowPlace> {
        lock(&self.places).get(flow).cloned()
    }

    pub(super) fn remember(&self, flow: &FlowName, place: &FlowPlace) {
        lock(&self.places).insert(flow.clone(), place.clone());
    }

    /// Forgets the ids of a flow and its chunk bucket: one of them was not found there.
    pub(super) fn forget(&self, flow: &FlowName) {
        lock(&self.places).remove(flow);
        lock(&self.chunk_buckets).remove(&flow.chunk_bucket());
    }

    pub(super) fn buckets(&self) -> Result<Vec<Bucket>, StoreError> {
        match self.http.get("/buckets")? {
            Some(body) => read_list("GET /buckets", &body),
            None => {
                let message =
                    format!("no NiFi Registry there: {}: 404", self.http.place("GET", "/buckets"));
                Err(StoreError::new(StoreErrorKind::Configuration, message))
            }
        }
    }

    fn bucket_named(&self, name: &str) -> Result<Option<String>, StoreError> {
        let bucket = self.buckets()?.into_iter().find(|bucket| bucket.name == name);
        Ok(bucket.map(|bucket| bucket.identifier))
    }

    pub(super) fn flows_in(&self, bucket: &str) -> Result<Vec<Flow>, StoreError> {
        let path = format!("/buckets/{}/flows", segment(bucket));
        let body = self.http.get(&path)?;
        body.map_or(Ok(Vec::new()), |body| read_list(&format!("GET {path}"), &body))
    }

    pub(super) fn versions(&self, place: &FlowPlace) -> Result<Vec<Metadata>, StoreError> {
        let path = format!("/flows/{}/versions", segment(&place.flow));
        let body = self.http.get(&path)?;
        body.map_or(Ok(Vec::new()), |body| read_list(&format!("GET {path}"), &body))
    }

    /// Finds a flow by its derived id, else by name.
    pub(super) fn place(&self, flow: &FlowName) -> Result<Option<FlowPlace>, StoreError> {
        if let Some(place) = self.known_place(flow) {
            return Ok(Some(place));
        }
        match self.flow_by_id(&flow_id(flow))? {
            Some(found) if found.bucket_name == flow.bucket() && found.name == flow.flow() => {
                let place = FlowPlace { bucket: found.bucket_identifier, flow: found.identifier };
                self.remember(flow, &place);
                Ok(Some(place))
            }
            _ => self.find(flow),
        }
    }

    pub(super) fn flow_by_id(&self, id: &str) -> Result<Option<Flow>, StoreError> {
        let path = format!("/flows/{}", segment(id));
        self.http.get(&path)?.map(|body| read(&format!("GET {path}"), &body)).transpose()
    }

    /// Finds a flow by the names of bucket and flow alone.
    pub(super) fn find(&self, flow: &FlowName) -> Result<Option<FlowPlace>, StoreError> {
        let Some(bucket) = self.bucket_named(flow.bucket())? else { return Ok(None) };
        let found = self.flows_in(&bucket)?.into_iter().find(|found| found.name == flow.flow());
        let place = found.map(|found| FlowPlace { bucket, flow: found.identifier });
        if let Some(place) = &place {
            self.remember(flow, place);
        }
        Ok(place)
    }

    /// Finds a flow, or creates it, with its bucket if necessary.
    pub(super) fn find_or_create(&self, flow: &FlowName) -> Result<FlowPlace, StoreError> {
        if let Some(place) = self.place(flow)? {
            return Ok(place);
        }
        let bucket =
            self.find_or_create_bucket(flow.bucket(), "IndexedDB databases, written by nifi-idb")?;
        let path = format!("/buckets/{}/flows", segment(&bucket));
        let without_id =
            json!({"description": FLOW_DESCRIPTION, "name": flow.flow(), "type": "Flow"});
        let mut with_id = without_id.clone();
        with_id["identifier"] = flow_id(flow).into();
        // Tried from the end. The id is already used if a bucket was renamed.
        let mut bodies = vec![without_id, with_id];
        let mut repeated = false;
        let mut last = None;
        while let Some(body) = bodies.pop() {
            let outcome = self.http.post(&path, body.to_string().as_bytes());
            let taken = matches!(&outcome, Ok(answer) if answer.status == 409);
            match made::<Flow>(outcome, &path, &format!("flow {flow}"))? {
                Made::Done(made) => {
                    let place = FlowPlace { bucket, flow: made.identifier };
                    self.remember(flow, &place);
                    return Ok(place);
                }
                Made::Open(error) => last = Some(error),
            }
            // Somebody else may have created it meanwhile; or we have, and the response was lost.
            if let Some(place) = self.find(flow)? {
                return Ok(place);
            }
            if !taken && !repeated {
                repeated = true;
                bodies.push(body);
            }
        }
        let message =
            format!("the flow can neither be made nor found: {flow} in {}", self.http.address());
        let error = StoreError::new(StoreErrorKind::Transient, message);
        Err(last.into_iter().fold(error, StoreError::because))
    }

    fn find_or_create_bucket(&self, name: &str, description: &str) -> Result<String, StoreError> {
        if let Some(bucket) = self.bucket_named(name)? {
            return Ok(bucket);
        }
        let body = json!({"description": description, "name": name}).to_string();
        let mut repeated = false;
        loop {
            let outcome = self.http.post("/buckets", body.as_bytes());
            let error = match made::<Bucket>(outcome, "/buckets", &format!("bucket {name}"))? {
                Made::Done(bucket) => return Ok(bucket.identifier),
                Made::Open(error) => error,
            };
            // Somebody else may have created it meanwhile; or we have, and the response was lost.
            if let Some(bucket) = self.bucket_named(name)? {
                return Ok(bucket);
            }
            if repeated {
                return Err(error);
            }
            repeated = true;
        }
    }

    /// The id of the bucket for the chunks of a flow's bucket, if it exists.
    pub(super) fn chunk_bucket(&self, flow: &FlowName) -> Result<Option<String>, StoreError> {
        let name = flow.chunk_bucket();
        if let Some(bucket) = lock(&self.chunk_buckets).get(&name) {
            return Ok(Some(bucket.clone()));
        }
        let found = self.bucket_named(&name)?;
        if let Some(bucket) = &found {
            lock(&self.chunk_buckets).insert(name, bucket.clone());
        }
        Ok(found)
    }

    /// The id of the bucket for the chunks of a flow's bucket, which is created if it does not
    /// exist.
    pub(super) fn make_chunk_bucket(&self, flow: &FlowName) -> Result<String, StoreError> {
        let name = flow.chunk_bucket();
        if let Some(bucket) = lock(&self.chunk_buckets).get(&name) {
            return Ok(bucket.clone());
        }
        let description =
            format!("Chunks of the snapshots in bucket {}, written by nifi-idb", flow.bucket());
        let bucket = self.find_or_create_bucket(&name, &description)?;
        lock(&self.chunk_buckets).insert(name, bucket.clone());
        Ok(bucket)
    }
}

/// The outcome of creating a bucket or flow.
enum Made<T> {
    Done(T),
    /// It may exist or not.
    Open(StoreError),
}

/// Reads the response to a call that creates something. Errors mean that it surely was not created.
fn made<T: DeserializeOwned>(
    outcome: Result<Answer, CallFailure>,
    path: &str,
    what: &str,
) -> Result<Made<T>, StoreError> {
    let (open, error) = match outcome {
        Ok(answer) if answer.is_success() => match read(&format!("POST {path}"), &answer.body) {
            Ok(made) => return Ok(Made::Done(made)),
            // Not from the Registry, whatever the status.
            Err(error) => (true, error),
        },
        Ok(answer) => (answer.is_open(), answer.refusal()),
        Err(CallFailure { sent, error }) => {
            (sent && error.kind == StoreErrorKind::Transient, error)
        }
    };
    let error = creation(error, what);
    if open { Ok(Made::Open(error)) } else { Err(error) }
}

/// Adds to an error what could not be created.
fn creation(error: StoreError, what: &str) -> StoreError {
    let message = match error.kind {
        StoreErrorKind::Denied => {
            format!("{}; {what} is not there and cannot be made", error.message)
        }
        _ => format!("{}; {what} cannot be made", error.message),
    };
    StoreError { message, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "9f5b1a6e-8f9a-4c66-9a44-0d3b6a3b1d10";

    #[test]
    fn ids_are_uuids_and_differ_by_everything_that_they_stand_for() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let ids = [
            flow_id(&FlowName::new("x", "y").unwrap()),
            flow_id(&FlowName::new("x", "z").unwrap()),
            chunk_id(BUCKET, &a, 0),
            chunk_id(BUCKET, &a, 1),
            chunk_id(BUCKET, &b, 0),
            chunk_id("no-uuid", &a, 0),
            part_id(BUCKET, &a, 0, 0),
            part_id(BUCKET, &a, 1, 0),
            part_id(BUCKET, &a, 0, 1),
        ];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| Uuid::try_parse(id).is_ok()), "{ids:?}");
        // These ids are stored for ever and must not change.
        assert_eq!(
            ids[2],
            Uuid::new_v5(&Uuid::try_parse(BUCKET).unwrap(), a.to_string().as_bytes()).to_string()
        );
    }
}
