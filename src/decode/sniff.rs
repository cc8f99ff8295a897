//! Which dialect a stream is: from its first bytes and its first line.

use std::io::Read;

use super::error::DecodeError;
use super::framing::Lines;
use super::options::Input;
use super::scan::Members;

/// Passes over a byte order mark; refuses what is plainly no UTF-8 text.
pub(crate) fn first_bytes<R: Read>(lines: &mut Lines<R>) -> Result<(), DecodeError> {
    let first = lines.peek(4)?;
    let what = match first {
        [0xef, 0xbb, 0xbf, ..] => {
            lines.skip(3);
            return Ok(());
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is UTF-16; convert it to UTF-8",
        [0x1f, 0x8b, ..] => "this is gzip; decompress it before (CompressContent)",
        [0x28, 0xb5, 0x2f, 0xfd] => "this is zstd; decompress it before (CompressContent)",
        _ => return Ok(()),
    };
    Err(DecodeError::Framing { line: 1, offset: 0, what: what.to_owned() })
}

/// White space in front of a document's first member may take up this many bytes.
const SPACE_BYTES: usize = 4096;

/// In a list of tokens: any string.
const STRING: &[u8] = b"\"";

/// In a list of tokens: any number.
const NUMBER: &[u8] = b"0";

/// How documents begin that no record begins like.
const DOCUMENTS: &[(&[&[u8]], Input)] = &[
    (&[b"{", b"\"formatName\"", b":", b"\"dexie\""], Input::Dexie),
    (&[b"{", b"\"name\"", b":", STRING, b",", b"\"instanceToken\"", b":", STRING], Input::Rxdb),
    (&[b"{", b"\"name\"", b":", STRING, b",", b"\"schemaHash\"", b":", STRING], Input::Rxdb),
    (&[b"{", b"\"total_rows\"", b":", NUMBER, b",", b"\"offset\"", b":", NUMBER, b","], Input::Couchdb),
    (&[b"{", b"\"results\"", b":", b"[", b"{", b"\"seq\"", b":"], Input::Couchdb),
    (&[b"{", b"\"seq\"", b":", STRING, b",", b"\"id\"", b":", STRING, b",", b"\"changes\""], Input::Couchdb),
    (&[b"{", b"\"seq\"", b":", NUMBER, b",", b"\"id\"", b":", STRING, b",", b"\"changes\""], Input::Couchdb),
    (&[b"{", b"\"version\"", b":", STRING, b",", b"\"db_type\"", b":", STRING], Input::PouchdbDump),
    (&[b"{", b"\"_id\"", b":", b"{", b"\"$oid\"", b":", STRING, b"}"], Input::Mongoexport),
    (&[b"[", b"{", b"\"_id\"", b":", b"{", b"\"$oid\"", b":", STRING, b"}"], Input::Mongoexport),
];

/// How documents begin that a record may begin like.
const LIKE_RECORDS: &[(&[&[u8]], Input)] = &[
    (&[b"{", b"\"cookies\"", b":", b"["], Input::Playwright),
    (&[b"{", b"\"origins\"", b":", b"["], Input::Playwright),
    (&[b"{", b"\"data\"", b":", b"{", STRING, b":", b"{", STRING, b":", b"{"], Input::DexieCloud),
];

/// Which document a stream is, by its first member; `None`: it may still be lines. A storage state begins as a record can
/// begin, so where records have an object store to go to, it is none. Reads no more than it needs.
pub(crate) fn document<R: Read>(lines: &mut Lines<R>, records: bool) -> Result<Option<Input>, DecodeError> {
    let mut candidates: Vec<(&[&[u8]], Input)> = DOCUMENTS.to_vec();
    if !records {
        candidates.extend_from_slice(LIKE_RECORDS);
    }
    loop {
        let text = lines.available();
        let mut open = false;
        for (tokens, input) in &candidates {
            match begins(text, tokens) {
                Some(true) => return Ok(Some(*input)),
                Some(false) => {}
                None => open = true,
            }
        }
        if !open || text.len() > SPACE_BYTES || !lines.more()? {
            return Ok(None);
        }
    }
}

/// Whether a text begins with these tokens, white space between them; `None`: it is too short to tell.
fn begins(text: &[u8], tokens: &[&[u8]]) -> Option<bool> {
    let mut rest = text;
    for token in tokens {
        rest = rest.trim_ascii_start();
        if matches!(*token, STRING | NUMBER) {
            if rest.is_empty() {
                return None;
            }
            rest = match any(rest, token) {
                Some(Some(behind)) => behind,
                Some(None) => return None,
                None => return Some(false),
            };
            continue;
        }
        match rest.strip_prefix(*token) {
            Some(behind) => rest = behind,
            None if token.starts_with(rest) => return None,
            None => return Some(false),
        }
    }
    Some(true)
}

/// What follows a string or a number; `Some(None)`: it is too short to tell; `None`: there is none.
fn any<'a>(text: &'a [u8], token: &[u8]) -> Option<Option<&'a [u8]>> {
    if token == STRING {
        let inside = text.strip_prefix(b"\"")?;
        let mut escaped = false;
        let end = inside.iter().position(|&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        return Some(end.map(|end| &inside[end + 1..]));
    }
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'.' | b'e' | b'E' | b'+'));
    if end == Some(0) { None } else { Some(end.map(|end| &text[end..])) }
}

/// Whether a line begins a batch of changes: an object with a member `format` that names them, whatever the number.
pub(crate) fn is_header(line: &[u8]) -> bool {
    let Ok(mut members) = Members::of(line) else { return false };
    while let Ok(Some(member)) = members.next() {
        if member.name.of(line) == b"format" {
            return member.value.of(line).starts_with(b"\"indexeddb-changes/");
        }
    }
    false
}
