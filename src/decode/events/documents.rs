//! Documents of MongoDB in an event: extended JSON inside a string.

use super::KeyColumns;
use super::row::Row;
use crate::decode::extended_json;
use crate::decode::import::tree;
use crate::decode::records::Reject;
use crate::indexeddb::value::tree::{Tree, escape, unescape};
use crate::rejection::code;

const TEXT: Reject = (code::SYNTAX, "the event's document is not JSON in a string");

/// Reads a document: a JSON string that holds extended JSON.
pub(super) fn read(raw: &[u8], keys: &KeyColumns<'_>) -> Result<Row, Reject> {
    let text = inner(raw)?;
    let document = tree(&text)?;
    if document.members().is_none() {
        return Err((code::SYNTAX, "the row is not an object"));
    }
    let mut out = Vec::new();
    extended_json::write(&document, keys.options.decimals, &mut out)?;
    Ok(Row::document(out))
}

/// Returns the whole document of an older event's `patch`, with the key that its `filter` names. Operators that change
/// members of a document that is not sent are no document.
pub(super) fn replacement(patch: Option<&[u8]>, filter: Option<&[u8]>, keys: &KeyColumns<'_>) -> Result<Row, Reject> {
    const PARTIAL: Reject = (
        code::MISSING_MEMBER,
        "the event holds a partial update and not the document: set capture.mode to change_streams_update_full",
    );
    let text = inner(patch.filter(|patch| patch.first() == Some(&b'"')).ok_or(PARTIAL)?)?;
    let document = tree(&text)?;
    let members = document.members().ok_or(PARTIAL)?;
    if members.iter().any(|(name, _)| name.first() == Some(&b'$')) {
        return Err(PARTIAL);
    }
    let filter = filter.map(inner).transpose()?.unwrap_or_else(|| b"{}".to_vec());
    let filter = tree(&filter)?;
    let known = |name: &[u8]| members.iter().any(|(own, _)| *own == name);
    let key = filter.members().unwrap_or_default().iter().filter(|(name, _)| !known(name)).cloned();
    let whole = Tree::Object(key.chain(members.iter().cloned()).collect());
    let mut out = Vec::new();
    extended_json::write(&whole, keys.options.decimals, &mut out)?;
    Ok(Row::document(out))
}

/// Returns the key of a deleted document, which is all that an older event's `filter` holds.
pub(super) fn key_only(filter: Option<&[u8]>, keys: &KeyColumns<'_>) -> Result<Option<Row>, Reject> {
    filter.map(|filter| Ok(read(filter, keys)?.key_only())).transpose()
}

/// Returns what a JSON string says, as UTF-8; lone surrogates stay escapes.
fn inner(raw: &[u8]) -> Result<Vec<u8>, Reject> {
    let inside = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).ok_or(TEXT)?;
    let mut text = Vec::with_capacity(inside.len());
    let mut buffer = [0; 4];
    for unit in char::decode_utf16(unescape(inside).ok_or(TEXT)?) {
        match unit {
            Ok(char) => text.extend_from_slice(char.encode_utf8(&mut buffer).as_bytes()),
            Err(lone) => escape([lone.unpaired_surrogate()], &mut text),
        }
    }
    Ok(text)
}
