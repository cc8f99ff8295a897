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

/// A compiled expression. A copy costs nothing, and threads can share it.
#[derive(Clone, Debug)]
pub struct Expression {
    compiled: Arc<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    source: Box<str>,
    node: node::Node,
    /// How many nodes it has.
    nodes: usize,
    reads: Reads,
}

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A condition: true or false.
    Condition,
    /// A value that is stored.
    Value,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the expression: first and behind the last.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
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
    /// Reads and checks an expression. All mistakes that are found come in the order of the text; a text that is no CEL has
    /// one.
    pub fn compile(source: &str, wanted: Wanted) -> Result<Self, Vec<Mistake>> {
        let (node, nodes) = check::check(source, wanted)?;
        let reads = Reads::of(&node);
        Ok(Self { compiled: Arc::new(Compiled { source: source.into(), node, nodes, reads }) })
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// What it reads of the sides.
    pub fn reads(&self) -> &Reads {
        &self.compiled.reads
    }

    /// Whether a condition holds. What is neither true nor false is an error.
    pub fn holds(&self, variables: &Variables<'_>) -> Result<bool, EvaluationError> {
        evaluate::holds(&self.compiled.node, self.compiled.nodes, variables)
    }

    /// The canonical value that it gives.
    pub fn value(&self, variables: &Variables<'_>) -> Result<Vec<u8>, EvaluationError> {
        evaluate::value(&self.compiled.node, self.compiled.nodes, variables)
    }
}
