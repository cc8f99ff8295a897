//! The paths of the tree at `main`.
//!
//! ```text
//! <bucket>/<flow>.json                                   the rendering, for NiFi's git clients
//! <bucket>/<flow>/~manifest.ndjson
//! <bucket>/<flow>/<object store>/<first key>.ndjson      chunks of records
//! <bucket>/<flow>/~tombstones/<object store>/<first key>.ndjson
//! <bucket>/<flow>/~conflicts/<first key>.ndjson
//! <bucket>/<flow>/~sources/<first key>.ndjson
//! <bucket>/<flow>/~views/<full digest>.ndjson
//! <bucket>/<flow>/~values/<digest>/<part, five digits>   spilled values
//! ```
//!
//! `<first key>` is 32 hexadecimal digits of the BLAKE3 digest of the sortable key, so a chunk
//! keeps its file while its first key stays, and `git diff` shows changed records. The name of an
//! object store never begins with `~`.

use crate::snapshot::{ChunkRef, Digest, FlowName, List};

/// The file of the manifest.
pub(super) const MANIFEST: &str = "~manifest.ndjson";

/// The directory of spilled values.
pub(super) const VALUES: &str = "~values";

/// The directory of tombstones.
pub(super) const TOMBSTONES: &str = "~tombstones";

/// The name of a flow's directory.
///
/// The directory of a flow called `x.json` would have the path of the rendering of `x`, so it gets
/// a `~`, which no flow name contains.
pub(super) fn flow_dir(flow: &FlowName) -> String {
    let name = flow.flow();
    if name.ends_with(".json") { format!("{name}~") } else { name.to_owned() }
}

/// The flow of a directory, or `None` if it is not the directory of a flow.
pub(super) fn flow_of_dir(bucket: &str, dir: &str) -> Option<FlowName> {
    let flow = FlowName::new(bucket, dir.strip_suffix('~').unwrap_or(dir)).ok()?;
    (flow_dir(&flow) == dir).then_some(flow)
}

/// The name of a flow's rendering.
pub(super) fn rendering(flow: &FlowName) -> String {
    format!("{}.json", flow.flow())
}

/// The directories of a list, below that of its flow.
pub(super) fn list_dirs(list: &List) -> Vec<String> {
    match list {
        List::Records(store) => vec![store.to_file_name()],
        List::Tombstones(store) => vec![TOMBSTONES.to_owned(), store.to_file_name()],
        List::Conflicts => vec![List::CONFLICTS.to_owned()],
        List::Sources => vec![List::SOURCES.to_owned()],
        List::Views => vec![List::VIEWS.to_owned()],
    }
}

/// The file of a chunk.
pub(super) fn chunk_file(list: &List, chunk: &ChunkRef) -> String {
    match list {
        List::Views => format!("{}.ndjson", chunk.full),
        _ => format!("{}.ndjson", &Digest::of(chunk.first.as_bytes()).to_string()[..32]),
    }
}

/// The file of one part of a spilled value.
pub(super) fn part_file(part: u32) -> String {
    format!("{part:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_lies_where_the_rendering_of_another_does() {
        let names = ["x", "x.json", "x.json.json", "x%2Ejson", "y.JSON"];
        let flows: Vec<_> = names.iter().map(|name| FlowName::new("b", name).unwrap()).collect();
        let mut all: Vec<_> =
            flows.iter().flat_map(|flow| [flow_dir(flow), rendering(flow)]).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2 * names.len());
        for flow in &flows {
            assert_eq!(flow_of_dir("b", &flow_dir(flow)).as_ref(), Some(flow));
        }
        assert_eq!(flow_of_dir("b", "x~"), None);
        assert_eq!(flow_of_dir("b", ".git"), None);
    }
}
