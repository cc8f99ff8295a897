//! As much of NiFi's REST API as an installation calls, in memory, over real HTTP on loopback. Shapes and behaviour are
//! those of 1.28.1 and 2.9.0: services arrive disabled, what names them is not valid until they are enabled, a context of the
//! same name keeps its values, and parameters are set by a request that takes its time.

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::{Map, Value, json};

use crate::registry_double::http::{Answer, Head, Request, read_body, read_head};

/// A running NiFi; it ends when dropped.
pub(super) struct NifiDouble {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// What it holds.
#[derive(Default)]
pub(super) struct State {
    /// As `/flow/about` tells it.
    pub(super) version: String,
    /// Calls need this bearer token.
    pub(super) token: Option<String>,
    /// User and password for that token.
    pub(super) login: Option<(String, String)>,
    /// This folder is there; others make GetFile invalid.
    pub(super) folder: String,
    /// Groups in the order of their upload: each an entity with `name`, `context`, `processors`, `services`, `running`.
    pub(super) groups: Vec<Value>,
    /// Parameter contexts by name: values.
    pub(super) contexts: Map<String, Value>,
    /// Polls that an update request still needs, and what it sets.
    update: Option<(u32, String, Value)>,
    /// Errors that a start brings: each processor's name and text.
    pub(super) bulletins: Vec<(String, String)>,
    /// Method and path of every call.
    pub(super) calls: Vec<String>,
}

impl NifiDouble {
    pub(super) fn start(version: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            version: version.to_owned(),
            folder: "./nifi-idb/in".to_owned(),
            ..State::default()
        };
        let (state, stopping) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (state.clone(), stopping.clone());
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Self { address, state, stopping, acceptor: Some(acceptor) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at what it holds, or changes it.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls since the last time that changed something.
    pub(super) fn changes(&self) -> Vec<String> {
        let calls = self.with(|state| std::mem::take(&mut state.calls));
        calls.into_iter().filter(|call| !call.starts_with("GET ")).collect()
    }
}

impl Drop for NifiDouble {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor; it looks at the flag.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut from = BufReader::new(stream);
    while let Ok(Head::Request(mut request)) = read_head(&mut from) {
        if read_body(&mut request, &mut from).is_err() {
            return;
        }
        let (status, body) = state.lock().unwrap_or_else(PoisonError::into_inner).answer(&request);
        let (kind, body) = match body {
            Value::String(text) => ("text/plain", text.into_bytes()),
            body => ("application/json", body.to_string().into_bytes()),
        };
        if Answer::new(status, kind, body).send(&mut &*stream, false, false).is_err() {
            return;
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let path = request.target.strip_prefix("/nifi-api").unwrap_or("?").to_owned();
        self.calls.push(format!("{} {path}", request.method));
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let words: Vec<_> = path.trim_start_matches('/').split('/').collect();
        if let ("POST", ["access", "token"]) = (request.method.as_str(), words.as_slice()) {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let expected = self
                .login
                .as_ref()
                .map(|(user, password)| format!("username={user}&password={password}"));
            return match (expected, &self.token) {
                (Some(expected), Some(token)) if expected == form => (201, json!(token)),
                _ => (400, json!("The supplied username and password are not valid.")),
            };
        }
        if let Some(token) = &self.token
            && request.header("Authorization") != Some(&format!("Bearer {token}"))
        {
            return (401, json!("Unauthorized"));
        }
        match (request.method.as_str(), words.as_slice()) {
            ("GET", ["flow", "about"]) => {
                (200, json!({"about": {"title": "NiFi", "version": self.version}}))
            }
            ("GET", ["flow", "process-groups", "root"]) => {
                let groups = self.groups.iter().map(
                    |it| json!({"id": it["id"], "component": {"id": it["id"], "name": it["name"]}}),
                );
                (
                    200,
                    json!({"processGroupFlow": {"id": "root", "flow": {"processGroups": groups.collect::<Vec<_>>()}}}),
                )
            }
            ("POST", ["process-groups", "root", "process-groups", "upload"]) => {
                self.upload(request)
            }
            ("GET", ["process-groups", id]) => {
                let context = &self.group(id)["context"];
                (
                    200,
                    json!({"id": id, "component": {"id": id, "parameterContext": {"id": context}}}),
                )
            }
            ("GET", ["process-groups", id, "processors"]) => {
                (200, json!({"processors": self.processors(id)}))
            }
            ("GET", ["flow", "process-groups", id, "controller-services"]) => {
                let services = self.group(id)["services"].clone();
                (200, json!({"controllerServices": services}))
            }
            ("PUT", ["flow", "process-groups", id, "controller-services"]) => {
                assert_eq!((&body["id"], &body["state"]), (&json!(id), &json!("ENABLED")));
                for service in self.group(id)["services"].as_array_mut().unwrap() {
                    service["component"]["state"] = json!("ENABLED");
                }
                (200, body)
            }
            ("PUT", ["flow", "process-groups", id]) => {
                assert_eq!((&body["id"], &body["state"]), (&json!(id), &json!("RUNNING")));
                self.group(id)["running"] = json!(true);
                (200, body)
            }
            ("GET", ["flow", board]) if board.starts_with("bulletin-board?") => {
                (200, self.board(board))
            }
            ("GET", ["parameter-contexts", name]) => {
                let values = self.contexts[&decoded(name)].as_object().unwrap();
                let all = values
                    .iter()
                    .map(|(name, value)| json!({"parameter": {"name": name, "value": value, "sensitive": false}}));
                let component = json!({"id": name, "parameters": all.collect::<Vec<_>>()});
                (200, json!({"id": name, "revision": {"version": 3}, "component": component}))
            }
            ("POST", ["parameter-contexts", name, "update-requests"]) => {
                assert_eq!(body["revision"], json!({"version": 3}));
                self.update = Some((2, decoded(name), body["component"]["parameters"].clone()));
                (200, json!({"request": {"requestId": "r1", "complete": false}}))
            }
            ("GET", ["parameter-contexts", _, "update-requests", "r1"]) => {
                let (left, name, parameters) = self.update.as_mut().unwrap();
                *left -= 1;
                if *left == 0 {
                    let context = self.contexts.get_mut(name).unwrap();
                    for parameter in parameters.as_array().unwrap() {
                        context[parameter["parameter"]["name"].as_str().unwrap()] =
                            parameter["parameter"]["value"].clone();
                    }
                }
                (200, json!({"request": {"requestId": "r1", "complete": *left == 0}}))
            }
            ("DELETE", ["parameter-contexts", _, "update-requests", "r1"]) => {
                self.update = None;
                (200, json!({"request": {"requestId": "r1", "complete": true}}))
            }
            _ => (404, json!("The specified resource could not be found.")),
        }
    }

    fn group(&mut self, id: &str) -> &mut Value {
        self.groups.iter_mut().find(|group| group["id"] == id).unwrap()
    }

    /// An old error of each group, and those of the groups that run. The board is asked for one group after a number, or for all.
    fn board(&mut self, query: &str) -> Value {
        let parameter =
            |name: &str| query.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
        let after: i64 = parameter("after=").map_or(0, |text| text.parse().unwrap());
        let mut all = Vec::new();
        for group in &self.groups {
            let bulletin = |id: i64, source: &str, message: &str| {
                let told =
                    json!({"id": id, "level": "ERROR", "sourceName": source, "message": message});
                json!({"id": id, "groupId": group["id"], "bulletin": told})
            };
            all.push(bulletin(1, "Old", "long ago"));
            if group["running"] == true {
                let new = self.bulletins.iter().enumerate();
                all.extend(
                    new.map(|(at, (source, message))| bulletin(at as i64 + 2, source, message)),
                );
            }
        }
        let wanted = parameter("groupId=");
        all.retain(|it| {
            it["id"].as_i64() > Some(after) && wanted.is_none_or(|id| it["groupId"] == id)
        });
        json!({"bulletinBoard": {"bulletins": all}})
    }

    fn upload(&mut self, request: &Request) -> (u16, Value) {
        let kind = request.header("Content-Type").unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(request.body.clone()).unwrap();
        let part = |name: &str| {
            let parts = text
                .split(&format!("--{boundary}"))
                .find(|part| part.contains(&format!("name=\"{name}\"")));
            parts.unwrap().split_once("\r\n\r\n").unwrap().1.trim_end_matches("\r\n").to_owned()
        };
        for field in ["positionX", "positionY"] {
            part(field).parse::<f64>().unwrap();
        }
        assert!(!part("clientId").is_empty());
        let definition: Value = serde_json::from_str(&part("file")).unwrap();
        let contents = &definition["flowContents"];
        let context = contents["parameterContextName"].as_str().unwrap();
        let known = self.contexts.entry(context).or_insert_with(|| json!({}));
        for parameter in definition["parameterContexts"][context]["parameters"].as_array().unwrap()
        {
            let values = known.as_object_mut().unwrap();
            values
                .entry(parameter["name"].as_str().unwrap())
                .or_insert_with(|| parameter["value"].clone());
        }
        let id = format!("g{}", self.groups.len());
        let services = contents["controllerServices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| json!({"component": {"parentGroupId": id, "name": it["name"], "state": "DISABLED"}}));
        self.groups.push(json!({
            "id": id,
            "name": part("groupName"),
            "context": context.replace(' ', "%20"),
            "processors": contents["processors"],
            "services": services.collect::<Vec<_>>(),
            "running": false,
        }));
        (201, json!({"id": id, "component": {"id": id}}))
    }

    fn processors(&mut self, id: &str) -> Vec<Value> {
        let folder = self.folder.clone();
        let group = self.group(id).clone();
        let enabled = group["services"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["component"]["state"] == "ENABLED");
        let values = self.contexts[&decoded(group["context"].as_str().unwrap())].clone();
        let running = group["running"] == true;
        let told = |it: &Value| {
            let kind = it["type"].as_str().unwrap().rsplit('.').next().unwrap();
            let mut errors = Vec::new();
            if kind.starts_with("HandleHttp") && !enabled {
                errors
                    .push("'HTTP Context Map' validated against 'x' is invalid because Controller Service is disabled");
            }
            if kind == "GetFile" && values["intake.folder"] != folder {
                errors.push("'Input Directory' is invalid because Directory does not exist");
            }
            let (validation, state) =
                if errors.is_empty() { ("VALID", running) } else { ("INVALID", false) };
            let state = if state { "RUNNING" } else { "STOPPED" };
            json!({"component": {"name": it["name"], "validationStatus": validation, "validationErrors": errors, "state": state}})
        };
        group["processors"].as_array().unwrap().iter().map(told).collect()
    }
}

fn decoded(name: &str) -> String {
    name.replace("%20", " ")
}
