//! A checked expression, ready to be evaluated.

use std::sync::Arc;

use super::data::Name;
use super::functions::Function;
use super::names::Variable;
use super::types::Kind;

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    Type(Kind),
    Variable(Variable),
    /// The current element of the loop. Loops are never nested, so there is only one.
    Element,
    /// `a.b`
    Member(Box<Node>, Name),
    /// `has(a.b)`
    Has(Box<Node>, Name),
    /// `a[b]`
    Index(Box<[Node; 2]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `a ? b : c`
    Choice(Box<[Node; 3]>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Compare(Compare, Box<[Node; 2]>),
    Equal(Box<[Node; 2]>),
    NotEqual(Box<[Node; 2]>),
    /// `a in b`
    In(Box<[Node; 2]>),
    Call(Function, Box<[Node]>),
    Loop(Box<Loop>),
}

/// An arithmetic operator; `+` also concatenates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A comparison of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A macro over the elements of a list, or the keys of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) range: Node,
    /// The condition on an element; `None` for `map` with two arguments.
    pub(super) condition: Option<Node>,
    /// The result of `map` for an element.
    pub(super) result: Option<Node>,
}

/// The kind of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}
