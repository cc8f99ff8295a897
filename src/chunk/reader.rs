//! Reads the lines of a chunk from its text.

use crate::snapshot::line::LineError;
use crate::snapshot::{Line, List};

/// Returns the canonical name in the lines of a list.
pub fn store_name(list: &List) -> Vec<u8> {
    match list {
        List::Records(name) | List::Tombstones(name) => name.to_canonical().into_bytes(),
        List::Conflicts => format!("\"{}\"", List::CONFLICTS).into_bytes(),
        List::Sources => format!("\"{}\"", List::SOURCES).into_bytes(),
        // A view mixes records of any object store; its reader knows which.
        List::Views => Vec::new(),
    }
}

/// Reads all lines of a chunk whose digest was checked; `store` is the canonical name in them.
pub fn parse_chunk(text: &[u8], store: &[u8]) -> Result<Vec<Line>, LineError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').map(|line| Line::parse(line, store)).collect()
}
