//! Maps: objects and Maps of a record, and maps made by expressions.

use std::borrow::Cow;
use std::rc::Rc;

use super::{Value, inside, string};
use crate::indexeddb::value::{each_item, each_member, member_name, unescaped};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::work::Work;

/// A member's name, as text and as it is written in an object's canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy::expression) struct Name {
    pub(in crate::policy::expression) text: Box<str>,
    canonical: Box<[u8]>,
}

impl Name {
    /// Returns the name with this text.
    pub(in crate::policy::expression) fn new(text: &str) -> Self {
        Self { text: text.into(), canonical: member_name(text).into() }
    }

    /// Returns the name as it is written between the quotes.
    pub(super) fn canonical(&self) -> &[u8] {
        &self.canonical
    }
}

/// A map, whose keys are strings.
#[derive(Clone, Debug)]
pub(in crate::policy::expression) enum Map<'a> {
    /// A plain object.
    Object(&'a [u8]),
    /// The content of a `~map` whose keys are strings.
    Pairs(&'a [u8]),
    Made(Rc<[Member<'a>]>),
}

/// A key and its value.
pub(in crate::policy::expression) type Member<'a> = (Cow<'a, str>, Value<'a>);

const BROKEN: EvaluationError = EvaluationError::BROKEN;

impl<'a> Map<'a> {
    /// Returns the value of a member, or `None` if it does not exist.
    pub(in crate::policy::expression) fn get(
        &self,
        name: &Name,
        work: &mut Work,
    ) -> Evaluated<Option<Value<'a>>> {
        match self {
            Self::Object(text) => {
                let mut read = 0;
                for member in each_member(text) {
                    let (own, value) = member.ok_or(BROKEN)?;
                    read += own.len() + value.len();
                    if *own == *name.canonical {
                        work.read(read)?;
                        return Ok(Some(Value::Raw(value)));
                    }
                }
                work.read(read)?;
                Ok(None)
            }
            Self::Pairs(pairs) => {
                work.read(pairs.len())?;
                for pair in each_item(pairs) {
                    let (key, value) = key_value(pair)?;
                    if inside(key).and_then(unescaped).is_some_and(|key| *key == *name.text) {
                        return Ok(Some(Value::Raw(value)));
                    }
                }
                Ok(None)
            }
            Self::Made(members) => {
                work.read(members.len())?;
                Ok(members
                    .iter()
                    .find(|(own, _)| **own == *name.text)
                    .map(|(_, value)| value.clone()))
            }
        }
    }

    /// Returns the members, in the order of the text.
    pub(in crate::policy::expression) fn members(
        &self,
        work: &mut Work,
    ) -> Evaluated<Vec<Member<'a>>> {
        let mut found = Vec::new();
        match self {
            Self::Object(text) => {
                for member in each_member(text) {
                    let (name, value) = member.ok_or(BROKEN)?;
                    work.read(value.len())?;
                    work.make(name.len() + size_of::<Member<'_>>())?;
                    let name = name.strip_prefix(b"~").unwrap_or(name);
                    found.push((unescaped(name).ok_or(BROKEN)?, Value::Raw(value)));
                }
            }
            Self::Pairs(pairs) => {
                for pair in each_item(pairs) {
                    let (key, value) = key_value(pair)?;
                    work.read(value.len())?;
                    work.make(size_of::<Member<'_>>())?;
                    found.push((string(key, work)?, Value::Raw(value)));
                }
            }
            Self::Made(members) => {
                work.make(members.len() * size_of::<Member<'_>>())?;
                found.extend(members.iter().cloned());
            }
        }
        Ok(found)
    }

    /// Returns the number of members.
    pub(in crate::policy::expression) fn size(&self, work: &mut Work) -> Evaluated<usize> {
        match self {
            Self::Object(text) => {
                work.read(text.len())?;
                each_member(text)
                    .try_fold(0, |count, member| member.map(|_| count + 1))
                    .ok_or(BROKEN)
            }
            Self::Pairs(pairs) => super::List::Text(pairs).size(work),
            Self::Made(members) => Ok(members.len()),
        }
    }
}

/// True if all keys of a `~map`'s content are strings, so that it is a map in expressions.
pub(super) fn has_text_keys(pairs: &[u8], work: &mut Work) -> Evaluated<bool> {
    work.read(pairs.len())?;
    for pair in each_item(pairs) {
        if !pair.ok_or(BROKEN)?.starts_with(b"[\"") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn key_value(pair: Option<&[u8]>) -> Evaluated<(&[u8], &[u8])> {
    let mut parts = each_item(pair.ok_or(BROKEN)?);
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(key), Some(value)) => Ok((key, value)),
        _ => Err(BROKEN),
    }
}
