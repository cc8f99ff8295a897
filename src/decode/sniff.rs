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

/// Which document a stream is, by its first member; `None`: it may still be lines. A storage state begins as a record can
/// begin, so where records have an object store to go to, it is none. Reads no more than it needs.
pub(crate) fn document<R: Read>(lines: &mut Lines<R>, records: bool) -> Result<Option<Input>, DecodeError> {
    const DEXIE: &[&[u8]] = &[b"{", b"\"formatName\"", b":", b"\"dexie\""];
    const PLAYWRIGHT: [&[&[u8]]; 2] = [&[b"{", b"\"cookies\"", b":", b"["], &[b"{", b"\"origins\"", b":", b"["]];
    let mut candidates = vec![(DEXIE, Input::Dexie)];
    if !records {
        candidates.extend(PLAYWRIGHT.map(|tokens| (tokens, Input::Playwright)));
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
        match rest.strip_prefix(*token) {
            Some(behind) => rest = behind,
            None if token.starts_with(rest) => return None,
            None => return Some(false),
        }
    }
    Some(true)
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
