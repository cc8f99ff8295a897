//! Reads everything that a version refers to, and recomputes every digest.

use std::collections::{BTreeSet, VecDeque};

use super::HistoryError;
use super::chain::{VerifiedContent, check_chain};
use super::reader::{CheckedChunk, ListReader, VersionReader};
use crate::chunk::{Boundary, weight};
use crate::indexeddb::key::SortableKey;
use crate::snapshot::sources::Sources;
use crate::snapshot::{ChunkRef, Digest, FlowName, LineState, List, StoreManifest};
use crate::store::{SnapshotReader, StoreError, StoredVersion};

/// The amount of verified data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chunks of all lists.
    pub chunks: u64,
    /// Live records.
    pub records: u64,
    /// Bytes of chunks and spilled values.
    pub bytes: u64,
    /// Spilled values, each counted once.
    pub spilled: u64,
    /// Earlier versions that were verified too; 0 without `chain`.
    pub versions: u64,
}

/// Verifies a version:
///
/// - the state of its manifest, and that its comment contains this state;
/// - text, keys, values and position of every chunk in every list, and that chunks end where the
///   format requires;
/// - every part of every spilled value;
/// - that no key is both live and deleted;
/// - that the views named in `~sources` exist.
///
/// With `chain`, also verifies for every version down to version 1 that the next one names its
/// state, and that all its chunks and spilled values are intact.
///
/// # Errors
///
/// [`HistoryError::Store`], damaged, with the first fault; or because something cannot be read.
pub fn verify(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: &StoredVersion,
    chain: bool,
) -> Result<Verified, HistoryError> {
    let reader = VersionReader { store, flow, version };
    reader.check_names()?;
    let mut check = VersionCheck {
        reader,
        verified: Verified::default(),
        content: VerifiedContent::default(),
        chain,
    };
    for object_store in &version.manifest.stores {
        check.object_store(object_store)?;
    }
    check.system_lists()?;
    if chain {
        check.content.know_places(&reader)?;
        check.verified.versions = check_chain(&reader, &mut check.content)?;
    }
    Ok(check.verified)
}

struct VersionCheck<'a> {
    reader: VersionReader<'a>,
    verified: Verified,
    /// The data that was read.
    content: VerifiedContent,
    chain: bool,
}

impl<'a> VersionCheck<'a> {
    /// Walks records and tombstones in parallel, because both are in key order.
    fn object_store(&mut self, store: &'a StoreManifest) -> Result<(), StoreError> {
        let name = &store.schema.name;
        let mut records = Keys::new(self.reader, List::Records(name.clone()), &store.records);
        let mut tombstones =
            Keys::new(self.reader, List::Tombstones(name.clone()), &store.tombstones);
        let mut record = records.next_key(self)?;
        let mut tombstone = tombstones.next_key(self)?;
        loop {
            match (&record, &tombstone) {
                (None, None) => break,
                (Some(live), Some(deleted)) if live == deleted => {
                    let what = format!(
                        "object store {}: a key is both live and deleted",
                        name.to_canonical()
                    );
                    return Err(self.reader.damaged(&what));
                }
                (Some(live), deleted) if deleted.as_ref().is_none_or(|deleted| live < deleted) => {
                    record = records.next_key(self)?;
                }
                _ => tombstone = tombstones.next_key(self)?,
            }
        }
        self.verified.records += store.record_count();
        Ok(())
    }

    fn system_lists(&mut self) -> Result<(), StoreError> {
        let manifest = &self.reader.version.manifest;
        let mut sources = Vec::new();
        for (list, chunks) in [
            (List::Conflicts, &manifest.conflicts),
            (List::Sources, &manifest.sources),
            (List::Views, &manifest.views),
        ] {
            let mut walk = self.reader.list(list.clone(), chunks);
            while let Some(chunk) = walk.advance()? {
                self.chunk(&list, &chunk)?;
                if list == List::Sources {
                    sources.extend(chunk.lines);
                }
            }
        }
        let there: BTreeSet<Digest> = manifest.views.iter().map(|chunk| chunk.full).collect();
        match Sources::from_lines(sources).view_chunks().keys().find(|chunk| !there.contains(chunk))
        {
            Some(missing) => Err(self
                .reader
                .damaged(&format!("the view of a source names chunk {missing}, which it has not"))),
            None => Ok(()),
        }
    }

    /// Counts a chunk, and reads the spilled values that no earlier chunk referred to in the same
    /// way.
    fn chunk(&mut self, list: &List, chunk: &CheckedChunk) -> Result<(), StoreError> {
        if self.chain {
            self.content.know(list, chunk);
        }
        self.verified.chunks += 1;
        self.verified.bytes += chunk.seen.bytes;
        for line in &chunk.lines {
            let LineState::Spilled(spilled) = &line.state else { continue };
            if self.content.spilled.insert((spilled.digest, spilled.bytes, spilled.content)) {
                self.reader.whole(&line.state)?;
                self.verified.spilled += 1;
                self.verified.bytes += spilled.bytes;
            }
        }
        Ok(())
    }
}

/// The keys of one list of an object store; each chunk is checked when it is reached.
struct Keys<'a> {
    list: ListReader<'a>,
    boundary: Boundary,
    keys: VecDeque<SortableKey>,
}

impl<'a> Keys<'a> {
    fn new(reader: VersionReader<'a>, list: List, chunks: &'a [ChunkRef]) -> Self {
        Self {
            list: reader.list(list, chunks),
            boundary: Boundary::default(),
            keys: VecDeque::new(),
        }
    }

    fn next_key(
        &mut self,
        check: &mut VersionCheck<'_>,
    ) -> Result<Option<SortableKey>, StoreError> {
        if self.keys.is_empty() {
            let Some(chunk) = self.list.advance()? else { return Ok(None) };
            check.chunk(self.list.list(), &chunk)?;
            if !self.ends_where_it_should(&chunk) {
                let what = format!("chunk {} does not end where the format says", chunk.seen.full);
                return Err(check.reader.damaged(&what));
            }
            self.keys = chunk.lines.into_iter().map(|line| line.key).collect();
        }
        Ok(self.keys.pop_front())
    }

    /// True if the chunk ends where the format requires; the last chunk of a list may end anywhere.
    fn ends_where_it_should(&mut self, chunk: &CheckedChunk) -> bool {
        let last = chunk.lines.len();
        (1..).zip(&chunk.lines).all(|(number, line)| {
            let key = line.key.as_bytes();
            let ends = self.boundary.ends_after(key, weight(key.len(), line.state.value_bytes()));
            ends == (number == last) || (number == last && self.list.at_end())
        })
    }
}
