//! Conditions and computed values in policy files, in a subset of CEL.
//!
//! [policy.md]: crate::policy
//!
#![doc = include_str!("../../../doc/reference/expressions.md")]

mod check;
mod data;
mod error;
mod evaluate;
mod functions;
pub mod limits;
mod names;
mod node;
mod reads;
mod result;
mod spans;
mod syntax;
mod types;
mod variables;
mod work;

#[cfg(test)]
mod tests;

pub use error::EvaluationError;
pub use reads::{Reads, SideReads};
pub use variables::{SideMeta, Variables};

use std::ops::Range;
use std::sync::Arc;

/// A compiled expression. It is cheap to clone and can be shared between threads.
#[derive(Clone, Debug)]
pub struct Expression {
    compiled: Arc<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    source: Box<str>,
    node: node::Node,
    /// The number of nodes.
    nodes: usize,
    reads: Reads,
}

/// The purpose of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A condition, which is true or false.
    Condition,
    /// A value to be stored.
    Value,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The position of the first byte in the expression.
    pub start: usize,
    /// The position after the last byte.
    pub end: usize,
    /// The fault.
    pub message: String,
    /// The correction.
    pub help: Option<String>,
}

impl Mistake {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { start: span.start, end: span.end, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Expression {
    /// Parses and checks an expression. Returns all mistakes in the order of the text; a text that
    /// is not CEL has only one.
    pub fn compile(source: &str, wanted: Wanted) -> Result<Self, Vec<Mistake>> {
        let (node, nodes) = check::check(source, wanted)?;
        let reads = Reads::of(&node);
        Ok(Self { compiled: Arc::new(Compiled { source: source.into(), node, nodes, reads }) })
    }

    /// Returns the source text.
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// Returns the parts of the sides that the expression reads.
    pub fn reads(&self) -> &Reads {
        &self.compiled.reads
    }

    /// Evaluates a condition. Fails if the result is neither true nor false.
    pub fn holds(&self, variables: &Variables<'_>) -> Result<bool, EvaluationError> {
        evaluate::holds(&self.compiled.node, self.compiled.nodes, variables)
    }

    /// Evaluates the expression to a canonical value.
    pub fn value(&self, variables: &Variables<'_>) -> Result<Vec<u8>, EvaluationError> {
        evaluate::value(&self.compiled.node, self.compiled.nodes, variables)
    }
}
