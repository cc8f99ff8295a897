//! The sides that an expression reads, and the members of each.

use std::collections::BTreeSet;

use super::functions::Function;
use super::names::Variable;
use super::node::Node;

/// The parts of the sides that an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The parts of `base`.
    pub base: SideReads,
    /// The parts of `head`.
    pub head: SideReads,
    /// The parts of `incoming`.
    pub incoming: SideReads,
    /// True if it reads the clock, source or flow version of head.
    pub head_meta: bool,
    /// True if it reads the clock or source of incoming.
    pub incoming_meta: bool,
}

/// The parts of one side that an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideReads {
    /// Names of top-level members that it reads, or tests with `has()`.
    pub members: BTreeSet<String>,
    /// True if it uses the side in any other way than by members with known names.
    pub whole: bool,
    /// True if it reads a member of the side, which fails if the side is null.
    pub needed: bool,
    /// True if it compares the side with null, or tests it with `has()`, and so may handle a null
    /// side.
    pub guarded: bool,
}

impl SideReads {
    /// True if it uses the side at all.
    pub fn any(&self) -> bool {
        self.whole || self.guarded || !self.members.is_empty()
    }

    /// True if it cannot be evaluated when this side is null: it reads a member without any test.
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
                    // `has(head.a.b)` is false if head is null.
                    if let (Node::Has(..), Some(side)) =
                        (node, root(inner).and_then(|variable| self.side(variable)))
                    {
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
                if let [Node::Variable(variable), Node::Null]
                | [Node::Null, Node::Variable(variable)] = **parts
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

/// Returns the variable that a chain of members starts from.
fn root(node: &Node) -> Option<Variable> {
    match node {
        Node::Variable(variable) => Some(*variable),
        Node::Member(inner, _) => root(inner),
        _ => None,
    }
}
