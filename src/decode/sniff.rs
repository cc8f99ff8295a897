//! Which dialect a stream is: from its first bytes and its first line.

use std::io::Read;

use super::error::DecodeError;
use super::framing::Lines;
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
