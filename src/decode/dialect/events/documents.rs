//! Documents of MongoDB in an event: extended JSON inside a string.

use super::KeyColumns;
use super::row::Row;
use crate::decode::extended_json;
use crate::decode::raw_json::{Reject, tree};
use crate::indexeddb::value::tree::{Tree, escape, unescape};
use crate::rejection::code;

const TEXT: Reject = (code::SYNTAX, "the event's document is not JSON in a string");

/// Reads a document: a JSON string that contains extended JSON.
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

/// Returns the document of an older event's `patch`, with the key in its `filter`: the whole
/// document, or only the members that `$set` and `$unset` name.
pub(super) fn patched(
    patch: Option<&[u8]>,
    filter: Option<&[u8]>,
    keys: &KeyColumns<'_>,
) -> Result<Row, Reject> {
    const PARTIAL: Reject = (
        code::MISSING_MEMBER,
        "the event holds a partial update that does not name its document, or changes it inside a \
         member: set \
         capture.mode to change_streams_update_full",
    );
    let patch = inner(patch.filter(|patch| patch.first() == Some(&b'"')).ok_or(PARTIAL)?)?;
    let patch = tree(&patch)?;
    let filter = inner(filter.filter(|filter| filter.first() == Some(&b'"')).ok_or(PARTIAL)?)?;
    let filter = tree(&filter)?;
    let (members, key) = (patch.members().ok_or(PARTIAL)?, filter.members().ok_or(PARTIAL)?);
    let is_partial = members.iter().any(|(name, _)| name.first() == Some(&b'$'));
    let mut set: Vec<(&[u8], Tree<'_>)> = Vec::new();
    let mut gone: Vec<Vec<u8>> = Vec::new();
    if is_partial {
        for (operator, content) in members {
            match (*operator, content.members()) {
                // The version of MongoDB's syntax of updates.
                (b"$v", _) => {}
                (b"$set", Some(members)) => set.extend(members.iter().cloned()),
                (b"$unset", Some(members)) => {
                    gone.extend(members.iter().map(|(name, _)| name.to_vec()))
                }
                _ => return Err(PARTIAL),
            }
        }
        // A dotted name changes a member inside a member, whose other members the event lacks.
        if set
            .iter()
            .map(|(name, _)| *name)
            .chain(gone.iter().map(Vec::as_slice))
            .any(|name| name.contains(&b'.'))
        {
            return Err(PARTIAL);
        }
    } else {
        set.extend(members.iter().cloned());
    }
    // The filter is the document's key, which a whole document repeats and an update need not.
    let key: Vec<_> =
        key.iter().filter(|(name, _)| !set.iter().any(|(own, _)| own == name)).cloned().collect();
    let document = Tree::Object(key.into_iter().chain(set).collect());
    let mut out = Vec::new();
    extended_json::write(&document, keys.options.decimals, &mut out)?;
    Ok(if is_partial { Row::part_of_document(out, gone) } else { Row::document(out) })
}

/// Returns the key of a deleted document, which is the only content of an older event's `filter`.
pub(super) fn key_only(
    filter: Option<&[u8]>,
    keys: &KeyColumns<'_>,
) -> Result<Option<Row>, Reject> {
    filter.map(|filter| Ok(read(filter, keys)?.key_only())).transpose()
}

/// Returns the text of a JSON string as UTF-8; lone surrogates stay escapes.
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
