//! The list of sources, and the draft of a version.

use crate::apply::head_reader::HeadReader;
use crate::apply::recorder::ChunkOutput;
use crate::chunk::{ChunkSource, lines_of};
use crate::snapshot::sources::Sources;
use crate::snapshot::{FlowName, FlowVersion, LineState, List, Manifest, SealedManifest};
use crate::store::{SnapshotReader, StoreError, StoredVersion, VersionDraft, VersionWriter};

/// Reads `~sources` of head.
pub(crate) fn read_sources(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    head: Option<&StoredVersion>,
) -> Result<Sources, StoreError> {
    let base = HeadReader::new(store, flow, head);
    let mut lines = Vec::new();
    for chunk in head.map(|head| head.manifest.sources.as_slice()).unwrap_or_default() {
        lines.extend(lines_of(&List::Sources, chunk, &base.read_chunk(&List::Sources, chunk)?)?);
    }
    // The value of a source with a large view may be spilled.
    for line in &mut lines {
        if let Some(value) = base.whole_value(&line.state)? {
            line.state = LineState::Put(value);
        }
    }
    Ok(Sources::from_lines(lines))
}

/// The parts of a draft that are not data.
pub(crate) struct DraftLabel {
    /// The beginning of the comment.
    pub(crate) summary: String,
    /// The time of receipt, in milliseconds since 1970.
    pub(crate) timestamp_ms: i64,
}

/// Returns the draft of the version after `head`, with its sources and its comment.
pub(crate) fn seal(
    mut manifest: Manifest,
    sources: &Sources,
    head: Option<&StoredVersion>,
    writer: Option<&mut (dyn VersionWriter + '_)>,
    label: DraftLabel,
) -> Result<Box<VersionDraft>, StoreError> {
    let DraftLabel { summary, timestamp_ms } = label;
    let mut output = ChunkOutput::new(writer, head.map(|head| &head.manifest));
    manifest.sources = output.list(&List::Sources, sources.lines())?;
    manifest.version = FlowVersion::after(head.map(|head| head.manifest.version));
    manifest.previous = head.map(|head| head.state);
    let manifest = SealedManifest::from(manifest);
    let comment = format!("{summary}\n\nroot={} state={}", manifest.root(), manifest.state());
    Ok(Box::new(VersionDraft { manifest, comment, timestamp_ms }))
}
