//! What decides a conflict, what stands then, and what the log keeps of it.

use serde_json::{Value, json};

use super::detection::Conflict;
use super::flow::Entry;
use super::folding::Change;
use super::rules::{Resolver, Rules};
use super::three_way::{FieldDecision, Merge, Side, merge, rule_fields};
use super::words::Batch;

/// How a conflict ended.
pub(super) struct Decision {
    pub(super) rule: String,
    pub(super) winner: &'static str,
    pub(super) stands: Entry,
    /// The value of its line in `~conflicts`.
    pub(super) logged: Value,
}

/// Returns the digest of a canonical value; null for a deletion.
pub(super) fn digest(value: Option<&Value>) -> Value {
    value.map_or(Value::Null, |value| {
        blake3::hash(value.to_string().as_bytes()).to_hex().as_str().into()
    })
}

/// Returns the side with the later clock; a change without a clock arrives later.
pub(super) fn later(head: &Entry, change: &Change, batch: &Batch) -> Side {
    let Some(at) = change.clock else { return Side::Incoming };
    let order =
        |value: &Option<Value>| digest(value.as_ref()).as_str().unwrap_or_default().to_owned();
    let ours = (head.at, head.by.clone(), order(&head.value));
    let theirs = (at, batch.source.clone(), order(&change.value));
    if theirs > ours { Side::Incoming } else { Side::Head }
}

/// What a resolver makes of the two sides.
struct Outcome {
    /// What stands; `Err`: the change waits for a person.
    value: Result<Option<Value>, ()>,
    rule: &'static str,
    lost: (bool, bool),
    fields: Vec<FieldDecision>,
}

fn side(side: Side, head: &Entry, change: &Change, rule: &'static str) -> Outcome {
    match side {
        Side::Head => {
            Outcome { value: Ok(head.value.clone()), rule, lost: (false, true), fields: Vec::new() }
        }
        Side::Incoming => Outcome {
            value: Ok(change.value.clone()),
            rule,
            lost: (true, false),
            fields: Vec::new(),
        },
    }
}

/// Decides by one resolver about the whole record.
fn resolve(
    rules: &Rules,
    resolver: Resolver,
    known: Option<&Option<Value>>,
    head: &Entry,
    change: &Change,
    batch: &Batch,
) -> Outcome {
    let later = later(head, change, batch);
    let earlier = if later == Side::Head { Side::Incoming } else { Side::Head };
    let name = match resolver {
        Resolver::LastWriteWins if rules.is_builtin() => {
            if change.clock.is_some() {
                "newer"
            } else {
                "incoming"
            }
        }
        _ => resolver.name(),
    };
    let whole = |to: Side| {
        let mut whole = side(to, head, change, name);
        if let (Some(ours), Some(theirs)) = (&head.value, &change.value)
            && let Ok(Some(value)) = &whole.value
        {
            let ruled = rule_fields(rules, known, (ours, theirs), value.clone(), later);
            whole.lost = (whole.lost.0 || ruled.head_lost, whole.lost.1 || ruled.incoming_lost);
            whole.value = ruled.value.map(Some).ok_or(());
            whole.fields = ruled.fields;
        }
        whole
    };
    match resolver {
        Resolver::LastWriteWins => whole(later),
        Resolver::FirstWriteWins => whole(earlier),
        Resolver::IncomingWins => whole(Side::Incoming),
        Resolver::HeadWins | Resolver::Skip => whole(Side::Head),
        Resolver::ThreeWay => {
            if let (Some(ours), Some(theirs)) = (&head.value, &change.value)
                && let Some(Merge { value, contested, head_lost, incoming_lost, fields, .. }) =
                    merge(rules, known, ours, theirs, later)
            {
                let rule =
                    if contested && value.is_some() { "three-way-contested" } else { "three-way" };
                let value = value.ok_or(()).map(Some);
                return Outcome { value, rule, lost: (head_lost, incoming_lost), fields };
            }
            resolve(rules, Resolver::LastWriteWins, known, head, change, batch)
        }
        _ => Outcome { value: Err(()), rule: name, lost: (false, true), fields: Vec::new() },
    }
}

/// Decides a conflict; `Err`: the policy refuses the batch.
pub(super) fn decide(
    rules: &Rules,
    conflict: &Conflict,
    head: &Entry,
    change: &Change,
    batch: &Batch,
    version: u32,
) -> Result<Decision, ()> {
    let Conflict { kind, known } = conflict;
    let at = change.clock.unwrap_or(batch.received_at);
    let incoming =
        Entry { value: change.value.clone(), at, by: batch.source.clone(), rev: version };
    let resolver = rules.resolver(*kind).unwrap();
    if resolver == Resolver::Fail {
        return Err(());
    }
    let Outcome { value, rule, lost, fields } =
        resolve(rules, resolver, known.as_ref(), head, change, batch);
    let stands = match &value {
        Err(_) => head.clone(),
        Ok(value) if *value == head.value => head.clone(),
        Ok(value) if *value == incoming.value => incoming.clone(),
        Ok(value) => Entry { value: value.clone(), at: head.at.max(at), by: None, rev: version },
    };
    let winner = match () {
        () if value.is_err() => "none",
        () if stands == *head => "head",
        () if stands == incoming => "incoming",
        () => "merged",
    };
    let rule = format!("{}/{rule}", rules.scope());
    let side = |entry: &Entry, lost: bool| {
        let mut side = json!({"at": entry.at, "digest": digest(entry.value.as_ref())});
        if let Some(by) = &entry.by {
            side["by"] = json!(by);
        }
        if let (true, Some(value)) = (lost, &entry.value) {
            side["value"] = value.clone();
        }
        side
    };
    let base = known.as_ref().and_then(Option::as_ref);
    // What is parked is kept whole; head stays. Where both say the same, nothing is lost.
    let lost = match () {
        () if value.is_err() => (false, true),
        () if winner == "head" && head.value == change.value => (false, false),
        () => lost,
    };
    let mut logged = json!({"base": digest(base), "head": side(head, lost.0), "incoming": side(&incoming, lost.1),
        "rule": rule, "type": kind.name(), "winner": winner});
    if let (Err(_), Some(base)) = (&value, base) {
        logged["baseValue"] = base.clone();
    }
    if value.is_err() {
        logged["reason"] = json!(true);
    }
    if !fields.is_empty() && !rules.is_builtin() && value.is_ok() {
        let line = |(field, resolver, winner): FieldDecision| json!({"field": field, "resolver": resolver.name(), "winner": winner});
        logged["fields"] = fields.into_iter().map(line).collect();
    }
    Ok(Decision { rule, winner, stands, logged })
}

/// Returns what both sides come to without a conflict, if no field is contested.
pub(super) fn silently(
    rules: &Rules,
    known: Option<&Option<Value>>,
    head: &Entry,
    change: &Change,
    batch: &Batch,
    version: u32,
) -> Option<Entry> {
    let (Some(ours), Some(theirs)) = (&head.value, &change.value) else { return None };
    // Without a word only where no field with a rule was changed by both.
    let was = |name: &str| known?.as_ref()?.get(name);
    let changed = |side: &Value, name: &str| side.get(name) != was(name);
    if rules.fields.iter().any(|(name, _)| changed(ours, name) && changed(theirs, name)) {
        return None;
    }
    let bare = Rules { fields: &[], ..rules.clone() };
    let merge = merge(&bare, known, ours, theirs, Side::Head).filter(|merge| !merge.contested)?;
    let at = change.clock.unwrap_or(batch.received_at);
    let value = merge.value?;
    Some(match () {
        () if value == *ours => head.clone(),
        () if value == *theirs => {
            Entry { value: Some(value), at, by: batch.source.clone(), rev: version }
        }
        () => Entry { value: Some(value), at: head.at.max(at), by: None, rev: version },
    })
}
