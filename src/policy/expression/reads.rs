//! What an expression reads: which sides, and which of their members.

use std::collections::BTreeSet;

use super::functions::Function;
use super::names::Variable;
use super::node::Node;

/// What an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Of `base`.
    pub base: SideReads,
    /// Of `head`.
    pub head: SideReads,
    /// Of `incoming`.
    pub incoming: SideReads,
    /// It uses clock, source or flow version of head.
    pub head_meta: bool,
    /// It uses clock or source of incoming.
    pub incoming_meta: bool,
}

/// What an expression reads of a side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideReads {
    /// Names of top-level members that it uses or asks for with `has()`.
    pub members: BTreeSet<String>,
    /// It uses the side by other means than a member of a known name.
    pub whole: bool,
    /// It takes a member of the side: where the side is null, that is an error.
    pub needed: bool,
    /// It compares the side with null, or asks `has()` of it: it may well know what to do where the side is null.
    pub guarded: bool,
}

impl SideReads {
    /// Whether it uses the side at all.
    pub fn any(&self) -> bool {
        self.whole || self.guarded || !self.members.is_empty()
    }

    /// Whether it cannot be evaluated where this side is null: it takes a member and never asks.
    pub fn fails_on_null(&self) -> bool {
        self.needed && !self.guarded
    }
}

impl Reads {
    pub(super) fn of(node: &Node) -> Self {
        let mut reads = Self::default();
        reads.node(node);
        reads
    }

    fn side(&mut self, variable: Variable) -> Option<&mut SideReads> {
        match variable {
            Variable::Base => Some(&mut self.base),
            Variable::Head => Some(&mut self.head),
            Variable::Incoming => Some(&mut self.incoming),
            Variable::HeadAt | Variable::HeadBy | Variable::HeadRev => {
                self.head_meta = true;
                None
            }
            Variable::IncomingAt | Variable::IncomingBy | Variable::IncomingRev => {
                self.incoming_meta = true;
                None
            }
            _ => None,
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Variable(variable) => {
                if let Some(side) = self.side(*variable) {
                    side.whole = true;
                }
            }
            Node::Member(inner, name) | Node::Has(inner, name) => match **inner {
                Node::Variable(variable) => {
                    if let Some(side) = self.side(variable) {
                        side.members.insert(name.text.to_string());
                        let asks = matches!(node, Node::Has(..));
                        side.guarded |= asks;
                        side.needed |= !asks;
                    }
                }
                _ => {
                    // has(head.a.b) is false where head is null.
                    if let (Node::Has(..), Some(side)) = (node, root(inner).and_then(|variable| self.side(variable))) {
                        side.guarded = true;
                    }
                    self.node(inner);
                }
            },
            Node::Index(parts) => {
                if let Node::Variable(variable) = parts[0]
                    && let Some(side) = self.side(variable)
                {
                    side.needed = true;
                }
                parts.iter().for_each(|part| self.node(part));
            }
            Node::Equal(parts) | Node::NotEqual(parts) => {
                if let [Node::Variable(variable), Node::Null] | [Node::Null, Node::Variable(variable)] = **parts
                    && let Some(side) = self.side(variable)
                {
                    side.guarded = true;
                    return;
                }
                parts.iter().for_each(|part| self.node(part));
            }
            Node::Call(function, parts) => {
                if let ([Node::Variable(variable)], Function::TypeOf) = (&**parts, function)
                    && let Some(side) = self.side(*variable)
                {
                    side.guarded = true;
                }
                parts.iter().for_each(|part| self.node(part));
            }
            Node::And(parts)
            | Node::Or(parts)
            | Node::Arithmetic(_, parts)
            | Node::Compare(_, parts)
            | Node::In(parts) => {
                parts.iter().for_each(|part| self.node(part));
            }
            Node::Choice(parts) => parts.iter().for_each(|part| self.node(part)),
            Node::List(parts) => parts.iter().for_each(|part| self.node(part)),
            Node::Map(entries) => entries.iter().for_each(|(key, value)| {
                self.node(key);
                self.node(value);
            }),
            Node::Not(inner) | Node::Negate(inner) => self.node(inner),
            Node::Loop(inner) => {
                self.node(&inner.range);
                inner.condition.iter().chain(&inner.result).for_each(|part| self.node(part));
            }
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Double(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::Type(_)
            | Node::Element => {}
        }
    }
}

/// The variable that a chain of members begins with.
fn root(node: &Node) -> Option<Variable> {
    match node {
        Node::Variable(variable) => Some(*variable),
        Node::Member(inner, _) => root(inner),
        _ => None,
    }
}
