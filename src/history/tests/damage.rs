//! Any damage ends in an error, and the output before it is visibly incomplete.

use std::io::{self, Write};

use super::lab::{Lab, chunk, everything, key, number, put, schema, tombstone};
use super::*;
use crate::chunk::store_name;
use crate::snapshot::{ChunkRef, Digest, List};
use crate::store::memory::MemoryStore;
use crate::store::{StoreError, StoreErrorKind, WrappedStore};

/// A store that returns one text differently from how it was stored.
#[derive(Debug)]
struct Damaged<'a> {
    store: &'a MemoryStore,
    /// Digest of a chunk or a spilled value.
    name: Digest,
    /// Position of the byte to flip; `None`: the text is missing.
    flip: Option<usize>,
}

impl Damaged<'_> {
    fn damage(
        &self,
        name: Digest,
        text: Result<Vec<u8>, StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut text = text?;
        match self.flip {
            _ if name != self.name => {}
            None => return Err(StoreError::new(StoreErrorKind::Damaged, "missing")),
            Some(place) => text[place] ^= 1,
        }
        Ok(text)
    }
}

impl WrappedStore for Damaged<'_> {
    type Inner = MemoryStore;

    fn inner(&self) -> &Self::Inner {
        self.store
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.damage(chunk.full, self.store.read_chunk(flow, version, list, chunk))
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        self.damage(*digest, self.store.read_part(flow, version, digest, part))
    }
}

fn assert_damaged<T: std::fmt::Debug>(result: Result<T, HistoryError>) -> String {
    match result {
        Err(HistoryError::Store(error)) => {
            assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
            assert_eq!(error.exit_status(), ExitStatus::Refused);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flipped_byte_or_a_missing_text_is_found_in_every_list() {
    let (lab, version) = everything();
    let chunks = version.manifest.chunks().map(|(_, chunk)| (chunk.full, chunk.bytes as usize));
    let spilled = version.manifest.views[0].spilled.iter().map(|spilled| (spilled.digest, 100));
    let names: Vec<_> = chunks.chain(spilled).collect();
    assert_eq!(names.len(), 6);
    for (name, bytes) in names {
        for flip in std::iter::once(None).chain((0..bytes).map(Some)) {
            let store = Damaged { store: &lab.store, name, flip };
            assert_damaged(verify(&store, &lab.flow, &version, false));
        }
    }
}

#[test]
fn what_was_restored_before_damage_is_seen_to_be_cut_off() {
    let (lab, version) = rich();
    let data = version.manifest.store(&"data".into()).unwrap();
    let chunk = data.records.last().unwrap();
    for (name, place) in [(chunk.full, 500), (chunk.spilled[0].digest, 70)] {
        for flip in [None, Some(place)] {
            let store = Damaged { store: &lab.store, name, flip };
            for options in [RestoreOptions::default(), records_of("data")] {
                let mut out = Vec::new();
                assert_damaged(restore(&store, &lab.flow, &version, &options, &mut out));
                assert!(
                    out.len() > 100_000 && !out.windows(10).any(|text| text == b"\"op\":\"end\"")
                );
                if options.format == RestoreFormat::Changes {
                    let mut decoder =
                        Decoder::open(out.as_slice(), DecodeOptions::default()).unwrap();
                    let result =
                        normalize(&mut decoder, &NormalizeOptions::received_at(0), &mut |_| Ok(()));
                    let error = result.unwrap_err().to_string();
                    assert!(error.contains("there is no end line"), "{error}");
                }
            }
            assert_damaged(show_record(&store, &lab.flow, &version, &"data".into(), &number(9000)));
        }
    }
}

/// Creates a lab whose head has records 1 and 2 and the tombstone of 3.
fn small() -> Lab {
    let lab = Lab::default();
    let lines = [put(number(1), "{\"id\":1}"), put(number(2), "{\"id\":2}"), tombstone(number(3))];
    lab.commit(&schema(&["data"], None), lines.map(|line| ("data".into(), line)).into());
    lab
}

fn records() -> List {
    List::Records("data".into())
}

/// Returns the error of `verify` for a head whose list has these chunks, all named by their true
/// digests.
fn forged(list: &List, chunks: Vec<(ChunkRef, Vec<u8>)>) -> String {
    let lab = small();
    let version = lab.forge(list, chunks);
    let message = assert_damaged(verify(&lab.store, &lab.flow, &version, false));
    assert!(message.starts_with("version 2 of flow b/f in memory is damaged: "), "{message}");
    assert!(!message.contains("\"id\""), "no data in messages: {message}");
    message
}

fn of_records(lines: &[Line]) -> (ChunkRef, Vec<u8>) {
    chunk(lines, store_name(&records()))
}

#[test]
fn texts_that_are_what_their_digest_says_may_still_be_wrong() {
    let (one, two) = (put(number(1), "{\"id\":1}"), put(number(2), "{\"id\":2}"));
    let says = |message: String, what: &str| assert!(message.contains(what), "{message}");
    let good = || of_records(&[one.clone(), two.clone()]);
    let not_the_manifests = "are not what the manifest says";

    let (mut chunk, text) = good();
    chunk.content = Digest::of(b"other");
    says(forged(&records(), vec![(chunk, text)]), not_the_manifests);
    let (mut chunk, text) = good();
    chunk.count = 3;
    says(forged(&records(), vec![(chunk, text)]), not_the_manifests);
    let (mut chunk, text) = good();
    chunk.first = number(0);
    says(forged(&records(), vec![(chunk, text)]), not_the_manifests);
    let (mut chunk, text) = good();
    chunk.spilled.push(crate::snapshot::SpilledRef { digest: Digest::of(b"x"), bytes: 1 });
    says(forged(&records(), vec![(chunk, text)]), not_the_manifests);
    let (mut chunk, text) = good();
    chunk.bytes += 1;
    says(forged(&records(), vec![(chunk, text)]), "its text is not what its digest says");
    let (mut chunk, mut text) = good();
    text.pop();
    (chunk.full, chunk.bytes) = (Digest::of(&text), text.len() as u64);
    says(forged(&records(), vec![(chunk, text)]), "its last line has no end");

    says(forged(&records(), vec![of_records(&[two.clone(), one.clone()])]), "keys do not ascend");
    says(forged(&records(), vec![of_records(&[one.clone(), one.clone()])]), "keys do not ascend");
    says(
        forged(&records(), vec![of_records(&[one.clone(), tombstone(number(2))])]),
        "do not belong in its list",
    );
    says(forged(&List::Tombstones("data".into()), vec![good()]), "do not belong in its list");
    says(
        forged(
            &records(),
            vec![super::lab::chunk(std::slice::from_ref(&one), b"\"other\"".to_vec())],
        ),
        "not a line of a chunk",
    );
    let mut later = two.clone();
    later.meta.rev = FlowVersion::new(3).unwrap();
    says(forged(&records(), vec![of_records(&[later])]), "lines of a later version");
    let live = put(number(3), "{\"id\":3}");
    says(
        forged(&records(), vec![of_records(&[one.clone(), live])]),
        "a key is both live and deleted",
    );
    let apart = vec![of_records(&[one]), of_records(&[two])];
    says(forged(&records(), apart), "does not end where the format says");
}

#[test]
fn chunks_that_overlap_are_found() {
    let (lab, version) = rich();
    let mut version = version;
    let list = version.manifest.list_mut(&records()).unwrap();
    list.swap(0, 1);
    version.state = version.manifest.to_text().1;
    let mut out = Vec::new();
    let result = restore(&lab.store, &lab.flow, &version, &RestoreOptions::default(), &mut out);
    assert!(assert_damaged(result).contains("begin before those of another end"));
}

#[test]
fn a_manifest_that_is_not_its_state_gives_nothing() {
    let (lab, mut version) = everything();
    version.manifest.stores[0].records.clear();
    let mut out = Vec::new();
    let result = restore(&lab.store, &lab.flow, &version, &RestoreOptions::default(), &mut out);
    assert!(assert_damaged(result).contains("not what its state says"));
    assert!(out.is_empty());
    assert!(
        assert_damaged(verify(&lab.store, &lab.flow, &version, false))
            .contains("not what its state says")
    );
}

#[test]
fn a_comment_of_another_version_is_found() {
    let (lab, mut version) = everything();
    version.comment =
        open_version(&lab.store, &lab.flow, At::Version(FlowVersion::FIRST)).unwrap().comment;
    assert!(
        assert_damaged(verify(&lab.store, &lab.flow, &version, false))
            .contains("its comment names another")
    );
    version.comment = "no ids in it".to_owned();
    verify(&lab.store, &lab.flow, &version, true).unwrap();
}

#[test]
fn a_chain_that_does_not_hold_is_found() {
    let (lab, version) = everything();
    let broken = |previous| {
        let mut version = version.clone();
        version.manifest.previous = previous;
        version.state = version.manifest.to_text().1;
        version.comment.clear();
        verify(&lab.store, &lab.flow, &version, false).unwrap();
        assert_damaged(verify(&lab.store, &lab.flow, &version, true))
    };
    assert!(
        broken(Some(version.state)).contains("version 2 is not the one that version 3 follows")
    );
    assert!(broken(None).contains("version 3 does not say which version was before it"));
    let empty = Lab::default();
    let mut alone = version.clone();
    alone.manifest.stores.clear();
    alone.manifest.views.clear();
    alone.manifest.sources.clear();
    alone.manifest.conflicts.clear();
    alone.state = alone.manifest.to_text().1;
    alone.comment.clear();
    let missing = verify(&empty.store, &empty.flow, &alone, true);
    assert!(assert_damaged(missing).contains("version 2, which it follows, is missing"));
}

#[test]
fn a_view_that_is_not_there_is_found() {
    let (lab, version) = everything();
    let forged = lab.forge(&List::Views, Vec::new());
    assert!(
        assert_damaged(verify(&lab.store, &lab.flow, &forged, false))
            .contains("the view of a source names chunk")
    );
    // A chunk that does not name its object store.
    let line = chunk(&[put(key("1"), "1")], b"7".to_vec());
    let forged = lab.forge(&List::Views, vec![line]);
    assert!(
        assert_damaged(verify(&lab.store, &lab.flow, &forged, false))
            .contains("name no object store")
    );
    verify(&lab.store, &lab.flow, &version, true).unwrap();
}

#[test]
fn a_spilled_value_must_have_the_content_that_its_line_names() {
    let (lab, version) = everything();
    let list = &version.manifest.stores[0].records;
    let text = lab.store.read_chunk(&lab.flow, &version, &records(), &list[0]).unwrap();
    let mut lines = crate::chunk::parse_chunk(&text, &store_name(&records())).unwrap();
    let LineState::Spilled(spilled) = &mut lines[1].state else { panic!("not spilled") };
    spilled.content = Digest::of(b"other");
    let forged = lab.forge(&records(), vec![of_records(&lines)]);
    let message = assert_damaged(verify(&lab.store, &lab.flow, &forged, false));
    assert!(message.contains("is not what its line says of it"), "{message}");
    assert_damaged(show_record(&lab.store, &lab.flow, &forged, &"data".into(), &number(3)));
}

#[test]
fn an_output_that_breaks_is_an_error() {
    /// A writer with room for this many bytes.
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (lab, version) = everything();
    let whole = restored(&lab, &version, &RestoreOptions::default()).unwrap().len();
    for room in [0, 400, 60_000, whole - 1, whole] {
        let result =
            restore(&lab.store, &lab.flow, &version, &RestoreOptions::default(), &mut Full(room));
        match result {
            Ok(written) => assert_eq!((room, written.bytes), (whole, whole as u64)),
            Err(error) => {
                assert!(room < whole && matches!(error, HistoryError::Output(_)));
                assert_eq!(error.exit_status(), ExitStatus::Transient);
            }
        }
    }
}
