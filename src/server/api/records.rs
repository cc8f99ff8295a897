//! One record of a version.

use super::super::client::{Caller, Right};
use super::super::named::Named;
use super::super::refusal::Refusal;
use super::refused;
use super::target::readable;
use crate::history::{self, At};
use crate::indexeddb::key::{Key, SortableKey};
use crate::pipeline::IntakeOptions;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::SnapshotStore;

/// A request for a record.
pub(in crate::server) struct ShowOperation {
    flow: FlowName,
    at: At,
    /// Object store and key; `None`: the version's manifest.
    record: Option<(String, SortableKey)>,
}

impl ShowOperation {
    /// Asks for the record with this object store and key, which is JSON; `None`: for the version's
    /// manifest.
    pub(in crate::server) fn new(
        caller: &Caller,
        named: Named,
        at: At,
        record: Option<(String, &str)>,
        defaults: &IntakeOptions,
    ) -> Result<Self, Refusal> {
        let flow = readable(caller, Right::Read, named, defaults)?;
        let record =
            record.map(|(store, key)| read_key(key).map(|key| (store, key))).transpose()?;
        Ok(Self { flow, at, record })
    }

    pub(in crate::server) fn flow(&self) -> &FlowName {
        &self.flow
    }

    /// Reads the line; `found` is called with the number of the version.
    pub(in crate::server) fn run(
        &self,
        store: &dyn SnapshotStore,
        found: impl FnOnce(FlowVersion),
    ) -> Result<String, Refusal> {
        let version = history::open_version(store, &self.flow, self.at).map_err(refused)?;
        found(version.manifest.version);
        let Some((object_store, key)) = &self.record else {
            return Ok(version.manifest.to_text().0);
        };
        let object_store = object_store.as_str().into();
        let shown = history::show_record(store, &self.flow, &version, &object_store, key);
        let none = || Refusal::not_found("there is no record with this key");
        Ok(shown.map_err(refused)?.ok_or_else(none)?.line)
    }
}

/// Parses a key as JSON; the message does not repeat it.
fn read_key(text: &str) -> Result<SortableKey, Refusal> {
    let value = serde_json::from_str(text).map_err(|_| {
        Refusal::bad_request("key is no JSON; a string key needs its quotes: \"ann\"")
    })?;
    let key = Key::from_json(&value).and_then(|key| key.to_sortable());
    key.map_err(|error| Refusal::bad_request(format!("key: {error}")))
}
