//! Writing one version: chunks as they come, then trees, the commit, and `main`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use gix::ObjectId;
use gix::object::Kind;

use super::layout;
use super::lock::StoreLock;
use super::message::{self, Commit};
use super::object::{Deflater, id_of};
use super::pipe::Pipe;
use super::reader;
use super::rendering::rendering;
use super::repo::Repo;
use super::sink::Sink;
use super::temp::sync;
use super::tree::{DIRECTORY, Entry, FILE, Tree};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest};
use crate::store::fault::step;
use crate::store::{
    AppendError, CommittedVersion, StoreError, StoreErrorKind, StoredVersion, VersionDraft, VersionWriter,
};

/// Chunks of records up to this many bytes in all are part of the rendering; so are the system lists, counted apart.
pub(super) const INLINE_BYTES: u64 = 1024 * 1024;

/// How often the top trees are built again because somebody who does not take our lock moved `main`.
const MOVE_TRIES: u32 = 100;

/// Texts that the rendering may want, until they are too many for it.
#[derive(Debug, Default)]
struct Texts {
    kept: HashMap<Digest, Arc<Vec<u8>>>,
    bytes: u64,
}

impl Texts {
    fn keep(&mut self, chunk: &ChunkRef, text: &[u8]) {
        self.bytes += text.len() as u64;
        if self.bytes <= INLINE_BYTES {
            self.kept.insert(chunk.full, Arc::new(text.to_vec()));
        } else {
            self.kept.clear();
        }
    }
}

/// What the version before left.
#[derive(Debug)]
struct Head {
    version: StoredVersion,
    tree: Arc<Tree>,
    manifest: ObjectId,
}

/// Writes the version that follows `head`.
#[derive(Debug)]
pub(super) struct GitWriter<'a> {
    repo: Arc<Repo>,
    author: &'a str,
    flow: FlowName,
    head: Option<Head>,
    pipe: Pipe,
    /// Places among the pipe's ids.
    chunks: HashMap<Digest, usize>,
    parts: BTreeMap<Digest, BTreeMap<u32, usize>>,
    records: Texts,
    system: Texts,
}

impl<'a> GitWriter<'a> {
    /// Starts the version that follows `head`.
    pub(super) fn new(
        repo: Arc<Repo>,
        author: &'a str,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Self, StoreError> {
        let head = head.map(|version| -> Result<Head, StoreError> {
            let tree = reader::tree_of(&repo, flow, version)?;
            let manifest = tree.get(layout::MANIFEST.as_bytes()).map(|entry| entry.id);
            let manifest = manifest.ok_or_else(|| super::error::damaged(format!("{flow} has lost its manifest")))?;
            Ok(Head { version: version.clone(), tree, manifest })
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
            records: Texts::default(),
            system: Texts::default(),
        })
    }

    /// Ids of all chunks that head holds, by full digest.
    fn head_chunks(&self) -> Result<HashMap<Digest, ObjectId>, StoreError> {
        let mut ids = HashMap::new();
        let Some(head) = &self.head else { return Ok(ids) };
        let mut current: Option<(List, Option<Arc<Tree>>)> = None;
        for (list, chunk) in head.version.manifest.chunks() {
            let (_, tree) = match &mut current {
                Some(known) if known.0 == list => known,
                other => {
                    let tree = self.repo.subtree(&head.tree, &layout::list_dirs(&list))?;
                    other.insert((list.clone(), tree))
                }
            };
            let entry = tree.as_ref().and_then(|tree| tree.get(layout::chunk_file(&list, chunk).as_bytes()));
            if let Some(entry) = entry {
                ids.insert(chunk.full, entry.id);
            }
        }
        Ok(ids)
    }

    /// Texts of chunks for the rendering, in the manifest's order; `None` if they are too many.
    fn texts(
        &self,
        manifest: &Manifest,
        system: bool,
    ) -> Result<Option<Vec<(List, ChunkRef, Arc<Vec<u8>>)>>, StoreError> {
        // What a source once sent is of no use to who reads the rendering, and its text may not be at hand.
        let wanted = || manifest.chunks().filter(|(list, _)| list.is_system() == system && *list != List::Views);
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

    /// Reads a chunk of head, which may lie in another list there.
    fn head_text(&self, head: &Head, list: &List, chunk: &ChunkRef) -> Result<Vec<u8>, StoreError> {
        let same = |other: &(List, &ChunkRef)| other.1.full == chunk.full;
        let place = head.version.manifest.chunks().filter(same).max_by_key(|(other, _)| other == list);
        let (list, chunk) = place.ok_or_else(|| unknown(chunk))?;
        reader::chunk(&self.repo, &self.flow, &head.tree, &list, chunk)
    }

    /// The flow's tree of `manifest`, with all trees below it: children first, itself last.
    fn trees(&self, manifest: &Manifest, manifest_id: ObjectId, ids: &[ObjectId]) -> Result<Vec<Tree>, StoreError> {
        let head = self.head_chunks()?;
        let mut trees = Trees::default();
        let mut lists: BTreeMap<List, Vec<Entry>> = BTreeMap::new();
        for (list, chunk) in manifest.chunks() {
            let written = self.chunks.get(&chunk.full).and_then(|place| ids.get(*place));
            let id = written.or_else(|| head.get(&chunk.full)).ok_or_else(|| unknown(chunk))?;
            let name = layout::chunk_file(&list, chunk).into_bytes();
            lists.entry(list).or_default().push(Entry { mode: FILE, name, id: *id });
        }
        let mut top = vec![Entry { mode: FILE, name: layout::MANIFEST.into(), id: manifest_id }];
        let mut tombstones = Vec::new();
        for (list, mut entries) in lists {
            // Two views may hold the same chunk.
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            entries.dedup();
            let dirs = layout::list_dirs(&list);
            let above = if dirs.len() > 1 { &mut tombstones } else { &mut top };
            let name = dirs.into_iter().next_back().unwrap_or_default();
            above.push(trees.add(&name, Tree::of(entries)));
        }
        if !tombstones.is_empty() {
            top.push(trees.add(layout::TOMBSTONES, Tree::of(tombstones)));
        }
        let values = self.values(manifest, ids, &mut trees)?;
        if !values.is_empty() {
            top.push(trees.add(layout::VALUES, values));
        }
        trees.add("", Tree::of(top));
        Ok(trees.0)
    }

    /// The tree of all spilled values that `manifest` names.
    fn values(&self, manifest: &Manifest, ids: &[ObjectId], trees: &mut Trees) -> Result<Tree, StoreError> {
        let head = match &self.head {
            Some(head) => self.repo.subtree(&head.tree, &[layout::VALUES])?,
            None => None,
        };
        let mut entries = BTreeMap::new();
        for spilled in manifest.chunks().flat_map(|(_, chunk)| &chunk.spilled) {
            let name = spilled.digest.to_string();
            if entries.contains_key(&name) {
                continue;
            }
            let entry = if let Some(parts) = self.parts.get(&spilled.digest) {
                let parts = parts.iter().filter_map(|(part, place)| {
                    Some(Entry { mode: FILE, name: layout::part_file(*part).into_bytes(), id: *ids.get(*place)? })
                });
                trees.add(&name, Tree::of(parts.collect()))
            } else {
                let there = head.as_ref().and_then(|head| head.get(name.as_bytes())).cloned();
                there.ok_or_else(|| {
                    let message = format!("spilled value {name} was neither in head nor given to the writer");
                    StoreError::new(StoreErrorKind::Refused, message)
                })?
            };
            entries.insert(name, entry);
        }
        Ok(Tree::of(entries.into_values().collect()))
    }
}

/// Whether the flow at `main` is the one that the writer read.
fn is_at(repo: &Repo, main: Option<ObjectId>, flow: &FlowName, head: Option<&Head>) -> Result<bool, StoreError> {
    let tree = match main {
        Some(main) => reader::flow_tree(repo, &repo.commit(main)?, flow)?,
        None => None,
    };
    let manifest = tree.and_then(|tree| tree.get(layout::MANIFEST.as_bytes()).map(|entry| entry.id));
    Ok(manifest == head.map(|head| head.manifest))
}

/// Writes a few objects, syncs and links them; returns the directories to sync.
fn write_now(repo: &Repo, objects: Vec<(Kind, Vec<u8>)>) -> Result<Vec<PathBuf>, StoreError> {
    let mut sink = Sink::new(repo.path().join("objects"));
    let mut deflater = Deflater::new();
    objects.iter().try_for_each(|(kind, bytes)| sink.add(deflater.deflate(*kind, bytes)))?;
    let pending = sink.finish()?;
    sync(&pending.files())?;
    pending.link()
}

fn unknown(chunk: &ChunkRef) -> StoreError {
    let message = format!("chunk {} was neither in head nor given to the writer", chunk.full);
    StoreError::new(StoreErrorKind::Refused, message)
}

/// New trees, in the order of making.
#[derive(Default)]
struct Trees(Vec<Tree>);

impl Trees {
    fn add(&mut self, name: &str, tree: Tree) -> Entry {
        let id = id_of(Kind::Tree, &tree.to_bytes());
        self.0.push(tree);
        Entry { mode: DIRECTORY, name: name.into(), id }
    }
}

/// The new version but for what depends on `main`.
struct Version<'a> {
    repo: &'a Repo,
    flow: &'a FlowName,
    author: &'a str,
    flow_tree: ObjectId,
    rendering: ObjectId,
    message: String,
    seconds: i64,
}

impl Version<'_> {
    /// The trees of bucket and repository and the commit, on top of `main`; the commit's id.
    fn on_top_of(&self, main: Option<ObjectId>) -> Result<(Vec<(Kind, Vec<u8>)>, ObjectId), StoreError> {
        let mut top = match main {
            Some(main) => self.repo.tree(self.repo.commit(main)?.tree)?.as_ref().clone(),
            None => Tree::default(),
        };
        let mut bucket = match top.get(self.flow.bucket().as_bytes()) {
            Some(entry) if entry.is_directory() => self.repo.tree(entry.id)?.as_ref().clone(),
            Some(_) => return Err(taken(self.flow.bucket())),
            None => Tree::default(),
        };
        let (dir, file) = (layout::flow_dir(self.flow), layout::rendering(self.flow));
        for (name, directory) in [(&dir, true), (&file, false)] {
            if bucket.get(name.as_bytes()).is_some_and(|entry| entry.is_directory() != directory) {
                return Err(taken(&format!("{}/{name}", self.flow.bucket())));
            }
        }
        bucket.set(DIRECTORY, &dir, self.flow_tree);
        bucket.set(FILE, &file, self.rendering);
        let bucket = bucket.to_bytes();
        top.set(DIRECTORY, self.flow.bucket(), id_of(Kind::Tree, &bucket));
        let top = top.to_bytes();
        let commit = Commit {
            tree: id_of(Kind::Tree, &top),
            parents: main.into_iter().collect(),
            author: self.author.to_owned(),
            author_seconds: self.seconds,
            committer_seconds: self.seconds,
            message: self.message.clone(),
        };
        let commit = commit.to_bytes();
        let id = id_of(Kind::Commit, &commit);
        Ok((vec![(Kind::Tree, bucket), (Kind::Tree, top), (Kind::Commit, commit)], id))
    }
}

fn taken(path: &str) -> StoreError {
    let message =
        format!("{path} is taken at main by something that is not ours: rename it, or use another bucket or flow");
    StoreError::new(StoreErrorKind::Refused, message)
}

impl VersionWriter for GitWriter<'_> {
    fn write_chunk(&mut self, list: &List, chunk: &ChunkRef, text: Vec<u8>) -> Result<(), StoreError> {
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
        let expected = FlowVersion::after(self.head.as_ref().map(|head| head.version.manifest.version));
        if manifest.version != expected {
            let message = format!("version {} of {} cannot follow: {expected} does", manifest.version, self.flow);
            return Err(StoreError::new(StoreErrorKind::Refused, message).into());
        }
        // Whoever lost already need not write the rest.
        let mut main = self.repo.main()?;
        if !is_at(&self.repo, main, &self.flow, self.head.as_ref())? {
            return Err(AppendError::Lost);
        }

        let (text, state) = manifest.to_text();
        let root = manifest.root();
        let manifest_id = id_of(Kind::Blob, text.as_bytes());
        let system = self.texts(manifest, true)?.unwrap_or_default();
        let data = self.texts(manifest, false)?;
        let shown =
            rendering(&self.flow, &text, manifest, &draft.comment, draft.timestamp_ms, &system, data.as_deref());
        let rendering_id = id_of(Kind::Blob, &shown);
        let ids = self.pipe.ids()?;
        let trees = self.trees(manifest, manifest_id, &ids)?;
        self.pipe.send(Kind::Blob, text.into_bytes())?;
        self.pipe.send(Kind::Blob, shown)?;
        let mut flow_tree = ObjectId::empty_tree(gix::hash::Kind::Sha1);
        for tree in trees {
            let bytes = tree.to_bytes();
            flow_tree = id_of(Kind::Tree, &bytes);
            self.pipe.send(Kind::Tree, bytes)?;
        }

        let Self { repo, author, flow, head, mut pipe, .. } = *self;
        let seconds = draft.timestamp_ms.div_euclid(1000).max(0);
        let message = message::message(&draft.comment, &flow, manifest.version, &message::last_line(root, state));
        let version =
            Version { repo: &repo, flow: &flow, author, flow_tree, rendering: rendering_id, message, seconds };
        let (objects, mut commit) = version.on_top_of(main)?;
        for (kind, bytes) in objects {
            pipe.send(kind, bytes)?;
        }
        let pending = pipe.close()?.finish()?;
        step("git:before-sync");
        sync(&pending.files())?;
        step("git:before-lock");

        let lock = StoreLock::take(repo.path())?;
        step("git:before-link");
        let mut dirs: Vec<PathBuf> = Vec::new();
        let mut linked = false;
        for _ in 0..MOVE_TRIES {
            let now = repo.main()?;
            if now != main {
                if !is_at(&repo, now, &flow, head.as_ref())? {
                    return Err(AppendError::Lost);
                }
                main = now;
                let (objects, id) = version.on_top_of(main)?;
                commit = id;
                dirs.extend(write_now(&repo, objects)?);
            }
            if !linked {
                dirs.extend(pending.link()?);
                linked = true;
            }
            step("git:after-link");
            if lock.move_main(&repo, main, commit, &dirs)? {
                return Ok(CommittedVersion { version: manifest.version, root, state });
            }
        }
        let message = format!("main of {} was moved by others {MOVE_TRIES} times in a row", repo.path().display());
        Err(StoreError::new(StoreErrorKind::Transient, message).into())
    }
}
