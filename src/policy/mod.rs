#![doc = include_str!("POLICY.md")]

mod conflict_type;
mod expression;
mod path;
mod privacy;
mod resolver;
mod rules;

pub use conflict_type::ConflictType;
pub use expression::{EvaluationError, Expression, Mistake, SideMeta, Variables, Wanted};
pub use path::{FieldPath, PathError, Step};
pub use privacy::{HashKey, Hide, Privacy};
pub use resolver::{Arrays, Resolver, ResolverKind, ThreeWay};
pub use rules::{Detect, FieldRule, Policy, Rule, StorePolicy, Tombstones, Unresolved};
