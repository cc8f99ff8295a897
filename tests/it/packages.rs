//! Packages that a real NiFi wrote: read, written back, and synced. `tests/fixtures/flowfiles/README.md` says what they are.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use nifi_idb::flowfile::{PackageReader, write_head};

use crate::program::on;

type FlowFile = (BTreeMap<String, String>, Vec<u8>);

/// One of the fixtures, unpacked.
fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/flowfiles").join(name);
    let bytes = std::fs::read(path).unwrap();
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}

const ALL: [(&str, usize, usize); 4] = [
    ("v3-unusual-attributes.bin", 255, 1),
    ("v3-empty-content.bin", 119, 1),
    ("v3-three-merged.bin", 672, 3),
    ("v3-values-65534-and-65535-bytes.bin.gz", 131_215, 1),
];

fn read(bytes: &[u8]) -> Vec<FlowFile> {
    let mut reader = PackageReader::new(bytes);
    let mut all = Vec::new();
    while let Some(head) = reader.next_head().unwrap() {
        let mut content = Vec::new();
        reader.content(&head, &mut content).unwrap().unwrap();
        all.push((head.attributes.into_iter().collect(), content));
    }
    all
}

fn write(flowfiles: &[FlowFile]) -> Vec<u8> {
    let mut out = Vec::new();
    for (attributes, content) in flowfiles {
        write_head(&attributes.clone().into_iter().collect(), content.len() as u64, &mut out)
            .unwrap();
        out.extend_from_slice(content);
    }
    out
}

#[test]
fn they_are_read_and_written_back() {
    for (name, bytes, count) in ALL {
        let text = fixture(name);
        assert_eq!(text.len(), bytes, "{name}");
        let flowfiles = read(&text);
        assert_eq!(flowfiles.len(), count, "{name}");
        let ours = write(&flowfiles);
        // Only the order of attributes may differ: NiFi's is arbitrary, ours is by name.
        assert_eq!(
            ours.len(),
            text.len(),
            "{name}: both forms of a length are chosen as NiFi chooses them"
        );
        assert_eq!(read(&ours), flowfiles, "{name}");
    }
    let [(unusual, content)] = &read(&fixture(ALL[0].0))[..] else { panic!() };
    let expected = [
        ("ключ.é", "значение € 😀"),
        ("empty", ""),
        ("spaces", "  lead and trail  "),
        ("newline", "a\nb\tc"),
        ("quote", "\"\\'=;:#"),
    ];
    for (name, value) in expected {
        assert_eq!(unusual[name], value, "{name}");
    }
    assert_eq!(content, "{\"id\":1,\"v\":\"é\"}\n".as_bytes());
}

#[test]
fn they_are_synced_and_keep_what_they_came_with() {
    for (name, _, count) in ALL {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("s.git");
        let arguments =
            ["--object-store", "data", "--key-path", "id", "--received-at", "1700000000000"];
        let before = read(&fixture(name));
        let after = read(&on(&repo, "sync", &arguments, &fixture(name)).done());
        assert_eq!(after.len(), count, "{name}");
        for ((before, content), (after, report)) in before.iter().zip(&after) {
            for (attribute, value) in before {
                assert_eq!(after.get(attribute), Some(value), "{name}: {attribute}");
            }
            if content == b"x" {
                // No record: all of it is rejected, so the FlowFile keeps it.
                assert_eq!(
                    (after["sync.status"].as_str(), report),
                    ("5", content),
                    "{name}: {after:?}"
                );
                continue;
            }
            assert_eq!(after["sync.status"], "0", "{name}: {after:?}");
            assert!(String::from_utf8_lossy(report).contains(r#""type":"summary""#), "{name}");
        }
        // The same package again is a replay of each of its FlowFiles, by its uuid.
        let again = read(&on(&repo, "sync", &arguments, &fixture(name)).done());
        let mut stored = again.iter().zip(&before).filter(|(_, (_, content))| content != b"x");
        assert!(
            stored.all(|((attributes, _), _)| attributes["sync.outcome"] == "unchanged"),
            "{name}"
        );
    }
}

#[test]
fn a_package_that_is_cut_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("s.git");
    let text = fixture("v3-three-merged.bin");
    let ends: Vec<_> = text
        .windows(7)
        .enumerate()
        .filter(|(_, seven)| seven == b"NiFiFF3")
        .map(|(at, _)| at)
        .collect();
    for end in
        (1..text.len()).step_by(23).chain([7, 9, text.len() - 1]).filter(|end| !ends.contains(end))
    {
        let ran = on(
            &repo,
            "sync",
            &["--object-store", "data", "--key-path", "id", "--input", "flowfile-v3"],
            &text[..end],
        );
        assert_eq!(ran.code(), Some(5), "{end}: {}", ran.err);
        assert!(ran.err.len() < 4_000 && ran.err.starts_with("nifi-idb: "), "{}", ran.err);
        assert!(!repo.exists(), "{end}: nothing is written");
    }
}

/// Every flow is a version of its own, and all of them are one call: it ends in time, and what was done is a replay.
#[test]
fn a_package_of_many_flows_ends_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let flows = 500;
    let flowfile = |number: usize| {
        let attributes: BTreeMap<_, _> = [
            ("indexeddb.database", format!("d{number}")),
            ("indexeddb.object.store", "s".to_owned()),
            ("indexeddb.key.path", "id".to_owned()),
            ("uuid", number.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        (attributes, b"{\"id\":1}\n".to_vec())
    };
    let package = write(&(0..flows).map(flowfile).collect::<Vec<_>>());
    let counts = |summary: &serde_json::Value| {
        ["committed", "unchanged", "transient"].map(|name| summary[name].as_u64().unwrap() as usize)
    };
    let started = std::time::Instant::now();
    let ran = on(dir.path(), "sync", &["--report", "summary", "--deadline", "500ms"], &package);
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(ran.code(), Some(4), "{}", ran.err);
    let [committed, unchanged, transient] = counts(&ran.summary());
    assert!(
        transient > 0 && unchanged == 0 && committed + transient == flows,
        "{:?}",
        ran.summary()
    );
    let ran = on(dir.path(), "sync", &["--report", "summary"], &package);
    assert_eq!(counts(&ran.summary()), [flows - committed, committed, 0], "{}", ran.err);
}
