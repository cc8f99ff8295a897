//! FlowFile packages by the Python package nifi-flowfile: a thousand random ones each way.
//!
//! The other one of the package index, nifi-ffv3, was published without any code (0.1.0 and 0.1.2, wheel and source): a test
//! watches whether that is still so.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nifi_idb::flowfile::{PackageReader, write_head};
use serde_json::Value;

use super::python::{python, run, script};

const COUNT: usize = 1_000;

/// It imports attrs without saying so.
const PACKAGES: [&str; 2] = ["nifi.flowfile==0.0.2", "attrs==25.3.0"];

type FlowFile = (BTreeMap<String, String>, Vec<u8>);

/// Runs the script; gives the FlowFiles that it prints.
fn theirs(arguments: &[&str]) -> Vec<FlowFile> {
    let python = python("flowfile", &PACKAGES);
    let output = run(
        Command::new(python).arg(script("packages_client.py")).args(arguments),
        "packages_client.py",
    );
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let attributes = serde_json::from_value(line["attributes"].clone()).unwrap();
        (attributes, STANDARD.decode(line["content"].as_str().unwrap()).unwrap())
    };
    String::from_utf8(output.stdout).unwrap().lines().map(line).collect()
}

/// What our reader finds.
fn ours(package: &[u8]) -> Vec<FlowFile> {
    let mut reader = PackageReader::new(package);
    let mut all = Vec::new();
    while let Some(head) = reader.next_head().unwrap() {
        let mut content = Vec::new();
        reader.content(&head, &mut content).unwrap().unwrap();
        all.push((head.attributes.into_iter().collect(), content));
    }
    all
}

#[track_caller]
fn same(found: &[FlowFile], expected: &[FlowFile]) {
    assert_eq!(found.len(), expected.len());
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found == expected, "FlowFile {number}: {:?} is not {:?}", found.0, expected.0);
    }
}

#[test]
fn nifi_flowfile_writes_and_we_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.ff3");
    let expected = theirs(&["write", "17", &COUNT.to_string(), path.to_str().unwrap()]);
    assert_eq!(expected.len(), COUNT);
    same(&ours(&std::fs::read(path).unwrap()), &expected);
}

/// Random bytes, the same in every run.
fn random(number: usize, part: &str) -> impl Iterator<Item = u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(part.as_bytes()).update(&number.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    std::iter::from_fn(move || {
        let mut byte = [0];
        stream.fill(&mut byte);
        Some(byte[0])
    })
}

/// As many bytes of UTF-8 as asked for, or one or two more.
fn text(bytes: &mut impl Iterator<Item = u8>, length: usize) -> String {
    const SIGNS: [char; 16] = [
        'a',
        'Z',
        '0',
        ' ',
        '\n',
        '\t',
        '\u{1}',
        '=',
        '"',
        '$',
        'é',
        'ю',
        '€',
        '\u{ffff}',
        '😀',
        '\u{10ffff}',
    ];
    let mut text = String::new();
    while text.len() < length {
        let sign = SIGNS[usize::from(bytes.next().unwrap() & 15)];
        text.push(if text.len() + sign.len_utf8() > length { 'x' } else { sign });
    }
    text
}

fn flowfile(number: usize) -> FlowFile {
    let mut bytes = random(number, "attributes");
    let mut attributes = BTreeMap::from([("uuid".to_owned(), number.to_string())]);
    for _ in 0..bytes.next().unwrap() % 12 {
        let name = 1 + usize::from(bytes.next().unwrap() % 40);
        // Both forms of a length, and what is next to them.
        let value = match bytes.next().unwrap() {
            0 => 65_534,
            1 => 65_535,
            2 => 65_536,
            3 => 0,
            other => usize::from(other % 80),
        };
        attributes.insert(text(&mut bytes, name), text(&mut bytes, value));
    }
    let length = match bytes.next().unwrap() {
        0..4 => 0,
        4 => 300_000,
        5 => 65_535,
        other => usize::from(other) * 2,
    };
    (attributes, random(number, "content").take(length).collect())
}

#[test]
fn we_write_and_nifi_flowfile_reads() {
    let flowfiles: Vec<_> = (0..COUNT).map(flowfile).collect();
    let mut package = Vec::new();
    for (attributes, content) in &flowfiles {
        write_head(&attributes.clone().into_iter().collect(), content.len() as u64, &mut package)
            .unwrap();
        package.extend_from_slice(content);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.ff3");
    std::fs::write(&path, &package).unwrap();
    same(&theirs(&["read", path.to_str().unwrap()]), &flowfiles);
    same(&ours(&package), &flowfiles);
}

#[test]
fn nifi_ffv3_has_still_no_code() {
    let python = python("ffv3", &["nifi-ffv3==0.1.2"]);
    let output = Command::new(python).args(["-c", "import nifi_ffv3"]).output().unwrap();
    assert!(!output.status.success(), "it can be imported now: let it read and write packages too");
}
