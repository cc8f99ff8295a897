//! Applies a resolver to two values: those of a whole record, or of one field.

use std::cmp::Ordering;

use super::asked::Asked;
use super::collections::{append_unique, union};
use super::field::at;
use super::number::{delta, zero};
use super::order::compare;
use super::sides::Base;
use crate::policy::{Expression, FieldPath, Resolver, Variables};
use crate::snapshot::Winner;

/// The result of a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResolverOutcome {
    /// Head's value.
    Head,
    /// Incoming's value.
    Incoming,
    /// Another value; true if it lacks something of a side.
    Value(Vec<u8>, bool),
    /// The resolver cannot decide, for this reason.
    Unresolved(&'static str),
    /// The resolver leaves the conflict to a person.
    Park,
    /// The resolver refuses the batch.
    Fail,
}

/// The values of a field or of a whole record. `None`: the member does not exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) base: Base<'a>,
    pub(super) head: Option<&'a [u8]>,
    pub(super) incoming: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// True if exactly one side has the member, and the base did not.
    fn is_new_on_one_side(&self) -> bool {
        self.base == Base::Absent && (self.head.is_none() || self.incoming.is_none())
    }

    /// Returns the side that alone changed the value, if the base is known.
    pub(super) fn only_changed(&self) -> Option<Winner> {
        let base = match self.base {
            Base::Unknown => return None,
            Base::Absent => None,
            Base::Value(value) => Some(value),
        };
        match (self.head == base, self.incoming == base) {
            (_, true) => Some(Winner::Head),
            (true, false) => Some(Winner::Incoming),
            _ => None,
        }
    }
}

impl Asked<'_> {
    /// Applies a resolver to values that differ. `field` is the path; empty for a whole record.
    pub(super) fn decide(
        &self,
        resolver: &Resolver,
        values: Values<'_>,
        field: &str,
    ) -> ResolverOutcome {
        match resolver {
            Resolver::Park => ResolverOutcome::Park,
            Resolver::Fail => ResolverOutcome::Fail,
            Resolver::Delta if !field.is_empty() && values.is_new_on_one_side() => present(values),
            Resolver::Delta => sum(values),
            Resolver::Max { by } => self.greatest(values, by.as_ref(), Ordering::Greater),
            Resolver::Min { by } => self.greatest(values, by.as_ref(), Ordering::Less),
            Resolver::SetUnion => match (values.head, values.incoming) {
                (Some(head), Some(incoming)) => match union(head, incoming) {
                    Some(value) => ResolverOutcome::Value(value, false),
                    None => ResolverOutcome::Unresolved("set-union needs two arrays, or two Sets"),
                },
                _ => present(values),
            },
            Resolver::AppendUnique { key, order_by } => match (values.head, values.incoming) {
                (Some(head), Some(incoming)) => {
                    match append_unique(head, incoming, key, order_by.as_ref()) {
                        Some(appended) => {
                            ResolverOutcome::Value(appended.value, appended.contested)
                        }
                        None => ResolverOutcome::Unresolved(
                            "append-unique needs two arrays of objects that have the key",
                        ),
                    }
                }
                _ => present(values),
            },
            Resolver::Order(states) => furthest(values, states),
            Resolver::Immutable => first(values),
            Resolver::Cel(expression) => self.computed(expression, field),
            Resolver::ThreeWay(_) => ResolverOutcome::Unresolved(
                "three-way needs two values that can be merged by member",
            ),
            Resolver::LastWriteWins
            | Resolver::FirstWriteWins
            | Resolver::IncomingWins
            | Resolver::HeadWins
            | Resolver::Skip
            | Resolver::Accept => {
                // Which side is head depends on the order of arrival, so a commutative policy must
                // not ask which of them changed the value.
                let alone = if self.policy.commutative { None } else { values.only_changed() };
                match alone.map_or_else(|| self.side(resolver), Ok) {
                    Ok(Winner::Incoming) => ResolverOutcome::Incoming,
                    Ok(_) => ResolverOutcome::Head,
                    Err(reason) => ResolverOutcome::Unresolved(reason),
                }
            }
        }
    }

    fn computed(&self, expression: &Expression, field: &str) -> ResolverOutcome {
        match self.with_variables(field, |variables: &Variables<'_>| expression.value(variables)) {
            Ok(value) => ResolverOutcome::Value(value, true),
            Err(error) => ResolverOutcome::Unresolved(error.0),
        }
    }

    fn greatest(
        &self,
        values: Values<'_>,
        by: Option<&FieldPath>,
        wanted: Ordering,
    ) -> ResolverOutcome {
        let Some(by) = by else {
            let (Some(head), Some(incoming)) = (values.head, values.incoming) else {
                return present(values);
            };
            return match compare(incoming, head) {
                Some(order) if order == wanted => ResolverOutcome::Incoming,
                // The values are equal but their texts differ, as for 1 and a BigInt 1. The greater
                // text wins, whichever side has it.
                Some(Ordering::Equal) if incoming > head => ResolverOutcome::Incoming,
                Some(_) => ResolverOutcome::Head,
                None => {
                    ResolverOutcome::Unresolved("max and min need two values that have an order")
                }
            };
        };
        match self.side_by(by, values, wanted) {
            Some(Winner::Incoming) => ResolverOutcome::Incoming,
            Some(_) => ResolverOutcome::Head,
            None => ResolverOutcome::Unresolved(
                "the member that max or min compares by has no order, or is on no side",
            ),
        }
    }

    /// Returns the side whose record has the greater (or smaller) member `by`. If these are equal,
    /// the side whose `values` have the greater text.
    pub(super) fn side_by(
        &self,
        by: &FieldPath,
        values: Values<'_>,
        wanted: Ordering,
    ) -> Option<Winner> {
        let (head, incoming) = (
            self.head_value.and_then(|it| at(it, by)),
            self.incoming_value().and_then(|it| at(it, by)),
        );
        let order = match (head, incoming) {
            (Some(head), Some(incoming)) => compare(incoming, head)?,
            (Some(_), None) => return Some(Winner::Head),
            (None, Some(_)) => return Some(Winner::Incoming),
            (None, None) => return None,
        };
        let ties = || values.incoming.cmp(&values.head);
        let incoming_wins = if order.is_eq() { ties().is_gt() } else { order == wanted };
        Some(if incoming_wins { Winner::Incoming } else { Winner::Head })
    }
}

/// Returns the side that has the value.
fn present(values: Values<'_>) -> ResolverOutcome {
    if values.head.is_some() { ResolverOutcome::Head } else { ResolverOutcome::Incoming }
}

fn sum(values: Values<'_>) -> ResolverOutcome {
    let (Some(head), Some(incoming)) = (values.head, values.incoming) else {
        return ResolverOutcome::Unresolved("delta needs a number on both sides");
    };
    let base = match values.base {
        Base::Value(base) => base,
        // Both sides inserted the member, so the sum starts at zero.
        Base::Absent => zero(head),
        Base::Unknown => {
            return ResolverOutcome::Unresolved("delta needs to know what the change started from");
        }
    };
    match delta(base, head, incoming) {
        Some(value) => ResolverOutcome::Value(value, false),
        None => ResolverOutcome::Unresolved(
            "delta needs three numbers, or three BigInts, and a sum that is not too large",
        ),
    }
}

fn furthest(values: Values<'_>, states: &[Vec<u8>]) -> ResolverOutcome {
    let (Some(head), Some(incoming)) = (values.head, values.incoming) else {
        return present(values);
    };
    let place = |value: &[u8]| states.iter().position(|state| state == value);
    match (place(head), place(incoming)) {
        (Some(head), Some(incoming)) if incoming > head => ResolverOutcome::Incoming,
        (Some(_), Some(_)) => ResolverOutcome::Head,
        _ => ResolverOutcome::Unresolved("a state that the list of states does not name"),
    }
}

fn first(values: Values<'_>) -> ResolverOutcome {
    match (values.base, values.head) {
        (Base::Value(base), head) if head != Some(base) => match values.incoming == Some(base) {
            true => ResolverOutcome::Incoming,
            false => ResolverOutcome::Value(base.to_vec(), true),
        },
        (_, Some(_)) => ResolverOutcome::Head,
        (_, None) => ResolverOutcome::Incoming,
    }
}
