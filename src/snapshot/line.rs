//! Lines of a chunk, written and read in exactly the form that `doc/internals/format.md` describes.
//!
//! Reading accepts only the form that writing produces, because chunks are checked against their
//! digest first.

use std::fmt;

use serde_json::Value;

use super::id::{Digest, FlowVersion, SourceId};
use crate::indexeddb::key::{Key, SortableKey};

/// The length, in bytes, above which a canonical value is spilled.
pub const SPILL_BYTES: usize = 64 * 1024;

/// The length of the parts of a spilled value, in bytes; the last part may be shorter.
pub const PART_BYTES: usize = 4 * 1024 * 1024;

/// Returns the number of parts of a spilled value of this many bytes. A value of more than 2^32
/// parts cannot have been stored.
pub fn part_count(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PART_BYTES as u64)).unwrap_or(u32::MAX)
}

/// The time, source and version of a record's last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Milliseconds since 1970: the source's clock, clamped, or else the time of receipt.
    pub at: i64,
    /// The source, if the batch named one.
    pub by: Option<SourceId>,
    /// The flow version.
    pub rev: FlowVersion,
}

/// A value that is stored outside its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spilled {
    /// Length of the canonical text.
    pub bytes: u64,
    /// Digest of the canonical text.
    pub digest: Digest,
    /// Digest of the canonical text without error stacks; equals `digest` if there are none.
    pub content: Digest,
    /// The kind of value, for people to read.
    pub kind: String,
}

/// The state of a key in a line.
#[derive(Clone, PartialEq, Eq)]
pub enum LineState {
    /// A canonical value.
    Put(Box<[u8]>),
    /// A value that is stored elsewhere, by its digest.
    Spilled(Spilled),
    /// A tombstone.
    Delete,
}

/// One line of a chunk. Its object store is known from the list that contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The key.
    pub key: SortableKey,
    /// The time, source and version of the last change.
    pub meta: Meta,
    /// The value or tombstone.
    pub state: LineState,
}

/// The error for a line in a form that no release writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a line of a chunk: {0}")]
pub struct LineError(&'static str);

impl LineState {
    /// True if the values are equal apart from error stacks. A put never equals a deletion.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Put(a), Self::Put(b)) if a == b => true,
            (Self::Delete, Self::Delete) => true,
            (Self::Delete, _) | (_, Self::Delete) => false,
            (a, b) => a.content_digest() == b.content_digest(),
        }
    }

    /// Returns the digest of the value without error stacks; for a deletion, the digest of the
    /// empty text.
    pub fn content_digest(&self) -> Digest {
        match self {
            Self::Put(value) => match crate::indexeddb::value::without_stacks(value) {
                Some(stripped) => Digest::of(&stripped),
                None => Digest::of(value),
            },
            Self::Spilled(spilled) => spilled.content,
            Self::Delete => Digest::of(b""),
        }
    }

    /// Returns the length of the canonical value in bytes.
    pub fn value_bytes(&self) -> u64 {
        match self {
            Self::Put(value) => value.len() as u64,
            Self::Spilled(spilled) => spilled.bytes,
            Self::Delete => 0,
        }
    }
}

impl fmt::Debug for LineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(value) => f.write_str(&String::from_utf8_lossy(value)),
            Self::Spilled(spilled) => {
                write!(f, "spilled {} bytes {}", spilled.bytes, spilled.digest)
            }
            Self::Delete => f.write_str("deleted"),
        }
    }
}

impl Line {
    /// Appends the line and its line end; `store` is the canonical name of the object store or
    /// system list.
    pub fn write(&self, store: &[u8], out: &mut Vec<u8>) {
        write_meta(&self.meta, out);
        out.extend_from_slice(b"\"key\":");
        write_key(&self.key, out);
        let op: &[u8] = if self.state == LineState::Delete {
            b",\"op\":\"delete\""
        } else {
            b",\"op\":\"put\""
        };
        out.extend_from_slice(op);
        out.extend_from_slice(b",\"rev\":");
        out.extend_from_slice(self.meta.rev.to_string().as_bytes());
        if let LineState::Spilled(spilled) = &self.state {
            write_spilled(spilled, out);
        }
        out.extend_from_slice(b",\"store\":");
        out.extend_from_slice(store);
        if let LineState::Put(value) = &self.state {
            out.extend_from_slice(b",\"value\":");
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"}\n");
    }

    /// Parses one line, without its line end, of the object store whose canonical name is `store`.
    pub fn parse(line: &[u8], store: &[u8]) -> Result<Self, LineError> {
        // The format fixes the order of members, so that each line has one spelling and none needs
        // to be looked up: this runs for every stored record that is read.
        let mut rest = LineRest(line);
        rest.expect(b"{\"at\":")?;
        let at = rest.integer()?;
        let by = if rest.accept(b",\"by\":\"") {
            let by = std::str::from_utf8(rest.until(b'"')?).ok().and_then(|by| by.parse().ok());
            Some(by.ok_or(LineError("by"))?)
        } else {
            None
        };
        rest.expect(b",\"key\":")?;
        let key = read_key(rest.value()?)?;
        let delete = rest.accept(b",\"op\":\"delete\"");
        if !delete {
            rest.expect(b",\"op\":\"put\"")?;
        }
        rest.expect(b",\"rev\":")?;
        let rev = u64::try_from(rest.integer()?)
            .ok()
            .and_then(FlowVersion::new)
            .ok_or(LineError("rev"))?;
        let spilled =
            if rest.accept(b",\"spilled\":") { Some(read_spilled(rest.value()?)?) } else { None };
        rest.expect(b",\"store\":")?;
        rest.expect(store)?;
        let state = match (delete, spilled) {
            (true, None) => LineState::Delete,
            (false, Some(spilled)) => LineState::Spilled(spilled),
            (false, None) => {
                rest.expect(b",\"value\":")?;
                let value = rest.0.strip_suffix(b"}").ok_or(LineError("end"))?;
                rest.0 = b"}";
                LineState::Put(value.into())
            }
            (true, Some(_)) => return Err(LineError("a deletion with a value")),
        };
        rest.expect(b"}")?;
        if !rest.0.is_empty() {
            return Err(LineError("end"));
        }
        Ok(Self { key, meta: Meta { at, by, rev }, state })
    }
}

fn write_meta(meta: &Meta, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"at\":");
    out.extend_from_slice(meta.at.to_string().as_bytes());
    if let Some(by) = &meta.by {
        // The characters of a source id need no escape.
        out.extend_from_slice(b",\"by\":\"");
        out.extend_from_slice(by.as_str().as_bytes());
        out.push(b'"');
    }
    out.push(b',');
}

fn write_key(key: &SortableKey, out: &mut Vec<u8>) {
    if let Ok(key) = Key::from_sortable(key.as_bytes()) {
        key.write_canonical(out);
    }
}

fn write_spilled(spilled: &Spilled, out: &mut Vec<u8>) {
    let content = match spilled.content == spilled.digest {
        true => String::new(),
        false => format!("\"content\":\"{}\",", spilled.content),
    };
    let Spilled { bytes, digest, kind, .. } = spilled;
    let text = format!(
        ",\"spilled\":{{\"bytes\":{bytes},{content}\"digest\":\"{digest}\",\"type\":\"{kind}\"}}"
    );
    out.extend_from_slice(text.as_bytes());
}

fn read_spilled(text: &[u8]) -> Result<Spilled, LineError> {
    let value: Value = serde_json::from_slice(text).map_err(|_| LineError("spilled"))?;
    let digest = |name: &str| value[name].as_str().and_then(|text| text.parse::<Digest>().ok());
    let kind =
        value["type"].as_str().filter(|kind| kind.bytes().all(|byte| byte.is_ascii_lowercase()));
    let named = digest("digest").ok_or(LineError("spilled.digest"))?;
    Ok(Spilled {
        bytes: value["bytes"].as_u64().ok_or(LineError("spilled.bytes"))?,
        digest: named,
        content: digest("content").unwrap_or(named),
        kind: kind.ok_or(LineError("spilled.type"))?.to_owned(),
    })
}

fn read_key(text: &[u8]) -> Result<SortableKey, LineError> {
    let mut sortable = Vec::with_capacity(text.len() + 8);
    crate::indexeddb::value::list_key_of(text, &mut sortable).map_err(|_| LineError("key"))?;
    Ok(SortableKey::trusted(&sortable))
}

/// The rest of a line.
struct LineRest<'a>(&'a [u8]);

impl<'a> LineRest<'a> {
    fn accept(&mut self, text: &[u8]) -> bool {
        self.0.strip_prefix(text).map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), LineError> {
        if self.accept(text) { Ok(()) } else { Err(LineError("members missing or out of order")) }
    }

    fn integer(&mut self) -> Result<i64, LineError> {
        let end = self
            .0
            .iter()
            .position(|byte| !byte.is_ascii_digit() && *byte != b'-')
            .unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(LineError("a number"))
    }

    fn until(&mut self, end: u8) -> Result<&'a [u8], LineError> {
        let place = memchr::memchr(end, self.0).ok_or(LineError("an open string"))?;
        let text = &self.0[..place];
        self.0 = &self.0[place + 1..];
        Ok(text)
    }

    /// Takes one JSON value. Follows strings and brackets, but checks nothing.
    fn value(&mut self) -> Result<&'a [u8], LineError> {
        let mut depth = 0usize;
        let mut place = 0;
        let text = self.0;
        loop {
            match text.get(place).ok_or(LineError("an open value"))? {
                b'"' => {
                    place += 1;
                    while *text.get(place).ok_or(LineError("an open string"))? != b'"' {
                        place += if text[place] == b'\\' { 2 } else { 1 };
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => break,
                _ => {}
            }
            place += 1;
        }
        self.0 = &text[place..];
        Ok(&text[..place])
    }
}
