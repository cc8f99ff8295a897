//! Two values that grew from one: member by member, and fields that have a rule.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{FieldBase, FieldOutcome, field};
use super::rules::{Resolver, Rules};

/// One of the two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Head,
    Incoming,
}

/// A merged value.
pub(super) struct Merge {
    /// `None`: a field was undecided.
    pub(super) value: Option<Value>,
    /// Both changed a member differently that has no rule.
    pub(super) contested: bool,
    pub(super) head_lost: bool,
    pub(super) incoming_lost: bool,
    /// What decided about single fields.
    pub(super) fields: Vec<FieldDecision>,
}

/// What decided about a field: its path, the resolver, and whose value it has.
pub(super) type FieldDecision = (String, Resolver, &'static str);

/// Merges two values; `winner` takes what both changed differently. `None`: they are not merged member by member.
pub(super) fn merge(
    rules: &Rules,
    known: Option<&Option<Value>>,
    head: &Value,
    incoming: &Value,
    winner: Side,
) -> Option<Merge> {
    // Both inserted it: as from an object without members.
    let empty = Value::Object(Map::new());
    let base = known?.as_ref().unwrap_or(&empty);
    let is_object = |value: &Value| value.as_object().is_some_and(is_plain);
    let objects = [base, head, incoming].into_iter().all(is_object);
    let is_whole = known?.is_some() && (base == head || base == incoming);
    if !is_whole && !objects {
        return None;
    }
    let mut merge = Merge {
        value: None,
        contested: false,
        head_lost: false,
        incoming_lost: false,
        fields: Vec::new(),
    };
    let merged = merge.member(rules, "", (Some(base), Some(head), Some(incoming)), winner);
    let ruled = rule_fields(rules, known, (head, incoming), merged.unwrap_or_default(), winner);
    merge.head_lost |= ruled.head_lost;
    merge.incoming_lost |= ruled.incoming_lost;
    merge.fields.extend(ruled.fields);
    merge.fields.sort_by(|one, other| one.0.cmp(&other.0));
    merge.value = ruled.value;
    Some(merge)
}

/// A value whose fields with rules are decided.
pub(super) struct Ruled {
    /// `None`: a field was undecided.
    pub(super) value: Option<Value>,
    pub(super) fields: Vec<FieldDecision>,
    pub(super) head_lost: bool,
    pub(super) incoming_lost: bool,
}

/// Decides about the fields that have rules; the rest is as in `value`.
pub(super) fn rule_fields(
    rules: &Rules,
    known: Option<&Option<Value>>,
    (head, incoming): (&Value, &Value),
    mut value: Value,
    later: Side,
) -> Ruled {
    let mut ruled =
        Ruled { value: None, fields: Vec::new(), head_lost: false, incoming_lost: false };
    let is_object = |value: &Value| value.as_object().is_some_and(is_plain);
    let mut undecided = false;
    if let Some(members) = value.as_object_mut().filter(|_| is_object(head) && is_object(incoming))
    {
        for (name, resolver) in rules.fields {
            let base = match known {
                None => FieldBase::Unknown,
                Some(base) => FieldBase::Known(base.as_ref().and_then(|base| base.get(name))),
            };
            match field(*resolver, base, head.get(name), incoming.get(name), later) {
                FieldOutcome::Agrees => {}
                FieldOutcome::Undecided => {
                    undecided = true;
                    ruled.fields.push(((*name).to_owned(), *resolver, "none"));
                }
                FieldOutcome::Value(value, loses) => {
                    let whose = match () {
                        () if value.as_ref() == incoming.get(name) => "incoming",
                        () if value.as_ref() == head.get(name) => "head",
                        () => "merged",
                    };
                    ruled.fields.push(((*name).to_owned(), *resolver, whose));
                    // A side is picked, and the other one had something else to say.
                    let (ours, theirs) = (head.get(name), incoming.get(name));
                    ruled.head_lost |=
                        loses && value.as_ref() != ours && base != FieldBase::Known(ours);
                    ruled.incoming_lost |=
                        loses && value.as_ref() != theirs && base != FieldBase::Known(theirs);
                    match value {
                        Some(value) => drop(members.insert((*name).to_owned(), value)),
                        None => drop(members.remove(*name)),
                    }
                }
            }
        }
    }
    ruled.value = Some(value).filter(|_| !undecided);
    ruled
}

impl Merge {
    fn member(
        &mut self,
        rules: &Rules,
        path: &str,
        (base, head, incoming): (Option<&Value>, Option<&Value>, Option<&Value>),
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
            && [base, head, incoming].into_iter().all(is_plain)
        {
            let mut merged = Map::new();
            let names: BTreeSet<_> =
                base.keys().chain(head.keys()).chain(incoming.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                // What has a rule is decided by it.
                if rules.fields.iter().any(|(field, _)| *field == path) {
                    if let Some(value) = head.get(name) {
                        merged.insert(name.clone(), value.clone());
                    }
                    continue;
                }
                let sides = (base.get(name), head.get(name), incoming.get(name));
                if let Some(value) = self.member(rules, &path, sides, winner) {
                    merged.insert(name.clone(), value);
                }
            }
            return Some(merged.into());
        }
        self.contested = true;
        let whose = if winner == Side::Head { "head" } else { "incoming" };
        self.fields.push((path.to_owned(), Resolver::LastWriteWins, whose));
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
