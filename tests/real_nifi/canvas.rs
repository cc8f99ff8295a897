//! What a person does on the canvas, by REST.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::group::Group;
use super::nifi::{Nifi, wait_for};

/// How long NiFi may take for what it does at once.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// One line of the bulletin board.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bulletin {
    pub(crate) level: String,
    /// The component's name.
    pub(crate) source: String,
    pub(crate) message: String,
}

/// A NiFi's canvas, and every bulletin that was seen on it: NiFi itself forgets them.
pub(crate) struct Canvas {
    pub(crate) nifi: Nifi,
    bulletins: Mutex<BTreeMap<(u64, i64), Bulletin>>,
    /// Bulletins are numbered from 1 again after a restart.
    starts: u64,
}

impl Canvas {
    pub(crate) fn new(nifi: Nifi) -> Self {
        Self { nifi, bulletins: Mutex::default(), starts: 0 }
    }

    /// Uploads a definition, byte for byte as it is shipped.
    pub(crate) fn upload(&self, name: &str, definition: &[u8]) -> Group<'_> {
        let fields =
            [("groupName", name), ("positionX", "0"), ("positionY", "0"), ("clientId", "nifi-idb")];
        let entity = self.nifi.rest.upload(
            "/process-groups/root/process-groups/upload",
            &fields,
            definition,
        );
        Group { canvas: self, id: entity["id"].as_str().unwrap().to_owned() }
    }

    /// Uploads one of `nifi-templates/`.
    pub(crate) fn upload_shipped(&self, name: &str) -> Group<'_> {
        let path = format!("{}/nifi-templates/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.upload(name, &text)
    }

    /// Kills NiFi (`kill -9`), starts it again and waits for its API.
    pub(crate) fn kill_and_restart(&mut self) {
        self.look_at_bulletins();
        self.nifi.kill();
        self.starts += 1;
        self.nifi.start_again();
    }

    /// The group of that id, after a restart.
    pub(crate) fn group(&self, id: &str) -> Group<'_> {
        Group { canvas: self, id: id.to_owned() }
    }

    /// Remembers what the bulletin board shows now.
    pub(crate) fn look_at_bulletins(&self) {
        let Ok(board) =
            self.nifi.rest.call(reqwest::Method::GET, "/flow/bulletin-board?limit=1000", None)
        else {
            return;
        };
        let mut seen = self.bulletins.lock().unwrap();
        for entity in board["bulletinBoard"]["bulletins"].as_array().into_iter().flatten() {
            let text =
                |name: &str| entity["bulletin"][name].as_str().unwrap_or_default().to_owned();
            let found = Bulletin {
                level: text("level"),
                source: text("sourceName"),
                message: text("message"),
            };
            seen.insert((self.starts, entity["id"].as_i64().unwrap_or_default()), found);
        }
    }

    /// All that was ever seen and shows now.
    pub(crate) fn bulletins(&self) -> Vec<Bulletin> {
        self.look_at_bulletins();
        self.bulletins.lock().unwrap().values().cloned().collect()
    }

    /// Waits, and looks at the bulletins meanwhile.
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, limit, || {
                self.look_at_bulletins();
                look()
            })
        }));
        shown.unwrap_or_else(|_| panic!("in vain: {what}; the bulletins: {:#?}", self.bulletins()))
    }

    /// A client for a Registry, by which versions are imported.
    pub(crate) fn registry_client(&self, url: &str) -> String {
        let release = &self.nifi.distribution.release;
        let url = url.strip_suffix("/nifi-registry-api").unwrap_or(url);
        let bundle = json!({"group": "org.apache.nifi", "artifact": "nifi-flow-registry-client-nar", "version": release});
        let component = json!({
            "name": "registry",
            "type": "org.apache.nifi.registry.flow.NifiRegistryFlowRegistryClient",
            "bundle": bundle,
            "properties": {"url": url},
        });
        let body =
            json!({"revision": {"version": 0, "clientId": "nifi-idb"}, "component": component});
        let entity = self.nifi.rest.post("/controller/registry-clients", &body);
        entity["id"].as_str().unwrap().to_owned()
    }

    /// Imports a version of a flow as a group.
    pub(crate) fn import(
        &self,
        client: &str,
        bucket: &str,
        flow: &str,
        version: u32,
    ) -> Result<Group<'_>, String> {
        let coordinates =
            json!({"registryId": client, "bucketId": bucket, "flowId": flow, "version": version});
        let component =
            json!({"position": {"x": 0, "y": 0}, "versionControlInformation": coordinates});
        let body =
            json!({"revision": {"version": 0, "clientId": "nifi-idb"}, "component": component});
        let path = "/process-groups/root/process-groups";
        let entity = self.nifi.rest.call(reqwest::Method::POST, path, Some(&body))?;
        Ok(Group { canvas: self, id: entity["id"].as_str().unwrap().to_owned() })
    }
}

/// A number in an answer.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.replace(',', "").parse().ok()).unwrap_or_default()
}
