//! Lines of `indexeddb-changes/1` after the header: the envelope is parsed, keys and values are
//! only located.

use crate::decode::change::{NamedBase, Op, RangeEnd};
use crate::decode::dialect::{DialectSpec, ValueSyntax};
use crate::decode::framing::Span;
use crate::decode::header::{BatchHeader, Mode};
use crate::decode::raw_json::{Reject, broken};
use crate::decode::scan::{ScannedMember, ScannedMembers};
use crate::indexeddb::dom_string::{DomString, NOT_A_STORE_NAME};
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::rejection::code;
use crate::snapshot::id::{FlowVersion, SourceId, StateId};

/// Changes with a header, as a page sends them.
pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "changes",
    summary: "indexeddb-changes/1",
    has_schema: true,
    names_indexes: true,
    values: ValueSyntax::AsOptions,
    ..DialectSpec::NONE
};

/// The number of different members that lines may have. Each has a position; the members of a line
/// are a bit set.
const MEMBERS: usize = 14;

const OP: usize = 0;
const STORE: usize = 1;
const KEY: usize = 2;
const VALUE: usize = 3;
const AT: usize = 4;
const BASE: usize = 5;
const REV: usize = 6;
const BY: usize = 7;
const LOWER: usize = 8;
const UPPER: usize = 9;
const LOWER_OPEN: usize = 10;
const UPPER_OPEN: usize = 11;
const COUNT: usize = 12;
const SPILLED: usize = 13;

const fn bits<const N: usize>(members: [usize; N]) -> u16 {
    let mut bits = 0;
    let mut place = 0;
    while place < N {
        bits |= 1 << members[place];
        place += 1;
    }
    bits
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChangeKind {
    Put,
    Delete,
    DeleteRange,
    Clear,
    End,
}

impl ChangeKind {
    /// Returns the members that such a line may have.
    const fn members(self) -> u16 {
        match self {
            Self::Put => bits([OP, STORE, KEY, VALUE, AT, BASE, REV, BY]),
            Self::Delete => bits([OP, STORE, KEY, AT, BASE, REV, BY]),
            Self::DeleteRange => bits([OP, STORE, LOWER, UPPER, LOWER_OPEN, UPPER_OPEN, AT]),
            Self::Clear => bits([OP, STORE, AT]),
            Self::End => bits([OP, COUNT]),
        }
    }
}

/// A parsed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A change of the object store at this position.
    Change(usize, FoundChange),
    /// The end line, with its count if it has one.
    End(Option<u64>),
}

/// A change whose slices are positions in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundChange {
    kind: ChangeKind,
    key: Option<Span>,
    value: Span,
    at: Option<i64>,
    base: FoundBase,
    lower: Option<(Span, bool)>,
    upper: Option<(Span, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FoundBase {
    None,
    Version(FlowVersion),
    State(FlowVersion, StateId),
    Value(Span),
    Absent,
}

impl FoundChange {
    /// Returns the change, with slices of its line.
    pub(crate) fn op(self, line: &[u8]) -> Op<'_> {
        let base = match self.base {
            FoundBase::None => NamedBase::None,
            FoundBase::Version(version) => NamedBase::Version(version),
            FoundBase::State(version, state) => NamedBase::State(version, state),
            FoundBase::Value(span) => NamedBase::Value(span.of(line)),
            FoundBase::Absent => NamedBase::Absent,
        };
        let key = self.key.map(|span| span.of(line));
        let bound = |bound: Option<(Span, bool)>| {
            bound.map(|(span, open)| RangeEnd { key: span.of(line), open })
        };
        match self.kind {
            ChangeKind::Put => Op::Put { key, value: self.value.of(line), at: self.at, base },
            // A deletion without a key was already refused.
            ChangeKind::Delete => Op::Delete { key: key.unwrap_or_default(), at: self.at, base },
            ChangeKind::DeleteRange => {
                Op::DeleteRange { lower: bound(self.lower), upper: bound(self.upper), at: self.at }
            }
            ChangeKind::Clear | ChangeKind::End => Op::Clear { at: self.at },
        }
    }
}

/// Remembers the object store of the previous line, because most lines name the same one in the
/// same bytes.
#[derive(Debug, Default)]
pub(crate) struct LastStore {
    raw: Vec<u8>,
    place: usize,
}

/// The object store of a rejected line, if it was found, and the reason for the rejection.
pub(crate) type LineReject = (Option<usize>, Reject);

/// Parses one line that is not blank.
pub(crate) fn parse(
    line: &[u8],
    header: &BatchHeader,
    last: &mut LastStore,
) -> Result<Parsed, LineReject> {
    let mut envelope = Envelope { spans: [Span::default(); MEMBERS], seen: 0, unknown: false };
    envelope.fill(line).map_err(|reject| (None, reject))?;
    let kind =
        envelope.kind(line).map_err(|reject| (envelope.store(line, header, last).ok(), reject))?;
    if kind == ChangeKind::End {
        // A stray member must not make a batch endless, so the line still ends the batch, but with
        // no count.
        let count =
            envelope.get(COUNT, line).and_then(integer).and_then(|count| u64::try_from(count).ok());
        return Ok(Parsed::End(count.filter(|_| envelope.only(kind))));
    }
    let place = envelope.store(line, header, last).map_err(|reject| (None, reject))?;
    let found =
        envelope.change(kind, line, header, place).map_err(|reject| (Some(place), reject))?;
    Ok(Parsed::Change(place, found))
}

struct Envelope {
    spans: [Span; MEMBERS],
    seen: u16,
    /// True if there is a member that no line may have.
    unknown: bool,
}

/// Returns the position of a member by its raw name.
fn member(raw: &[u8]) -> Result<Option<usize>, Reject> {
    let found = known(raw);
    if found.is_some() || memchr::memchr(b'\\', raw).is_none() {
        return Ok(found);
    }
    let name: String = serde_json::from_slice(&[b"\"", raw, b"\""].concat())
        .map_err(|_| (code::SYNTAX, "a member's name is not a JSON string"))?;
    Ok(known(name.as_bytes()))
}

fn known(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"op" => OP,
        b"store" => STORE,
        b"key" => KEY,
        b"value" => VALUE,
        b"at" => AT,
        b"base" => BASE,
        b"rev" => REV,
        b"by" => BY,
        b"lower" => LOWER,
        b"upper" => UPPER,
        b"lowerOpen" => LOWER_OPEN,
        b"upperOpen" => UPPER_OPEN,
        b"count" => COUNT,
        b"spilled" => SPILLED,
        _ => return None,
    })
}

impl Envelope {
    /// Locates the line's members.
    fn fill(&mut self, line: &[u8]) -> Result<(), Reject> {
        let mut members = ScannedMembers::of(line).map_err(broken)?;
        while let Some(ScannedMember { name, value }) = members.next().map_err(broken)? {
            let Some(member) = member(name.of(line))? else {
                self.unknown = true;
                continue;
            };
            if self.seen & (1 << member) != 0 {
                return Err((code::DUPLICATE_MEMBER, "a member of the line is there twice"));
            }
            self.seen |= 1 << member;
            self.spans[member] = value;
        }
        Ok(())
    }

    fn get<'a>(&self, member: usize, line: &'a [u8]) -> Option<&'a [u8]> {
        self.span(member).map(|span| span.of(line))
    }

    fn span(&self, member: usize) -> Option<Span> {
        (self.seen & (1 << member) != 0).then(|| self.spans[member])
    }

    fn only(&self, kind: ChangeKind) -> bool {
        !self.unknown && self.seen & !kind.members() == 0
    }

    fn kind(&self, line: &[u8]) -> Result<ChangeKind, Reject> {
        let raw = self.get(OP, line).ok_or((code::MISSING_MEMBER, "the line has no op"))?;
        let kind = |name: &[u8]| match name {
            b"put" => Some(ChangeKind::Put),
            b"delete" => Some(ChangeKind::Delete),
            b"delete-range" => Some(ChangeKind::DeleteRange),
            b"clear" => Some(ChangeKind::Clear),
            b"end" => Some(ChangeKind::End),
            _ => None,
        };
        let plain = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).and_then(kind);
        let read =
            || serde_json::from_slice::<String>(raw).ok().and_then(|name| kind(name.as_bytes()));
        plain
            .or_else(read)
            .ok_or((code::UNKNOWN_OP, "op must be put, delete, delete-range, clear or end"))
    }

    fn store(
        &self,
        line: &[u8],
        header: &BatchHeader,
        last: &mut LastStore,
    ) -> Result<usize, Reject> {
        let raw = self.get(STORE, line).ok_or((code::MISSING_MEMBER, "the line has no store"))?;
        if raw == last.raw {
            return Ok(last.place);
        }
        const EXPECTED: Reject = (code::INVALID_MEMBER, NOT_A_STORE_NAME);
        let value = serde_json::from_slice(raw).map_err(|_| EXPECTED)?;
        let name = DomString::from_json(&value).ok_or(EXPECTED)?;
        let (place, _) = header
            .schema
            .store(&name)
            .ok_or((code::UNKNOWN_STORE, "the header has no object store of this name"))?;
        *last = LastStore { raw: raw.to_vec(), place };
        Ok(place)
    }

    fn change(
        &self,
        kind: ChangeKind,
        line: &[u8],
        header: &BatchHeader,
        place: usize,
    ) -> Result<FoundChange, Reject> {
        // The order of these checks decides which code a line with several faults is reported
        // with; reports are compared by code, so it must not change.
        if header.mode == Mode::Full && kind != ChangeKind::Put {
            return Err((
                code::NOT_IN_FULL,
                "a full batch has put lines only: what is not in it is gone",
            ));
        }
        if kind == ChangeKind::Put && self.span(SPILLED).is_some() {
            return Err((
                code::SPILLED_VALUE,
                "the line does not hold its value: get it with nifi-idb restore",
            ));
        }
        if !self.only(kind) {
            return Err((
                code::UNKNOWN_MEMBER,
                "the line has a member that lines of its operation do not have",
            ));
        }
        let key = self.span(KEY);
        let value = self.span(VALUE);
        let keyed = header.schema.stores.get(place).is_some_and(|store| store.key_path.is_some());
        match kind {
            ChangeKind::Put if value.is_none() => {
                return Err((code::MISSING_MEMBER, "a put line needs a value"));
            }
            ChangeKind::Put if key.is_none() && !keyed => {
                return Err((
                    code::NO_KEY,
                    "the object store has no key path, so the line needs a key",
                ));
            }
            ChangeKind::Delete if key.is_none() => {
                return Err((code::NO_KEY, "a delete line needs a key"));
            }
            ChangeKind::DeleteRange if self.seen & bits([LOWER, UPPER]) == 0 => {
                return Err((
                    code::MISSING_MEMBER,
                    "a delete-range line needs lower or upper; to delete all, clear",
                ));
            }
            _ => {}
        }
        self.check_information(line)?;
        Ok(FoundChange {
            kind,
            key,
            value: value.unwrap_or_default(),
            at: self.at(line)?,
            base: self.base(line)?,
            lower: self.bound(LOWER, LOWER_OPEN, line)?,
            upper: self.bound(UPPER, UPPER_OPEN, line)?,
        })
    }

    fn at(&self, line: &[u8]) -> Result<Option<i64>, Reject> {
        let Some(raw) = self.get(AT, line) else { return Ok(None) };
        let at = integer(raw).filter(|at| (-MAX_DATE_MS..=MAX_DATE_MS).contains(at));
        at.map(Some).ok_or((code::INVALID_MEMBER, "at must be integer milliseconds since 1970"))
    }

    fn base(&self, line: &[u8]) -> Result<FoundBase, Reject> {
        const EXPECTED: Reject = (
            code::INVALID_MEMBER,
            "base must be a flow version, {\"version\":…,\"state\":\"…\"}, {\"value\":…} or {\"absent\":true}",
        );
        let Some(span) = self.span(BASE) else { return Ok(FoundBase::None) };
        let raw = span.of(line);
        if raw.first() != Some(&b'{') {
            return version(raw).map(FoundBase::Version).ok_or(EXPECTED);
        }
        let mut members = ScannedMembers::of(raw).map_err(broken)?;
        let first = members.next().map_err(broken)?.ok_or(EXPECTED)?;
        if let Some(second) = members.next().map_err(broken)? {
            let (version_of, state_of) = match (first.name.of(raw), second.name.of(raw)) {
                (b"version", b"state") => (first.value, second.value),
                (b"state", b"version") => (second.value, first.value),
                _ => return Err(EXPECTED),
            };
            let state = serde_json::from_slice::<&str>(state_of.of(raw))
                .ok()
                .and_then(|state| state.parse().ok());
            let named = version(version_of.of(raw)).zip(state);
            let (version, state) =
                named.filter(|_| matches!(members.next(), Ok(None))).ok_or(EXPECTED)?;
            return Ok(FoundBase::State(version, state));
        }
        match (first.name.of(raw), first.value.of(raw)) {
            (b"value", _) => {
                let Span { start, end } = first.value;
                Ok(FoundBase::Value(Span { start: span.start + start, end: span.start + end }))
            }
            (b"absent", b"true") => Ok(FoundBase::Absent),
            _ => Err(EXPECTED),
        }
    }

    fn bound(
        &self,
        member: usize,
        open: usize,
        line: &[u8],
    ) -> Result<Option<(Span, bool)>, Reject> {
        let open = match self.get(open, line) {
            None | Some(b"false") => false,
            Some(b"true") => true,
            Some(_) => {
                return Err((
                    code::INVALID_MEMBER,
                    "lowerOpen and upperOpen must be true or false",
                ));
            }
        };
        Ok(self.span(member).map(|span| (span, open)))
    }

    /// Checks `rev` and `by`, which are not used but must have the same form as in a chunk.
    fn check_information(&self, line: &[u8]) -> Result<(), Reject> {
        if self.get(REV, line).is_some_and(|raw| version(raw).is_none()) {
            return Err((code::INVALID_MEMBER, "rev must be a flow version"));
        }
        let source = |raw: &[u8]| {
            serde_json::from_slice::<&str>(raw).is_ok_and(|by| by.parse::<SourceId>().is_ok())
        };
        if self.get(BY, line).is_some_and(|raw| !source(raw)) {
            return Err((code::INVALID_MEMBER, "by must be a source id"));
        }
        Ok(())
    }
}

fn version(raw: &[u8]) -> Option<FlowVersion> {
    integer(raw).and_then(|number| u64::try_from(number).ok()).and_then(FlowVersion::new)
}

/// Parses a JSON integer of at most 18 digits, without fraction, exponent or leading zeros.
fn integer(raw: &[u8]) -> Option<i64> {
    let (negative, digits) = raw.strip_prefix(b"-").map_or((false, raw), |digits| (true, digits));
    if digits.is_empty() || digits.len() > 18 || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let number = digits.iter().try_fold(0i64, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, number) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-12", Some(-12)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
        ] {
            assert_eq!(integer(text.as_bytes()), number);
        }
        for text in ["", "-", "01", "-01", "1.0", "1e3", "+1", "1a", "1000000000000000000", "--1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }
}
