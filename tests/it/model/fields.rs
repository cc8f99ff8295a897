//! Fields that have a resolver of their own.

use serde_json::{Value, json};

use super::rules::Resolver;
use super::three_way::Side;

/// What becomes of a field.
pub(super) enum FieldOutcome {
    /// Both sides agree about it.
    Agrees,
    Undecided,
    /// The value now, and true if something of a side may be lost.
    Value(Option<Value>, bool),
}

/// What is known of a field before both changes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FieldBase<'a> {
    Unknown,
    /// `None`: there was no such field.
    Known(Option<&'a Value>),
}

/// Decides about one field; `later` is the side with the later clock.
pub(super) fn field(
    resolver: Resolver,
    base: FieldBase<'_>,
    head: Option<&Value>,
    incoming: Option<&Value>,
    later: Side,
) -> FieldOutcome {
    let is_twice = resolver == Resolver::Delta
        && head.is_some()
        && base != FieldBase::Unknown
        && base != FieldBase::Known(head);
    if head == incoming && !is_twice {
        return FieldOutcome::Agrees;
    }
    match resolver {
        Resolver::Delta => delta(base, head, incoming),
        Resolver::LastWriteWins => side(later, base, head, incoming),
        Resolver::FirstWriteWins => side(other(later), base, head, incoming),
        Resolver::HeadWins => side(Side::Head, base, head, incoming),
        Resolver::IncomingWins => side(Side::Incoming, base, head, incoming),
        Resolver::Immutable => FieldOutcome::Value(immutable(base, head, incoming), true),
        _ => match (head, incoming) {
            (Some(head), Some(incoming)) => both(resolver, head, incoming),
            // Such a field can change but never go.
            (only, None) | (None, only) => FieldOutcome::Value(only.cloned(), true),
        },
    }
}

fn other(side: Side) -> Side {
    if side == Side::Head { Side::Incoming } else { Side::Head }
}

/// The side that alone changed the field, else the one that is picked.
fn side(
    picked: Side,
    base: FieldBase<'_>,
    head: Option<&Value>,
    incoming: Option<&Value>,
) -> FieldOutcome {
    let side = match base {
        FieldBase::Known(was) if was == incoming => Side::Head,
        FieldBase::Known(was) if was == head => Side::Incoming,
        _ => picked,
    };
    FieldOutcome::Value(if side == Side::Head { head } else { incoming }.cloned(), true)
}

/// A field that is known to have had a value keeps it.
fn immutable(base: FieldBase<'_>, head: Option<&Value>, incoming: Option<&Value>) -> Option<Value> {
    match base {
        FieldBase::Known(Some(was)) => Some(was.clone()),
        _ => head.or(incoming).cloned(),
    }
}

fn delta(base: FieldBase<'_>, head: Option<&Value>, incoming: Option<&Value>) -> FieldOutcome {
    let FieldBase::Known(was) = base else { return FieldOutcome::Undecided };
    let (Some(head), Some(incoming)) = (head, incoming) else {
        return match was {
            Some(_) => FieldOutcome::Undecided,
            None => FieldOutcome::Value(head.or(incoming).cloned(), true),
        };
    };
    let number = |value: Option<&Value>| value.map_or(Some(0), Value::as_i64);
    match (number(Some(head)), number(Some(incoming)), number(was)) {
        (Some(head), Some(incoming), Some(base)) => {
            FieldOutcome::Value(Some(json!(head + incoming - base)), false)
        }
        _ => FieldOutcome::Undecided,
    }
}

/// Decides where both sides have a value.
fn both(resolver: Resolver, head: &Value, incoming: &Value) -> FieldOutcome {
    let side = |incoming_wins: bool| {
        FieldOutcome::Value(Some(if incoming_wins { incoming } else { head }.clone()), true)
    };
    match resolver {
        Resolver::Max => side(incoming.as_i64() > head.as_i64()),
        Resolver::Min => side(incoming.as_i64() < head.as_i64()),
        Resolver::Order(states) => {
            let place =
                |value: &Value| states.iter().position(|state| Some(*state) == value.as_i64());
            match (place(head), place(incoming)) {
                (Some(head), Some(incoming)) => side(incoming > head),
                _ => FieldOutcome::Undecided,
            }
        }
        _ => {
            let all = [head, incoming].into_iter().flat_map(|side| side.as_array().unwrap());
            let mut all: Vec<i64> = all.filter_map(Value::as_i64).collect();
            all.sort_unstable();
            all.dedup();
            FieldOutcome::Value(Some(json!(all)), false)
        }
    }
}
