//! Macros over a list.

use super::Evaluator;
use crate::policy::expression::data::{List, Value};
use crate::policy::expression::error::{Evaluated, EvaluationError};
use crate::policy::expression::limits::MAX_LIST;
use crate::policy::expression::node::{Loop, LoopKind};

impl<'a> Evaluator<'a> {
    pub(super) fn run_through(&mut self, inner: &'a Loop) -> Evaluated<Value<'a>> {
        let list = match self.opened(&inner.range)? {
            Value::List(list) => list,
            Value::Map(map) => {
                let keys: Vec<_> = map
                    .members(&mut self.work)?
                    .into_iter()
                    .map(|(key, _)| Value::Text(key))
                    .collect();
                List::Made(keys.into())
            }
            _ => return Err(EvaluationError::TYPES),
        };
        // Checked first, so that the result does not depend on where the loop ends.
        if list.size(&mut self.work)? > MAX_LIST {
            return self.work.end(EvaluationError::LIST);
        }
        let given = match inner.kind {
            LoopKind::All => self.decide(inner, &list, false).map(Value::Bool),
            LoopKind::Exists => self.decide(inner, &list, true).map(Value::Bool),
            LoopKind::ExistsOne => self.count(inner, &list).map(|count| Value::Bool(count == 1)),
            LoopKind::Filter | LoopKind::Map => self.collect(inner, &list),
        };
        self.element = Value::Null;
        given
    }

    fn condition(&mut self, inner: &'a Loop) -> Evaluated<bool> {
        inner.condition.as_ref().map_or(Ok(true), |condition| self.truth(condition))
    }

    /// Evaluates `all` and `exists`. As with `&&` and `||`, one deciding element is enough, even if
    /// others fail.
    fn decide(&mut self, inner: &'a Loop, list: &List<'a>, decides: bool) -> Evaluated<bool> {
        let mut otherwise = Ok(!decides);
        let mut elements = list.elements();
        while let Some(element) = elements.next(&mut self.work)? {
            self.element = element;
            match self.condition(inner) {
                Ok(truth) if truth == decides => return Ok(decides),
                Ok(_) => {}
                // If a limit was reached, the next step ends the loop.
                error if otherwise.is_ok() => otherwise = error,
                Err(_) => {}
            }
        }
        otherwise
    }

    fn count(&mut self, inner: &'a Loop, list: &List<'a>) -> Evaluated<usize> {
        let mut count = 0;
        let mut elements = list.elements();
        while let Some(element) = elements.next(&mut self.work)? {
            self.element = element;
            count += usize::from(self.condition(inner)?);
        }
        Ok(count)
    }

    fn collect(&mut self, inner: &'a Loop, list: &List<'a>) -> Evaluated<Value<'a>> {
        let mut collected = Vec::new();
        let mut elements = list.elements();
        while let Some(element) = elements.next(&mut self.work)? {
            self.element = element;
            if self.condition(inner)? {
                self.work.make_values(1)?;
                collected.push(match &inner.result {
                    Some(result) => self.run(result)?,
                    None => self.element.clone(),
                });
            }
        }
        Ok(Value::List(List::Made(collected.into())))
    }
}
