//! Verification of the versions before one: each must be the predecessor of the next, and
//! everything in it must be intact.
//!
//! Versions share most of their chunks, so each chunk and each spilled value is read once. For
//! every other version it is enough that the store keeps it in the same place. So the work grows
//! with the size of the changes.

use std::collections::{HashMap, HashSet};

use super::reader::{CheckedChunk, VersionReader};
use crate::indexeddb::key::SortableKey;
use crate::snapshot::line::part_count;
use crate::snapshot::{ChunkRef, Digest, FlowVersion, LineState, List, SpilledRef};
use crate::store::{StoreError, StoredPlaces, StoredVersion};

/// A chunk that was read and verified.
struct KnownChunk {
    list: List,
    chunk: ChunkRef,
    last: SortableKey,
    /// The newest version named by one of its lines.
    newest: FlowVersion,
}

/// Everything that was read and verified, in any version.
#[derive(Default)]
pub(super) struct VerifiedContent {
    chunks: HashMap<Digest, KnownChunk>,
    /// The places, by the store's own names.
    places: HashSet<String>,
    /// Spilled values: digest, length, and content digest, as in the lines that refer to them.
    pub(super) spilled: HashSet<(Digest, u64, Digest)>,
}

impl VerifiedContent {
    /// Records that a chunk's text was verified.
    pub(super) fn know(&mut self, list: &List, chunk: &CheckedChunk) {
        let newest = chunk.lines.iter().map(|line| line.meta.rev).max();
        if let (Some(newest), Some(last)) = (newest, chunk.lines.last()) {
            let (list, seen) = (list.clone(), chunk.seen.clone());
            let known = KnownChunk { list, chunk: seen, last: last.key.clone(), newest };
            self.chunks.insert(chunk.seen.full, known);
        }
    }

    /// Records the places of everything in a verified version.
    pub(super) fn know_places(&mut self, reader: &VersionReader<'_>) -> Result<(), StoreError> {
        let Some(places) = reader.store.places(reader.flow, reader.version)? else { return Ok(()) };
        self.places.extend(places.chunks.into_iter().flatten());
        self.places.extend(places.parts.into_values());
        Ok(())
    }

    /// Verifies every chunk and spilled value of a version; reads only those that are not known
    /// yet.
    fn check(&mut self, reader: &VersionReader<'_>) -> Result<(), StoreError> {
        let places = reader.store.places(reader.flow, reader.version)?.unwrap_or_default();
        let mut before: Option<(List, SortableKey)> = None;
        for (number, (list, chunk)) in reader.version.manifest.chunks().enumerate() {
            let place = places.chunks.get(number).and_then(Option::as_ref);
            self.check_chunk(reader, &list, chunk, place)?;
            self.check_parts(reader, chunk, &places)?;
            let ends_late =
                before.as_ref().is_some_and(|(other, last)| *other == list && *last >= chunk.first);
            // A chunk of `~views` may come from any object store and source, so it is checked
            // alone.
            if ends_late && list != List::Views {
                let what =
                    format!("chunk {}: its keys begin before those of another end", chunk.full);
                return Err(reader.damaged(&what));
            }
            before = self.chunks.get(&chunk.full).map(|known| (list, known.last.clone()));
        }
        Ok(())
    }

    fn check_chunk(
        &mut self,
        reader: &VersionReader<'_>,
        list: &List,
        chunk: &ChunkRef,
        place: Option<&String>,
    ) -> Result<(), StoreError> {
        let known = self
            .chunks
            .get(&chunk.full)
            .filter(|known| known.list == *list && known.chunk == *chunk);
        if let Some(known) = known {
            if known.newest > reader.version.manifest.version {
                return Err(reader
                    .damaged(&format!("chunk {}: it holds lines of a later version", chunk.full)));
            }
            if place.is_some_and(|place| self.places.contains(place)) {
                return Ok(());
            }
            // The text is known, but this version has a separate copy.
            let text = reader.store.read_chunk(reader.flow, reader.version, list, chunk)?;
            if Digest::of(&text) != chunk.full {
                return Err(reader.damaged(&format!(
                    "chunk {}: its text is not what its digest says",
                    chunk.full
                )));
            }
        } else {
            let checked = reader.chunk(list, chunk)?;
            for line in &checked.lines {
                let LineState::Spilled(spilled) = &line.state else { continue };
                if self.spilled.insert((spilled.digest, spilled.bytes, spilled.content)) {
                    reader.whole(&line.state)?;
                }
            }
            self.know(list, &checked);
        }
        self.places.extend(place.cloned());
        Ok(())
    }

    /// Checks that the parts of spilled values are where they were when they were read.
    fn check_parts(
        &mut self,
        reader: &VersionReader<'_>,
        chunk: &ChunkRef,
        places: &StoredPlaces,
    ) -> Result<(), StoreError> {
        if !places.parts_are_known {
            return Ok(());
        }
        for SpilledRef { digest, bytes } in &chunk.spilled {
            for part in 0..part_count(*bytes) {
                let Some(place) = places.parts.get(&(*digest, part)) else {
                    return Err(reader
                        .damaged(&format!("part {part} of spilled value {digest} is missing")));
                };
                if self.places.insert(place.clone()) {
                    // Reading checks the digest of the part. The value as a whole is read once,
                    // elsewhere.
                    reader.store.read_part(reader.flow, reader.version, digest, part)?;
                }
            }
        }
        Ok(())
    }
}

/// Follows the states down to version 1 and verifies every version; returns the number of versions
/// passed.
pub(super) fn check_chain(
    reader: &VersionReader<'_>,
    content: &mut VerifiedContent,
) -> Result<u64, StoreError> {
    let mut passed = 0;
    let mut newer: StoredVersion = reader.version.clone();
    loop {
        let number = newer.manifest.version;
        let before = FlowVersion::new(u64::from(number.get()) - 1);
        let (before, previous) = match (before, newer.manifest.previous) {
            (None, None) => return Ok(passed),
            (Some(before), Some(previous)) => (before, previous),
            _ => {
                return Err(reader.damaged(&format!(
                    "version {number} does not say which version was before it"
                )));
            }
        };
        let stored = reader.store.previous(reader.flow, &newer)?;
        let older = stored.ok_or_else(|| {
            reader.damaged(&format!("version {before}, which it follows, is missing"))
        })?;
        if older.state != previous || older.manifest.version != before {
            return Err(reader.damaged(&format!(
                "version {before} is not the one that version {number} follows"
            )));
        }
        let older_reader = VersionReader { version: &older, ..*reader };
        older_reader.check_names()?;
        content.check(&older_reader)?;
        passed += 1;
        newer = older;
    }
}
