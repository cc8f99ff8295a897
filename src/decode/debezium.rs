//! Change events of Debezium, one a line: `{"op","before","after","source","ts_ms"}`, with or without its schema around.

use super::change::{Base, Op};
use super::framing::Span;
use super::header::BatchHeader;
use super::options::DecodeOptions;
use super::records::{self, Reject, broken};
use super::scan::{Member, Members};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::KeyPath;
use crate::rejection::code;

/// ECMAScript's time range: milliseconds on either side of 1970.
const MAX_TIME: i64 = 8_640_000_000_000_000;

/// The members that are looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Envelope<'a> {
    op: Option<&'a [u8]>,
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    ts_ms: Option<&'a [u8]>,
}

/// What an event does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Create,
    Put,
    Delete,
    Clear,
}

/// An event, read: its key, and its rows without their key field.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    kind: Kind,
    at: Option<i64>,
    key: Vec<u8>,
    /// The key is not in the row.
    keyed: bool,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Parts {
    /// What the event that was read last says.
    pub(crate) fn op(&self) -> Op<'_> {
        let at = self.at;
        let base = match (self.kind, self.before.is_empty()) {
            (_, false) => Base::Value(&self.before),
            (Kind::Create, true) => Base::Absent,
            _ => Base::None,
        };
        match self.kind {
            Kind::Create | Kind::Put => {
                Op::Put { key: self.keyed.then_some(&self.key[..]), value: &self.after, at, base }
            }
            Kind::Delete => Op::Delete { key: &self.key, at, base },
            Kind::Clear => Op::Clear { at },
        }
    }
}

/// Whether a line is a tombstone, which follows a deletion and says nothing more.
pub(crate) fn is_tombstone(line: &[u8]) -> bool {
    matches!(envelope(line), Ok(None))
}

/// Whether a line is an event: for finding out the dialect.
pub(crate) fn is_event(line: &[u8]) -> bool {
    let Ok(Some(Envelope { op: Some(op), before, after, source: Some(source), ts_ms: Some(_) })) = envelope(line)
    else {
        return false;
    };
    matches!(op, b"\"c\"" | b"\"u\"" | b"\"d\"" | b"\"r\"" | b"\"t\"")
        && source.first() == Some(&b'{')
        && (before.is_some() || after.is_some() || op == b"\"t\"")
}

/// Finds the members of an event; `None`: a tombstone, which follows a deletion and says nothing more.
fn envelope(line: &[u8]) -> Result<Option<Envelope<'_>>, Reject> {
    if line == b"null" {
        return Ok(None);
    }
    let mut found = Envelope::default();
    let mut payload = None;
    let mut members = Members::of(line).map_err(broken)?;
    while let Some(Member { name, value }) = members.next().map_err(broken)? {
        let value = value.of(line);
        let place = match name.of(line) {
            b"op" => &mut found.op,
            b"before" => &mut found.before,
            b"after" => &mut found.after,
            b"source" => &mut found.source,
            b"ts_ms" => &mut found.ts_ms,
            b"payload" => &mut payload,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err((code::DUPLICATE_MEMBER, "a member of the event is there twice"));
        }
    }
    match (found.op, payload) {
        (None, Some(b"null")) => Ok(None),
        (None, Some(payload)) => {
            let inner = envelope(payload)?;
            inner.filter(|inner| inner.op.is_some()).ok_or((code::MISSING_MEMBER, "the payload is no event")).map(Some)
        }
        _ => Ok(Some(found)),
    }
}

/// Reads an event; gives the place of its object store.
pub(crate) fn parse(
    line: &[u8],
    header: &BatchHeader,
    options: &DecodeOptions,
    parts: &mut Parts,
) -> Result<usize, (Option<usize>, Reject)> {
    let event = envelope(line).map_err(|reject| (None, reject))?.unwrap_or_default();
    let place = place(&event, header, options).map_err(|reject| (None, reject))?;
    event.read(header, place, options, parts).map_err(|reject| (Some(place), reject))?;
    Ok(place)
}

/// The object store: the only one, or the one of the event's table.
fn place(event: &Envelope<'_>, header: &BatchHeader, options: &DecodeOptions) -> Result<usize, Reject> {
    if options.object_store.is_some() {
        return Ok(0);
    }
    let source = event.source.ok_or((code::MISSING_MEMBER, "the event has no source, so nothing names its table"))?;
    let mut table = None;
    let mut members = Members::of(source).map_err(broken)?;
    while let Some(Member { name, value }) = members.next().map_err(broken)? {
        if matches!(name.of(source), b"table" | b"collection") {
            table = serde_json::from_slice::<String>(value.of(source)).ok().or(table);
        }
    }
    let table = table.ok_or((code::MISSING_MEMBER, "the event's source names no table"))?;
    let found = header.schema.store(&DomString::from(table.as_str()));
    found.map(|(place, _)| place).ok_or((code::UNKNOWN_STORE, "no --key-path names the event's table"))
}

impl Envelope<'_> {
    fn read(
        &self,
        header: &BatchHeader,
        place: usize,
        options: &DecodeOptions,
        parts: &mut Parts,
    ) -> Result<(), Reject> {
        let row = |value: Option<&[u8]>| value.filter(|value| *value != b"null").map(<[u8]>::to_vec);
        let (mut before, mut after) = (row(self.before), row(self.after));
        parts.at = self.at()?;
        parts.kind = match self.op.ok_or((code::MISSING_MEMBER, "the event has no op"))? {
            b"\"c\"" => Kind::Create,
            b"\"u\"" | b"\"r\"" => Kind::Put,
            b"\"d\"" => Kind::Delete,
            b"\"t\"" => Kind::Clear,
            _ => return Err((code::UNKNOWN_OP, "op must be c, u, d, r or t")),
        };
        if parts.kind == Kind::Clear {
            return Ok(());
        }
        let (of_key, other) =
            if parts.kind == Kind::Delete { (&mut before, &mut after) } else { (&mut after, &mut before) };
        const LACKS: Reject = (code::MISSING_MEMBER, "the event lacks the row: before of d, after of the others");
        let whole = of_key.as_deref().ok_or(LACKS)?;
        let key_path = header.schema.stores.get(place).and_then(|store| store.key_path.as_ref());
        parts.keyed = key_path.is_none();
        parts.key = match (key_path, &options.key_field) {
            (Some(KeyPath::Path(path)), _) => at_path(whole, path)?.to_vec(),
            (Some(KeyPath::Paths(paths)), _) => {
                let keys = paths.iter().map(|path| at_path(whole, path)).collect::<Result<Vec<_>, _>>()?;
                [b"[", &keys.join(&b","[..])[..], b"]"].concat()
            }
            (None, Some(field)) => {
                if other.is_some() {
                    take(field, other)?;
                }
                take(field, of_key)?
            }
            (None, None) => return Err((code::NO_KEY, "nothing says where the key is")),
        };
        parts.before = before.unwrap_or_default();
        parts.after = after.unwrap_or_default();
        Ok(())
    }

    fn at(&self) -> Result<Option<i64>, Reject> {
        let Some(raw) = self.ts_ms.filter(|raw| *raw != b"null") else { return Ok(None) };
        let at = std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok());
        let at = at.filter(|at| (-MAX_TIME..=MAX_TIME).contains(at));
        at.map(Some).ok_or((code::INVALID_MEMBER, "ts_ms must be integer milliseconds since 1970"))
    }
}

/// Takes the key field out of a row.
fn take(field: &str, row: &mut Option<Vec<u8>>) -> Result<Vec<u8>, Reject> {
    let whole = row.as_deref().unwrap_or_default();
    let mut rest = Vec::new();
    let key = records::take_key(whole, field, &mut rest)?.of(whole).to_vec();
    *row = Some(rest);
    Ok(key)
}

/// The raw text of what a key path names, in objects only.
fn at_path<'a>(row: &'a [u8], path: &DomString) -> Result<&'a [u8], Reject> {
    const NONE: Reject = (code::NO_KEY, "the row has no key at the object store's key path");
    let path = path.to_string();
    let mut value = row;
    for name in path.split('.').filter(|_| !path.is_empty()) {
        let mut found: Option<Span> = None;
        let mut members = Members::of(value).map_err(|_| NONE)?;
        while let Some(member) = members.next().map_err(broken)? {
            if records::named(member.name.of(value), name) && found.replace(member.value).is_some() {
                return Err((code::DUPLICATE_MEMBER, "the key is there twice"));
            }
        }
        value = found.ok_or(NONE)?.of(value);
    }
    Ok(value)
}
