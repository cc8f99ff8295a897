//! Equality of values.

use super::{List, Map, Value};
use crate::indexeddb::value::{
    ValueTag, each_member, has_references, may_have_tags, without_stacks,
};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::work::Work;

/// True if two values are equal, by CEL's rules: values of different kinds differ, but all numbers
/// are one kind, and a Date is its milliseconds. Error stacks are ignored.
pub(in crate::policy::expression) fn equal<'a>(
    a: Value<'a>,
    b: Value<'a>,
    work: &mut Work,
) -> Evaluated<bool> {
    if let (Value::Raw(a), Value::Raw(b)) = (&a, &b)
        && let Some(decided) = texts(a, b, work)?
    {
        return Ok(decided);
    }
    work.step()?;
    let (a, b) = (a.open(work)?, b.open(work)?);
    Ok(match (&a, &b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => {
            work.read(a.len().min(b.len()))?;
            a == b
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            work.read(a.len().min(b.len()))?;
            a == b
        }
        (Value::List(a), Value::List(b)) => lists(a, b, work)?,
        (Value::Map(a), Value::Map(b)) => maps(a, b, work)?,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Stored(a), Value::Stored(b)) => stored(a, b, work)?,
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.compare(b).is_some_and(|order| order.is_eq()),
            _ => false,
        },
    })
}

/// Compares only the texts. That is enough unless a value contains tags, because the canonical text
/// is unique; otherwise returns `None`.
fn texts(a: &[u8], b: &[u8], work: &mut Work) -> Evaluated<Option<bool>> {
    work.read(a.len().min(b.len()))?;
    let same = a == b;
    let container = |text: &[u8]| matches!(text.first(), Some(b'{' | b'['));
    if !container(a) && !container(b) {
        return Ok(Some(same));
    }
    work.read(a.len() + b.len())?;
    Ok((!may_have_tags(a) && !may_have_tags(b)).then_some(same))
}

fn lists<'a>(a: &List<'a>, b: &List<'a>, work: &mut Work) -> Evaluated<bool> {
    let (mut a, mut b) = (a.elements(), b.elements());
    loop {
        match (a.next(work)?, b.next(work)?) {
            (Some(a), Some(b)) => {
                if !equal(a, b, work)? {
                    return Ok(false);
                }
            }
            (None, None) => return Ok(true),
            _ => return Ok(false),
        }
    }
}

fn maps<'a>(a: &Map<'a>, b: &Map<'a>, work: &mut Work) -> Evaluated<bool> {
    if let (Map::Object(a), Map::Object(b)) = (a, b) {
        return objects(a, b, work);
    }
    let (mut a, mut b) = (a.members(work)?, b.members(work)?);
    if a.len() != b.len() {
        return Ok(false);
    }
    for members in [&mut a, &mut b] {
        work.read(members.len() * 256)?;
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    if !a.iter().map(|(name, _)| name).eq(b.iter().map(|(name, _)| name)) {
        return Ok(false);
    }
    for ((_, a), (_, b)) in a.into_iter().zip(b) {
        if !equal(a, b, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares two objects, whose members are in canonical order.
fn objects<'a>(a: &'a [u8], b: &'a [u8], work: &mut Work) -> Evaluated<bool> {
    let (mut a, mut b) = (each_member(a), each_member(b));
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => {
                let (Some((name, a)), Some((other, b))) = (a, b) else {
                    return Err(EvaluationError::BROKEN);
                };
                work.read(a.len() + b.len())?;
                if name != other || !equal(Value::Raw(a), Value::Raw(b), work)? {
                    return Ok(false);
                }
            }
            (None, None) => return Ok(true),
            _ => return Ok(false),
        }
    }
}

fn stored(a: &[u8], b: &[u8], work: &mut Work) -> Evaluated<bool> {
    work.read(a.len() + b.len())?;
    let shared = |text: &[u8]| ValueTag::Id.begins(text) || has_references(text);
    if shared(a) || shared(b) {
        return Err(EvaluationError::REFERENCES);
    }
    let bare = |text| without_stacks(text).unwrap_or_else(|| <[u8]>::to_vec(text));
    Ok(a == b || bare(a) == bare(b))
}
