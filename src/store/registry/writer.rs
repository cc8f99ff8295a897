//! Writes one new version: chunks first, then the parent as exactly head + 1. The parent is the
//! commit.
//!
//! If a POST of a parent does not get a plain 200, its number is looked up: it has our state (it is
//! ours), another state (the race is lost), or does not exist (the parent is posted once more). If
//! a number is refused twice and still does not exist, either it is orphaned or the Registry's heap
//! is too small; a client cannot distinguish the two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::RegistryStore;
use super::failure::CallFailure;
use super::http::Answer;
use super::place::FlowPlace;
use super::types::{Frame, Metadata, read, segment};
use super::upload::Upload;
use super::version_place::VersionPlace;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, StateId};
use crate::store::envelope::{
    Coordinates, EMBED_BYTES, EnvelopeContents, ListedText, Parent, PlacedChunk, Placement,
    snapshot,
};
use crate::store::{
    AppendError, CommittedVersion, StoreError, StoreErrorKind, StoredVersion, VersionDraft,
    VersionWriter,
};

/// The number of bytes of texts that are gathered before they are uploaded in parallel.
const BATCH_BYTES: usize = 4 << 20;

/// Limit on the bytes of new system chunks that wait for the commit, which decides where they go.
const WAITING_BYTES: usize = 4 << 20;

/// The number of times that a parent is posted before its number counts as orphaned. Not more,
/// because one POST may have failed because of its size.
const MAX_POSTS: u32 = 2;

/// Pause before the second POST: the winner of a race is visible by then.
const SETTLE: Duration = Duration::from_millis(400);

pub(super) struct RegistryWriter<'a> {
    store: &'a RegistryStore,
    flow: FlowName,
    head: Option<StoredVersion>,
    /// New records that may go inside the parent.
    records: Vec<ListedText>,
    /// New system chunks that may go inside the parent.
    system: Vec<ListedText>,
    /// Texts to be uploaded with the next batch.
    batch: Vec<Upload>,
    /// Chunks that this writer has uploaded.
    uploaded: BTreeMap<Digest, Coordinates>,
    /// True if there surely are too many records to embed.
    many: bool,
}

fn bytes(texts: &[ListedText]) -> u64 {
    texts.iter().map(|(_, _, text)| text.len() as u64).sum()
}

impl<'a> RegistryWriter<'a> {
    pub(super) fn new(
        store: &'a RegistryStore,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Self {
        Self {
            store,
            flow: flow.clone(),
            head: head.cloned(),
            records: Vec::new(),
            system: Vec::new(),
            batch: Vec::new(),
            uploaded: BTreeMap::new(),
            many: false,
        }
    }

    fn chunk_bucket(&self) -> Result<String, StoreError> {
        let place = self.head.as_ref().map(VersionPlace::of).transpose()?;
        match place.and_then(|place| place.chunk_bucket.clone()) {
            Some(bucket) => Ok(bucket),
            None => self.store.make_chunk_bucket(&self.flow),
        }
    }

    fn queue(&mut self, texts: Vec<ListedText>) -> Result<(), StoreError> {
        self.batch
            .extend(texts.into_iter().map(|(list, chunk, text)| Upload::Chunk(list, chunk, text)));
        match self.batch.iter().map(Upload::bytes).sum::<usize>() >= BATCH_BYTES {
            true => self.upload(),
            false => Ok(()),
        }
    }

    fn is_queued(&self, digest: &Digest) -> bool {
        self.uploaded.contains_key(digest)
            || self.batch.iter().any(|upload| upload.digest() == digest)
    }

    fn upload(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let bucket = self.chunk_bucket()?;
        let batch = std::mem::take(&mut self.batch);
        let places = self
            .store
            .upload_all(&bucket, &batch)
            .inspect_err(|_| self.store.forget(&self.flow))?;
        for (upload, place) in batch.iter().zip(places) {
            if let Upload::Chunk(_, chunk, _) = upload {
                self.uploaded.insert(chunk.full, place);
            }
        }
        Ok(())
    }

    /// Finds a text that goes inside the parent.
    fn text(
        &self,
        new: &BTreeMap<Digest, Arc<Vec<u8>>>,
        chunk: &ChunkRef,
    ) -> Result<Arc<Vec<u8>>, StoreError> {
        if let Some(text) = new.get(&chunk.full) {
            return Ok(text.clone());
        }
        if let Some(coordinates) = self.uploaded.get(&chunk.full) {
            let contents = self.store.flow_contents(&coordinates.flow)?;
            let text =
                contents.map(|(_, mut contents)| contents.take_text(&chunk.full)).transpose()?;
            return text.map(|text| Arc::new(text.into_bytes())).ok_or_else(|| unknown(chunk));
        }
        let head = self.head_with(chunk).ok_or_else(|| unknown(chunk))?;
        let place = VersionPlace::of(head)?;
        match place.texts.get(&chunk.full) {
            Some(text) => Ok(text.clone()),
            None => self.store.chunk_text(place, chunk).map(Arc::new),
        }
    }

    fn head_with(&self, chunk: &ChunkRef) -> Option<&StoredVersion> {
        self.head
            .as_ref()
            .filter(|head| head.manifest.chunks().any(|(_, other)| other.full == chunk.full))
    }

    /// Sorts the chunks of the new version by place, and uploads those that are stored elsewhere.
    fn place_chunks(
        &mut self,
        draft: &VersionDraft,
    ) -> Result<(Vec<ListedText>, Vec<PlacedChunk>), StoreError> {
        let placement = Placement::of(&draft.manifest);
        let waiting =
            std::mem::take(&mut self.records).into_iter().chain(std::mem::take(&mut self.system));
        let new: BTreeMap<_, _> = waiting.map(|(_, chunk, text)| (chunk.full, text)).collect();
        let in_head = self.elsewhere_in_head()?;
        let mut embedded = Vec::new();
        for (list, chunk) in draft.manifest.chunks() {
            if placement.embeds(&list) {
                embedded.push((list, chunk.clone(), self.text(&new, chunk)?));
            } else if !in_head.contains_key(&chunk.full) && !self.is_queued(&chunk.full) {
                let text = self.text(&new, chunk)?;
                self.queue(vec![(list, chunk.clone(), text)])?;
            }
        }
        self.upload()?;
        let elsewhere = draft.manifest.chunks().filter(|(list, _)| !placement.embeds(list));
        let placed = elsewhere.map(|(list, chunk)| {
            let place = self.uploaded.get(&chunk.full).or_else(|| in_head.get(&chunk.full));
            Ok((list, chunk.clone(), place.ok_or_else(|| unknown(chunk))?.clone()))
        });
        let placed = placed.collect::<Result<_, StoreError>>()?;
        Ok((embedded, placed))
    }

    fn elsewhere_in_head(&self) -> Result<BTreeMap<Digest, Coordinates>, StoreError> {
        let Some(head) = &self.head else { return Ok(BTreeMap::new()) };
        let place = VersionPlace::of(head)?;
        let elsewhere = |chunk: &ChunkRef| place.chunk(chunk).map(|found| (chunk.full, found));
        Ok(head.manifest.chunks().filter_map(|(_, chunk)| elsewhere(chunk)).collect())
    }

    fn append(
        &self,
        place: &FlowPlace,
        draft: &VersionDraft,
        contents: Value,
    ) -> Result<CommittedVersion, AppendError> {
        let version = draft.manifest.version;
        let state = draft.manifest.state();
        let committed = draft.committed();
        let sent = EnvelopeContents::from_contents(&contents)?;
        let mut body = snapshot(contents);
        body["snapshotMetadata"] = json!({
            "bucketIdentifier": place.bucket,
            "comments": draft.comment,
            "flowIdentifier": place.flow,
            "version": version.get(),
        });
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let path =
            format!("/buckets/{}/flows/{}/versions", segment(&place.bucket), segment(&place.flow));
        for repetition in 0.. {
            let outcome = match self.store.http.post(&path, &body) {
                Ok(answer) if answer.is_success() => {
                    match read(&format!("POST {path}"), &answer.body) {
                        Ok(frame) => {
                            self.check_echo(&committed, &sent, frame, &answer.body)?;
                            return Ok(committed);
                        }
                        // Not from the Registry, whatever the status.
                        Err(error) => Err(CallFailure { sent: true, error }),
                    }
                }
                outcome => outcome,
            };
            if let Some(error) = self.surely_not_stored(&outcome, &path) {
                return Err(error.into());
            }
            match self.look(place, version, state).map_err(AppendError::Ambiguous)? {
                Look::Ours => return Ok(committed),
                Look::Lost => return Err(AppendError::Lost),
                Look::Absent if repetition + 1 >= MAX_POSTS => {
                    return Err(self.absent(outcome, &path, version, &body));
                }
                Look::Absent => {
                    // The error to return if there is no time left for another attempt.
                    let error = match outcome {
                        Ok(answer) => answer.refusal(),
                        Err(failure) => failure.error,
                    };
                    let late = StoreError { kind: StoreErrorKind::Transient, ..error };
                    self.store.http.wait(SETTLE, late).map_err(AppendError::Ambiguous)?;
                }
            }
        }
        Err(AppendError::Lost)
    }

    /// The error of an append that surely changed nothing, and would change nothing if it were
    /// repeated.
    fn surely_not_stored(
        &self,
        outcome: &Result<Answer, CallFailure>,
        path: &str,
    ) -> Option<StoreError> {
        match outcome {
            Ok(answer) if answer.is_open() => None,
            Ok(answer) if answer.status == 404 => {
                self.store.forget(&self.flow);
                let message = format!("bucket or flow is gone: {}: POST {path}: 404", self.flow);
                Some(StoreError::new(StoreErrorKind::Transient, message))
            }
            Ok(answer) => Some(answer.refusal()),
            Err(failure) if failure.sent => None,
            Err(failure) => {
                Some(StoreError::new(failure.error.kind, failure.error.message.clone()))
            }
        }
    }

    /// Finds out whose version has a number.
    fn look(
        &self,
        place: &FlowPlace,
        version: FlowVersion,
        state: StateId,
    ) -> Result<Look, StoreError> {
        let path = format!("/flows/{}/versions/latest/metadata", segment(&place.flow));
        let Some(body) = self.store.http.get(&path)? else { return Ok(Look::Absent) };
        let latest: Metadata = read(&format!("GET {path}"), &body)?;
        let wanted = u64::from(version.get());
        let found = match latest.version.cmp(&wanted) {
            std::cmp::Ordering::Less => return Ok(Look::Absent),
            std::cmp::Ordering::Equal => Some(latest),
            // Others have appended meanwhile, maybe on top of our version.
            std::cmp::Ordering::Greater => {
                self.store.versions(place)?.into_iter().find(|metadata| metadata.version == wanted)
            }
        };
        let ours =
            found.map(|metadata| self.store.is_state(place, &metadata, state)).transpose()?;
        Ok(if ours == Some(true) { Look::Ours } else { Look::Lost })
    }

    /// The error for a number that was refused and still does not exist.
    fn absent(
        &self,
        outcome: Result<Answer, CallFailure>,
        path: &str,
        version: FlowVersion,
        body: &[u8],
    ) -> AppendError {
        match outcome {
            Ok(answer) if answer.status == 500 => {
                let bytes = body.len();
                let message = format!(
                    "version {version} of {} is refused though it is not there: POST {path}: 500. Either its number is \
                     orphaned (the Registry was killed while it wrote; the cure, with the Registry stopped: remove \
                     directory {version} of this flow in the Registry's flow storage), or the Registry's heap is too \
                     small for {bytes} bytes (give it 16 times that)",
                    self.flow
                );
                AppendError::Failed(StoreError::new(StoreErrorKind::Refused, message))
            }
            // The flow was created again, or is in another bucket now: reading head again will
            // show.
            Ok(answer) if answer.status == 409 => {
                self.store.forget(&self.flow);
                AppendError::Lost
            }
            Ok(answer) => AppendError::Ambiguous(answer.refusal()),
            Err(failure) => AppendError::Ambiguous(failure.error),
        }
    }

    fn check_echo(
        &self,
        committed: &CommittedVersion,
        sent: &EnvelopeContents,
        frame: Frame,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let CommittedVersion { version, state, .. } = *committed;
        let about = |error: StoreError| {
            let message =
                format!("the Registry stored something else as version {version} of {}", self.flow);
            StoreError::new(StoreErrorKind::Damaged, format!("{message}: {}", error.message))
        };
        let metadata = frame.snapshot_metadata;
        if metadata.version != u64::from(version.get())
            || metadata.state().is_some_and(|echoed| echoed != state)
        {
            return Err(about(StoreError::new(
                StoreErrorKind::Damaged,
                "number or comment came back changed",
            )));
        }
        sent.check_echo(&EnvelopeContents::from_snapshot(body).map_err(about)?).map_err(about)
    }
}

/// The owner of a version number.
enum Look {
    Ours,
    Lost,
    Absent,
}

fn unknown(chunk: &ChunkRef) -> StoreError {
    let message = format!("chunk {} was neither in head nor written", chunk.full);
    StoreError::new(StoreErrorKind::Refused, message)
}

impl VersionWriter for RegistryWriter<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        let listed = (list.clone(), chunk.clone(), Arc::new(text));
        if list.is_system() {
            self.system.push(listed);
            if bytes(&self.system) as usize > WAITING_BYTES {
                // There surely are too many to embed all, and `~sources` is the first to be
                // embedded.
                let (wait, go) = std::mem::take(&mut self.system)
                    .into_iter()
                    .partition(|(list, _, _)| *list == List::Sources);
                self.system = wait;
                self.queue(go)?;
            }
            return Ok(());
        }
        self.records.push(listed);
        if self.many || bytes(&self.records) > EMBED_BYTES {
            self.many = true;
            let records = std::mem::take(&mut self.records);
            self.queue(records)?;
        }
        Ok(())
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.batch.push(Upload::Part(*digest, part, Arc::new(bytes.to_vec())));
        self.queue(Vec::new())
    }

    fn commit(mut self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        let next = FlowVersion::after(self.head.as_ref().map(|head| head.manifest.version));
        if draft.manifest.version != next {
            let message =
                format!("version {} of {} does not follow head", draft.manifest.version, self.flow);
            return Err(StoreError::new(StoreErrorKind::Refused, message).into());
        }
        let (embedded, placed) = self.place_chunks(draft)?;
        let registry = self.store.http.origin();
        let parent = Parent {
            flow: &self.flow,
            manifest: &draft.manifest,
            comment: &draft.comment,
            embedded: &embedded,
            placed: &placed,
            registry: &registry,
        };
        let contents = parent.contents()?;
        let place = match &self.head {
            Some(head) => VersionPlace::of(head)?.flow.clone(),
            None => self.store.find_or_create(&self.flow)?,
        };
        self.append(&place, draft, contents)
    }
}
