//! Conditions and computed values in CEL, over a conflict's sides, bounded in size and work.

mod variables;

pub use variables::{SideMeta, Variables};

use std::sync::Arc;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    source: Arc<str>,
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

/// Why an expression gave nothing. Holds no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub &'static str);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Expression {
    /// Reads and checks an expression.
    pub fn compile(source: &str, _wanted: Wanted) -> Result<Self, Vec<Mistake>> {
        Ok(Self { source: source.into() })
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a condition holds.
    pub fn holds(&self, _variables: &Variables<'_>) -> Result<bool, EvaluationError> {
        Err(EvaluationError("not there yet"))
    }

    /// The canonical value that it gives.
    pub fn value(&self, _variables: &Variables<'_>) -> Result<Vec<u8>, EvaluationError> {
        Err(EvaluationError("not there yet"))
    }
}
