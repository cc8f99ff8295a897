//! Every snapshot format that there ever was stays readable, and today's code writes the newest one byte for byte as
//! its fixture says.
//!
//! A fixture is `tests/fixtures/snapshots/v<format>/`; its README says what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nifi_idb::chunk::{Boundary, weight};
use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::history::{RestoreOptions, restore, verify};
use nifi_idb::indexeddb::key::sortable_string;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::normalize::{NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::report::ReportLines;
use nifi_idb::snapshot::line::PART_BYTES;
use nifi_idb::snapshot::manifest::FORMAT;
use nifi_idb::snapshot::{Digest, FlowName, Manifest};
use nifi_idb::store::git::GitStore;
use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::{SnapshotReader, SnapshotStore, StoredVersion, VersionDraft};
use serde_json::{Value, json};

use crate::program::{files, fsck, git, has_git, noise, on, program, run, store_of};

/// Every format that there ever was, and every way to write one: its folder, and the digest of all that is in it, so that it
/// is never edited.
const FORMATS: [(&str, &str); 2] = [
    ("v1", "00ac0125cbf5c951fa0f73228c69f3ed4c6a4be6e69e3161c3de160dab29a1cc"),
    ("v1-deliveries", "63e554454e28db686626a431b8fb8294258f043f52323d1bc5e6171513bf6bb2"),
];

/// What a fixture's folder holds.
const PARTS: [&str; 8] = [
    ".gitattributes",
    "README.md",
    "batches",
    "chunks",
    "generated.ndjson",
    "git",
    "values",
    "versions",
];

/// How many of a million entries end a chunk, and the digest of their numbers.
const CUTS: (u64, &str) =
    (2391, "598f922125cf2f840f3efdf0290599fb1a339aa014927b62c15af2daee11e0d1");

/// Words of all tagged values that a stored record may have; `~binary` is for keys.
const TAGS: [&str; 20] = [
    "~array",
    "~bigint",
    "~binary",
    "~blob",
    "~boxed",
    "~buffer",
    "~date",
    "~dom",
    "~entries",
    "~error",
    "~id",
    "~map",
    "~number",
    "~opaque",
    "~ref",
    "~regexp",
    "~set",
    "~undefined",
    "~utf16",
    "~view",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots")
}

fn newest() -> PathBuf {
    folder().join(FORMATS[FORMATS.len() - 1].0)
}

fn flow() -> FlowName {
    FlowName::new("indexeddb", "shop").unwrap()
}

fn json_lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a fixture says of one version.
#[derive(Debug)]
struct Said {
    number: u64,
    manifest: String,
    root: String,
    state: String,
    comment: String,
    timestamp_ms: i64,
    /// Digest of what `restore` writes.
    restored: String,
}

fn versions(fixture: &Path) -> Vec<Said> {
    let said = json_lines(&fixture.join("versions/index.ndjson"));
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    said.iter()
        .map(|value| {
            let number = value["version"].as_u64().unwrap();
            Said {
                number,
                manifest: fs::read_to_string(fixture.join(format!("versions/{number}.ndjson")))
                    .unwrap(),
                root: text(value, "root"),
                state: text(value, "state"),
                comment: text(value, "comment"),
                timestamp_ms: value["timestamp"].as_i64().unwrap(),
                restored: text(value, "restored"),
            }
        })
        .collect()
}

/// What `restore` writes, as a digest.
fn restored(store: &dyn SnapshotStore, version: &StoredVersion) -> String {
    let mut out = Vec::new();
    restore(store, &flow(), version, &RestoreOptions::default(), &mut out).unwrap();
    Digest::of(&out).to_string()
}

/// Puts the texts of a fixture into a store, version by version.
fn load(fixture: &Path, store: &dyn SnapshotStore) {
    for said in versions(fixture) {
        let head = store.head(&flow()).unwrap();
        let manifest = Manifest::parse(&said.manifest).unwrap();
        let mut writer = store.writer(&flow(), head.as_ref()).unwrap();
        for (list, chunk) in manifest.chunks() {
            let text = fs::read(fixture.join(format!("chunks/{}.ndjson", chunk.full))).unwrap();
            writer.write_chunk(&list, chunk, text).unwrap();
            for spilled in &chunk.spilled {
                for part in 0..spilled.bytes.div_ceil(PART_BYTES as u64) as u32 {
                    let file = fixture.join(format!("values/{}/{part:05}", spilled.digest));
                    writer.write_part(&spilled.digest, part, &fs::read(file).unwrap()).unwrap();
                }
            }
        }
        let draft = VersionDraft {
            manifest: manifest.into(),
            comment: said.comment.clone(),
            timestamp_ms: said.timestamp_ms,
        };
        let committed = writer.commit(&draft).unwrap();
        assert_eq!(committed.version.to_string(), said.number.to_string());
        assert_eq!(
            (committed.root.to_string(), committed.state.to_string()),
            (said.root, said.state)
        );
    }
}

/// Checks every digest of every version, and what is given back.
fn check(fixture: &Path, store: &dyn SnapshotStore) {
    for said in versions(fixture) {
        let version =
            store.version(&flow(), said.number.to_string().parse().unwrap()).unwrap().unwrap();
        assert_eq!(version.manifest.to_text().0, said.manifest, "version {}", said.number);
        assert_eq!(version.comment.trim_end(), said.comment.trim_end());
        verify(store, &flow(), &version, true).unwrap();
        assert_eq!(restored(store, &version), said.restored, "version {}", said.number);
    }
}

/// Syncs the batches of a fixture with the program.
fn sync_batches(fixture: &Path, repo: &Path) {
    for (number, arguments) in (1..).zip(json_lines(&fixture.join("batches/arguments.ndjson"))) {
        let mut all = vec![
            "sync".to_owned(),
            "--store".to_owned(),
            store_of(repo),
            "--flow".into(),
            "shop".into(),
        ];
        all.extend(
            arguments.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()),
        );
        let batch = fs::read(fixture.join(format!("batches/{number}.ndjson"))).unwrap();
        let ran = run(program(all), &batch);
        assert_eq!((ran.code(), ran.err.as_str()), (Some(0), ""), "batch {number}");
        assert_eq!(ran.summary()["version"], number);
        assert_eq!(ran.summary()["rejected"], 0);
    }
}

/// All texts of all versions of a store, by the path that they have in a fixture.
fn texts(store: &dyn SnapshotStore) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut index = Vec::new();
    for info in store.log(&flow()).unwrap().into_iter().rev() {
        let version = store.version(&flow(), info.version).unwrap().unwrap();
        let (text, state) = version.manifest.to_text();
        for (list, chunk) in version.manifest.chunks() {
            let text = store.read_chunk(&flow(), &version, &list, chunk).unwrap();
            all.insert(format!("chunks/{}.ndjson", chunk.full).into(), text);
            for spilled in &chunk.spilled {
                for part in 0..spilled.bytes.div_ceil(PART_BYTES as u64) as u32 {
                    let bytes = store.read_part(&flow(), &version, &spilled.digest, part).unwrap();
                    all.insert(format!("values/{}/{part:05}", spilled.digest).into(), bytes);
                }
            }
        }
        all.insert(format!("versions/{}.ndjson", info.version).into(), text.into_bytes());
        index.push(json!({
            "comment": version.comment.trim_end(),
            "restored": restored(store, &version),
            "root": version.manifest.root().to_string(),
            "state": state.to_string(),
            "timestamp": info.timestamp_ms,
            "version": info.version.get(),
        }));
    }
    let index: String = index.iter().map(|value| format!("{value}\n")).collect();
    all.insert("versions/index.ndjson".into(), index.into_bytes());
    all
}

/// The manifest of many records, so many that chunks are cut where their keys and sizes say. What it is made of never
/// changes: 6,000 records of 60 to 2,060 bytes and of every kind of key.
fn generated() -> String {
    let mut text = String::new();
    for n in 0..6000_u64 {
        let id = match n % 5 {
            0 => format!("{}", n as f64 / 4.0),
            1 => format!("\"{}\"", noise(n, 1 + n as usize % 40)),
            2 => format!("{{\"~date\":{}}}", n * 1_000_003),
            3 => format!("[{n},\"x\",[{}]]", n % 7),
            _ => format!("\"k{n}\""),
        };
        let length = 60 + (n * 7919 % 2000) as usize;
        text.push_str(&format!("{{\"id\":{id},\"text\":\"{}\"}}\n", noise(n, length)));
    }
    let decode = DecodeOptions {
        object_store: Some("data".into()),
        key_path: Some(KeyPath::Path("id".into())),
        ..DecodeOptions::default()
    };
    let mut decoder = Decoder::open(text.as_bytes(), decode).unwrap();
    let options = NormalizeOptions::received_at(1_700_000_000_000);
    let batch =
        normalize(&mut decoder, &options, &mut |rejection| panic!("{}", rejection.to_json()))
            .unwrap();
    let store = MemoryStore::default();
    sync(&store, &flow(), &batch, &SyncOptions::default(), &mut ReportLines::default()).unwrap();
    store.head(&flow()).unwrap().unwrap().manifest.to_text().0
}

/// A copy of a fixture's repository that can be worked with: git keeps no empty directories.
fn repository_of(fixture: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    for file in files(&fixture.join("git")) {
        fs::create_dir_all(repo.join(&file).parent().unwrap()).unwrap();
        fs::copy(fixture.join("git").join(&file), repo.join(&file)).unwrap();
    }
    fs::create_dir_all(repo.join("refs/heads")).unwrap();
    (dir, repo)
}

fn digest_of(fixture: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in files(fixture) {
        let bytes = fs::read(fixture.join(&file)).unwrap();
        hasher.update(file.to_str().unwrap().as_bytes()).update(&[0]);
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
    }
    hasher.finalize().to_string()
}

#[test]
fn every_fixture_is_tested_and_none_was_edited() {
    let there: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, FORMATS.iter().map(|(name, _)| (*name).to_owned()).collect());
    let newest = FORMATS[FORMATS.len() - 1].0.trim_start_matches('v').split('-').next().unwrap();
    assert_eq!(FORMAT, format!("nifi-idb-snapshot/{newest}"), "a new format needs a fixture");
    for (name, digest) in FORMATS {
        let fixture = folder().join(name);
        let parts: BTreeSet<_> = fs::read_dir(&fixture)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(parts, PARTS.iter().map(|part| (*part).to_owned()).collect());
        assert_eq!(digest_of(&fixture), digest, "{name} was edited: a fixture never is");
    }
}

#[test]
fn fixtures_hold_what_the_format_has() {
    for (name, _) in FORMATS {
        let fixture = folder().join(name);
        let mut named = BTreeSet::new();
        let (mut lists, mut all) = (BTreeSet::new(), String::new());
        for said in versions(&fixture) {
            assert_eq!(Digest::of(said.manifest.as_bytes()).to_string(), said.state);
            let manifest = Manifest::parse(&said.manifest).unwrap();
            assert_eq!(manifest.root().to_string(), said.root);
            for (list, chunk) in manifest.chunks() {
                let shown = format!("{list:?}");
                lists.insert(shown.split('(').next().unwrap().to_owned());
                named.insert(PathBuf::from(format!("chunks/{}.ndjson", chunk.full)));
                for spilled in &chunk.spilled {
                    named.insert(PathBuf::from(format!("values/{}/00000", spilled.digest)));
                }
            }
        }
        for dir in ["chunks", "values"] {
            for file in files(&fixture.join(dir)) {
                let path = Path::new(dir).join(&file);
                let bytes = fs::read(fixture.join(&path)).unwrap();
                assert!(
                    path.to_str().unwrap().contains(&Digest::of(&bytes).to_string()),
                    "{}",
                    path.display()
                );
                assert!(named.remove(&path), "{} is in no version", path.display());
                all.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        assert!(named.is_empty(), "missing: {named:?}");
        let expected = ["Conflicts", "Records", "Sources", "Tombstones", "Views"];
        assert_eq!(lists, expected.iter().map(|list| (*list).to_owned()).collect());
        for tag in TAGS {
            assert!(all.contains(&format!("{{\"{tag}\":")), "no record of {name} has a {tag}");
        }
        for part in [
            "\"spilled\":{\"bytes\":7",
            "\"content\":",
            "\"checkpoint\":",
            "\"view\":{\"version\":",
            "\"view\":{\"stores\":",
        ] {
            assert!(all.contains(part), "nothing in {name} has {part}");
        }
        // The first release wrote ids, those after it digests.
        let delivery = if name == "v1" { "[\"delivery\",\"r-1\"]" } else { "[\"delivered\",\"" };
        assert!(all.contains(delivery), "nothing in {name} has {delivery}");
    }
}

#[test]
fn texts_are_read_by_the_memory_store() {
    for (name, _) in FORMATS {
        let store = MemoryStore::default();
        load(&folder().join(name), &store);
        check(&folder().join(name), &store);
    }
}

#[test]
fn texts_are_read_by_the_git_store() {
    for (name, _) in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        load(&folder().join(name), &GitStore::new(&repo).unwrap());
        check(&folder().join(name), &GitStore::new(&repo).unwrap());
    }
}

#[test]
fn repositories_of_old_releases_are_read_and_go_on() {
    for (name, _) in FORMATS {
        let fixture = folder().join(name);
        let (_dir, repo) = repository_of(&fixture);
        fsck(&repo);
        check(&fixture, &GitStore::new(&repo).unwrap());
        // The last batch again, with a record more: history goes on.
        let all = versions(&fixture);
        let last = all.last().unwrap();
        let restored = on(&repo, "restore", &[], b"").done();
        assert_eq!(Digest::of(&restored).to_string(), last.restored);
        let again = on(&repo, "sync", &["--flow", "shop"], &restored);
        assert_eq!(again.summary()["outcome"], "unchanged", "{again:?}");
        let database = Manifest::parse(&last.manifest).unwrap().database;
        let database = serde_json::from_str::<String>(&database.to_canonical()).unwrap();
        let arguments = [
            "--flow",
            "shop",
            "--object-store",
            "data",
            "--key-path",
            "id",
            "--database",
            &database,
        ];
        let more = on(&repo, "sync", &arguments, b"{\"id\":\"one more\"}\n");
        assert_eq!(more.code(), Some(0), "{}", more.err);
        assert_eq!(more.summary()["version"], last.number + 1);
        on(&repo, "verify", &["--chain"], b"").done();
        fsck(&repo);
    }
}

#[test]
fn todays_texts_are_those_of_the_fixture() {
    let fixture = newest();
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    sync_batches(&fixture, &repo);
    let today = texts(&GitStore::new(&repo).unwrap());
    for (path, text) in &today {
        let expected = fs::read(fixture.join(path)).unwrap_or_default();
        assert!(*text == expected, "{}:\n{}", path.display(), String::from_utf8_lossy(text));
    }
    let there = ["chunks", "values", "versions"].iter().flat_map(|dir| {
        files(&fixture.join(dir)).into_iter().map(move |file| Path::new(dir).join(file))
    });
    assert_eq!(there.collect::<BTreeSet<_>>(), today.into_keys().collect());

    // And where the texts lie in git: all trees of the flow. The rendering beside them may change.
    if has_git() {
        let (_dir, old) = repository_of(&fixture);
        for back in 0..versions(&fixture).len() {
            let tree = format!("main~{back}:indexeddb/shop");
            assert_eq!(git(&repo, &["rev-parse", &tree]), git(&old, &["rev-parse", &tree]));
            let message = ["log", "-1", "--format=%an%n%ae%n%at%n%B", &format!("main~{back}")]
                .map(str::to_owned);
            let message: Vec<_> = message.iter().map(String::as_str).collect();
            assert_eq!(git(&repo, &message), git(&old, &message));
        }
    }
}

#[test]
fn all_but_the_list_of_sources_is_written_as_the_first_release_wrote_it() {
    let fixture = folder().join(FORMATS[0].0);
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    sync_batches(&fixture, &repo);
    let store = GitStore::new(&repo).unwrap();
    for said in versions(&fixture) {
        let version =
            store.version(&flow(), said.number.to_string().parse().unwrap()).unwrap().unwrap();
        let then = Manifest::parse(&said.manifest).unwrap();
        let without = |manifest: &Manifest| Manifest {
            sources: Vec::new(),
            previous: None,
            ..manifest.clone()
        };
        assert_eq!(
            without(&version.manifest).to_text().0,
            without(&then).to_text().0,
            "version {}",
            said.number
        );
        assert_eq!(restored(&store, &version), said.restored);
    }
}

#[test]
fn chunks_are_cut_where_they_always_were() {
    let expected = fs::read_to_string(newest().join("generated.ndjson")).unwrap();
    let manifest = Manifest::parse(&expected).unwrap();
    assert!(manifest.chunks().count() > 8, "too few to say anything");
    assert!(generated() == expected, "{}", generated());
}

#[test]
fn a_million_entries_are_cut_where_they_always_were() {
    // Too many for a fixture: the digest of the numbers of the entries that end a chunk. Weights of 100 bytes to 65 KiB.
    let mut boundary = Boundary::default();
    let (mut hasher, mut cuts) = (blake3::Hasher::new(), 0);
    for n in 0..1_000_000_u64 {
        let key = sortable_string(&format!("key {n}"));
        let length = if n % 100 == 0 { n * 7919 % 70_000 } else { n * 104_729 % 1500 };
        if boundary.ends_after(key.as_bytes(), weight(key.as_bytes().len(), length)) {
            hasher.update(&n.to_le_bytes());
            cuts += 1;
        }
    }
    assert_eq!((cuts, hasher.finalize().to_string().as_str()), CUTS);
}

#[test]
#[ignore = "writes the fixture of a new format from its batches; it never touches one that is there"]
fn write_the_fixture_of_a_new_format() {
    let fixture = newest();
    assert!(!fixture.join("versions").exists(), "a fixture is never edited");
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    sync_batches(&fixture, &repo);
    let mut all = texts(&GitStore::new(&repo).unwrap());
    all.insert("generated.ndjson".into(), generated().into_bytes());
    git(&repo, &["gc", "-q", "--prune=now", "--aggressive"]);
    for file in files(&repo) {
        let name = file.to_str().unwrap();
        let kept = ["HEAD", "config", "packed-refs"].contains(&name)
            || name.ends_with(".pack")
            || name.ends_with(".idx");
        if kept {
            all.insert(Path::new("git").join(&file), fs::read(repo.join(&file)).unwrap());
        }
    }
    for (path, text) in all {
        fs::create_dir_all(fixture.join(&path).parent().unwrap()).unwrap();
        fs::write(fixture.join(path), text).unwrap();
    }
}
