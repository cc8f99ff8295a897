//! Lists: arrays and Sets of a record, and lists made by expressions.

use std::rc::Rc;

use super::Value;
use crate::indexeddb::value::{Items, each_item};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::work::Work;

/// A list.
#[derive(Clone, Debug)]
pub(in crate::policy::expression) enum List<'a> {
    /// A JSON array.
    Text(&'a [u8]),
    Made(Rc<[Value<'a>]>),
}

/// Iterates over a list.
pub(in crate::policy::expression) enum Elements<'a, 'l> {
    Text(Items<'a>),
    Made(std::slice::Iter<'l, Value<'a>>),
}

impl<'a> List<'a> {
    /// Returns the elements, in order.
    pub(in crate::policy::expression) fn elements(&self) -> Elements<'a, '_> {
        match self {
            Self::Text(text) => Elements::Text(each_item(text)),
            Self::Made(values) => Elements::Made(values.iter()),
        }
    }

    /// Returns the number of elements.
    pub(in crate::policy::expression) fn size(&self, work: &mut Work) -> Evaluated<usize> {
        match self {
            Self::Made(values) => Ok(values.len()),
            Self::Text(text) => {
                work.read(text.len())?;
                each_item(text)
                    .try_fold(0, |count, item| item.map(|_| count + 1))
                    .ok_or(EvaluationError::BROKEN)
            }
        }
    }

    /// Returns the element at an index.
    pub(in crate::policy::expression) fn get(
        &self,
        index: usize,
        work: &mut Work,
    ) -> Evaluated<Option<Value<'a>>> {
        if let Self::Made(values) = self {
            return Ok(values.get(index).cloned());
        }
        let mut elements = self.elements();
        for _ in 0..index {
            if elements.next(work)?.is_none() {
                return Ok(None);
            }
        }
        elements.next(work)
    }
}

impl<'a> Elements<'a, '_> {
    /// Returns the next element.
    pub(in crate::policy::expression) fn next(
        &mut self,
        work: &mut Work,
    ) -> Evaluated<Option<Value<'a>>> {
        match self {
            Self::Made(values) => {
                work.step()?;
                Ok(values.next().cloned())
            }
            Self::Text(items) => match items.next() {
                Some(Some(item)) => {
                    work.read(item.len())?;
                    Ok(Some(Value::Raw(item)))
                }
                Some(None) => Err(EvaluationError::BROKEN),
                None => Ok(None),
            },
        }
    }
}
