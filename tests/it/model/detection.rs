//! Whether a change is in conflict, and of which type the conflict is.

use serde_json::Value;

use super::decision::{later, silently};
use super::flow::{Entry, Flow};
use super::folding::{Base, Change};
use super::rules::{Detect, Resolver, Rules};
use super::three_way::Side;
use super::words::Batch;

/// A type of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InsertInsert,
    UpdateUpdate,
    UpdateDelete,
    DeleteUpdate,
    UpdateRecentlyDeleted,
    OutOfOrder,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InsertInsert => "insert-insert",
            Self::UpdateUpdate => "update-update",
            Self::UpdateDelete => "update-delete",
            Self::DeleteUpdate => "delete-update",
            Self::UpdateRecentlyDeleted => "update-recently-deleted",
            Self::OutOfOrder => "out-of-order",
        }
    }
}

/// A conflict, and what the base knows: nothing, that there was no record, or the record.
pub(super) struct Conflict {
    pub(super) kind: Kind,
    pub(super) known: Option<Option<Value>>,
}

/// How a change meets head's record.
pub(super) enum Finding {
    /// There is nothing to do.
    Equal,
    /// It is no change: what others did stays.
    Stands,
    /// It is stored as it came.
    Follows,
    /// Both sides changed other fields.
    Merged(Entry),
    /// Somebody changed the record meanwhile.
    Conflict(Conflict),
}

/// Compares a change with head.
pub(super) fn detect(flow: &Flow, rules: &Rules, head: Option<&Entry>, change: &Change, batch: &Batch) -> Finding {
    if change.stands {
        return Finding::Stands;
    }
    let Some(head) = head else { return Finding::Follows };
    let (follows, known) = match &change.base {
        Base::Head => (true, None),
        Base::None => (false, None),
        Base::Absent => (head.value.is_none(), Some(None)),
        Base::Value(value) => (head.value.as_ref() == Some(value), Some(Some(value.clone()))),
        Base::Version(version) => (head.rev <= *version, Some(flow.record_at(*version, &change.place).cloned())),
    };
    let sums = rules.fields.iter().any(|(_, resolver)| *resolver == Resolver::Delta);
    if head.value == change.value {
        // Two that add the same have added it twice.
        let twice = sums && head.by != batch.source && known.is_some() && !follows && head.value.is_some();
        if !twice {
            return Finding::Equal;
        }
    }
    if head.by == batch.source {
        let is_late = change.clock.is_some_and(|at| at < head.at) && change.base != Base::Head;
        if is_late && batch.sequence.is_none() && rules.resolver(Kind::OutOfOrder).is_some() {
            return Finding::Conflict(Conflict { kind: Kind::OutOfOrder, known });
        }
        return Finding::Follows;
    }
    if change.is_full && change.value.is_some() && known.as_ref() == Some(&change.value) {
        return Finding::Stands;
    }
    let follows = match (rules.detect, change.clock) {
        (Detect::Clock, Some(_)) if change.base != Base::Head => later(head, change, batch) == Side::Incoming,
        _ => follows,
    };
    if follows {
        return Finding::Follows;
    }
    let kind = match (&head.value, &change.value, &known) {
        (Some(_), Some(_), Some(None)) => Kind::InsertInsert,
        (Some(_), Some(_), _) => Kind::UpdateUpdate,
        (Some(_), None, _) => Kind::UpdateDelete,
        (None, _, None) => Kind::UpdateRecentlyDeleted,
        (None, _, Some(_)) => Kind::DeleteUpdate,
    };
    if rules.detect == Detect::ChangedFields
        && let Some(merged) = silently(rules, known.as_ref(), head, change, batch, flow.version() + 1)
    {
        return Finding::Merged(merged);
    }
    Finding::Conflict(Conflict { kind, known })
}
