//! The only module that knows how texts are stored in a legal NiFi `VersionedProcessGroup`.
//!
//! Every text is the content of a stopped `GenerateFlowFile` processor, so a version is a flow that
//! NiFi imports and that emits its records when a person runs it. Source: nifi-api's `Versioned*`
//! classes, NiFi 1.28 to 2.11, and `JacksonFlowSnapshotSerializer` of NiFi 2.x for the layout in
//! git.
//!
//! - A **parent** (one per version of a database): a label in plain words, a group with the
//!   manifest and the system
//! - A **parent** (one per version of a database): a label in plain words, a group with the
//!   manifest and the system chunks as disabled processors, and either a group per object store
//!   with its chunks as processors, or, above [`EMBED_BYTES`] of records, a placeholder per chunk
//!   that names the chunk's own flow by coordinates.
//! - A **chunk flow** (one version, never changed): one processor with the chunk's text. It can be
//!   shared by versions and databases, so it names its object store and its digest, but no
//!   database.
//! - A **part flow**: one disabled processor with a part of a spilled value.
//!
//! Identifiers are UUIDs derived from the meaning of a component, so the same input gives the same
//! bytes, and no two components of a flow share one: NiFi silently keeps only the first of two with
//! the same identifier.

mod component;
mod read;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::component::{Carrier, Grid, GroupBuilder, label, processor};
pub use self::read::{Coordinates, EnvelopeContents};
use super::{StoreError, StoreErrorKind, VersionDraft};
use crate::snapshot::{ChunkRef, Digest, FlowName, List, Manifest, SealedManifest};

/// Limit on the bytes of record chunks inside the parent, and in full inside the git rendering.
pub const EMBED_BYTES: u64 = 1 << 20;

/// Limit on the bytes of system chunks inside the parent, list by list: [`Placement::of`].
pub const SYSTEM_EMBED_BYTES: u64 = 1 << 20;

/// Length limit of the text of one processor, in characters: Jackson's limit in Registry and NiFi.
pub const MAX_TEXT_CHARS: usize = 20_000_000;

/// The identifier that NiFi's git clients give to the root of every flow.
const GIT_ROOT: &str = "flow-contents-group";

/// Length limit of names that people read, in characters; longer ones are cut.
const SHOWN_CHARS: usize = 80;

/// Length limit of names in attributes, in characters; the manifest contains them whole.
const ATTRIBUTE_CHARS: usize = 1000;

/// A chunk with its list and its text.
pub type ListedText = (List, ChunkRef, Arc<Vec<u8>>);

/// A chunk with its list and the flow that contains its text.
pub type PlacedChunk = (List, ChunkRef, Coordinates);

/// Derives an identifier from the meaning of a component: UUIDv5 in our own name space.
pub fn identifier(what: &str) -> String {
    /// UUIDv5 of the URL name space and `nifi-idb`; never to be changed, or every identifier
    /// changes.
    const OURS: Uuid = Uuid::from_u128(0xce3b_a4f9_3c43_5eab_8813_9794_bd77_a84d);
    Uuid::new_v5(&OURS, what.as_bytes()).to_string()
}

/// The places of a version's chunks: inside the parent, or in separate flows. The manifest alone
/// decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    records: bool,
    sources: bool,
    conflicts: bool,
    tombstones: bool,
    views: bool,
}

impl Placement {
    /// Records are embedded up to [`EMBED_BYTES`]. Of the system chunks, `~sources` comes first
    /// because it changes most, then `~conflicts`, tombstones and `~views`. Each kind is embedded
    /// whole if it fits in the rest of [`SYSTEM_EMBED_BYTES`].
    pub fn of(manifest: &Manifest) -> Self {
        let bytes = |wanted: fn(&List) -> bool| -> u64 {
            manifest.chunks().filter(|(list, _)| wanted(list)).map(|(_, chunk)| chunk.bytes).sum()
        };
        let mut left = SYSTEM_EMBED_BYTES;
        let mut fits = |bytes: u64| {
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        };
        Self {
            records: bytes(|list| matches!(list, List::Records(_))) <= EMBED_BYTES,
            sources: fits(bytes(|list| matches!(list, List::Sources))),
            conflicts: fits(bytes(|list| matches!(list, List::Conflicts))),
            tombstones: fits(bytes(|list| matches!(list, List::Tombstones(_)))),
            views: fits(bytes(|list| matches!(list, List::Views))),
        }
    }

    /// True if chunks of `list` are inside the parent.
    pub fn embeds(&self, list: &List) -> bool {
        match list {
            List::Records(_) => self.records,
            List::Sources => self.sources,
            List::Conflicts => self.conflicts,
            List::Tombstones(_) => self.tombstones,
            List::Views => self.views,
        }
    }
}

/// The parts of a parent version.
#[derive(Clone, Copy, Debug)]
pub struct Parent<'a> {
    /// Bucket and flow.
    pub flow: &'a FlowName,
    /// The manifest.
    pub manifest: &'a SealedManifest,
    /// The comment; its first line becomes the comment of the root group.
    pub comment: &'a str,
    /// Chunks inside the parent.
    pub embedded: &'a [ListedText],
    /// Chunks in separate flows.
    pub placed: &'a [PlacedChunk],
    /// Registry's own URL, `scheme://host[:port]`, which NiFi compares with that of its registry
    /// clients.
    pub registry: &'a str,
}

impl Parent<'_> {
    /// The `flowContents` of the version.
    pub fn contents(&self) -> Result<Value, StoreError> {
        check_text("the manifest", self.manifest.text().as_bytes())?;
        for (list, chunk, text) in self.embedded {
            check_text(&format!("chunk {} of {}", chunk.full, list_name(list)), text)?;
        }
        let root = identifier(&format!("flow {}", self.flow));
        let placed = !self.placed.iter().all(|(list, _, _)| list.is_system());
        let how = if placed { HOW_PLACED } else { HOW_EMBEDDED };
        Ok(self.group(&root, how).finish())
    }

    fn group(&self, root: &str, how: &str) -> GroupBuilder {
        let mut group =
            GroupBuilder::new(root, None, &shown(&self.manifest.database.to_canonical()), (0, 0));
        group.comments(self.comment.lines().next().unwrap_or_default());
        group.push("labels", label(&identifier("label"), root, &self.words(how)));
        let mut grid = Grid::groups();
        group.push("processGroups", self.system_group(root, grid.next()));
        for store in &self.manifest.stores {
            let list = List::Records(store.schema.name.clone());
            if self.embedded.iter().any(|(other, _, _)| *other == list) {
                group.push("processGroups", self.data_group(root, &list, grid.next()));
            }
        }
        for (slot, (list, chunk, coordinates)) in
            slots(self.placed, |placed| (&placed.0, &placed.1))
        {
            let mut child = GroupBuilder::new(
                &identifier(&slot),
                Some(root),
                &chunk_name(list, chunk),
                grid.next(),
            );
            child.comments(&format!("{} lines, flow {}", chunk.count, chunk.full));
            child.coordinates(coordinates, self.registry);
            group.push("processGroups", child.finish());
        }
        group
    }

    fn words(&self, how: &str) -> String {
        let (manifest, flow) = (self.manifest, self.flow);
        let records: u64 =
            manifest.stores.iter().map(crate::snapshot::StoreManifest::record_count).sum();
        let stores = manifest.stores.iter().map(|store| {
            format!(
                "\n  {}: {} records",
                shown(&store.schema.name.to_canonical()),
                store.record_count()
            )
        });
        let stores: String = stores.collect();
        format!(
            "IndexedDB database {}, its version {}\nSnapshot {}: {records} records in {} object \
             stores{stores}\n\n{how}\n\n\
             Everything back:\nnifi-idb restore --bucket {} --flow {}\n\n{}",
            shown(&manifest.database.to_canonical()),
            manifest.database_version,
            manifest.version,
            manifest.stores.len(),
            flow.bucket(),
            flow.flow(),
            manifest.root()
        )
    }

    fn system_group(&self, root: &str, place: (i64, i64)) -> Value {
        let id = identifier("system");
        let mut group =
            GroupBuilder::new(&id, Some(root), "what nifi-idb needs (do not run)", place);
        let mut grid = Grid::processors();
        let mut attributes = Map::new();
        attributes.insert(read::PART.into(), read::MANIFEST.into());
        attributes.insert(
            "indexeddb.database".into(),
            attribute(&self.manifest.database.to_canonical()).into(),
        );
        let manifest = identifier("manifest");
        group.push(
            "processors",
            processor(Carrier {
                id: &manifest,
                group: &id,
                name: "manifest",
                text: self.manifest.text(),
                attributes,
                place: grid.next(),
                runs: false,
            }),
        );
        let system = self.embedded.iter().filter(|(list, _, _)| list.is_system());
        self.push_chunks(&mut group, &id, system, grid);
        group.finish()
    }

    fn data_group(&self, root: &str, wanted: &List, place: (i64, i64)) -> Value {
        let id = identifier(&format!("group {}", list_name(wanted)));
        let mut group = GroupBuilder::new(&id, Some(root), &shown_list(wanted), place);
        let chunks = self.embedded.iter().filter(|(list, _, _)| list == wanted);
        self.push_chunks(&mut group, &id, chunks, Grid::processors());
        group.finish()
    }

    fn push_chunks<'b>(
        &self,
        group: &mut GroupBuilder,
        id: &str,
        chunks: impl Iterator<Item = &'b ListedText>,
        mut grid: Grid,
    ) {
        let chunks: Vec<&ListedText> = chunks.collect();
        for (slot, (list, chunk, text)) in slots(&chunks, |listed| (&listed.0, &listed.1)) {
            let mut attributes = chunk_attributes(list, chunk);
            attributes.insert(
                "indexeddb.database".into(),
                attribute(&self.manifest.database.to_canonical()).into(),
            );
            let (name, text) = (chunk_name(list, chunk), String::from_utf8_lossy(text));
            let carrier = Carrier {
                id: &identifier(&slot),
                group: id,
                name: &name,
                text: &text,
                attributes,
                place: grid.next(),
                runs: !list.is_system(),
            };
            group.push("processors", processor(carrier));
        }
    }
}

const HOW_EMBEDDED: &str = "The groups below hold the records as text, one group per object \
    store.\n\
    Run a processor once, and it emits its records, one JSON line each.";
const HOW_PLACED: &str = "Each group below is a run of records in a flow of its own.\n\
    Run the processor in it once, and it emits its records, one JSON line each.";
const HOW_LEFT_OUT: &str = "There are too many records to show them here.\n\
    They lie beside this file, as lines of text, in the folder of the same name.";

/// Pairs each chunk with the meaning of its component: its list and first key, and a number if
/// these repeat.
fn slots<'a, T>(
    chunks: &'a [T],
    key: impl Fn(&'a T) -> (&'a List, &'a ChunkRef),
) -> Vec<(String, &'a T)> {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut slots = Vec::with_capacity(chunks.len());
    for item in chunks {
        let (list, chunk) = key(item);
        let name = format!("chunk {} {}", list_name(list), chunk.first.to_canonical());
        let repeat = seen.entry(name.clone()).or_insert(0);
        slots.push((format!("{name} {repeat}"), item));
        *repeat += 1;
    }
    slots
}

/// The identifiers of the placeholders of `chunks`, in their order.
pub fn placeholder_identifiers(chunks: &[(List, &ChunkRef)]) -> Vec<String> {
    slots(chunks, |listed| (&listed.0, listed.1))
        .into_iter()
        .map(|(slot, _)| identifier(&slot))
        .collect()
}

/// The `flowContents` of a chunk's flow.
pub fn chunk_contents(list: &List, chunk: &ChunkRef, text: &[u8]) -> Result<Value, StoreError> {
    let text = check_text(&format!("chunk {} of {}", chunk.full, list_name(list)), text)?;
    let root = identifier(&format!("chunk flow {}", chunk.full));
    let mut group = GroupBuilder::new(&root, None, &chunk_name(list, chunk), (0, 0));
    group.comments(&format!("{} lines, never changed", chunk.count));
    let id = identifier(&format!("chunk text {}", chunk.full));
    let (name, attributes) = (chunk_name(list, chunk), chunk_attributes(list, chunk));
    let runs = !list.is_system();
    let (id, group_id, place) = (&id, &root, (0, 0));
    let carrier = Carrier { id, group: group_id, name: &name, text, attributes, place, runs };
    group.push("processors", processor(carrier));
    Ok(group.finish())
}

/// The `flowContents` of the flow that contains part `part` of the spilled value `digest`.
pub fn part_contents(digest: &Digest, part: u32, bytes: &[u8]) -> Result<Value, StoreError> {
    let name = format!("part {part} of spilled value {digest}");
    let text = check_text(&name, bytes)?;
    let root = identifier(&format!("part flow {digest} {part}"));
    let mut group = GroupBuilder::new(&root, None, &name, (0, 0));
    let mut attributes = Map::new();
    attributes.insert(read::PART.into(), "spilled".into());
    attributes.insert("indexeddb.digest".into(), digest.to_string().into());
    let id = identifier(&format!("part text {digest} {part}"));
    let (id, group_id, place) = (&id, &root, (0, 0));
    let carrier =
        Carrier { id, group: group_id, name: &name, text, attributes, place, runs: false };
    group.push("processors", processor(carrier));
    Ok(group.finish())
}

/// The git rendering `<bucket>/<flow>.json` in NiFi 2.x's own git layout: `RegisteredFlowSnapshot`,
/// keys sorted, components sorted by identifier. With `data` it contains the records; without, a
/// label names the place where they are stored. The same input gives the same bytes; nothing reads
/// data from it.
pub fn rendering(
    flow: &FlowName,
    draft: &VersionDraft,
    system: &[ListedText],
    data: Option<&[ListedText]>,
) -> Vec<u8> {
    let embedded: Vec<ListedText> =
        system.iter().chain(data.unwrap_or_default()).cloned().collect();
    let parent = Parent {
        flow,
        manifest: &draft.manifest,
        comment: &draft.comment,
        embedded: &embedded,
        placed: &[],
        registry: "",
    };
    let how = if data.is_some() { HOW_EMBEDDED } else { HOW_LEFT_OUT };
    let contents = parent.group(GIT_ROOT, how).finish();
    let mut snapshot = snapshot(contents);
    snapshot["flow"] = json!({"identifier": flow.flow(), "name": flow.flow(), "type": "Flow"});
    snapshot["latest"] = true.into();
    snapshot["snapshotMetadata"] = json!({"author": "nifi-idb", "flowIdentifier": flow.flow(), "timestamp": draft.timestamp_ms});
    let mut text = serde_json::to_vec_pretty(&snapshot).unwrap_or_default();
    text.push(b'\n');
    text
}

/// A `VersionedFlowSnapshot` around contents, without metadata.
pub fn snapshot(contents: Value) -> Value {
    json!({
        "externalControllerServices": {},
        "flowContents": contents,
        "flowEncodingVersion": "1.0",
        "parameterContexts": {},
        "parameterProviders": {},
    })
}

fn check_text<'a>(what: &str, text: &'a [u8]) -> Result<&'a str, StoreError> {
    let refuse =
        |reason: String| StoreError::new(StoreErrorKind::Refused, format!("{reason}: {what}"));
    if text.len() > MAX_TEXT_CHARS {
        return Err(refuse(format!(
            "{} characters are more than the {MAX_TEXT_CHARS} that NiFi reads",
            text.len()
        )));
    }
    // NiFi would drop or evaluate all other characters somewhere on the way.
    let safe = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n') && !matches!(byte, b'$' | b'#');
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|byte| safe(&byte)) => Ok(text),
        _ => Err(refuse("characters that NiFi does not keep".to_owned())),
    }
}

fn list_name(list: &List) -> String {
    match list {
        List::Records(name) => format!("records {}", name.to_canonical()),
        List::Tombstones(name) => format!("tombstones {}", name.to_canonical()),
        List::Conflicts => List::CONFLICTS.to_owned(),
        List::Sources => List::SOURCES.to_owned(),
        List::Views => List::VIEWS.to_owned(),
    }
}

fn shown_list(list: &List) -> String {
    match list {
        List::Records(name) => shown(&name.to_canonical()),
        List::Tombstones(name) => format!("deleted from {}", shown(&name.to_canonical())),
        _ => list_name(list),
    }
}

fn chunk_name(list: &List, chunk: &ChunkRef) -> String {
    format!("{} from {}", shown_list(list), cut(&chunk.first.to_canonical()))
}

fn chunk_attributes(list: &List, chunk: &ChunkRef) -> Map<String, Value> {
    let (part, store) = match list {
        List::Records(name) => ("records", Some(name)),
        List::Tombstones(name) => ("tombstones", Some(name)),
        List::Conflicts => ("conflicts", None),
        List::Sources => ("sources", None),
        List::Views => ("views", None),
    };
    let mut attributes = Map::new();
    attributes.insert(read::PART.into(), part.into());
    attributes.insert("indexeddb.digest".into(), chunk.full.to_string().into());
    attributes.insert("mime.type".into(), "application/x-ndjson".into());
    if let Some(store) = store {
        attributes.insert("indexeddb.object.store".into(), attribute(&store.to_canonical()).into());
    }
    attributes
}

/// A name as an attribute: its canonical JSON form without the quotes, so `data` is `data` and `$`
/// is `\u0024`.
fn attribute(canonical: &str) -> String {
    cut_to(bare(canonical), ATTRIBUTE_CHARS)
}

/// A name for people, never blank.
fn shown(canonical: &str) -> String {
    match bare(canonical).trim() {
        "" => "(no name)".to_owned(),
        name => cut(name),
    }
}

fn bare(canonical: &str) -> &str {
    canonical.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(canonical)
}

/// Cuts ASCII text to [`SHOWN_CHARS`].
fn cut(text: &str) -> String {
    cut_to(text, SHOWN_CHARS)
}

fn cut_to(text: &str, chars: usize) -> String {
    match text.get(..chars) {
        Some(start) if text.len() > chars => format!("{start}..."),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
