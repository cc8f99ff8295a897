//! Evaluation: computes the value of a node from the variables.

mod arithmetic;
mod call;
mod loops;

use std::borrow::Cow;

use super::data::{List, Map, Member, Name, Record, Value, equal};
use super::error::{Evaluated, EvaluationError};
use super::names::Variable;
use super::node::Node;
use super::result;
use super::types::Kind;
use super::variables::Variables;
use super::work::Work;

/// Evaluates a condition with this many nodes.
pub(super) fn holds(node: &Node, nodes: usize, variables: &Variables<'_>) -> Evaluated<bool> {
    let mut evaluator = Evaluator::new(nodes, variables);
    match evaluator.opened(node)? {
        Value::Bool(truth) => Ok(truth),
        _ => Err(EvaluationError::CONDITION),
    }
}

/// Returns the canonical text of the value of an expression with this many nodes.
pub(super) fn value(node: &Node, nodes: usize, variables: &Variables<'_>) -> Evaluated<Vec<u8>> {
    let mut evaluator = Evaluator::new(nodes, variables);
    let value = evaluator.run(node)?;
    result::canonical(value, &mut evaluator.work)
}

/// One evaluation.
struct Evaluator<'a> {
    variables: &'a Variables<'a>,
    /// The records of base, head and incoming, once a member of them is read.
    records: [Option<Record<'a>>; 3],
    /// The current element of the loop.
    element: Value<'a>,
    work: Work,
}

impl<'a> Evaluator<'a> {
    fn new(nodes: usize, variables: &'a Variables<'a>) -> Self {
        let sides = [variables.base, variables.head, variables.incoming];
        let bytes = sides.iter().map(|side| side.map_or(0, <[u8]>::len)).sum();
        Self {
            variables,
            records: [const { None }; 3],
            element: Value::Null,
            work: Work::new(nodes, bytes),
        }
    }

    fn run(&mut self, node: &'a Node) -> Evaluated<Value<'a>> {
        self.work.step()?;
        Ok(match node {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Int(int) => Value::Int(*int),
            Node::Double(double) => Value::Double(*double),
            Node::Text(text) => Value::Text(Cow::Borrowed(text)),
            Node::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            Node::Type(kind) => Value::Type(*kind),
            Node::Variable(variable) => self.variable(*variable),
            Node::Element => self.element.clone(),
            Node::Member(inner, name) => {
                let found = match **inner {
                    Node::Variable(side) => self.member_of_side(side, name)?,
                    _ => {
                        let inner = self.opened(inner)?;
                        self.member(&inner, name)?
                    }
                };
                // `has()` must not fail on a missing member, so it has its own walk.
                found.ok_or(EvaluationError::MISSING)?
            }
            Node::Has(inner, name) => Value::Bool(self.perhaps_member(inner, name)?.is_some()),
            Node::Index(parts) => {
                let (of, index) = (self.opened(&parts[0])?, self.opened(&parts[1])?);
                self.index(&of, &index)?
            }
            Node::List(nodes) => self.list(nodes)?,
            Node::Map(entries) => self.map(entries)?,
            Node::Not(inner) => Value::Bool(!self.truth(inner)?),
            Node::Negate(inner) => {
                let inner = self.opened(inner)?;
                arithmetic::negate(&inner)?
            }
            Node::And(parts) => Value::Bool(self.logic(parts, false)?),
            Node::Or(parts) => Value::Bool(self.logic(parts, true)?),
            Node::Choice(parts) => {
                let chosen = if self.truth(&parts[0])? { &parts[1] } else { &parts[2] };
                self.run(chosen)?
            }
            Node::Arithmetic(operator, parts) => {
                let (a, b) = (self.opened(&parts[0])?, self.opened(&parts[1])?);
                arithmetic::apply(*operator, a, b, &mut self.work)?
            }
            Node::Compare(order, parts) => {
                let (a, b) = (self.opened(&parts[0])?, self.opened(&parts[1])?);
                Value::Bool(arithmetic::compare(*order, &a, &b, &mut self.work)?)
            }
            Node::Equal(parts) => Value::Bool(self.equality(parts)?),
            Node::NotEqual(parts) => Value::Bool(!self.equality(parts)?),
            Node::In(parts) => {
                let (element, range) = (self.run(&parts[0])?, self.opened(&parts[1])?);
                Value::Bool(self.within(element, &range)?)
            }
            Node::Call(function, parts) => self.call(*function, parts)?,
            Node::Loop(inner) => self.run_through(inner)?,
        })
    }

    /// Returns the value of a node, open.
    fn opened(&mut self, node: &'a Node) -> Evaluated<Value<'a>> {
        self.run(node)?.open(&mut self.work)
    }

    fn truth(&mut self, node: &'a Node) -> Evaluated<bool> {
        self.run(node)?.truth(&mut self.work)
    }

    fn variable(&self, variable: Variable) -> Value<'a> {
        variable.value(self.variables)
    }

    /// Returns a member of a variable, or `None` if it does not exist.
    fn member_of_side(&mut self, variable: Variable, name: &Name) -> Evaluated<Option<Value<'a>>> {
        let (place, text) = match variable {
            Variable::Base => (0, self.variables.base),
            Variable::Head => (1, self.variables.head),
            Variable::Incoming => (2, self.variables.incoming),
            _ => (0, None),
        };
        if let Some(text) = text {
            if self.records[place].is_none() {
                self.records[place] = Record::of(text);
            }
            if let Some(record) = &mut self.records[place] {
                return record.get(name, &mut self.work);
            }
        }
        let value = self.variable(variable).open(&mut self.work)?;
        self.member(&value, name)
    }

    /// Returns a member of an open value, or `None` if it does not exist.
    fn member(&mut self, of: &Value<'a>, name: &Name) -> Evaluated<Option<Value<'a>>> {
        match of {
            Value::Map(map) => map.get(name, &mut self.work),
            Value::Null => Err(EvaluationError::NULL),
            _ => Err(EvaluationError::TYPES),
        }
    }

    /// Returns a member of a node's value; `None` if it, or a member before it, is missing or null.
    fn perhaps_member(&mut self, node: &'a Node, name: &Name) -> Evaluated<Option<Value<'a>>> {
        self.work.step()?;
        if let Node::Variable(side) = *node {
            return match self.member_of_side(side, name) {
                Err(EvaluationError::NULL) => Ok(None),
                found => found,
            };
        }
        match self.perhaps(node)? {
            None | Some(Value::Null) => Ok(None),
            Some(inner) => self.member(&inner, name),
        }
    }

    /// Returns the value of a chain of members, open; `None` if one of them is missing or null.
    fn perhaps(&mut self, node: &'a Node) -> Evaluated<Option<Value<'a>>> {
        let Node::Member(inner, name) = node else { return self.opened(node).map(Some) };
        match self.perhaps_member(inner, name)? {
            Some(value) => value.open(&mut self.work).map(Some),
            None => Ok(None),
        }
    }

    fn index(&mut self, of: &Value<'a>, index: &Value<'a>) -> Evaluated<Value<'a>> {
        match (of, index) {
            (Value::Map(map), Value::Text(name)) => {
                self.work.make(name.len())?;
                map.get(&Name::new(name), &mut self.work)?.ok_or(EvaluationError::MISSING)
            }
            (Value::List(list), index) => {
                let index = match index {
                    Value::Int(int) => usize::try_from(*int).ok(),
                    Value::Double(double) if double.fract() == 0.0 && *double >= 0.0 => {
                        Some(*double as usize)
                    }
                    Value::Double(_) => None,
                    _ => return Err(EvaluationError::TYPES),
                };
                let found = index.map(|index| list.get(index, &mut self.work)).transpose()?;
                found.flatten().ok_or(EvaluationError::INDEX)
            }
            (Value::Null, _) => Err(EvaluationError::NULL),
            _ => Err(EvaluationError::TYPES),
        }
    }

    fn list(&mut self, nodes: &'a [Node]) -> Evaluated<Value<'a>> {
        self.work.make_values(nodes.len())?;
        let values: Evaluated<Vec<_>> = nodes.iter().map(|node| self.run(node)).collect();
        Ok(Value::List(List::Made(values?.into())))
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<Value<'a>> {
        self.work.make_values(2 * entries.len())?;
        let mut members: Vec<Member<'a>> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Text(key) = self.opened(key)? else { return Err(EvaluationError::TYPES) };
            self.work.read(members.len())?;
            if members.iter().any(|(own, _)| *own == key) {
                return Err(EvaluationError::TWICE);
            }
            members.push((key, self.run(value)?));
        }
        Ok(Value::Map(Map::Made(members.into())))
    }

    /// Evaluates `&&` and `||`: one deciding side is enough, even if the other fails.
    fn logic(&mut self, parts: &'a [Node; 2], decides: bool) -> Evaluated<bool> {
        let first = self.truth(&parts[0]);
        if first == Ok(decides) {
            return first;
        }
        match (first, self.truth(&parts[1])) {
            (_, Ok(second)) if second == decides => Ok(second),
            (Err(error), _) => Err(error),
            (Ok(_), second) => second,
        }
    }

    fn equality(&mut self, parts: &'a [Node; 2]) -> Evaluated<bool> {
        let (a, b) = (self.run(&parts[0])?, self.run(&parts[1])?);
        equal(a, b, &mut self.work)
    }

    fn within(&mut self, element: Value<'a>, range: &Value<'a>) -> Evaluated<bool> {
        match range {
            Value::List(list) => {
                let element = match element {
                    Value::Raw(text) if matches!(text.first(), Some(b'{' | b'[')) => element,
                    element => element.open(&mut self.work)?,
                };
                let mut elements = list.elements();
                while let Some(other) = elements.next(&mut self.work)? {
                    if equal(element.clone(), other, &mut self.work)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => match element.open(&mut self.work)? {
                Value::Text(name) => {
                    self.work.make(name.len())?;
                    Ok(map.get(&Name::new(&name), &mut self.work)?.is_some())
                }
                Value::Bool(_) | Value::Int(_) | Value::Double(_) => Ok(false),
                _ => Err(EvaluationError::TYPES),
            },
            _ => Err(EvaluationError::TYPES),
        }
    }

    fn kind(&mut self, node: &'a Node) -> Evaluated<Kind> {
        Ok(self.opened(node)?.kind())
    }
}
