//! A git store whose files are damaged, each kind in each way: `verify` says 7 and names it, `restore` never gives wrong
//! data with 0, and a sync on top does not make it worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::program::{Ran, files, git, has_git, noise, on, program, run, store_of};

/// Batches whose head version has every list of chunks and a spilled value.
const BATCHES: &str = "tests/fixtures/snapshots/v1/batches";

/// How many of them.
const VERSIONS: usize = 6;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Deleted,
    /// As a file system leaves it that lost its power too early.
    Empty,
    Truncated,
    Flipped,
    /// Another object's bytes.
    Swapped,
    /// Whole, but of other content.
    Rewritten,
}

const ALL: [Damage; 6] = [
    Damage::Deleted,
    Damage::Empty,
    Damage::Truncated,
    Damage::Flipped,
    Damage::Swapped,
    Damage::Rewritten,
];

/// A repository to be damaged in copies.
struct Original {
    _dir: tempfile::TempDir,
    repo: PathBuf,
    /// What `restore` gives of each version.
    restored: Vec<Vec<u8>>,
}

/// Loose objects, every list, a spilled value.
fn loose() -> &'static Original {
    static MADE: OnceLock<Original> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let batches = Path::new(env!("CARGO_MANIFEST_DIR")).join(BATCHES);
        let arguments = fs::read_to_string(batches.join("arguments.ndjson")).unwrap();
        let mut restored = Vec::new();
        for (number, arguments) in (1..=VERSIONS).zip(arguments.lines()) {
            let arguments: Vec<String> = serde_json::from_str(arguments).unwrap();
            let mut all = vec![
                "sync".to_owned(),
                "--store".into(),
                store_of(&repo),
                "--flow".into(),
                "shop".into(),
            ];
            all.extend(arguments);
            run(program(all), &fs::read(batches.join(format!("{number}.ndjson"))).unwrap()).done();
            restored.push(on(&repo, "restore", &[], b"").done());
        }
        Original { _dir: dir, repo, restored }
    })
}

fn large_batch(seed: u64) -> Vec<u8> {
    (0..2500)
        .map(|n| format!("{{\"id\":{n},\"text\":\"{}\"}}\n", noise(seed + n, 1000)))
        .collect::<String>()
        .into_bytes()
}

const LARGE: [&str; 8] = [
    "--object-store",
    "data",
    "--key-path",
    "id",
    "--database",
    "shop",
    "--received-at",
    "1700000000000",
];

/// Two versions, a pack each.
fn packed() -> &'static Original {
    static MADE: OnceLock<Original> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let restored = [1, 100_000].map(|seed| {
            on(&repo, "sync", &LARGE, &large_batch(seed)).done();
            on(&repo, "restore", &[], b"").done()
        });
        Original { _dir: dir, repo, restored: restored.into() }
    })
}

impl Original {
    fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        for file in files(&self.repo) {
            fs::create_dir_all(repo.join(&file).parent().unwrap()).unwrap();
            fs::copy(self.repo.join(&file), repo.join(&file)).unwrap();
        }
        (dir, repo)
    }

    fn head(&self) -> &[u8] {
        self.restored.last().unwrap()
    }
}

/// Replaces a file, which is read-only as objects are.
fn replace(file: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(file);
    fs::write(file, bytes).unwrap();
}

/// A loose object with other content of the same kind: a digit or letter in it is another one.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut text).unwrap();
    let place = text.len() - 2;
    text[place] = if text[place] == b'1' { b'2' } else { b'1' };
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(&text).unwrap();
    out.finish().unwrap()
}

fn apply(damage: Damage, file: &Path, other: &Path) {
    let bytes = fs::read(file).unwrap();
    match damage {
        Damage::Deleted => fs::remove_file(file).unwrap(),
        Damage::Empty => replace(file, b""),
        Damage::Truncated => replace(file, &bytes[..bytes.len() / 2]),
        Damage::Flipped => {
            let mut bytes = bytes;
            let place = bytes.len() / 2;
            bytes[place] ^= 0x10;
            replace(file, &bytes);
        }
        Damage::Swapped => replace(file, &fs::read(other).unwrap()),
        Damage::Rewritten => replace(file, &rewritten(&bytes)),
    }
}

/// `restore` gives the version's records, or does not end with 0.
#[track_caller]
fn assert_no_wrong_data(repo: &Path, version: usize, expected: &[u8], what: &str) {
    let ran = on(repo, "restore", &["--flow", "shop", "--at", &version.to_string()], b"");
    match ran.code() {
        Some(0) => {
            assert!(ran.out == expected, "{what}: restore --at {version} gave other records with 0")
        }
        Some(7) => assert!(
            !ran.out.ends_with(b"\"op\":\"end\"}\n"),
            "{what}: what was cut off looks whole"
        ),
        _ => panic!("{what}: {ran:?}"),
    }
}

/// `verify` refuses, and what it says names one of `names`.
#[track_caller]
fn assert_found(ran: &Ran, names: &[String], what: &str) {
    assert_eq!(ran.code(), Some(7), "{what}: {ran:?}");
    let first = ran.err.lines().next().unwrap_or_default();
    assert!(
        names.iter().any(|name| first.contains(name.as_str())),
        "{what}: {first:?} names none of {names:?}"
    );
}

/// An object of the head version.
#[derive(Clone, Debug)]
struct Object {
    id: String,
    kind: String,
    /// In the tree at `main`; empty for the commit.
    path: String,
}

impl Object {
    fn file(&self, repo: &Path) -> PathBuf {
        repo.join("objects").join(&self.id[..2]).join(&self.id[2..])
    }
}

/// Everything that the head version is made of.
fn objects(repo: &Path) -> Vec<Object> {
    let commit = git(repo, &["rev-parse", "main"]).trim().to_owned();
    let tree = git(repo, &["rev-parse", "main^{tree}"]).trim().to_owned();
    let mut all = vec![
        Object { id: commit, kind: "commit".into(), path: String::new() },
        Object { id: tree, kind: "tree".into(), path: String::new() },
    ];
    let list = git(repo, &["-c", "core.quotePath=false", "ls-tree", "-r", "-t", "main"]);
    all.extend(list.lines().map(|line| {
        let (facts, path) = line.split_once('\t').unwrap();
        let facts: Vec<_> = facts.split(' ').collect();
        Object { id: facts[2].to_owned(), kind: facts[1].to_owned(), path: path.to_owned() }
    }));
    all
}

/// What a message may call an object: its id, its path, or the digests of what is in it.
fn names_of(repo: &Path, object: &Object) -> Vec<String> {
    let mut names = vec![object.id.clone()];
    if object.path.ends_with("~manifest.ndjson") {
        names.extend(["manifest".to_owned()]);
    }
    if object.kind == "blob" {
        let text = git(repo, &["cat-file", "blob", &object.id]);
        names.push(blake3::hash(text.as_bytes()).to_string());
        names.push(object.path.clone());
    }
    names
}

/// A sync of what touches every object store, on top of damage: it may heal or pass by, but not make it worse.
fn assert_sync_makes_nothing_worse(repo: &Path, before: &Original, expected: &[u8], what: &str) {
    let main = || fs::read(repo.join("refs/heads/main")).unwrap();
    let main_before = main();
    let ran = sync_on_top(repo);
    match ran.code() {
        Some(7) => {
            assert!(main() == main_before, "{what}: it refused, but moved main");
            assert!(ran.summary()["outcome"] != "committed", "{what}: {ran:?}");
        }
        Some(0) => {
            let new = before.restored.len() + 1;
            assert_eq!(ran.summary()["version"], new, "{what}");
            assert_no_wrong_data(repo, new, expected, what);
            // What it touched is whole again, or verify still says what is not.
            let verified = on(repo, "verify", &["--flow", "shop"], b"");
            assert!([Some(0), Some(7)].contains(&verified.code()), "{what}: {verified:?}");
        }
        _ => panic!("{what}: {ran:?}"),
    }
    for version in [1, before.restored.len()] {
        assert_no_wrong_data(repo, version, &before.restored[version - 1], what);
    }
}

/// One record in each of two object stores.
fn sync_on_top(repo: &Path) -> Ran {
    let batch = concat!(
        r#"{"format":"indexeddb-changes/1","database":"shop/№ 1 ${x}","databaseVersion":2,"stores":["#,
        r#"{"name":"data","keyPath":"id","autoIncrement":true},{"name":"values","keyPath":null}],"source":"late"}"#,
        "\n",
        r#"{"op":"put","store":"data","value":{"id":7,"late":true}}"#,
        "\n",
        r#"{"op":"delete","store":"values","key":3}"#,
        "\n",
        r#"{"op":"end","count":2}"#,
        "\n"
    );
    let arguments = ["--flow", "shop", "--received-at", "1700000900000", "--batch-id", "late"];
    on(repo, "sync", &arguments, batch.as_bytes())
}

#[test]
fn every_object_of_a_version_in_every_way() {
    if !has_git() {
        return;
    }
    let original = loose();
    let (_dir, clean) = original.copy();
    sync_on_top(&clean).done();
    let after_sync = on(&clean, "restore", &[], b"").done();

    let all = objects(&original.repo);
    let lists = [
        "~manifest",
        "~tombstones/",
        "~conflicts/",
        "~sources/",
        "~views/",
        "~values/",
        "/data/",
        "/log/",
    ];
    for list in lists {
        assert!(all.iter().any(|object| object.path.contains(list)), "there is no {list}: {all:?}");
    }
    let mut found = BTreeMap::new();
    for object in &all {
        // Nothing reads data from the rendering; git fsck says what is wrong with it.
        if object.path == "indexeddb/shop.json" {
            continue;
        }
        let names = names_of(&original.repo, object);
        let other = all.iter().rfind(|other| other.kind == object.kind && other.id != object.id);
        for damage in ALL {
            let what = format!("{damage:?} {object:?}");
            // A commit has one other of its kind: the one before, so that swapping is going back in time.
            let before = git(&original.repo, &["rev-parse", "main~1"]).trim().to_owned();
            let before = Object { id: before, kind: "commit".into(), path: String::new() };
            let other = other.unwrap_or(&before);
            let (_dir, repo) = original.copy();
            apply(damage, &object.file(&repo), &other.file(&repo));
            assert_found(&on(&repo, "verify", &["--flow", "shop"], b""), &names, &what);
            assert_no_wrong_data(&repo, VERSIONS, original.head(), &what);
            assert_sync_makes_nothing_worse(&repo, original, &after_sync, &what);
            *found.entry(damage as u8).or_insert(0) += 1;
        }
    }
    assert!(found.values().all(|count| *count >= 20), "{found:?}");
}

/// Gives every packed object a file of its own as well, as a killed `git repack` leaves it.
fn unpacked_beside_its_pack(repo: &Path) {
    git(repo, &["gc", "-q"]);
    let packs = repo.join("objects/pack");
    let aside = repo.with_extension("aside");
    fs::rename(&packs, &aside).unwrap();
    fs::create_dir(&packs).unwrap();
    let pack = files(&aside).into_iter().find(|file| file.extension() == Some("pack".as_ref()));
    let unpacked = std::process::Command::new("git")
        .args(["-c", "safe.bareRepository=all", "unpack-objects", "-q"])
        .current_dir(repo)
        .stdin(fs::File::open(aside.join(pack.unwrap())).unwrap())
        .status();
    assert!(unpacked.unwrap().success());
    fs::remove_dir(&packs).unwrap();
    fs::rename(&aside, &packs).unwrap();
}

#[test]
fn of_two_copies_of_an_object_the_whole_one_is_read() {
    if !has_git() {
        return;
    }
    let original = loose();
    let (_dir, repo) = original.copy();
    unpacked_beside_its_pack(&repo);
    for object in objects(&repo) {
        let file = object.file(&repo);
        let bytes = fs::read(&file).unwrap();
        // A flipped bit may leave a readable object of other content, which is refused.
        for damage in [Damage::Deleted, Damage::Empty, Damage::Truncated] {
            apply(damage, &file, &file);
            let what = format!("{damage:?} {object:?}");
            let ran = on(&repo, "restore", &["--flow", "shop"], b"");
            assert_eq!(ran.code(), Some(0), "{what}: {}", ran.err);
            assert!(ran.out == original.head(), "{what}: other records");
            replace(&file, &bytes);
        }
    }
}

#[test]
fn the_rendering_is_nobodys_data() {
    if !has_git() {
        return;
    }
    let original = loose();
    let object = objects(&original.repo)
        .into_iter()
        .find(|object| object.path == "indexeddb/shop.json")
        .unwrap();
    for damage in [Damage::Deleted, Damage::Empty, Damage::Flipped] {
        let (_dir, repo) = original.copy();
        apply(damage, &object.file(&repo), Path::new(""));
        assert_eq!(on(&repo, "restore", &[], b"").done(), original.head());
        // The next version has a whole one.
        sync_on_top(&repo).done();
        serde_json::from_str::<serde_json::Value>(&git(
            &repo,
            &["show", "main:indexeddb/shop.json"],
        ))
        .unwrap();
    }
}

#[test]
fn a_damaged_object_that_is_written_again_is_whole_again() {
    if !has_git() {
        return;
    }
    // A record is switched on and off: its chunk has the content of an object that is there, and damaged.
    for damage in ALL {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let sync = |on_or_off: &str| {
            let record = format!("{{\"id\":1,\"state\":\"{on_or_off}\"}}\n");
            let arguments = [
                "--object-store",
                "data",
                "--key-path",
                "id",
                "--database",
                "shop",
                "--received-at",
                "7",
            ];
            on(&repo, "sync", &arguments, record.as_bytes())
        };
        sync("on").done();
        let other =
            objects(&repo).into_iter().find(|object| object.path.contains("~manifest")).unwrap();
        let chunk =
            objects(&repo).into_iter().find(|object| object.path.contains("/data/")).unwrap();
        apply(damage, &chunk.file(&repo), &other.file(&repo));
        // The first version again, in a flow of its own: chunk and trees are the very same objects.
        let again = on(
            &repo,
            "sync",
            &[
                "--flow",
                "again",
                "--object-store",
                "data",
                "--key-path",
                "id",
                "--database",
                "shop",
                "--received-at",
                "7",
            ],
            b"{\"id\":1,\"state\":\"on\"}\n",
        );
        assert_eq!(again.code(), Some(0), "{damage:?}: {}", again.err);
        on(&repo, "verify", &["--flow", "again"], b"").done();
        on(&repo, "verify", &["--flow", "shop"], b"").done();
        crate::program::fsck(&repo);
    }
}

#[test]
fn packs_and_their_indexes() {
    if !has_git() {
        return;
    }
    let original = packed();
    let packs: Vec<_> = files(&original.repo.join("objects/pack"));
    assert_eq!(packs.len(), 4, "{packs:?}");
    for file in &packs {
        let other = packs
            .iter()
            .find(|other| *other != file && other.extension() == file.extension())
            .unwrap();
        for damage in
            [Damage::Deleted, Damage::Empty, Damage::Truncated, Damage::Flipped, Damage::Swapped]
        {
            let what = format!("{damage:?} {}", file.display());
            let (_dir, repo) = original.copy();
            let pack = repo.join("objects/pack");
            apply(damage, &pack.join(file), &pack.join(other));
            let chain = on(&repo, "verify", &["--chain"], b"");
            let versions = [1, 2].map(|version: usize| {
                let expected = &original.restored[version - 1];
                assert_no_wrong_data(&repo, version, expected, &what);
                on(&repo, "verify", &["--at", &version.to_string()], b"").code()
            });
            for (version, code) in (1..).zip(versions) {
                assert!([Some(0), Some(7)].contains(&code), "{what}: version {version}: {code:?}");
            }
            // One of the two lies in this pack, and cannot be whole; a byte that no object has is git fsck's to find.
            let found = chain.code() == Some(7) || versions.contains(&Some(7));
            assert!(found || damage == Damage::Flipped, "{what}: {versions:?}");
            let ran = on(&repo, "sync", &LARGE, b"{\"id\":1,\"text\":\"on top\"}\n");
            assert!([Some(0), Some(7)].contains(&ran.code()), "{what}: {ran:?}");
            for version in [1, 2] {
                assert_no_wrong_data(&repo, version, &original.restored[version - 1], &what);
            }
            // The other pack is as it was.
            for file in packs.iter().filter(|other| *other != file) {
                assert!(
                    fs::read(pack.join(file)).unwrap()
                        == fs::read(original.repo.join("objects/pack").join(file)).unwrap()
                );
            }
        }
    }
}

#[test]
fn references_and_what_makes_a_repository() {
    if !has_git() {
        return;
    }
    let original = loose();
    let main = git(&original.repo, &["rev-parse", "main"]);
    let blob = git(&original.repo, &["rev-parse", "main:indexeddb/shop.json"]);
    let contents: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("zeros", vec![0; 41]),
        ("cut", main.as_bytes()[..20].to_vec()),
        ("garbage", b"not an id\n".to_vec()),
        ("of a missing commit", format!("{}\n", "7".repeat(40)).into_bytes()),
        ("of a blob", blob.into_bytes()),
    ];
    for (name, content) in contents {
        let (_dir, repo) = original.copy();
        replace(&repo.join("refs/heads/main"), &content);
        for command in ["verify", "restore", "log"] {
            let ran = on(&repo, command, &["--flow", "shop"], b"");
            assert_eq!(ran.code(), Some(7), "{name}: {command}: {ran:?}");
            assert!(ran.out.is_empty(), "{name}: {command}");
        }
        let ran = sync_on_top(&repo);
        assert_eq!(ran.code(), Some(7), "{name}: {ran:?}");
        assert_eq!(
            fs::read(repo.join("refs/heads/main")).unwrap(),
            content,
            "{name}: it is left for a person to look at"
        );
        // Put right, all is there.
        replace(&repo.join("refs/heads/main"), main.as_bytes());
        assert_eq!(on(&repo, "restore", &[], b"").done(), original.head());
        on(&repo, "verify", &["--chain"], b"").done();
    }
    for (file, content) in
        [("HEAD", None), ("config", None), ("config", Some("[core\n")), ("objects", None)]
    {
        let (_dir, repo) = original.copy();
        match content {
            Some(content) => replace(&repo.join(file), content.as_bytes()),
            None if file == "objects" => fs::remove_dir_all(repo.join(file)).unwrap(),
            None => fs::remove_file(repo.join(file)).unwrap(),
        }
        let there = files(&repo);
        for ran in
            [on(&repo, "verify", &[], b""), on(&repo, "restore", &[], b""), sync_on_top(&repo)]
        {
            assert!([Some(2), Some(4), Some(7)].contains(&ran.code()), "{file}: {ran:?}");
            assert!(!ran.err.is_empty());
        }
        assert_eq!(files(&repo), there, "{file}: nothing is made in what may be somebody's");
    }
}
