//! Our exports in the real programs: Playwright and dexie-export-import, in a real Chromium.
//!
//! They need Node.js with npm, a package index, and Chromium (`CHROMIUM`, else `/usr/bin/chromium`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use nifi_idb::decode::DecodeOptions;
use nifi_idb::flowfile::Attributes;
use nifi_idb::history::{At, ExportFormat, ExportOptions, export, open_version};
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{IntakeOptions, Review, SyncOptions, deliver};
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::memory::MemoryStore;
use serde_json::Value;

use super::python::{cache, run};

/// The packages are installed once, and one browser runs at a time.
static TURN: Mutex<()> = Mutex::new(());

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imports")
}

/// Runs `make.mjs`, beside its packages; gives what it prints.
fn tool(arguments: &[&str]) -> Value {
    let home = cache().join("imports");
    std::fs::create_dir_all(&home).unwrap();
    for name in ["package.json", "make.mjs", "zoo.js"] {
        std::fs::copy(fixtures().join("make").join(name), home.join(name)).unwrap();
    }
    if !home.join("node_modules/playwright-core").exists() {
        let install = ["install", "--no-audit", "--no-fund", "--silent"];
        run(
            Command::new("npm").current_dir(&home).args(install),
            "Node.js with npm, and its packages",
        );
    }
    let mut node = Command::new("node");
    let output = run(
        node.current_dir(&home).arg("make.mjs").args(arguments),
        "Node.js and Chromium (`CHROMIUM`)",
    );
    // It shows strings as JSON inside of JSON, so that no lone surrogate stands in it.
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Takes a file in, and writes it again to another.
fn through(decode: DecodeOptions, name: &str, format: ExportFormat, to: &Path) {
    let store = MemoryStore::default();
    let options = IntakeOptions {
        bucket: "b".to_owned(),
        flow: Some("f".to_owned()),
        decode,
        normalize: NormalizeOptions::received_at(1_700_000_000_000),
        sync: SyncOptions::default(),
        review: Review::default(),
        rejected_text: false,
        admission: None,
        trusts_received_at: true,
    };
    let text = std::fs::read(fixtures().join(name)).unwrap();
    let delivered = deliver(&store, &options, &Attributes::default(), &text[..]);
    assert!(delivered.verdict.is_done(), "{:?}", delivered.verdict.failure);
    let flow = FlowName::new("b", "f").unwrap();
    let version = open_version(&store, &flow, At::Latest).unwrap();
    let mut out = std::fs::File::create(to).unwrap();
    export(&store, &flow, &version, &ExportOptions { format, object_store: None }, &mut out)
        .unwrap();
}

/// What the real program makes of its own file, and of ours: pairs of records that differ.
fn differing(tool_name: &str, theirs: &str, ours: &Path) -> Vec<(Value, Value)> {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let theirs = tool(&["import", tool_name, fixtures().join(theirs).to_str().unwrap(), "zoo"]);
    let ours = tool(&["import", tool_name, ours.to_str().unwrap(), "zoo"]);
    assert_eq!(theirs["version"], ours["version"]);
    let mut found = Vec::new();
    for (name, store) in theirs["stores"].as_object().unwrap() {
        let own = &ours["stores"][name];
        for member in ["keyPath", "autoIncrement", "indexes"] {
            assert_eq!(own[member], store[member], "{name}: {member}");
        }
        let (records, own) =
            (store["records"].as_array().unwrap(), own["records"].as_array().unwrap());
        assert_eq!(own.len(), records.len(), "{name}");
        found.extend(
            records.iter().cloned().zip(own.iter().cloned()).filter(|(record, own)| record != own),
        );
    }
    found
}

#[test]
fn playwright_reads_our_storage_state_as_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("state.json");
    let origin = "https://zoo.example".to_owned();
    let decode = DecodeOptions {
        origin: Some(origin.clone()),
        database: Some("zoo".into()),
        ..DecodeOptions::default()
    };
    through(decode, "playwright/storage-state.json", ExportFormat::Playwright { origin }, &ours);
    let differ = differing("playwright", "playwright/storage-state.json", &ours);
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn dexie_reads_our_export_as_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("export.json");
    through(DecodeOptions::default(), "dexie/export.json", ExportFormat::Dexie, &ours);
    let differ = differing("dexie", "dexie/export.json", &ours);
    // An object that a Map and a Set hold too: Dexie's own file gives it back in one place of three, ours in all.
    assert_eq!(differ.len(), 2, "{differ:#?}");
    for (theirs, ours) in differ {
        let (theirs, ours) = (theirs[1].as_str().unwrap(), ours[1].as_str().unwrap());
        assert!(
            theirs.contains(r#"Map{"a"=>undefined}"#) && theirs.contains("Set{undefined}"),
            "{theirs}"
        );
        assert!(
            ours.contains(r#""map":Map{"a"=>{"one":1}},"one":{"one":1},"set":Set{{"one":1}}"#),
            "{ours}"
        );
    }
}
