//! What decides a conflict, what stands then, and what the log keeps of it.

use serde_json::{Value, json};

use super::detection::Kind;
use super::flow::Entry;
use super::folding::Change;
use super::three_way::{Side, three_way};
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
    value.map_or(Value::Null, |value| blake3::hash(value.to_string().as_bytes()).to_hex().as_str().into())
}

/// Returns the side with the later clock; a change without a clock arrives later.
fn later(head: &Entry, change: &Change, batch: &Batch) -> Side {
    let Some(at) = change.clock else { return Side::Incoming };
    let order = |value: &Option<Value>| digest(value.as_ref()).as_str().unwrap_or_default().to_owned();
    let ours = (head.at, head.by.clone(), order(&head.value));
    let theirs = (at, batch.source.clone(), order(&change.value));
    if theirs > ours { Side::Incoming } else { Side::Head }
}

/// Decides by the built-in default.
pub(super) fn decide(
    kind: Kind,
    base: Option<&Value>,
    head: Option<&Entry>,
    change: &Change,
    batch: &Batch,
    version: u32,
) -> Decision {
    let head = head.unwrap();
    let at = change.clock.unwrap_or(batch.received_at);
    let incoming = Entry { value: change.value.clone(), at, by: batch.source.clone(), rev: version };
    let later = later(head, change, batch);
    let mut lost = (false, false);
    let (rule, stands) = match (kind, base, &head.value, &change.value) {
        (Kind::UpdateUpdate, Some(base), Some(ours), Some(theirs)) => {
            let merge = three_way(base, ours, theirs, later);
            lost = (merge.head_lost, merge.incoming_lost);
            let rule = if lost == (false, false) { "default/three-way" } else { "default/three-way-contested" };
            let merged = || Entry { value: Some(merge.value.clone()), at: head.at.max(at), by: None, rev: version };
            let stands = match () {
                () if merge.value == *ours => head.clone(),
                () if merge.value == *theirs => incoming.clone(),
                () => merged(),
            };
            (rule, stands)
        }
        _ => {
            let rule = if change.clock.is_some() { "default/newer" } else { "default/incoming" };
            match later {
                Side::Head => lost.1 = true,
                Side::Incoming => lost.0 = true,
            }
            (rule, if later == Side::Head { head.clone() } else { incoming.clone() })
        }
    };
    let winner = match () {
        () if stands == *head => "head",
        () if stands == incoming => "incoming",
        () => "merged",
    };
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
    let logged = json!({"base": digest(base), "head": side(head, lost.0), "incoming": side(&incoming, lost.1),
        "rule": rule, "type": kind.name(), "winner": winner});
    Decision { rule: rule.to_owned(), winner, stands, logged }
}
