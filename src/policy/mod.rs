//! The file in which users decide what happens in a conflict, and which fields are private.
//!
//! [../guide/privacy.md]: crate::normalize
//! [expressions.md]: crate::policy::expression
//! [rules.md]: crate::merge
//!
#![doc = include_str!("../../doc/reference/policy.md")]

/// Complaints about other systems, hostile documents and hostile sources: our answers, and the
/// tests that prove them.
pub mod adversaries;
mod aliases;
mod check;
mod checked_file;
/// The names of other systems' features here.
pub mod coming_from;
mod commutative;
mod duration;
pub mod expression;
mod file;
mod matrix;
mod path;
mod print;
mod privacy;
mod resolver;
mod rules;

pub use aliases::{ALIASES, resolver_kind};
pub use check::{SchemaCheckResult, against_schema};
pub use commutative::{Reason, ScopePart, why_not_commutative};
pub use duration::{DURATION_EXPECTED, duration_ms};
pub use expression::{
    EvaluationError, Expression, Mistake, Reads, SideMeta, SideReads, Variables, Wanted,
};
pub use file::{
    ByteSpan, Case, CaseBase, CaseResult, CaseState, Expectation, ExpectedDetection, Fault,
    FilePosition, MAX_FILE_BYTES, PolicyFile,
};
pub use matrix::matrix;
pub use path::{FieldPath, PathError, PathStep};
pub use privacy::{HashKey, Hide, Privacy};
pub use resolver::{Arrays, Resolver, ResolverKind, ThreeWay};
pub use rules::{Detect, FieldRule, Policy, Rule, StorePolicy, Tombstones, Unresolved};

/// The JSON Schema of a policy file.
pub const SCHEMA: &str = include_str!("policy.schema.json");
