//! Whether a change is in conflict, and of which type the conflict is.

use serde_json::Value;

use super::decision::{later, silently};
use super::flow::{Draft, Entry, Flow};
use super::folding::{Base, Change};
use super::retention::Forgetting;
use super::rules::{Detect, Resolver};
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
    UpdateMissing,
    UniqueIndex,
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
            Self::UpdateMissing => "update-missing",
            Self::UniqueIndex => "unique-index",
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
    /// It may have been deleted, which nobody remembers; with what is known of it.
    Missing(Option<Option<Value>>),
    /// Somebody changed the record meanwhile.
    Conflict(Conflict),
}

/// Compares a change with head.
pub(super) fn detect(
    flow: &Flow,
    draft: &Draft,
    change: &Change,
    batch: &Batch,
    forgetting: Forgetting,
) -> Finding {
    let (rules, head) = (flow.rules, draft.records.get(&change.place));
    if change.stands {
        return Finding::Stands;
    }
    let Some(head) = head else { return missing(flow, draft, change, forgetting) };
    let (follows, known) = match &change.base {
        // Of a record of an object store that was made anew since.
        Base::Version(version) if draft.is_before_recreation(*version, &change.place.0) => {
            (false, None)
        }
        Base::Head => (true, None),
        Base::None => (false, None),
        Base::Absent => (head.value.is_none(), Some(None)),
        Base::Value(value) => (head.value.as_ref() == Some(value), Some(Some(value.clone()))),
        Base::Version(version) => {
            (head.rev <= *version, Some(flow.record_at(*version, &change.place).cloned()))
        }
    };
    let sums = rules.fields.iter().any(|(_, resolver)| *resolver == Resolver::Delta);
    if head.value == change.value {
        // Two that add the same have added it twice.
        let twice =
            sums && head.by != batch.source && known.is_some() && !follows && head.value.is_some();
        if !twice {
            return Finding::Equal;
        }
    }
    // Whoever touches an immutable field is in conflict.
    let touches = rules.fields.iter().any(|(name, resolver)| {
        let field = |value: &Option<Value>| {
            value.as_ref().filter(|value| value.is_object())?.get(name).cloned()
        };
        let stored = field(&head.value);
        *resolver == Resolver::Immutable
            && change.value.is_some()
            && stored.is_some()
            && stored != field(&change.value)
    });
    if head.by == batch.source {
        let is_late = change.clock.is_some_and(|at| at < head.at) && change.base != Base::Head;
        if is_late && batch.sequence.is_none() && rules.resolver(Kind::OutOfOrder).is_some() {
            return Finding::Conflict(Conflict { kind: Kind::OutOfOrder, known });
        }
        if !touches {
            return Finding::Follows;
        }
    }
    let is_own = head.by == batch.source;
    if change.is_full && !is_own && known.as_ref() == Some(&change.value) {
        return Finding::Stands;
    }
    let follows = match (rules.detect, change.clock) {
        (Detect::Clock, Some(_)) if change.base != Base::Head => {
            later(head, change, batch) == Side::Incoming
        }
        _ => follows,
    };
    if (follows || is_own) && !touches {
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
        && !touches
        && let Some(merged) =
            silently(rules, known.as_ref(), head, change, batch, flow.version() + 1)
    {
        return Finding::Merged(merged);
    }
    Finding::Conflict(Conflict { kind, known })
}

/// Compares a change with nothing.
fn missing(flow: &Flow, draft: &Draft, change: &Change, forgetting: Forgetting) -> Finding {
    // What a range alone covers leaves a tombstone only if there was a record.
    if change.bulk && !change.is_named && !change.is_full {
        return Finding::Equal;
    }
    if change.value.is_none() || flow.rules.resolver(Kind::UpdateMissing).is_none() {
        return Finding::Follows;
    }
    let stale = if forgetting.stale { Finding::Missing(None) } else { Finding::Follows };
    let known = match &change.base {
        Base::None | Base::Head => return stale,
        Base::Absent => return Finding::Follows,
        Base::Value(value) => Some(value.clone()),
        Base::Version(version) if draft.is_before_recreation(*version, &change.place.0) => {
            return stale;
        }
        Base::Version(version)
            if forgetting.forgotten.is_none_or(|forgotten| *version >= forgotten) =>
        {
            return Finding::Follows;
        }
        Base::Version(version) => flow.record_at(*version, &change.place).cloned(),
    };
    match known {
        known if change.is_full && known == change.value => Finding::Stands,
        // It was not there when the source read it either.
        None => Finding::Follows,
        known => Finding::Missing(Some(known)),
    }
}
