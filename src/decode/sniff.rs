//! Detects the dialect of a stream from its first bytes and its first line.

use std::io::Read;

use super::dialect::{ANY_NUMBER, ANY_STRING, Beginning, Dialect};
use super::error::DecodeError;
use super::framing::Lines;
use super::growing::RECORD_SEPARATOR;
use super::own_lines;
use super::scan::{ScannedMembers, is_space};

/// Beginnings of files that are not text, with advice for each.
const BINARY: [(&[u8], &str); 12] = [
    (b"\xff\xfe", "this is UTF-16; convert it to UTF-8"),
    (b"\xfe\xff", "this is UTF-16; convert it to UTF-8"),
    (b"{\0", "this is UTF-16 or UTF-32; convert it to UTF-8"),
    (b"[\0", "this is UTF-16 or UTF-32; convert it to UTF-8"),
    (b"\x1f\x8b", "this is gzip; decompress it before (CompressContent)"),
    (b"\x28\xb5\x2f\xfd", "this is zstd; decompress it before (CompressContent)"),
    (b"BZh", "this is bzip2; decompress it before (CompressContent)"),
    (b"\xfd7zXZ", "this is xz; decompress it before (CompressContent)"),
    (b"PK\x03\x04", "this is a ZIP file; unpack it before (UnpackContent)"),
    (b"Obj\x01", "this is Avro; convert it before (ConvertRecord with JsonRecordSetWriter)"),
    (b"PAR1", "this is Parquet; convert it before (ConvertRecord with JsonRecordSetWriter)"),
    (b"SQLite format 3\0", "this is an SQLite database; export its tables as JSON before"),
];

/// Beginnings of web pages, in lower case.
const PAGES: [(&[u8], &str); 6] = [
    (b"<!doctype", HTML),
    (b"<html", HTML),
    (b"<head", HTML),
    (b"<body", HTML),
    (b"<!--", HTML),
    (
        b"<?xml",
        "this is XML, not JSON; if it is data, convert it before (ConvertRecord with \
         JsonRecordSetWriter)",
    ),
];

const HTML: &str = "this is an HTML page, perhaps the error page of a proxy, not records; look at \
    what was downloaded";

/// Skips a byte-order mark, and refuses input that is clearly neither records nor changes nor a
/// document of another program. Reads no more than necessary.
pub(crate) fn first_bytes<R: Read>(lines: &mut Lines<R>) -> Result<(), DecodeError> {
    let refused =
        |what: &str| Err(DecodeError::Framing { line: 1, offset: 0, what: what.to_owned() });
    const MARK: [(&[u8], &str); 1] = [(b"\xef\xbb\xbf", "")];
    if beginning(lines, &MARK, false)?.is_some() {
        lines.skip(3);
    } else if let Some(what) = beginning(lines, &BINARY, false)? {
        return refused(what);
    }
    if let Some(what) = beginning(lines, &PAGES, true)? {
        return refused(what);
    }
    if own_lines::begins(first_line(lines)?) {
        return refused(own_lines::REFUSED);
    }
    Ok(())
}

/// Finds the entry of a table that the stream begins with. If `in_text` is true, white space before
/// it and upper case are ignored.
fn beginning<R: Read>(
    lines: &mut Lines<R>,
    table: &[(&[u8], &'static str)],
    in_text: bool,
) -> Result<Option<&'static str>, DecodeError> {
    loop {
        let text = lines.available();
        let start =
            if in_text { text.iter().take_while(|&&byte| is_space(byte)).count() } else { 0 };
        let rest = &text[start..];
        let same = |begin: &[u8]| {
            let pairs = begin.iter().zip(rest);
            pairs.clone().all(|(a, b)| *a == if in_text { b.to_ascii_lowercase() } else { *b })
        };
        if let Some((_, what)) =
            table.iter().find(|(begin, _)| rest.len() >= begin.len() && same(begin))
        {
            return Ok(Some(what));
        }
        if start > SPACE_BYTES || !table.iter().any(|(begin, _)| same(begin)) || !lines.more()? {
            return Ok(None);
        }
    }
}

/// Returns the first line that is not blank, as far as [`own_lines`] examines it, if it may be an
/// object.
fn first_line<R: Read>(lines: &mut Lines<R>) -> Result<&[u8], DecodeError> {
    loop {
        let text = lines.available();
        let start = text.iter().take_while(|&&byte| is_space(byte)).count();
        let rest = &text[start..];
        let more = rest.first().is_none_or(|&byte| byte == b'{')
            && start <= SPACE_BYTES
            && rest.len() < own_lines::BEGIN_BYTES
            && memchr::memchr(b'\n', rest).is_none();
        if !more || !lines.more()? {
            let text = lines.available().get(start..).unwrap_or_default();
            return Ok(&text[..text.len().min(own_lines::BEGIN_BYTES)]);
        }
    }
}

/// The most bytes of white space before a document's first member.
const SPACE_BYTES: usize = 4096;

/// Detects a document by its first member; returns `None` if the stream may still be lines. A
/// storage state can begin like a record, so it is not detected if the options name an object store
/// for records. Reads no more than necessary.
pub(crate) fn document<R: Read>(
    lines: &mut Lines<R>,
    records: bool,
) -> Result<Option<Dialect>, DecodeError> {
    let all = Dialect::ALL
        .iter()
        .flat_map(|dialect| dialect.spec().beginnings.iter().map(move |it| (it, *dialect)));
    let candidates: Vec<(&Beginning, Dialect)> =
        all.filter(|(it, _)| !(records && it.is_like_record)).collect();
    loop {
        let text = lines.available();
        let mut open = false;
        for (beginning, dialect) in &candidates {
            match begins(text, beginning.tokens) {
                Some(true) => return Ok(Some(*dialect)),
                Some(false) => {}
                None => open = true,
            }
        }
        if !open || text.len() > SPACE_BYTES || !lines.more()? {
            return Ok(None);
        }
    }
}

/// True if a stream is JSON values that are not read line by line: its first value is an array, it
/// is a JSON text sequence, or its first line is longer than the limit. Consumes nothing.
pub(crate) fn is_values<R: Read>(lines: &mut Lines<R>) -> Result<bool, DecodeError> {
    let mut searched = 0;
    loop {
        let text = lines.available();
        let start = text.iter().position(|&byte| !is_space(byte));
        match start.map(|start| (start, text[start])) {
            Some((_, b'[' | RECORD_SEPARATOR)) => return Ok(true),
            Some((start, _)) => {
                let from = searched.max(start);
                let line_end = memchr::memchr(b'\n', &text[from..]).map(|found| from + found);
                searched = line_end.unwrap_or(text.len());
                if searched - start > lines.max_line_bytes() {
                    return Ok(true);
                }
                if line_end.is_some() {
                    return Ok(false);
                }
            }
            None if text.len() > SPACE_BYTES => return Ok(false),
            None => {}
        }
        if !lines.more()? {
            return Ok(false);
        }
    }
}

/// Returns true if a text begins with these tokens, with white space between them, or `None` if it
/// is too short to decide.
fn begins(text: &[u8], tokens: &[&[u8]]) -> Option<bool> {
    let mut rest = text;
    for token in tokens {
        rest = rest.trim_ascii_start();
        if matches!(*token, ANY_STRING | ANY_NUMBER) {
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

/// Returns the text after a string or a number: `Some(None)` if the text is too short to decide,
/// `None` if there is none.
fn any<'a>(text: &'a [u8], token: &[u8]) -> Option<Option<&'a [u8]>> {
    if token == ANY_STRING {
        let inside = text.strip_prefix(b"\"")?;
        let mut escaped = false;
        let end = inside.iter().position(|&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        return Some(end.map(|end| &inside[end + 1..]));
    }
    let end = text
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'.' | b'e' | b'E' | b'+'));
    if end == Some(0) { None } else { Some(end.map(|end| &text[end..])) }
}

/// True if a line begins a batch of changes: an object with a member `format` of this format, in
/// any version.
pub(crate) fn is_header(line: &[u8]) -> bool {
    let Ok(mut members) = ScannedMembers::of(line) else { return false };
    while let Ok(Some(member)) = members.next() {
        if member.name.of(line) == b"format" {
            return member.value.of(line).starts_with(b"\"indexeddb-changes/");
        }
    }
    false
}
