//! Two values that grew from one: member by member.

use serde_json::{Map, Value};

/// One of the two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Head,
    Incoming,
}

/// A merged value, and the sides of which something is not in it.
pub(super) struct Merge {
    pub(super) value: Value,
    pub(super) head_lost: bool,
    pub(super) incoming_lost: bool,
}

/// Merges two values; `winner` takes what both changed differently.
pub(super) fn three_way(base: &Value, head: &Value, incoming: &Value, winner: Side) -> Merge {
    let mut merge = Merge { value: Value::Null, head_lost: false, incoming_lost: false };
    if let Some(value) = merge.member(Some(base), Some(head), Some(incoming), winner) {
        merge.value = value;
    }
    merge
}

impl Merge {
    fn member(
        &mut self,
        base: Option<&Value>,
        head: Option<&Value>,
        incoming: Option<&Value>,
        winner: Side,
    ) -> Option<Value> {
        if head == incoming || base == incoming {
            return head.cloned();
        }
        if base == head {
            return incoming.cloned();
        }
        if let (Some(Value::Object(base)), Some(Value::Object(head)), Some(Value::Object(incoming))) =
            (base, head, incoming)
            && [base, head, incoming].iter().all(|value| is_plain(value))
        {
            let mut merged = Map::new();
            let names: std::collections::BTreeSet<_> = base.keys().chain(head.keys()).chain(incoming.keys()).collect();
            for name in names {
                if let Some(value) = self.member(base.get(name), head.get(name), incoming.get(name), winner) {
                    merged.insert(name.clone(), value);
                }
            }
            return Some(merged.into());
        }
        match winner {
            Side::Head => self.incoming_lost = true,
            Side::Incoming => self.head_lost = true,
        }
        if winner == Side::Head { head.cloned() } else { incoming.cloned() }
    }
}

/// Returns false for a value with a tag, which is whole.
fn is_plain(value: &Map<String, Value>) -> bool {
    !value.keys().any(|name| name.starts_with('~') && !name.starts_with("~~"))
}
