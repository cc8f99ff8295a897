//! What becomes of one change: pure functions, no I/O, no clock.

use std::cmp::Ordering;

use super::conflict::Winner;
use super::three_way::three_way;
use crate::normalize::Claim;
use crate::policy::ConflictType;
use crate::snapshot::{Line, LineState, SourceId};

/// One change of one key, folded, ready to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// What the source says the key is now. Never spilled: the value is at hand.
    pub state: LineState,
    /// The source's own clock, clamped, in milliseconds since 1970; `None` if it claimed none.
    pub clock: Option<i64>,
    /// The source, if the batch named one.
    pub by: Option<SourceId>,
}

/// What is known of a base once a conflict made it worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// Nothing.
    Unknown,
    /// The key had no record.
    Absent,
    /// The key had this canonical value.
    Value(&'a [u8]),
}

/// How a change stands to head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Nothing to do.
    Equal,
    /// The change follows head.
    FastForward,
    /// Both changed.
    Conflict,
}

/// The outcome of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Whose state stands.
    pub winner: Winner,
    /// Name of the rule that decided.
    pub rule: &'static str,
    /// The merged canonical value, if the winner is [`Winner::Merged`].
    pub merged: Option<Vec<u8>>,
    /// The side that lost something, which is to be kept whole.
    pub loser: Option<Winner>,
}

/// Compares a change with head's line (an entry or a tombstone) and the base that it claims.
pub fn detect(head: Option<&Line>, incoming: &Incoming, claim: &Claim) -> Detection {
    let Some(head) = head else { return Detection::FastForward };
    if head.state.same(&incoming.state) {
        return Detection::Equal;
    }
    let follows = head.meta.by == incoming.by
        || match claim {
            Claim::None => false,
            Claim::Version(version) => head.meta.rev <= *version,
            Claim::Value(value) => head.state.same(&LineState::Put(value.clone())),
            Claim::Absent => head.state == LineState::Delete,
        };
    if follows { Detection::FastForward } else { Detection::Conflict }
}

/// Names the type of a conflict.
pub fn conflict_kind(head: &LineState, incoming: &LineState, base: Base<'_>) -> ConflictType {
    match (head, incoming) {
        (LineState::Delete, _) => ConflictType::DeleteUpdate,
        (_, LineState::Delete) => ConflictType::UpdateDelete,
        _ if base == Base::Absent => ConflictType::InsertInsert,
        _ => ConflictType::UpdateUpdate,
    }
}

/// Resolves a conflict by the built-in default. `head_value` is head's canonical value, if it has one.
pub fn resolve(head: &Line, head_value: Option<&[u8]>, incoming: &Incoming, base: Base<'_>) -> Resolution {
    let (winner, rule) = whole(head, incoming);
    let loser = if winner == Winner::Head { Winner::Incoming } else { Winner::Head };
    if let (Base::Value(base), Some(head), LineState::Put(value)) = (base, head_value, &incoming.state)
        && let Some(merge) = three_way(base, head, value, winner == Winner::Incoming)
    {
        let loser = (merge.contested > 0).then_some(loser);
        let rule = if merge.contested > 0 { "default/three-way-contested" } else { "default/three-way" };
        // A merge that gives one side back is that side's win, and makes no entry of its own.
        let winner = match () {
            () if merge.value == head => Winner::Head,
            () if merge.value == **value => Winner::Incoming,
            () => Winner::Merged,
        };
        let merged = (winner == Winner::Merged).then_some(merge.value);
        return Resolution { winner, rule, merged, loser };
    }
    Resolution { winner, rule, merged: None, loser: Some(loser) }
}

/// Which whole side wins, and by which rule.
fn whole(head: &Line, incoming: &Incoming) -> (Winner, &'static str) {
    let Some(clock) = incoming.clock else { return (Winner::Incoming, "default/incoming") };
    let ties = || {
        let sources = incoming.by.cmp(&head.meta.by);
        sources.then_with(|| incoming.state.content_digest().cmp(&head.state.content_digest()))
    };
    match clock.cmp(&head.meta.at).then_with(ties) {
        Ordering::Less => (Winner::Head, "default/newer"),
        _ => (Winner::Incoming, "default/newer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::sortable_string;
    use crate::snapshot::{FlowVersion, Meta};

    fn put(text: &str) -> LineState {
        LineState::Put(text.as_bytes().into())
    }

    fn source(name: &str) -> Option<SourceId> {
        name.parse().ok()
    }

    fn version(number: u64) -> FlowVersion {
        FlowVersion::new(number).unwrap()
    }

    /// Head's line: written by `b` in version 5 at time 100.
    fn head(state: LineState) -> Line {
        Line { key: sortable_string("k"), meta: Meta { at: 100, by: source("b"), rev: version(5) }, state }
    }

    fn incoming(state: LineState, by: &str, clock: Option<i64>) -> Incoming {
        Incoming { state, clock, by: source(by) }
    }

    /// The whole truth table: head × incoming × source × claim.
    #[test]
    fn detection_enumerated() {
        let heads = [None, Some(put("1")), Some(LineState::Delete)];
        let states = [put("1"), put("2"), LineState::Delete];
        let claims = [
            Claim::None,
            Claim::Version(version(4)),
            Claim::Version(version(5)),
            Claim::Version(version(6)),
            Claim::Value(b"1".as_slice().into()),
            Claim::Value(b"3".as_slice().into()),
            Claim::Absent,
        ];
        // One row a head and state: E equal, F fast-forward, C conflict; per claim for another source.
        let expected =
            [["FFFFFFF", "FFFFFFF", "FFFFFFF"], ["EEEEEEE", "CCFFFCC", "CCFFFCC"], ["CCFFCCF", "CCFFCCF", "EEEEEEE"]];
        for (head_state, rows) in heads.iter().zip(expected) {
            for (state, row) in states.iter().zip(rows) {
                for (claim, letter) in claims.iter().zip(row.chars()) {
                    let line = head_state.clone().map(head);
                    let other = detect(line.as_ref(), &incoming(state.clone(), "a", None), claim);
                    let wanted = match letter {
                        'E' => Detection::Equal,
                        'F' => Detection::FastForward,
                        _ => Detection::Conflict,
                    };
                    assert_eq!(other, wanted, "head {head_state:?} incoming {state:?} claim {claim:?}");
                    // The source that wrote head last is never in conflict with itself.
                    let own = detect(line.as_ref(), &incoming(state.clone(), "b", None), claim);
                    let wanted = if wanted == Detection::Equal { wanted } else { Detection::FastForward };
                    assert_eq!(own, wanted, "own: head {head_state:?} incoming {state:?} claim {claim:?}");
                }
            }
        }
    }

    /// head, incoming, incoming's clock, base, expected winner, rule, loser, merged.
    #[test]
    fn resolution_enumerated() {
        use Winner::{Head, Incoming as Inc, Merged};
        let object = |x: u8, y: u8| format!(r#"{{"x":{x},"y":{y}}}"#);
        let (b, x2, y2, x3) = (object(1, 1), object(2, 1), object(1, 2), object(3, 1));
        let value = |text: &String| put(text);
        let delete = || LineState::Delete;
        let known = Base::Value(b.as_bytes());
        let rows = [
            (
                "other members: merged, nothing lost",
                value(&x2),
                value(&y2),
                None,
                known,
                Merged,
                "default/three-way",
                None,
                Some(object(2, 2)),
            ),
            (
                "the same member, no clock: incoming",
                value(&x2),
                value(&x3),
                None,
                known,
                Inc,
                "default/three-way-contested",
                Some(Head),
                None,
            ),
            (
                "the same member, older clock: head",
                value(&x2),
                value(&x3),
                Some(99),
                known,
                Head,
                "default/three-way-contested",
                Some(Inc),
                None,
            ),
            (
                "the same member, newer clock: incoming",
                value(&x2),
                value(&x3),
                Some(101),
                known,
                Inc,
                "default/three-way-contested",
                Some(Head),
                None,
            ),
            (
                "incoming changed nothing since base: head",
                value(&x2),
                value(&b),
                None,
                known,
                Head,
                "default/three-way",
                None,
                None,
            ),
            (
                "no base, no clock: incoming",
                value(&x2),
                value(&y2),
                None,
                Base::Unknown,
                Inc,
                "default/incoming",
                Some(Head),
                None,
            ),
            (
                "no base, older clock: head",
                value(&x2),
                value(&y2),
                Some(99),
                Base::Unknown,
                Head,
                "default/newer",
                Some(Inc),
                None,
            ),
            (
                "no base, newer clock: incoming",
                value(&x2),
                value(&y2),
                Some(101),
                Base::Unknown,
                Inc,
                "default/newer",
                Some(Head),
                None,
            ),
            (
                "inserted on both sides",
                value(&x2),
                value(&y2),
                None,
                Base::Absent,
                Inc,
                "default/incoming",
                Some(Head),
                None,
            ),
            (
                "incoming deletes, no clock",
                value(&x2),
                delete(),
                None,
                known,
                Inc,
                "default/incoming",
                Some(Head),
                None,
            ),
            ("incoming deletes, older", value(&x2), delete(), Some(99), known, Head, "default/newer", Some(Inc), None),
            ("head deleted, no clock", delete(), value(&x2), None, known, Inc, "default/incoming", Some(Head), None),
            (
                "head deleted, incoming older",
                delete(),
                value(&x2),
                Some(99),
                known,
                Head,
                "default/newer",
                Some(Inc),
                None,
            ),
            (
                "no objects: whole",
                put("1"),
                put("2"),
                None,
                Base::Value(b"0"),
                Inc,
                "default/incoming",
                Some(Head),
                None,
            ),
        ];
        for (what, head_state, state, clock, base, winner, rule, loser, merged) in rows {
            let line = head(head_state.clone());
            let head_value = if let LineState::Put(value) = &line.state { Some(&**value) } else { None };
            let found = resolve(&line, head_value, &incoming(state, "a", clock), base);
            let wanted = Resolution { winner, rule, merged: merged.map(String::into_bytes), loser };
            assert_eq!(found, wanted, "{what}");
        }
    }

    #[test]
    fn equal_clocks_are_decided_by_source_then_digest_on_both_sides_alike() {
        for (a, b) in [("a", "b"), ("c", "c")] {
            let (one, two) = (put("1"), put("2"));
            let line = |state: &LineState, by: &str| Line {
                meta: Meta { by: source(by), ..head(LineState::Delete).meta },
                ..head(state.clone())
            };
            let first = resolve(&line(&one, a), None, &incoming(two.clone(), b, Some(100)), Base::Unknown);
            let second = resolve(&line(&two, b), None, &incoming(one, a, Some(100)), Base::Unknown);
            assert_ne!(first.winner, second.winner, "the same side wins, whichever comes first");
        }
    }

    #[test]
    fn kinds() {
        let kind = |head: LineState, state: LineState, base| conflict_kind(&head, &state, base);
        assert_eq!(kind(put("1"), put("2"), Base::Unknown), ConflictType::UpdateUpdate);
        assert_eq!(kind(put("1"), put("2"), Base::Absent), ConflictType::InsertInsert);
        assert_eq!(kind(put("1"), LineState::Delete, Base::Unknown), ConflictType::UpdateDelete);
        assert_eq!(kind(LineState::Delete, put("2"), Base::Unknown), ConflictType::DeleteUpdate);
    }
}
