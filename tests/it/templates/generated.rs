//! The files are what their generator writes, and their pictures can be read.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs a program of the folder of templates.
fn python(program: &str, arguments: &[&str]) -> io::Result<Output> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("nifi-templates");
    Command::new("python3").arg("-B").arg(folder.join(program)).args(arguments).output()
}

#[test]
fn the_files_are_what_the_generator_writes() {
    let ran = match python("generate.py", &["--check"]) {
        Ok(ran) => ran,
        Err(error) => return missing(&error),
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Draws a definition; returns what is printed with these flags, and whether it was a success.
fn draw(definition: &Value, flags: &[&str]) -> Option<(String, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.json");
    fs::write(&path, definition.to_string()).unwrap();
    let ran = match python("draw.py", &[flags, &[path.to_str().unwrap()]].concat()) {
        Ok(ran) => ran,
        Err(error) => {
            missing(&error);
            return None;
        }
    };
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    Some((String::from_utf8(ran.stdout).unwrap(), ran.status.success()))
}

#[test]
fn a_picture_has_every_kind_of_part() {
    let part = |name: &str, x: i64, y: i64| json!({"identifier": name, "name": name, "position": {"x": x, "y": y}});
    let mut group = part("inner group", 0, 0);
    group["outputPorts"] = json!([part("from inside", 0, 0)]);
    let end = |id: &str| json!({"id": id});
    let definition = json!({"flowContents": {
        "name": "all kinds", "comments": "a < b",
        "processors": [{
            "identifier": "p", "name": "Sync & store", "position": {"x": 0, "y": 400},
            "type": "org.apache.nifi.processors.standard.ExecuteStreamCommand",
            "autoTerminatedRelationships": ["original"],
        }],
        "processGroups": [group], "remoteProcessGroups": [part("another NiFi", 700, 0)],
        "inputPorts": [part("in", 0, 800)], "outputPorts": [part("out", 700, 800)],
        "funnels": [{"identifier": "f", "position": {"x": 700, "y": 440}}],
        "labels": [{
            "identifier": "l", "label": "Read this", "position": {"x": 1200, "y": 0}, "width": 200,
            "height": 100, "style": {"background-color": "#abcdef"},
        }],
        "connections": [
            {"source": end("from inside"), "destination": end("p"), "name": "left the group"},
            {"source": end("p"), "destination": end("f"), "selectedRelationships": ["a", "b"]},
        ],
    }});
    let Some((picture, true)) = draw(&definition, &[]) else { return };
    for shown in [
        "all kinds: a &lt; b",
        "Sync &amp; store",
        ">ExecuteStreamCommand<",
        "ends here: original",
        ">inner group<",
        ">another NiFi<",
        "→ in<",
        "← out<",
        ">Read this<",
        "#abcdef",
        ">left the group<",
        ">a, b<",
    ] {
        assert!(picture.contains(shown), "{shown}\n{picture}");
    }
    assert_eq!(draw(&definition, &["--faults"]), Some((String::new(), true)));
}

#[test]
fn a_canvas_that_nobody_could_read_is_found() {
    let shipped = super::template(&["print", "live-sync"]).done();
    let shipped: Value = serde_json::from_slice(&shipped).unwrap();
    let mut straight = shipped.clone();
    for connection in straight["flowContents"]["connections"].as_array_mut().unwrap() {
        connection["bends"] = json!([]);
    }
    let mut moved = shipped.clone();
    moved["flowContents"]["processors"][0]["position"] = json!({"x": 0, "y": 960});
    let mut small = shipped;
    small["flowContents"]["labels"][0]["height"] = json!(40);
    for (definition, fault) in [
        (straight, "the line passes Preflight: headers"),
        (moved, "covers Name the delivery"),
        (small, "its text is"),
    ] {
        let Some((faults, good)) = draw(&definition, &["--faults"]) else { return };
        assert!(!good && faults.contains(fault), "{faults}");
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output has to know what was not tested"
)]
fn missing(error: &io::Error) {
    eprintln!(
        "SKIPPED: no python3 ({error}), so generate.py and draw.py of nifi-templates were not run"
    );
}
