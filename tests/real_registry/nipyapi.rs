//! A foreign client, nipyapi, reads what was written, and sees the same.

use super::batches::{every_value, flow, many, sync_ok};
use super::conformance::{open, wipe};
use super::replay::{Sent, send};
use super::server::{Distribution, NotRun, Provider, RealRegistry, cache, needed, turn};
use nifi_idb::snapshot::FlowVersion;
use nifi_idb::store::SnapshotReader;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The property that holds a text: see `src/store/envelope/component.rs`.
const TEXT: &str = "generate-ff-custom-text";

/// The release that was tried with 0.8.0; it is made for 2.x.
const NIPYAPI: &str = "nipyapi==1.8.1";

/// What `nipyapi_check.py` prints of a version of a flow: see there.
pub(crate) fn look(url: &str, bucket: &str, flow: &str, version: u32) -> Result<Value, NotRun> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_registry/nipyapi_check.py");
    let output = run(
        Command::new(python()?).arg(script).args([url, bucket, flow, &version.to_string()]),
        "python",
    )?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .parse()
        .unwrap_or_else(|error| panic!("nipyapi_check.py printed no JSON: {error}\n{text}")))
}

/// As `nipyapi_check.py` gives a property's text.
pub(crate) fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Installs nipyapi into an environment of its own, once; returns that environment's Python.
fn python() -> Result<PathBuf, NotRun> {
    let home = cache().join("nipyapi");
    let python = home.join("bin/python");
    let marker = home.join("installed");
    if !std::fs::read_to_string(&marker).is_ok_and(|installed| installed == NIPYAPI) {
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&home),
            "Python 3 with its venv module (`python3`)",
        )?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", NIPYAPI];
        run(Command::new(&python).args(install), &format!("{NIPYAPI} from a package index"))?;
        std::fs::write(&marker, NIPYAPI).expect("the environment's folder can be written");
    }
    Ok(python)
}

fn run(command: &mut Command, what: &str) -> Result<Output, NotRun> {
    let output = command.output().map_err(|error| NotRun::new(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    Err(NotRun::new(format!(
        "{what}; it ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&text)
    )))
}

fn post(url: &str, path: &str, body: &Value) -> Value {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let body = Some(body.to_string().into_bytes());
    let request = Sent { method: "POST".to_owned(), path: path.to_owned(), headers, body };
    let reply = send(url, &request).expect("the Registry answers");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 200, "{text}");
    text.parse().expect("the answer is JSON")
}

#[test]
fn reads_what_was_written() {
    let distribution = needed(Distribution::assembled());
    let _turn = turn();
    let registry = RealRegistry::start(&distribution, Provider::Database);
    sees_what_was_posted(&registry);
    wipe(&registry.url());
    sees_what_nifi_idb_wrote(&registry);
}

fn sees_what_was_posted(registry: &RealRegistry) {
    let url = registry.url();
    let bucket = post(&url, "/buckets", &json!({"name": "shop"}));
    let bucket = bucket["identifier"].as_str().expect("a bucket has an identifier");
    let flow = "4b1c7f58-5a55-4d2e-9d0e-0d2f6cf8a001";
    post(&url, &format!("/buckets/{bucket}/flows"), &json!({"name": "orders", "identifier": flow}));
    let texts = [
        "{\"k\":\"\\u00e9 ${a} $$ #{p}\"}\n".repeat(1000),
        "raw é \u{2028} 😀 \u{1} \r\n end\t".to_owned(),
    ];
    let processor = |index: usize| {
        let name = format!("chunk {index}");
        json!({"identifier": format!("p{index}"), "name": name, "properties": {"text": texts[index]}})
    };
    for (version, comments) in [(1, "+1 in 1"), (2, "+1 ~1 – é")] {
        let contents = json!({"identifier": "root", "name": "root", "processors": [processor(0)], "processGroups": [
            {"identifier": "g", "name": "system", "processors": [processor(1)]},
            {"identifier": "h", "name": "far",
             "versionedFlowCoordinates": {"registryUrl": url, "bucketId": bucket, "flowId": flow, "version": 1}}]});
        let body = json!({"snapshotMetadata": {"version": version, "comments": comments}, "flowContents": contents});
        post(&url, &format!("/buckets/{bucket}/flows/{flow}/versions"), &body);
    }
    let properties = |index: usize| json!({"text": sha256(&texts[index])});
    let expected = json!({
        "buckets": ["shop"], "bucket": bucket, "flows": ["orders"], "flow": flow, "version": 2,
        "versions": [
            {"version": 2, "comments": "+1 ~1 – é", "author": "anonymous"},
            {"version": 1, "comments": "+1 in 1", "author": "anonymous"}],
        "processors": [
            {"group": [], "identifier": "p0", "name": "chunk 0", "properties": properties(0)},
            {"group": ["system"], "identifier": "p1", "name": "chunk 1", "properties": properties(1)}],
        "placeholders": [{"group": ["far"], "bucketId": bucket, "flowId": flow, "version": 1}],
    });
    assert_eq!(needed(look(&url, "shop", "orders", 2)), expected);
}

/// Digests of the texts that nipyapi found in a flow, sorted.
fn texts(found: &Value) -> Vec<String> {
    let processors = found["processors"].as_array().expect("processors are a list");
    let mut texts: Vec<_> = processors
        .iter()
        .filter_map(|processor| processor["properties"][TEXT].as_str().map(str::to_owned))
        .collect();
    texts.sort();
    texts
}

fn sees_what_nifi_idb_wrote(registry: &RealRegistry) {
    let (url, store) = (registry.url(), open(registry));
    sync_ok(&store, r#""source":"a""#, &every_value());
    sync_ok(&store, r#""source":"b""#, &many(1500));
    for (version, embedded) in [(1, true), (2, false)] {
        let number = FlowVersion::new(version.into()).expect("a version");
        let stored = store.version(&flow(), number).expect("it can be read").expect("it is there");
        let found = needed(look(&url, "indexeddb", "shop", version));
        assert_eq!(found["buckets"], json!(["indexeddb", "indexeddb-chunks"]));
        assert_eq!((&found["version"], &found["flows"]), (&json!(version), &json!(["shop"])));
        let comments: Vec<_> = found["versions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|each| &each["comments"])
            .collect();
        let log: Vec<_> = store
            .log(&flow())
            .expect("a log")
            .into_iter()
            .map(|info| json!(info.comment))
            .collect();
        assert_eq!(comments, log.iter().collect::<Vec<_>>());

        let (mut own, mut elsewhere) = (vec![sha256(&stored.manifest.to_text().0)], Vec::new());
        for (list, chunk) in stored.manifest.chunks() {
            let text = store.read_chunk(&flow(), &stored, &list, chunk).expect("a chunk");
            let text = sha256(std::str::from_utf8(&text).expect("a chunk is text"));
            match list.is_system() || embedded {
                true => own.push(text),
                false => elsewhere.push((chunk.full.to_string(), text)),
            }
        }
        own.sort();
        assert_eq!(texts(&found), own, "manifest and chunks of version {version}");
        let placeholders = found["placeholders"].as_array().expect("a list");
        assert_eq!(placeholders.len(), elsewhere.len());
        assert_eq!(elsewhere.is_empty(), embedded);
        for (name, text) in elsewhere {
            let chunk = needed(look(&url, "indexeddb-chunks", &name, 1));
            assert_eq!(texts(&chunk), [text], "chunk {name}");
            let named = placeholders.iter().any(|placeholder| {
                (&placeholder["flowId"], &placeholder["bucketId"])
                    == (&chunk["flow"], &chunk["bucket"])
            });
            assert!(named, "no placeholder leads to chunk {name}");
        }
    }
}
