//! Fields that have a resolver of their own.

use serde_json::{Value, json};

use super::rules::Resolver;

/// What becomes of a field.
pub(super) enum FieldOutcome {
    /// Both sides agree about it.
    Agrees,
    Undecided,
    Value(Option<Value>),
}

/// What is known of a field before both changes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FieldBase<'a> {
    Unknown,
    /// `None`: there was no such field.
    Known(Option<&'a Value>),
}

/// Decides about one field.
pub(super) fn field(
    resolver: Resolver,
    base: FieldBase<'_>,
    head: Option<&Value>,
    incoming: Option<&Value>,
) -> FieldOutcome {
    let is_twice =
        resolver == Resolver::Delta && head.is_some() && base != FieldBase::Unknown && base != FieldBase::Known(head);
    if head == incoming && !is_twice {
        return FieldOutcome::Agrees;
    }
    let was = match base {
        FieldBase::Known(was) => was,
        FieldBase::Unknown if resolver == Resolver::Delta => return FieldOutcome::Undecided,
        FieldBase::Unknown => None,
    };
    let value = match (resolver, head, incoming) {
        (_, None, other) | (_, other, None) => match (resolver, was) {
            (Resolver::Delta, Some(_)) => return FieldOutcome::Undecided,
            _ => other.cloned(),
        },
        (Resolver::Delta, Some(head), Some(incoming)) => {
            let number = |value: Option<&Value>| value.map_or(Some(0), Value::as_i64);
            match (number(Some(head)), number(Some(incoming)), number(was)) {
                (Some(head), Some(incoming), Some(base)) => Some(json!(head + incoming - base)),
                _ => return FieldOutcome::Undecided,
            }
        }
        (Resolver::Max, Some(head), Some(incoming)) => {
            if head.as_i64() >= incoming.as_i64() {
                Some(head.clone())
            } else {
                Some(incoming.clone())
            }
        }
        (_, Some(head), Some(incoming)) => {
            let mut all: Vec<i64> = [head, incoming]
                .into_iter()
                .flat_map(|side| side.as_array().unwrap())
                .filter_map(Value::as_i64)
                .collect();
            all.sort_unstable();
            all.dedup();
            Some(json!(all))
        }
    };
    FieldOutcome::Value(value)
}
