#![doc = include_str!("POLICY.md")]

mod conflict_type;
mod expression;
mod path;
mod privacy;
mod resolver;
mod rules;

pub use conflict_type::ConflictType;
pub use expression::{EvaluationError, Expression, Mistake, Reads, SideMeta, SideReads, Variables, Wanted, limits};
pub use path::{FieldPath, PathError, Step};
pub use privacy::{Hide, Privacy};
pub use resolver::{Arrays, Resolver, ResolverKind, ThreeWay};
pub use rules::{Detect, FieldRule, Policy, Rule, StorePolicy, Tombstones, Unresolved};
