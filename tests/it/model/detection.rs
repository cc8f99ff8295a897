//! Whether a change is in conflict, and of which type the conflict is.

use serde_json::Value;

use super::flow::{Entry, Flow};
use super::folding::{Base, Change};
use super::words::Batch;

/// A type of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InsertInsert,
    UpdateUpdate,
    UpdateDelete,
    DeleteUpdate,
    UpdateRecentlyDeleted,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InsertInsert => "insert-insert",
            Self::UpdateUpdate => "update-update",
            Self::UpdateDelete => "update-delete",
            Self::DeleteUpdate => "delete-update",
            Self::UpdateRecentlyDeleted => "update-recently-deleted",
        }
    }
}

/// How a change meets head's record.
pub(super) enum Finding {
    /// There is nothing to do.
    Equal,
    /// It is no change: what others did stays.
    Stands,
    /// It is stored as it came.
    Follows,
    /// Somebody changed the record meanwhile; the value is the base's.
    Conflict(Kind, Option<Value>),
}

/// Compares a change with head by the table of `base-revision`.
pub(super) fn detect(flow: &Flow, head: Option<&Entry>, change: &Change, batch: &Batch) -> Finding {
    if change.stands {
        return Finding::Stands;
    }
    let Some(head) = head else { return Finding::Follows };
    if head.value == change.value {
        return Finding::Equal;
    }
    if head.by == batch.source {
        return Finding::Follows;
    }
    // What the base knows: nothing, that there was no record, or the record.
    let (follows, known) = match &change.base {
        Base::Head => (true, None),
        Base::None => (false, None),
        Base::Absent => (head.value.is_none(), Some(None)),
        Base::Value(value) => (head.value.as_ref() == Some(value), Some(Some(value.clone()))),
        Base::Version(version) => (head.rev <= *version, Some(flow.record_at(*version, &change.place).cloned())),
    };
    if change.is_full && change.value.is_some() && known.as_ref() == Some(&change.value) {
        return Finding::Stands;
    }
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
    Finding::Conflict(kind, known.flatten())
}
