//! Writes one version: chunks as they come, then trees, the commit, and `main`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gix::ObjectId;
use gix::object::Kind;

use super::branch;
use super::flow_files::{flow_tree, flow_tree_id};
use super::layout;
use super::lock::StoreLock;
use super::message;
use super::move_main::move_main;
use super::object::id_of;
use super::pipe::Pipe;
use super::placing::Placing;
use super::reader;
use super::repo::Repo;
use super::temp::sync;
use super::top::{Version, write_now};
use super::tree::GitTree;
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest};
use crate::store::envelope::{ListedText as ChunkText, rendering};
use crate::store::fault::step;
use crate::store::{
    AppendError, CommittedVersion, StoreError, StoreErrorKind, StoredVersion, VersionDraft,
    VersionWriter,
};

/// Limit on the bytes of record chunks in the rendering; it applies separately to the system lists.
pub(super) const INLINE_BYTES: u64 = 1024 * 1024;

/// The number of times that the top trees are built again because somebody who does not take our
/// lock moved `main`.
const MOVE_TRIES: u32 = 100;

/// Texts for the rendering, until they are too many for it.
#[derive(Debug, Default)]
struct RenderedTexts {
    kept: HashMap<Digest, Arc<Vec<u8>>>,
    bytes: u64,
}

impl RenderedTexts {
    fn keep(&mut self, chunk: &ChunkRef, text: &[u8]) {
        self.bytes += text.len() as u64;
        if self.bytes <= INLINE_BYTES {
            self.kept.insert(chunk.full, Arc::new(text.to_vec()));
        } else {
            self.kept.clear();
        }
    }
}

/// The previous version and the tree of its flow.
#[derive(Debug)]
pub(super) struct PreviousTrees {
    pub(super) version: StoredVersion,
    pub(super) tree: Arc<GitTree>,
    tree_id: ObjectId,
}

/// Writes the version that follows `head`.
#[derive(Debug)]
pub(super) struct GitWriter<'a> {
    pub(super) repo: Arc<Repo>,
    author: &'a str,
    flow: FlowName,
    pub(super) head: Option<PreviousTrees>,
    pipe: Pipe,
    /// Positions among the pipe's ids.
    pub(super) chunks: HashMap<Digest, usize>,
    pub(super) parts: BTreeMap<Digest, BTreeMap<u32, usize>>,
    records: RenderedTexts,
    system: RenderedTexts,
}

impl<'a> GitWriter<'a> {
    /// Starts the version that follows `head`.
    pub(super) fn new(
        repo: Arc<Repo>,
        author: &'a str,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Self, StoreError> {
        let head = head.map(|version| -> Result<PreviousTrees, StoreError> {
            let tree = reader::tree_of(&repo, flow, version)?;
            let tree_id = reader::tree_id_of(&repo, flow, version)?;
            Ok(PreviousTrees { version: version.clone(), tree, tree_id })
        });
        let pipe = Pipe::start(repo.path().join("objects"))?;
        Ok(Self {
            head: head.transpose()?,
            repo,
            author,
            flow: flow.clone(),
            pipe,
            chunks: HashMap::new(),
            parts: BTreeMap::new(),
            records: RenderedTexts::default(),
            system: RenderedTexts::default(),
        })
    }

    /// Texts of chunks for the rendering, in the manifest's order; `None` if they are too many.
    fn texts(
        &self,
        manifest: &Manifest,
        system: bool,
    ) -> Result<Option<Vec<ChunkText>>, StoreError> {
        // The texts that a source once sent are of no use to readers of the rendering, and may not
        // be at hand.
        let wanted = || {
            manifest.chunks().filter(|(list, _)| list.is_system() == system && *list != List::Views)
        };
        if wanted().map(|(_, chunk)| chunk.bytes).sum::<u64>() > INLINE_BYTES {
            return Ok(None);
        }
        let kept = if system { &self.system.kept } else { &self.records.kept };
        let mut texts = Vec::new();
        for (list, chunk) in wanted() {
            let text = match (kept.get(&chunk.full), &self.head) {
                (Some(text), _) => Arc::clone(text),
                (None, Some(head)) => Arc::new(self.head_text(head, &list, chunk)?),
                (None, None) => return Err(unknown(chunk)),
            };
            texts.push((list, chunk.clone(), text));
        }
        Ok(Some(texts))
    }

    /// Reads a chunk of head, where it may belong to another list.
    fn head_text(
        &self,
        head: &PreviousTrees,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        let same = |other: &(List, &ChunkRef)| other.1.full == chunk.full;
        let place =
            head.version.manifest.chunks().filter(same).max_by_key(|(other, _)| other == list);
        let (list, chunk) = place.ok_or_else(|| unknown(chunk))?;
        reader::chunk(&self.repo, &self.flow, &head.tree, &list, chunk)
    }
}

/// True if the flow at `main` equals, file by file, the one that the writer read. Without a head,
/// it must not have a manifest.
fn is_at(
    repo: &Repo,
    main: Option<ObjectId>,
    flow: &FlowName,
    head: Option<&PreviousTrees>,
) -> Result<bool, StoreError> {
    let commit = main.map(|main| repo.commit(main)).transpose()?;
    match (head, commit) {
        (Some(head), Some(commit)) => Ok(flow_tree_id(repo, &commit, flow)? == Some(head.tree_id)),
        (Some(_), None) => Ok(false),
        (None, None) => Ok(true),
        (None, Some(commit)) => {
            let tree = flow_tree(repo, &commit, flow)?;
            Ok(tree.is_none_or(|tree| tree.get(layout::MANIFEST.as_bytes()).is_none()))
        }
    }
}

/// The error for a chunk that is neither in head nor was written: a bug of the caller.
pub(super) fn unknown(chunk: &ChunkRef) -> StoreError {
    let message = format!("chunk {} was neither in head nor given to the writer", chunk.full);
    StoreError::new(StoreErrorKind::Refused, message)
}

impl VersionWriter for GitWriter<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        if list.is_system() { &mut self.system } else { &mut self.records }.keep(chunk, &text);
        if !self.chunks.contains_key(&chunk.full) {
            let place = self.pipe.send(Kind::Blob, text)?;
            self.chunks.insert(chunk.full, place);
        }
        Ok(())
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        if !self.parts.get(digest).is_some_and(|parts| parts.contains_key(&part)) {
            let place = self.pipe.send(Kind::Blob, bytes.to_vec())?;
            self.parts.entry(*digest).or_default().insert(part, place);
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        let manifest = &draft.manifest;
        let expected =
            FlowVersion::after(self.head.as_ref().map(|head| head.version.manifest.version));
        if manifest.version != expected {
            let message = format!(
                "version {} of {} cannot follow: {expected} does",
                manifest.version, self.flow
            );
            return Err(StoreError::new(StoreErrorKind::Refused, message).into());
        }
        // A writer that has already lost the race need not write the rest.
        let mut main = branch::main(&self.repo)?;
        if !is_at(&self.repo, main, &self.flow, self.head.as_ref())? {
            return Err(AppendError::Lost);
        }

        // From here on, objects are compressed in parallel with what follows.
        let written = self.pipe.sent();
        let manifest_id = id_of(Kind::Blob, manifest.text().as_bytes());
        self.pipe.send(Kind::Blob, manifest.text().as_bytes().to_vec())?;
        let system = self.texts(manifest, true)?.unwrap_or_default();
        let data = self.texts(manifest, false)?;
        let shown = rendering(&self.flow, draft, &system, data.as_deref());
        let rendering_id = id_of(Kind::Blob, &shown);
        self.pipe.send(Kind::Blob, shown)?;
        let ids = self.pipe.ids(written)?;
        let trees = self.trees(manifest, manifest_id, &ids)?;
        let mut flow_tree = ObjectId::empty_tree(gix::hash::Kind::Sha1);
        for tree in trees {
            let bytes = tree.to_bytes();
            flow_tree = id_of(Kind::Tree, &bytes);
            self.pipe.send(Kind::Tree, bytes)?;
        }

        let Self { repo, author, flow, head, mut pipe, .. } = *self;
        let seconds = draft.timestamp_ms.div_euclid(1000).max(0);
        let message = message::message(
            &draft.comment,
            &flow,
            manifest.version,
            &message::last_line(manifest.root(), manifest.state()),
        );
        let version = Version {
            repo: &repo,
            flow: &flow,
            author,
            flow_tree,
            rendering: rendering_id,
            message,
            seconds,
        };
        let (objects, mut commit) = version.on_top_of(main)?;
        for (kind, bytes) in objects {
            pipe.send(kind, bytes)?;
        }
        // On disk before the lock is taken, so that other writers wait as briefly as possible.
        let pending = pipe.close()?.finish()?;
        step("git:before-sync");
        sync(&pending.to_sync())?;
        step("git:before-lock");

        let lock = StoreLock::take(repo.path())?;
        step("git:before-link");
        let mut pending = Some(pending);
        let mut placing = Placing::start(&repo)?;
        for _ in 0..MOVE_TRIES {
            let now = branch::main_without_writers(&repo)?;
            // If only other flows have changed, the trees above this flow and the commit are built
            // again, and its other objects are used as they are.
            if now != main {
                if !is_at(&repo, now, &flow, head.as_ref())? {
                    return Err(AppendError::Lost);
                }
                main = now;
                let (objects, id) = version.on_top_of(main)?;
                commit = id;
                let objects = write_now(&repo, &objects)?;
                sync(&objects.to_sync())?;
                placing.place(objects)?;
            }
            if let Some(pending) = pending.take() {
                placing.place(pending)?;
            }
            step("git:after-link");
            if move_main(&lock, &repo, main, commit, &mut placing)? {
                tracing::debug!(%flow, version = %manifest.version, %commit, "git commit made");
                return Ok(draft.committed());
            }
        }
        let message = format!(
            "main of {} was moved by others {MOVE_TRIES} times in a row",
            repo.path().display()
        );
        Err(StoreError::new(StoreErrorKind::Transient, message).into())
    }
}
