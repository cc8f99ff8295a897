//! Reads chunks and spilled values of one version; returns only data that was checked against a
//! digest.

use super::log::ids_of;
use crate::apply::read_whole;
use crate::chunk::{parse_chunk, store_name};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value;
use crate::snapshot::{ChunkRef, Digest, FlowName, Line, LineState, List, SpilledRef};
use crate::store::{SnapshotReader, StoreError, StoreErrorKind, StoredVersion};

/// A reader of the data that one version refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionReader<'a> {
    pub(super) store: &'a dyn SnapshotReader,
    pub(super) flow: &'a FlowName,
    pub(super) version: &'a StoredVersion,
}

/// A chunk whose text, keys and values agree with the manifest.
#[derive(Debug)]
pub(super) struct CheckedChunk {
    /// The text, with a line end after every line.
    pub(super) text: Vec<u8>,
    /// The parsed lines.
    pub(super) lines: Vec<Line>,
    /// The canonical name of the object store or system list in its lines.
    pub(super) name: Vec<u8>,
    /// The entry that the manifest should have, computed from the lines.
    pub(super) seen: ChunkRef,
}

impl<'a> VersionReader<'a> {
    /// Returns an error that names the damaged part, its version, and the next step.
    pub(super) fn damaged(&self, what: &str) -> StoreError {
        let (version, flow, store) =
            (self.version.manifest.version, self.flow, self.store.describe());
        let message = format!(
            "version {version} of flow {flow} in {store} is damaged: {what}; use another version, or another copy of \
             the store"
        );
        StoreError::new(StoreErrorKind::Damaged, message)
    }

    /// Checks that the manifest has the state by which the version is known.
    pub(super) fn check_manifest(&self) -> Result<(), StoreError> {
        if self.version.manifest.to_text().1 == self.version.state {
            Ok(())
        } else {
            Err(self.damaged("the manifest is not what its state says"))
        }
    }

    /// Checks that manifest, state and comment agree.
    pub(super) fn check_names(&self) -> Result<(), StoreError> {
        self.check_manifest()?;
        let StoredVersion { manifest, state, comment, .. } = self.version;
        match ids_of(comment) {
            Some(ids) if ids != (manifest.root(), *state) => {
                Err(self.damaged("its comment names another root or state than its manifest has"))
            }
            _ => Ok(()),
        }
    }

    /// Reads one chunk.
    pub(super) fn chunk(&self, list: &List, chunk: &ChunkRef) -> Result<CheckedChunk, StoreError> {
        let text = self.store.read_chunk(self.flow, self.version, list, chunk)?;
        let damaged = |what: &str| self.damaged(&format!("chunk {}: {what}", chunk.full));
        if text.len() as u64 != chunk.bytes || Digest::of(&text) != chunk.full {
            return Err(damaged("its text is not what its digest says"));
        }
        if !text.ends_with(b"\n") {
            return Err(damaged("its last line has no end"));
        }
        let name = match list {
            List::Views => {
                view_name(&text).ok_or_else(|| damaged("its lines name no object store"))?
            }
            _ => store_name(list),
        };
        let lines = parse_chunk(&text, &name).map_err(|error| damaged(&error.to_string()))?;
        if lines.windows(2).any(|pair| pair[0].key >= pair[1].key) {
            return Err(damaged("its keys do not ascend"));
        }
        let deletions = matches!(list, List::Tombstones(_));
        if lines.iter().any(|line| (line.state == LineState::Delete) != deletions) {
            return Err(damaged("it holds lines that do not belong in its list"));
        }
        if lines.iter().any(|line| line.meta.rev > self.version.manifest.version) {
            return Err(damaged("it holds lines of a later version"));
        }
        let seen = seen(&lines, chunk).ok_or_else(|| damaged("it is empty"))?;
        if seen != *chunk {
            return Err(damaged(
                "its first key, count, content or spilled values are not what the manifest says",
            ));
        }
        Ok(CheckedChunk { text, lines, name, seen })
    }

    /// Returns the canonical value of a put, read from its parts if it is spilled; `None` for a
    /// deletion.
    pub(super) fn whole(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError> {
        let value = read_whole(self.store, self.flow, self.version, state)?;
        if let (LineState::Spilled(spilled), Some(value)) = (state, &value) {
            let content = match value::without_stacks(value) {
                Some(stripped) => Digest::of(&stripped),
                None => spilled.digest,
            };
            if content != spilled.content || value.len() as u64 != spilled.bytes {
                let what =
                    format!("spilled value {} is not what its line says of it", spilled.digest);
                return Err(self.damaged(&what));
            }
        }
        Ok(value)
    }

    /// Returns the line at `key`; reads the one chunk that can contain it.
    pub(super) fn find(
        &self,
        list: &List,
        chunks: &[ChunkRef],
        key: &SortableKey,
    ) -> Result<Option<(Line, Vec<u8>)>, StoreError> {
        let place = chunks.partition_point(|chunk| chunk.first <= *key);
        let Some(chunk) = place.checked_sub(1).and_then(|place| chunks.get(place)) else {
            return Ok(None);
        };
        let mut read = self.chunk(list, chunk)?;
        let place = read.lines.binary_search_by(|line| line.key.cmp(key)).ok();
        Ok(place.map(|place| (read.lines.swap_remove(place), read.name)))
    }

    /// Returns a reader of a list, chunk by chunk.
    pub(super) fn list(self, list: List, chunks: &'a [ChunkRef]) -> ListReader<'a> {
        ListReader { reader: self, list, chunks: chunks.iter(), last: None }
    }
}

/// A reader of one list in key order.
#[derive(Debug)]
pub(super) struct ListReader<'a> {
    reader: VersionReader<'a>,
    list: List,
    chunks: std::slice::Iter<'a, ChunkRef>,
    last: Option<SortableKey>,
}

impl ListReader<'_> {
    /// Reads the next chunk; its keys must follow those of the previous one.
    pub(super) fn advance(&mut self) -> Result<Option<CheckedChunk>, StoreError> {
        let Some(chunk) = self.chunks.next() else { return Ok(None) };
        let read = self.reader.chunk(&self.list, chunk)?;
        // A chunk of `~views` may come from any object store and source, so it is checked alone.
        if self.list != List::Views && self.last.as_ref().is_some_and(|last| *last >= chunk.first) {
            return Err(self.reader.damaged(&format!(
                "chunk {}: its keys begin before those of another end",
                chunk.full
            )));
        }
        self.last = read.lines.last().map(|line| line.key.clone());
        Ok(Some(read))
    }

    /// Returns the list.
    pub(super) fn list(&self) -> &List {
        &self.list
    }

    /// True if the last chunk read is the last of the list.
    pub(super) fn at_end(&self) -> bool {
        self.chunks.len() == 0
    }
}

/// Returns the manifest's entry for these lines. `chunk` provides the members that depend on the
/// text alone, which were checked before.
fn seen(lines: &[Line], chunk: &ChunkRef) -> Option<ChunkRef> {
    let mut content = Vec::with_capacity(chunk.bytes as usize);
    let mut spilled = Vec::new();
    for line in lines {
        let key = line.key.as_bytes();
        content.extend_from_slice(&(key.len() as u32).to_le_bytes());
        content.extend_from_slice(key);
        match &line.state {
            LineState::Put(value) => {
                let stripped = value::without_stacks(value);
                let value = stripped.as_deref().unwrap_or(value);
                content.push(0);
                content.extend_from_slice(&(value.len() as u64).to_le_bytes());
                content.extend_from_slice(value);
            }
            LineState::Spilled(named) => {
                content.push(1);
                content.extend_from_slice(named.content.as_bytes());
                spilled.push(SpilledRef { digest: named.digest, bytes: named.bytes });
            }
            LineState::Delete => content.push(2),
        }
    }
    spilled.sort();
    spilled.dedup();
    Some(ChunkRef {
        first: lines.first()?.key.clone(),
        count: lines.len() as u64,
        bytes: chunk.bytes,
        full: chunk.full,
        content: Digest::of(&content),
        spilled,
    })
}

/// Returns the canonical name of the object store in the first line of a chunk of `~views`.
fn view_name(text: &[u8]) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct NamedList {
        store: serde_json::Value,
    }
    let end = memchr::memchr(b'\n', text)?;
    let named: NamedList = serde_json::from_slice(text.get(..end)?).ok()?;
    DomString::from_json(&named.store).map(|name| name.to_canonical().into_bytes())
}
