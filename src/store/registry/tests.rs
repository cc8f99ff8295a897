//! Tests of the client with scripted servers.

use serde_json::json;

use super::scripted::{Scripted, ScriptedReply, say};
use super::*;
use crate::indexeddb::key::sortable_string;
use crate::indexeddb::schema::{Database, ObjectStore};
use crate::secret::Secret;
use crate::snapshot::SealedManifest;
use crate::store::envelope::{Coordinates, EMBED_BYTES, Parent, chunk_contents, snapshot};
use crate::store::{AppendError, VersionDraft};

const BUCKET: &str = "9f5b1a6e-8f9a-4c66-9a44-0d3b6a3b1d10";
const CHUNKS: &str = "0b8e2a52-54a8-4f0f-8d7b-1f0a4c7f2d11";

fn open(server: &Scripted) -> RegistryStore {
    let mut options = RegistryOptions::new(&server.url);
    options.retries = 2;
    RegistryStore::open(options).unwrap()
}

fn name() -> FlowName {
    FlowName::new("b", "f").unwrap()
}

fn empty_manifest() -> Manifest {
    let store = ObjectStore {
        name: "data".into(),
        key_path: None,
        auto_increment: false,
        indexes: Vec::new(),
    };
    Manifest::empty(&Database::new("db".into(), 1, vec![store]).unwrap())
}

fn head() -> StoredVersion {
    let manifest = empty_manifest();
    let (_, state) = manifest.to_text();
    let coordinates = coordinates(BTreeMap::new());
    StoredVersion {
        manifest,
        state,
        comment: String::new(),
        author: "a".into(),
        timestamp_ms: 1,
        coordinates,
    }
}

/// The coordinates of a version with these embedded texts, and with a chunk bucket.
fn coordinates(texts: BTreeMap<Digest, Arc<Vec<u8>>>) -> StoreCoordinates {
    let flow = FlowPlace { bucket: BUCKET.into(), flow: place::flow_id(&name()) };
    let mut place = VersionPlace::new(flow, texts);
    place.chunk_bucket = Some(CHUNKS.to_owned());
    StoreCoordinates::new(place)
}

fn next() -> VersionDraft {
    let head = head();
    let mut manifest = head.manifest;
    manifest.version = FlowVersion::new(2).unwrap();
    manifest.previous = Some(head.state);
    draft_of(manifest)
}

/// The draft with this manifest.
fn draft_of(manifest: Manifest) -> VersionDraft {
    let manifest = SealedManifest::from(manifest);
    let comment = format!("+0\n\nroot={} state={}", manifest.root(), manifest.state());
    VersionDraft { manifest, comment, timestamp_ms: 1 }
}

fn metadata(version: u32, comment: &str) -> ScriptedReply {
    say(
        200,
        json!({"version": version, "comments": comment, "timestamp": 7, "author": "a"}).to_string(),
    )
}

fn append(replies: Vec<ScriptedReply>) -> (Result<(), AppendError>, Scripted) {
    let server = Scripted::start(replies);
    let store = open(&server);
    let outcome = store.writer(&name(), Some(&head())).unwrap().commit(&next());
    (outcome.map(|committed| assert_eq!(committed.version.get(), 2)), server)
}

fn kind(error: AppendError) -> StoreErrorKind {
    match error {
        AppendError::Failed(error) => error.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_append_is_one_call_and_names_its_number_but_no_author() {
    let (outcome, server) = append(vec![ScriptedReply::Echo("", "")]);
    outcome.unwrap();
    let asked = server.asked();
    let path = format!("POST /buckets/{BUCKET}/flows/{}/versions", place::flow_id(&name()));
    assert_eq!(server.calls(), [path]);
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["snapshotMetadata"]["version"], 2);
    assert_eq!(body["snapshotMetadata"]["comments"], next().comment);
    assert!(body["snapshotMetadata"].get("author").is_none() && asked[0].authorization.is_empty());
}

#[test]
fn an_append_without_an_answer_is_looked_for() {
    let ours = || metadata(2, &next().comment);
    let theirs = || metadata(2, &format!("x\nstate={}", Digest::of(b"theirs")));
    let (outcome, server) = append(vec![ScriptedReply::Cut, ours()]);
    outcome.unwrap();
    assert!(server.calls()[1].ends_with("/versions/latest/metadata"));
    append(vec![say(500, "An unexpected error"), ours()]).0.unwrap();
    for reply in [ScriptedReply::Cut, say(409, "exists"), say(500, ""), say(504, "<html>")] {
        assert!(matches!(append(vec![reply, theirs()]).0, Err(AppendError::Lost)));
    }
    // Others went on from ours.
    let list = json!([{"version": 3, "comments": ""}, {"version": 2, "comments": next().comment}])
        .to_string();
    append(vec![ScriptedReply::Cut, metadata(3, "x"), say(200, list)]).0.unwrap();
    // A 200 that is not from a Registry.
    append(vec![say(200, "<html>"), ours()]).0.unwrap();
    // The version is not there: it is posted once more.
    let (outcome, server) =
        append(vec![ScriptedReply::Cut, metadata(1, "x"), ScriptedReply::Echo("", "")]);
    outcome.unwrap();
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn a_comment_without_a_state_is_no_answer_but_the_manifest_is() {
    let (flow, draft) = (name(), next());
    let contents = |manifest: &SealedManifest| {
        let parent =
            Parent { flow: &flow, manifest, comment: "", embedded: &[], placed: &[], registry: "" };
        snapshot(parent.contents().unwrap()).to_string()
    };
    append(vec![ScriptedReply::Cut, metadata(2, "edited"), say(200, contents(&draft.manifest))])
        .0
        .unwrap();
    let foreign = Manifest { previous: None, ..Manifest::clone(&draft.manifest) }.into();
    let foreign = say(200, contents(&foreign));
    let other = append(vec![ScriptedReply::Cut, metadata(2, "edited"), foreign]).0;
    assert!(matches!(other, Err(AppendError::Lost)));
}

#[test]
fn a_number_that_is_refused_and_never_there_is_orphaned() {
    let (outcome, server) =
        append(vec![say(500, "x"), metadata(1, "x"), say(500, "x"), metadata(1, "x")]);
    match outcome.unwrap_err() {
        AppendError::Failed(error) => {
            assert_eq!(error.kind, StoreErrorKind::Refused);
            assert!(
                error.message.starts_with("version 2 of b/f is refused though it is not there"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.calls().len(), 4);
    let (outcome, _) =
        append(vec![ScriptedReply::Cut, metadata(1, "x"), ScriptedReply::Cut, metadata(1, "x")]);
    assert!(
        matches!(outcome, Err(AppendError::Ambiguous(error)) if error.kind == StoreErrorKind::Transient)
    );
    // A Registry that is down gives no information about the version.
    let (outcome, _) = append(vec![say(500, "x"), say(500, "x"), say(500, "x"), say(500, "x")]);
    assert!(
        matches!(outcome, Err(AppendError::Ambiguous(error)) if error.kind == StoreErrorKind::Transient)
    );
}

#[test]
fn refusals_end_at_once() {
    for (status, expected) in [
        (400, StoreErrorKind::Refused),
        (401, StoreErrorKind::Denied),
        (403, StoreErrorKind::Denied),
        (302, StoreErrorKind::Configuration),
        (413, StoreErrorKind::Refused),
        (404, StoreErrorKind::Transient),
    ] {
        let (outcome, server) = append(vec![say(status, "no")]);
        assert_eq!(kind(outcome.unwrap_err()), expected, "{status}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[test]
fn an_echo_that_lacks_something_is_damage() {
    for (old, new) in [
        ("\"labels\":[{", "\"labels\":[],\"was\":[{"),
        ("databaseVersion", "x"),
        ("\"version\":2}", "\"version\":3}"),
    ] {
        let (outcome, _) = append(vec![ScriptedReply::Echo(old, new)]);
        assert_eq!(kind(outcome.unwrap_err()), StoreErrorKind::Damaged, "{old}");
    }
}

fn chunk(text: &str) -> (List, ChunkRef) {
    let full = Digest::of(text.as_bytes());
    let bytes = text.len() as u64;
    let chunk = ChunkRef {
        first: sortable_string("k"),
        count: 1,
        bytes,
        full,
        content: full,
        spilled: Vec::new(),
    };
    (List::Records("data".into()), chunk)
}

fn stored_chunk(text: &str) -> ScriptedReply {
    stored_chunk_in(CHUNKS, text)
}

fn stored_chunk_in(bucket: &str, text: &str) -> ScriptedReply {
    let (list, chunk) = chunk(text);
    let mut body = snapshot(chunk_contents(&list, &chunk, text.as_bytes()).unwrap());
    body["snapshotMetadata"] = json!({"version": 1, "bucketIdentifier": bucket});
    say(200, body.to_string())
}

/// Uploads `text`; returns the salt under which it is stored, and the number of calls.
fn upload(text: &str, replies: Vec<ScriptedReply>) -> Result<(u32, usize), StoreError> {
    let server = Scripted::start(replies);
    let (list, chunk) = chunk(text);
    let uploads = [upload::Upload::Chunk(list, chunk.clone(), Arc::new(text.as_bytes().to_vec()))];
    let places = open(&server).upload_all(CHUNKS, &uploads)?;
    let salt = (0..MAX_SALTS)
        .find(|salt| place::chunk_id(CHUNKS, &chunk.full, *salt) == places[0].flow)
        .unwrap();
    Ok((salt, server.calls().len()))
}

#[test]
fn chunks_are_written_once_and_found_again() {
    let text = "{\"a\":1}\n";
    let echo = || ScriptedReply::Echo("", "");
    assert_eq!(upload(text, vec![say(200, "{}"), echo()]).unwrap(), (0, 2));
    assert_eq!(upload(text, vec![say(409, "name"), stored_chunk(text)]).unwrap(), (0, 2));
    // A flow without version; a cut answer of either kind; a race that is lost.
    assert_eq!(upload(text, vec![say(409, "name"), say(404, ""), echo()]).unwrap(), (0, 3));
    assert_eq!(
        upload(
            text,
            vec![ScriptedReply::Cut, say(404, ""), ScriptedReply::Cut, stored_chunk(text)]
        )
        .unwrap(),
        (0, 4)
    );
    assert_eq!(
        upload(text, vec![say(200, "{}"), say(500, ""), stored_chunk(text)]).unwrap(),
        (0, 3)
    );
    // Something else is stored there; the id belongs to another bucket.
    assert_eq!(
        upload(text, vec![say(500, ""), stored_chunk("{}\n"), say(200, "{}"), echo()]).unwrap(),
        (1, 4)
    );
    let elsewhere = stored_chunk_in(BUCKET, text);
    assert_eq!(
        upload(text, vec![say(500, ""), elsewhere, say(200, "{}"), echo()]).unwrap(),
        (1, 4)
    );
    assert_eq!(
        upload(text, vec![say(500, ""), say(404, ""), say(404, ""), say(200, "{}"), echo()])
            .unwrap(),
        (1, 5)
    );
    // An orphaned number.
    let mut replies = vec![say(200, "{}")];
    (0..4).for_each(|_| replies.extend([say(500, ""), say(404, "")]));
    replies.extend([say(200, "{}"), echo()]);
    assert_eq!(upload(text, replies).unwrap(), (1, 11));
}

#[test]
fn uploads_that_no_other_id_would_help() {
    let text = "{\"a\":1}\n";
    assert_eq!(upload(text, vec![say(403, "")]).unwrap_err().kind, StoreErrorKind::Denied);
    assert_eq!(upload(text, vec![say(404, "")]).unwrap_err().kind, StoreErrorKind::Transient);
    assert_eq!(
        upload(text, vec![say(200, "{}"), say(400, "")]).unwrap_err().kind,
        StoreErrorKind::Refused
    );
    let error = upload(text, vec![say(200, "{}"), ScriptedReply::Echo("a", "b")]).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged);
    assert!(error.message.contains(&chunk(text).1.full.to_string()), "{error}");
}

#[test]
fn reads_are_repeated_and_writes_are_not() {
    let server = Scripted::start(vec![say(500, "x"), ScriptedReply::Cut, say(200, "[]")]);
    assert!(open(&server).buckets().unwrap().is_empty());
    let server = Scripted::start(vec![say(503, ""), say(503, ""), say(503, ""), say(200, "[]")]);
    assert_eq!(open(&server).buckets().unwrap_err().kind, StoreErrorKind::Transient);
    assert_eq!(server.calls().len(), 3);
    let server = Scripted::start(vec![say(403, ""), say(200, "[]")]);
    assert_eq!(open(&server).buckets().unwrap_err().kind, StoreErrorKind::Denied);
    let server = Scripted::start(vec![say(404, "")]);
    assert_eq!(open(&server).buckets().unwrap_err().kind, StoreErrorKind::Configuration);
    let server = Scripted::start(vec![ScriptedReply::Cut, say(200, "")]);
    let failure = open(&server).http.post("/x", b"{}").unwrap_err();
    assert!(failure.sent && server.calls().len() == 1);
}

#[test]
fn a_login_is_kept_and_renewed() {
    let replies =
        vec![say(201, "t1\n"), say(200, "[]"), say(401, ""), say(201, "t2"), say(200, "[]")];
    let server = Scripted::start(replies);
    let mut options = RegistryOptions::new(&server.url);
    options.credentials = Credentials::Login { user: "ann".into(), password: Secret::new("pw") };
    let store = RegistryStore::open(options).unwrap();
    store.buckets().unwrap();
    store.buckets().unwrap();
    let sent: Vec<String> =
        server.asked().into_iter().map(|request| request.authorization).collect();
    assert_eq!(sent, ["Basic YW5uOnB3", "Bearer t1", "Bearer t1", "Basic YW5uOnB3", "Bearer t2"]);
    assert!(!format!("{store:?}").contains("t2"));
}

#[test]
fn a_flow_is_found_by_its_id_and_else_by_its_names() {
    let frame = |bucket: &str, flow: &str| {
        let parent = Parent {
            flow: &name(),
            manifest: &empty_manifest().into(),
            comment: "",
            embedded: &[],
            placed: &[],
            registry: "",
        };
        let mut body = snapshot(parent.contents().unwrap());
        body["snapshotMetadata"] =
            json!({"version": 1, "comments": "c", "author": "a", "timestamp": 5});
        body["bucket"] = json!({"name": bucket, "identifier": "B"});
        body["flow"] = json!({"name": flow, "identifier": "F"});
        say(200, body.to_string())
    };
    let server = Scripted::start(vec![frame("b", "f")]);
    let found = open(&server).head(&name()).unwrap().unwrap();
    assert_eq!(
        (
            VersionPlace::of(&found).unwrap().flow.clone(),
            found.timestamp_ms,
            found.comment.as_str()
        ),
        (FlowPlace { bucket: "B".into(), flow: "F".into() }, 5, "c")
    );
    assert_eq!(server.calls(), [format!("GET /flows/{}/versions/latest", place::flow_id(&name()))]);
    // The id belongs to a flow of another bucket: the names decide.
    let buckets = || {
        say(
            200,
            json!([{"name": "x", "identifier": "X"}, {"name": "b", "identifier": "B"}]).to_string(),
        )
    };
    let flows = || say(200, json!([{"name": "f", "identifier": "F"}]).to_string());
    let server = Scripted::start(vec![frame("renamed", "f"), buckets(), flows(), frame("b", "f")]);
    assert!(open(&server).head(&name()).unwrap().is_some());
    assert_eq!(server.calls()[2..], ["GET /buckets/B/flows", "GET /flows/F/versions/latest"]);
    let server = Scripted::start(vec![say(404, ""), buckets(), say(200, "[]")]);
    assert!(open(&server).head(&name()).unwrap().is_none());
}

fn frame_of(manifest: &Manifest, placed: &[crate::store::envelope::PlacedChunk]) -> ScriptedReply {
    let parent = Parent {
        flow: &name(),
        manifest: &manifest.clone().into(),
        comment: "",
        embedded: &[],
        placed,
        registry: "",
    };
    let mut body = snapshot(parent.contents().unwrap());
    body["snapshotMetadata"] = json!({"version": manifest.version.get(), "comments": "c"});
    body["bucket"] = json!({"name": "b", "identifier": BUCKET});
    body["flow"] = json!({"name": "f", "identifier": place::flow_id(&name())});
    say(200, body.to_string())
}

/// The manifest of version 1 with chunks of records; each claims to be `bytes` long.
fn manifest_with(texts: &[&str], bytes: u64) -> Manifest {
    let mut manifest = empty_manifest();
    for (index, text) in texts.iter().enumerate() {
        let first = sortable_string(&index.to_string());
        manifest.stores[0].records.push(ChunkRef { first, bytes, ..chunk(text).1 });
    }
    manifest
}

fn after(head: &StoredVersion) -> Manifest {
    let mut manifest = head.manifest.clone();
    manifest.version = FlowVersion::new(2).unwrap();
    manifest.previous = Some(head.state);
    manifest
}

#[test]
fn chunks_are_where_the_parent_says_and_stay_there() {
    let texts = ["{\"a\":1}\n", "{\"a\":2}\n"];
    let manifest = manifest_with(&texts, EMBED_BYTES);
    let list = List::Records("data".into());
    let salted = |salt: u32, chunk: &ChunkRef| {
        let flow = place::chunk_id(CHUNKS, &chunk.full, salt);
        (list.clone(), chunk.clone(), Coordinates { bucket: CHUNKS.into(), flow })
    };
    let chunks = &manifest.stores[0].records;
    let placed = [salted(0, &chunks[0]), salted(2, &chunks[1])];
    let replies = vec![
        frame_of(&manifest, &placed),
        stored_chunk(texts[0]),
        stored_chunk(texts[1]),
        stored_chunk(texts[0]),
        say(404, ""),
        ScriptedReply::Echo("", ""),
    ];
    let server = Scripted::start(replies);
    let store = open(&server);
    let head = store.head(&name()).unwrap().unwrap();
    assert_eq!(VersionPlace::of(&head).unwrap().chunk_bucket.as_deref(), Some(CHUNKS));
    let read = |index: usize| store.read_chunk(&name(), &head, &list, &chunks[index]);
    assert_eq!(read(0).unwrap(), texts[0].as_bytes());
    assert_eq!(read(1).unwrap(), texts[1].as_bytes());
    // Another text, and none at all.
    for index in [1, 1] {
        let error = read(index).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Damaged);
        assert!(error.message.starts_with("version 1 of b/f: chunk"), "{error}");
    }
    // The next version is one call, and points to the same flows.
    store.writer(&name(), Some(&head)).unwrap().commit(&draft_of(after(&head))).unwrap();
    let calls = server.calls();
    assert_eq!(calls[2], format!("GET /flows/{}/versions/1", placed[1].2.flow));
    assert_eq!(calls.len(), 6);
    let body = server.asked().pop().unwrap().body;
    assert!(placed.iter().all(|(_, _, coordinates)| body.contains(&coordinates.flow)));
}

#[test]
fn a_version_that_lacks_a_chunk_is_damaged() {
    let manifest = manifest_with(&["{\"a\":1}\n"], EMBED_BYTES + 1);
    let server = Scripted::start(vec![frame_of(&manifest, &[])]);
    let error = open(&server).head(&name()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged);
    assert!(error.message.contains("is neither in it nor named by it"), "{error}");
}

#[test]
fn what_head_has_embedded_travels_again_and_what_nobody_has_is_refused() {
    let text = "{\"a\":1}\n";
    let manifest = manifest_with(&[text], text.len() as u64);
    let texts = [(Digest::of(text.as_bytes()), Arc::new(text.as_bytes().to_vec()))];
    let mut head = StoredVersion { manifest, ..head() };
    head.coordinates = coordinates(texts.into_iter().collect());
    let server = Scripted::start(vec![ScriptedReply::Echo("", "")]);
    let store = open(&server);
    store.writer(&name(), Some(&head)).unwrap().commit(&draft_of(after(&head))).unwrap();
    let posted = EnvelopeContents::from_snapshot(server.asked()[0].body.as_bytes()).unwrap();
    assert_eq!(posted.texts, [text]);
    let refusal = |manifest: Manifest| {
        let writer = store.writer(&name(), Some(&head)).unwrap();
        kind(writer.commit(&draft_of(manifest)).unwrap_err())
    };
    let mut unknown = after(&head);
    unknown.stores[0].records[0].full = Digest::of(b"unknown");
    assert_eq!(refusal(unknown), StoreErrorKind::Refused);
    let third = Manifest { version: FlowVersion::new(3).unwrap(), ..after(&head) };
    assert_eq!(refusal(third), StoreErrorKind::Refused);
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn few_records_travel_inside_and_many_in_flows_of_their_own() {
    let list = List::Records("data".into());
    for (count, bytes, posts) in [(3, 300_000, 1), (4, 300_000, 9)] {
        let server = Scripted::start(vec![ScriptedReply::Echo("", ""); 20]);
        let store = open(&server);
        let head = head();
        let mut writer = store.writer(&name(), Some(&head)).unwrap();
        let mut manifest = after(&head);
        for index in 0..count {
            let text = format!("{index}{}", "x".repeat(bytes - 1));
            let first = sortable_string(&index.to_string());
            let chunk = ChunkRef { first, ..chunk(&text).1 };
            manifest.stores[0].records.push(chunk.clone());
            writer.write_chunk(&list, &chunk, text.into_bytes()).unwrap();
        }
        writer.commit(&draft_of(manifest)).unwrap();
        let calls = server.calls();
        assert_eq!(calls.len(), posts, "{calls:?}");
        // The parent comes last: it is the commit.
        assert!(calls[posts - 1].contains(&place::flow_id(&name())));
    }
}

#[test]
fn parts_of_spilled_values_are_found_under_salted_ids_too() {
    let server = Scripted::start(vec![say(404, ""), stored_chunk("abc")]);
    let (head, digest) = (head(), Digest::of(b"abc"));
    assert_eq!(open(&server).read_part(&name(), &head, &digest, 3).unwrap(), b"abc");
    let ids = [0, 1]
        .map(|salt| format!("GET /flows/{}/versions/1", place::part_id(CHUNKS, &digest, 3, salt)));
    assert_eq!(server.calls(), ids);
    let server = Scripted::start(vec![say(404, ""); MAX_SALTS as usize]);
    let error = open(&server).read_part(&name(), &head, &digest, 3).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged);
    let server = Scripted::start(vec![
        say(200, "{}"),
        ScriptedReply::Echo("", ""),
        ScriptedReply::Echo("", ""),
    ]);
    let store = open(&server);
    let mut writer = store.writer(&name(), Some(&head)).unwrap();
    writer.write_part(&digest, 3, b"abc").unwrap();
    writer.commit(&next()).unwrap();
    assert!(server.asked()[0].body.contains(&format!("{digest}.part3")));
}
