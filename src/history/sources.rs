//! The checkpoint of each source: the number up to which its changes are durable.

use serde_json::{Value, json};

use super::HistoryError;
use super::reader::VersionReader;
use crate::snapshot::manifest::canonical_json;
use crate::snapshot::sources::Sources;
use crate::snapshot::{FlowName, FlowVersion, Line, LineState, List, SourceId};
use crate::store::SnapshotReader;

/// One source as of a flow's newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCheckpoint {
    /// The source.
    pub source: SourceId,
    /// The source's epoch; `None` if it does not number its changes, or is unknown.
    pub epoch: Option<String>,
    /// The last durable number; 0 before the first.
    pub checkpoint: u64,
    /// The newest version; `None` if the flow does not exist yet.
    pub version: Option<FlowVersion>,
}

impl SourceCheckpoint {
    /// Returns canonical JSON with the members `checkpoint`, `epoch` (or null), `source`, `type`,
    /// `version` (or null); without a line end.
    pub fn to_json(&self) -> String {
        canonical_json(&json!({
            "checkpoint": self.checkpoint,
            "epoch": self.epoch,
            "source": self.source.as_str(),
            "type": "source",
            "version": self.version.map_or(Value::Null, |version| version.get().into()),
        }))
    }
}

/// Reads the checkpoints of all sources, or of one. For an unknown source or flow the checkpoint is
/// 0, because a source may ask before its first batch.
///
/// # Errors
///
/// [`HistoryError::Store`] if something cannot be read or is damaged.
pub fn sources(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    only: Option<&SourceId>,
) -> Result<Vec<SourceCheckpoint>, HistoryError> {
    let unknown = |source: &SourceId, version| SourceCheckpoint {
        source: source.clone(),
        epoch: None,
        checkpoint: 0,
        version,
    };
    let Some(head) = store.head(flow)? else {
        return Ok(only.iter().map(|source| unknown(source, None)).collect());
    };
    let reader = VersionReader { store, flow, version: &head };
    let mut lines: Vec<Line> = Vec::new();
    for chunk in &head.manifest.sources {
        for mut line in reader.chunk(&List::Sources, chunk)?.lines {
            if let Some(value) = reader.whole(&line.state)? {
                line.state = LineState::Put(value);
            }
            lines.push(line);
        }
    }
    let version = Some(head.manifest.version);
    let known = Sources::from_lines(lines);
    let checkpoint = |(source, state): (SourceId, crate::snapshot::sources::SourceState)| {
        SourceCheckpoint { source, epoch: state.epoch, checkpoint: state.checkpoint, version }
    };
    Ok(match only {
        None => known.all().into_iter().map(checkpoint).collect(),
        Some(source) => {
            let state = known.source(source).map(|state| checkpoint((source.clone(), state)));
            vec![state.unwrap_or_else(|| unknown(source, version))]
        }
    })
}
