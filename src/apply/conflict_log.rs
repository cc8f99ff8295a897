//! Recognizes conflicts that are already logged. A conflict that does not change head occurs again
//! each time its batch is sent again. It is then reported, but not logged again; otherwise a source
//! that repeats itself would add a version and a line each time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::Deserialize;

use super::head_reader::HeadReader;
use crate::chunk::{ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::snapshot::logged_conflict::record_of;
use crate::snapshot::{ChunkRef, Conflict, Digest, FlowVersion, Line, LineState, List, Winner};
use crate::store::StoreError;

/// Limit on the newest conflicts that are compared.
pub(crate) const REPEATS: usize = 1024;

/// The known part of the log while one version is made.
#[derive(Debug, Default)]
pub(crate) struct ConflictLog {
    /// True if head's log has been read.
    is_read: bool,
    /// The newest conflicts of head.
    of_head: HashSet<Digest>,
    /// Conflicts of head with large values, which are read only if a conflict about their record is
    /// compared.
    large: HashMap<(DomString, SortableKey), Vec<Line>>,
    /// The newest conflicts of the version being made, also in order of arrival.
    ours: HashSet<Digest>,
    in_order: VecDeque<Digest>,
    /// For records with several conflicts in the version being made: the number of these.
    numbers: HashMap<SortableKey, u32>,
    /// Lines that wait for the end of a version, if it has several batches. Otherwise each batch
    /// would rewrite the end of the list.
    waiting: Option<BTreeMap<SortableKey, Line>>,
    waiting_bytes: usize,
    /// True if lines of this version are in the list already.
    is_written: bool,
    /// The additions of the current batch.
    of_batch: Vec<(SortableKey, Digest)>,
}

/// Limit on the bytes of lines that wait in memory.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// The part of a logged conflict that identifies it.
#[derive(Deserialize)]
struct ConflictDigests {
    #[serde(rename = "type")]
    kind: String,
    winner: String,
    head: Option<SideDigest>,
    incoming: SideDigest,
    other: Option<serde_json::Value>,
    resolved: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct SideDigest {
    by: Option<String>,
    digest: Option<String>,
}

impl ConflictLog {
    /// Creates the log of a version that several batches make.
    pub(crate) fn of_several() -> Self {
        Self { waiting: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Begins the next batch.
    pub(crate) fn begin(&mut self) {
        self.of_batch.clear();
    }

    /// Removes the additions of the current batch, because it does not become part of the version.
    pub(crate) fn undo(&mut self) {
        for (key, identity) in std::mem::take(&mut self.of_batch) {
            if let Some(waiting) = &mut self.waiting {
                waiting.remove(&key);
            }
            self.ours.remove(&identity);
            self.in_order.retain(|ours| *ours != identity);
        }
    }

    /// True if a line of this version has this key.
    pub(crate) fn has(&self, key: &SortableKey) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.contains_key(key))
    }

    /// True if the list may contain lines of this version.
    pub(crate) fn is_written(&self) -> bool {
        self.is_written || self.waiting.is_none()
    }

    /// Keeps a line that must wait; returns it if lines do not wait here.
    pub(crate) fn keep(&mut self, line: Line, identity: Digest) -> Option<Line> {
        let Some(waiting) = &mut self.waiting else { return Some(line) };
        let bytes = if let LineState::Put(value) = &line.state { value.len() } else { 0 };
        self.waiting_bytes += line.key.as_bytes().len() + bytes;
        self.of_batch.push((line.key.clone(), identity));
        waiting.insert(line.key.clone(), line);
        None
    }

    /// Removes and returns the waiting lines if `at_end` or if there are many; `None` if nothing
    /// must be written yet.
    pub(crate) fn take_waiting(&mut self, at_end: bool) -> Option<BTreeMap<SortableKey, Line>> {
        let waiting = self.waiting.as_mut().filter(|waiting| !waiting.is_empty())?;
        if !at_end && self.waiting_bytes < WAITING_BYTES {
            return None;
        }
        (self.waiting_bytes, self.is_written) = (0, true);
        Some(std::mem::take(waiting))
    }

    /// True if the log contains this conflict with head in its current state; otherwise adds the
    /// conflict. `conflicts` is the log so far, `version` the one being made.
    pub(crate) fn is_repeated(
        &mut self,
        conflict: &Conflict,
        version: FlowVersion,
        conflicts: &[ChunkRef],
        base: &HeadReader<'_>,
    ) -> Result<bool, StoreError> {
        if !matches!(conflict.winner, Winner::Head | Winner::Nobody) {
            return Ok(false);
        }
        if !self.is_read {
            self.read(version, conflicts, base)?;
        }
        let identity = identity_of(conflict);
        let large = self.large.get(&(conflict.store.clone(), conflict.key.clone()));
        for line in large.into_iter().flatten() {
            let value = base.whole_value(&line.state)?;
            let found =
                value.and_then(|value| logged_identity(&conflict.store, &conflict.key, &value));
            if found == Some(identity) {
                return Ok(true);
            }
        }
        if self.of_head.contains(&identity) || self.ours.contains(&identity) {
            return Ok(true);
        }
        self.ours.insert(identity);
        self.in_order.push_back(identity);
        if self.in_order.len() > REPEATS
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ours.remove(&oldest);
        }
        Ok(false)
    }

    /// Returns the number of a record's next conflict, if the version being made already has
    /// `first`.
    pub(crate) fn next_number(&mut self, first: &SortableKey) -> u32 {
        let number = self.numbers.entry(first.clone()).or_insert(1);
        *number += 1;
        *number
    }

    fn read(
        &mut self,
        version: FlowVersion,
        conflicts: &[ChunkRef],
        base: &HeadReader<'_>,
    ) -> Result<(), StoreError> {
        self.is_read = true;
        let mut left = REPEATS;
        for chunk in conflicts.iter().rev() {
            let lines =
                lines_of(&List::Conflicts, chunk, &base.read_chunk(&List::Conflicts, chunk)?)?;
            for line in lines.into_iter().rev() {
                let Some((of, store, key)) = record_of(&line.key) else { continue };
                // The conflicts of the version being made were added when they occurred.
                if of >= version {
                    continue;
                }
                match &line.state {
                    LineState::Put(value) => {
                        self.of_head.extend(logged_identity(&store, &key, value))
                    }
                    LineState::Spilled(_) => self.large.entry((store, key)).or_default().push(line),
                    LineState::Delete => {}
                }
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The properties by which two conflicts of a log are compared.
struct ConflictIdentity<'a> {
    store: &'a DomString,
    key: &'a SortableKey,
    kind: &'a str,
    winner: &'a str,
    by: Option<&'a str>,
    other: Option<&'a str>,
    /// Inside: `None` for a tombstone.
    head: Option<Option<&'a str>>,
    incoming: Option<&'a str>,
}

impl ConflictIdentity<'_> {
    fn digest(&self) -> Digest {
        let store = self.store.to_canonical();
        let parts = [
            Some(store.as_bytes()),
            Some(self.key.as_bytes()),
            Some(self.kind.as_bytes()),
            Some(self.winner.as_bytes()),
            self.by.map(str::as_bytes),
            self.other.map(str::as_bytes),
            self.head.map(|head| head.unwrap_or("deleted").as_bytes()),
            self.incoming.map(str::as_bytes),
        ];
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            hasher.update(part.unwrap_or_default());
        }
        hasher.finalize().into()
    }
}

/// Returns the digest of a conflict's identity.
pub(crate) fn identity_of(conflict: &Conflict) -> Digest {
    let text = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
    let other = conflict.other.as_ref().map(SortableKey::to_canonical);
    let head = conflict.head.as_ref().map(|head| text(&head.digest));
    let incoming = text(&conflict.incoming.digest);
    ConflictIdentity {
        store: &conflict.store,
        key: &conflict.key,
        kind: conflict.kind.name(),
        winner: conflict.winner.name(),
        by: conflict.incoming.by.as_ref().map(|by| by.as_str()),
        other: other.as_deref(),
        head: head.as_ref().map(Option::as_deref),
        incoming: incoming.as_deref(),
    }
    .digest()
}

/// Returns the identity of a logged conflict; `None` if it cannot be read, or if a person decided
/// it against head, which ends it.
fn logged_identity(store: &DomString, key: &SortableKey, value: &[u8]) -> Option<Digest> {
    let logged: ConflictDigests = serde_json::from_slice(value).ok()?;
    if logged.resolved.is_some_and(|resolved| resolved["use"] != "head") {
        return None;
    }
    let other = match &logged.other {
        Some(other) => Some(Key::from_json(other).ok()?.to_canonical()),
        None => None,
    };
    let identity = ConflictIdentity {
        store,
        key,
        kind: &logged.kind,
        winner: &logged.winner,
        by: logged.incoming.by.as_deref(),
        other: other.as_deref(),
        head: logged.head.as_ref().map(|head| head.digest.as_deref()),
        incoming: logged.incoming.digest.as_deref(),
    };
    Some(identity.digest())
}
