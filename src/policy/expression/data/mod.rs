//! Values during evaluation: canonical text that is parsed on demand, or values made by the
//! expression.

mod equal;
mod list;
mod map;
mod number;
mod record;

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) use equal::equal;
pub(super) use list::List;
pub(super) use map::{Map, Member, Name};
pub(super) use record::Record;

use super::error::{Evaluated, EvaluationError};
use super::types::Kind;
use super::work::Work;
use crate::indexeddb::value::{self, ValueTag};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// Canonical text that has not been parsed; it is returned unchanged.
    Raw(&'a [u8]),
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Milliseconds since 1970; NaN for an invalid Date.
    Date(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    List(List<'a>),
    Map(Map<'a>),
    Type(Kind),
    /// A tagged value that can only be compared and returned.
    Stored(&'a [u8]),
}

/// A number in arithmetic and comparisons.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

impl<'a> Value<'a> {
    /// Returns a side, or null.
    pub(super) fn of(text: Option<&'a [u8]>) -> Self {
        text.map_or(Self::Null, Self::Raw)
    }

    /// Parses canonical text; returns any other value unchanged. Never returns [`Value::Raw`].
    pub(super) fn open(self, work: &mut Work) -> Evaluated<Self> {
        match self {
            Self::Raw(text) => open(text, work),
            other => Ok(other),
        }
    }

    /// Returns the kind of a value, which must be open.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Raw(_) | Self::Stored(_) => Kind::Stored,
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Date(_) => Kind::Date,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Type(_) => Kind::Type,
        }
    }

    /// Returns the number that an open value represents; for a Date, its milliseconds.
    pub(super) fn number(&self) -> Option<Number> {
        match *self {
            Self::Int(int) => Some(Number::Int(int)),
            Self::Double(double) | Self::Date(double) => Some(Number::Double(double)),
            _ => None,
        }
    }

    /// Returns the truth value; fails if the value is not a bool.
    pub(super) fn truth(self, work: &mut Work) -> Evaluated<bool> {
        match self.open(work)? {
            Self::Bool(truth) => Ok(truth),
            _ => Err(EvaluationError::TYPES),
        }
    }
}

impl Number {
    /// Returns the number as a double.
    pub(super) fn double(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Double(double) => double,
        }
    }

    /// Compares exactly; returns `None` for NaN.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Double(b)) => number::compare(a, b),
            (Self::Double(a), Self::Int(b)) => number::compare(b, a).map(Ordering::reverse),
        }
    }
}

fn open<'a>(text: &'a [u8], work: &mut Work) -> Evaluated<Value<'a>> {
    work.step()?;
    let broken = EvaluationError::BROKEN;
    Ok(match text.first() {
        Some(b'"') => Value::Text(string(text, work)?),
        Some(b'-' | b'0'..=b'9') => Value::Double(number::read(text).ok_or(broken)?),
        Some(b'[') => Value::List(List::Text(text)),
        Some(b'{') => match value::tagged(text) {
            None => Value::Map(Map::Object(text)),
            Some((tag, content)) => tagged(tag, content, text, work)?,
        },
        _ => match text {
            b"null" => Value::Null,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            _ => return Err(broken),
        },
    })
}

fn tagged<'a>(
    tag: ValueTag,
    content: &'a [u8],
    text: &'a [u8],
    work: &mut Work,
) -> Evaluated<Value<'a>> {
    let broken = EvaluationError::BROKEN;
    Ok(match tag {
        ValueTag::Undefined => Value::Null,
        ValueTag::Number => Value::Double(value::special_number(content).ok_or(broken)?),
        ValueTag::BigInt => {
            let digits = inside(content)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .ok_or(broken)?;
            // CEL's integers have 64 bits. A greater one can still be stored as it is.
            digits.parse().map_or(Value::Stored(text), Value::Int)
        }
        ValueTag::Date if content == b"null" => Value::Date(f64::NAN),
        ValueTag::Date => Value::Date(number::read(content).ok_or(broken)?),
        ValueTag::Set => Value::List(List::Text(content)),
        ValueTag::Map if map::has_text_keys(content, work)? => Value::Map(Map::Pairs(content)),
        ValueTag::Buffer => {
            // Members of canonical text are sorted, so the data comes first.
            let data = content.strip_prefix(b"{\"data\":").ok_or(broken)?;
            let end = memchr::memchr(b'"', data.get(1..).ok_or(broken)?).ok_or(broken)? + 2;
            Value::Bytes(Cow::Owned(bytes(&data[..end], work)?))
        }
        ValueTag::Binary => Value::Bytes(Cow::Owned(bytes(content, work)?)),
        ValueTag::Utf16
        | ValueTag::Entries
        | ValueTag::RegExp
        | ValueTag::Boxed
        | ValueTag::Array
        | ValueTag::Map
        | ValueTag::View
        | ValueTag::Error
        | ValueTag::Blob
        | ValueTag::Dom
        | ValueTag::Opaque
        | ValueTag::Id
        | ValueTag::Ref => Value::Stored(text),
    })
}

/// Returns the text of a canonical string.
fn string<'a>(text: &'a [u8], work: &mut Work) -> Evaluated<Cow<'a, str>> {
    work.read(text.len())?;
    let text = inside(text).and_then(value::unescaped).ok_or(EvaluationError::BROKEN)?;
    if let Cow::Owned(text) = &text {
        work.make(text.len())?;
    }
    Ok(text)
}

fn bytes(base64: &[u8], work: &mut Work) -> Evaluated<Vec<u8>> {
    work.make(base64.len())?;
    inside(base64).and_then(|data| STANDARD.decode(data).ok()).ok_or(EvaluationError::BROKEN)
}

fn inside(string: &[u8]) -> Option<&[u8]> {
    string.strip_prefix(b"\"")?.strip_suffix(b"\"")
}
