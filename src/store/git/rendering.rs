//! The one place that asks for the rendering of a version: a flow that NiFi 2.x's git clients list and import.

use std::sync::Arc;

use crate::snapshot::{ChunkRef, FlowName, List, Manifest};

/// A chunk, the list that it is in, and its text.
pub(super) type ChunkText = (List, ChunkRef, Arc<Vec<u8>>);

/// The rendering until `store::envelope` makes it: the manifest's text as JSON.
pub(super) fn rendering(
    flow: &FlowName,
    manifest_text: &str,
    _manifest: &Manifest,
    comment: &str,
    timestamp_ms: i64,
    _system: &[ChunkText],
    _data: Option<&[ChunkText]>,
) -> Vec<u8> {
    let json = serde_json::json!({
        "comment": comment,
        "flow": flow.flow(),
        "manifest": manifest_text,
        "timestamp": timestamp_ms,
    });
    let mut text = json.to_string().into_bytes();
    text.push(b'\n');
    text
}
