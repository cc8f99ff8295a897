//! Helpers for the raw JSON text of a record: members, key, and reasons for rejection.

use super::scan::{ScanError, ScannedMembers};
use super::{framing::Span, scan};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::value::MAX_DEPTH;
use crate::indexeddb::value::tree::{Tree, TreeError};
use crate::rejection::code;

/// The reason for a rejection: a code and a sentence.
pub(crate) type Reject = (&'static str, &'static str);

/// The greatest depth of brackets in a record: Playwright writes three for one of ours.
const MAX_RECORD_DEPTH: usize = 3 * MAX_DEPTH + 8;

/// Parses a record's JSON.
pub(crate) fn tree(raw: &[u8]) -> Result<Tree<'_>, Reject> {
    Tree::read_within(raw, MAX_RECORD_DEPTH).map_err(|error| match error {
        TreeError::Syntax => (code::SYNTAX, "the record is not JSON"),
        TreeError::Depth => (code::DEPTH, "brackets are nested too deep"),
        TreeError::TooMany => {
            (code::LINE_TOO_LONG, "the record has more values than one record may have")
        }
    })
}

/// Returns a line without surrounding white space.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let Some(start) = line.iter().position(|&byte| !scan::is_space(byte)) else { return &[] };
    let end = line.iter().rposition(|&byte| !scan::is_space(byte)).map_or(start, |last| last + 1);
    Span { start, end }.of(line)
}

/// Finds the key in the member `field`, and writes the object without that member to `rest`.
pub(crate) fn take_key(line: &[u8], field: &str, rest: &mut Vec<u8>) -> Result<Span, Reject> {
    rest.clear();
    rest.push(b'{');
    let mut key = None;
    let mut members = ScannedMembers::of(line).map_err(broken)?;
    while let Some(member) = members.next().map_err(broken)? {
        if named(member.name.of(line), field) {
            if key.replace(member.value).is_some() {
                return Err((code::DUPLICATE_MEMBER, "the key field is there twice"));
            }
            continue;
        }
        if rest.len() > 1 {
            rest.push(b',');
        }
        // Name and value are copied in one piece, with the opening quote and everything between
        // them.
        rest.extend_from_slice(
            Span { start: member.name.start - 1, end: member.value.end }.of(line),
        );
    }
    rest.push(b'}');
    key.ok_or((code::NO_KEY, "the record does not have the key field"))
}

/// Returns the rejection for a failed scan of a line.
pub(crate) fn broken(error: ScanError) -> Reject {
    match error {
        ScanError::Syntax => (code::SYNTAX, "not a JSON object in one line"),
        ScanError::Depth => (code::DEPTH, "brackets are nested too deep"),
    }
}

/// Returns the key of a row at an object store's key path; only plain objects are followed.
pub(crate) fn key_at(row: &[u8], path: &KeyPath) -> Result<Vec<u8>, Reject> {
    match path {
        KeyPath::Path(path) => at_path(row, path).map(<[u8]>::to_vec),
        KeyPath::Paths(paths) => {
            let keys =
                paths.iter().map(|path| at_path(row, path)).collect::<Result<Vec<_>, _>>()?;
            Ok([b"[", &keys.join(&b","[..])[..], b"]"].concat())
        }
    }
}

/// Returns the raw text at a key path; only plain objects are followed.
fn at_path<'a>(row: &'a [u8], path: &DomString) -> Result<&'a [u8], Reject> {
    const NONE: Reject = (code::NO_KEY, "the row has no key at the object store's key path");
    let path = path.to_string();
    let mut value = row;
    for name in path.split('.').filter(|_| !path.is_empty()) {
        let mut found: Option<Span> = None;
        let mut members = ScannedMembers::of(value).map_err(|_| NONE)?;
        while let Some(member) = members.next().map_err(broken)? {
            if named(member.name.of(value), name) && found.replace(member.value).is_some() {
                return Err((code::DUPLICATE_MEMBER, "the key is there twice"));
            }
        }
        value = found.ok_or(NONE)?.of(value);
    }
    Ok(value)
}

/// Returns the text between the quotes of a JSON string.
pub(crate) fn inside(string: &[u8]) -> &[u8] {
    string.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}

/// True if a member's raw name represents `name`.
pub(crate) fn named(raw: &[u8], name: &str) -> bool {
    if memchr::memchr(b'\\', raw).is_none() {
        return raw == name.as_bytes();
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|read| read == name)
}
